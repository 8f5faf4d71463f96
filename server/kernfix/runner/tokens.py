"""Bearer tokens: random, shown once, kept only as SHA-256 (they have 256 bits of their own, so a slow hash would add nothing)."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Tokens:
    """The tokens that a runner takes: those in its file, and the ones of this process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._once: dict[str, str] = {}

    def create(self, name: str) -> str:
        """Make a token that lasts, and give it; only its hash is kept."""
        token = secrets.token_urlsafe(32)
        partial = self._path.with_suffix(".partial")
        with self._alone():
            stored = {**self._stored(), name: _hash(token)}
            partial.unlink(missing_ok=True)  # a new file, so that its permissions are ours
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(stored, file)
            partial.replace(self._path)
        return token

    def create_once(self) -> str:
        """Make a token that ends with this process."""
        token = secrets.token_urlsafe(32)
        self._once["embedded"] = _hash(token)
        return token

    def names(self) -> list[str]:
        """The names of the lasting tokens."""
        return sorted(self._stored())

    def accepts(self, token: str) -> bool:
        """Whether this is one of the tokens; compared in constant time."""
        given = _hash(token)
        known = [*self._stored().values(), *self._once.values()]
        return sum(hmac.compare_digest(given, each) for each in known) > 0

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder: of two tokens made at the same time both are kept."""
        handle = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _stored(self) -> dict[str, str]:
        if not self._path.exists():
            return {}
        return dict(json.loads(self._path.read_text()))
