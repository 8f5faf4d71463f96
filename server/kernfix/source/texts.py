"""The files of one tree while a crash is being located, each read once, and each line looked for once."""

from __future__ import annotations

from kernfix.source.functions import Spot, function_around, invocation_around, spot
from kernfix.source.index.assembly import labels
from kernfix.source.index.model import Use
from kernfix.source.model import Function, How, Location
from kernfix.source.names import same_function
from kernfix.source.relocate import named
from kernfix.source.selector import make_selector
from kernfix.source.tree import Tree


def _text(source: bytes) -> str:
    return source.decode("utf-8", "surrogateescape")


class Texts:
    """Answers from a tree's files; a file that cannot be read has no lines."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._found: dict[str, str | None] = {}
        self._sources: dict[str, bytes] = {}
        self._texts: dict[str, str] = {}
        self._spots: dict[tuple[str, int], Spot | None] = {}

    def find(self, stated: str) -> str | None:
        """The file that a log or debug information means; see `Tree.find`."""
        if stated not in self._found:
            self._found[stated] = self.tree.find(stated)
        return self._found[stated]

    def source(self, path: str) -> bytes:
        """A file as it is."""
        if path not in self._sources:
            self._sources[path] = self.tree.read_bytes(path) or b""
        return self._sources[path]

    def text(self, path: str) -> str:
        """A file's text, as `Tree.read` gives it; most are never asked for as a whole."""
        if path not in self._texts:
            self._texts[path] = _text(self.source(path))
        return self._texts[path]

    def _spot(self, path: str, line: int) -> Spot | None:
        if (path, line) not in self._spots:
            self._spots[path, line] = spot(self.source(path), line)
        return self._spots[path, line]

    def line(self, path: str, line: int) -> str | None:
        """The text of a 1-based line, None outside the file."""
        there = self._spot(path, line)
        return None if there is None else _text(there.said)

    def function(self, path: str, line: int) -> Function | None:
        """The function that a 1-based line is in; in assembler, the code behind the last label."""
        if path.endswith(".S"):
            return next((label for label in reversed(self._labels(path)) if label.start <= line <= label.end), None)
        there = self._spot(path, line)
        return there and function_around(there)

    def _labels(self, path: str) -> list[Function]:
        return [Function(label.name, label.start, label.end) for label in labels(self.source(path))]

    def invocation(self, path: str, line: int) -> Use | None:
        """The macro that is invoked on a 1-based line outside of functions."""
        there = self._spot(path, line)
        return there and invocation_around(there)

    def named(self, path: str, symbol: str) -> Function | None:
        """The first function of a file that `symbol` can be."""
        if path.endswith(".S"):
            return next((label for label in self._labels(path) if same_function(symbol, label.name)), None)
        return next(iter(named(self.text(path), symbol)), None)

    def location(
        self,
        path: str,
        line: int,
        function: Function | None,
        how: How,
        confidence: float,
        reason: str,
    ) -> Location:
        """A location with its selector."""
        start, end = (function.start, function.end) if function else (None, None)
        selector = make_selector(path, line, function, self.line(path, line) or "")
        name = function.name if function else None
        return Location(path, line, how, round(confidence, 2), reason, selector, name, start, end)
