"""Where the locations of a crash are in the text that the user sees now.

A location was found in the files on disk. As long as its file is open, the line that its selector means in the buffer is where it is; when
the line itself was edited, the same place in its function.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from kernfix.lsp.text import Text

if TYPE_CHECKING:
    from kernfix.lsp.session import KernfixServer
    from kernfix.source.model import Location

LIMIT = 64
"""Documents whose lines are remembered."""


class Places:
    """Places in the documents of one session; what was looked up is remembered until the document changes."""

    def __init__(self, server: KernfixServer) -> None:
        self._server = server
        self._lines: dict[str, tuple[int | None, dict[str, int | None]]] = {}

    def of(self, root: Path, location: Location) -> types.Location | None:
        """The code of the line; None when the file cannot be read any more, or the buffer has nothing like it."""
        path = root / location.path
        line = self.line(path, location)
        text = self._server.source(path) if line is not None else None
        if line is None or text is None or line > len(text.lines):
            return None
        return types.Location(self._server.address(path), text.code(line - 1))

    def line(self, path: Path, location: Location) -> int | None:
        """The 1-based line of a location of the file `path`; None when the buffer has nothing like it."""
        uri = self._server.address(path)
        document = self._server.document(uri)
        if document is None:
            return location.line
        version, lines = self._lines.get(uri, (None, {}))
        if version != document.version:
            lines = {}
        if len(self._lines) > LIMIT:
            self._lines.clear()
        self._lines[uri] = (document.version, lines)
        if location.selector not in lines:
            lines[location.selector] = _now(document.text, location)
        return lines[location.selector]


def _now(text: Text, location: Location) -> int | None:
    """The line that the location's selector means in `text`."""
    from kernfix.source.relocate import named
    from kernfix.source.selector import parse_selector, resolve

    selector = parse_selector(location.selector)
    if selector is None:
        return location.line
    alike = resolve(location.selector, lambda _: text.source).candidates
    if alike:
        best = [candidate.line for candidate in alike if candidate.score == alike[0].score]
        return min(best, key=lambda line: abs(line - location.line))
    for function in named(text.source, selector.symbol) if selector.symbol else ():
        return min(function.start + selector.offset, function.end)
    return None
