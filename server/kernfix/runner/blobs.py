"""Content-addressed uploads: a blob's name is its SHA-256, so a wrong hash is refused and equal content is stored once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO


class WrongHash(Exception):
    """The content does not have the hash that was announced."""


class Blobs:
    """The blobs in one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, digest: str) -> Path:
        """Where the blob of this hash is, or would be."""
        return self._root / digest[:2] / digest

    def has(self, digest: str) -> bool:
        """Whether the blob is there."""
        return self.path(digest).is_file()

    def read(self, digest: str) -> bytes:
        """The content; FileNotFoundError when there is no such blob."""
        return self.path(digest).read_bytes()

    def put(self, data: bytes) -> str:
        """Store bytes and give their hash."""
        digest = hashlib.sha256(data).hexdigest()
        if not self.has(digest):
            with self._partial(digest) as file:
                file.write(data)
        return digest

    async def receive(self, digest: str, chunks: AsyncIterator[bytes]) -> None:
        """Store a stream under its announced hash; WrongHash when it is another, and nothing is kept."""
        seen = hashlib.sha256()
        with self._partial(digest) as file:
            async for chunk in chunks:
                seen.update(chunk)
                file.write(chunk)
            if seen.hexdigest() != digest:
                raise WrongHash(f"the content's SHA-256 is {seen.hexdigest()}, not {digest}")

    @contextlib.contextmanager
    def _partial(self, digest: str) -> Iterator[BinaryIO]:
        """A file that becomes the blob only when the block ends well."""
        target = self.path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".partial-")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
