"""What diagnostics the client has been told, so that several logs can mark the same file and each takes back only its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import unquote

from lsprotocol import types

Marks = Mapping[str, Sequence[types.Diagnostic]]
"""Diagnostics by document URI."""


class Published:
    """The diagnostics of each owner (a log's URI)."""

    def __init__(self, send: Callable[[types.PublishDiagnosticsParams], None]) -> None:
        self._send = send
        self._marks: dict[str, Marks] = {}

    def replace(self, owner: str, marks: Marks) -> None:
        """Publish `marks` in place of what the owner had before; documents without any are cleared."""
        before = self._marks.pop(owner, {})
        if marks:
            self._marks[owner] = marks
        for uri in sorted({*before, *marks}):
            if before.get(uri) != marks.get(uri):
                everyones = [mark for owned in self._marks.values() for mark in owned.get(uri, ())]
                self._send(types.PublishDiagnosticsParams(uri=uri, diagnostics=everyones))

    def of(self, owner: str, uri: str) -> Sequence[types.Diagnostic]:
        """What the owner has published for one document."""
        found = (marks for known, marks in self._marks.get(owner, {}).items() if unquote(known) == unquote(uri))
        return next(found, ())
