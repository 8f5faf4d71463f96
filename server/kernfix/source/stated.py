"""A place that the log or debug information states, held against the tree as it is now."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from kernfix.crash.model import Crash
from kernfix.source.model import Function, How, Location
from kernfix.source.names import same_function
from kernfix.source.relocate import relocate
from kernfix.source.texts import Texts
from kernfix.source.tree import Tree

_SERIES = re.compile(r"v?(\d+\.\d+)")
_NO_CODE = re.compile(r"\s*(?:$|/\*|//|\*(?:[\s/]|$)|#)")
_DIRTY = "-dirty"
"""How a release says that there were changes on top of its commit (scripts/setlocalversion)."""
_IN_ITS_PLACE = 0.3
"""How sure it is to be of use to see what stands where a line has gone."""
OTHER_VERSION = 0.4
"""How often a line of another version that is in the right function is the very line: 19 of 54 from Linux 6.1 to 6.12."""
_NOT_ITS_LINE = 0.3
"""How sure a line is that cannot be what was meant, in a function that is."""


class Old:
    """The texts that the kernel of a crash was built from, where this repository has its commit.

    A kernel of the commit that is checked out, but with changes on top (``-dirty``), was built from the tree as it is,
    as far as can be told. `series` is its version (``6.1``) where the tree is of another.
    """

    def __init__(self, crash: Crash, tree: Tree) -> None:
        kernel = crash.machine.kernel or ""
        self.commit: str | None = None
        self.text: Callable[[str], str | None] = lambda path: None
        if kernel and (tree.root / ".git").exists():
            from kernfix.source.git import commit_of, head, text_at  # slow to load, and starts three processes

            commit = commit_of(tree, kernel)
            self.commit = None if commit and _DIRTY in kernel and commit == head(tree) else commit
            self.text = cache(lambda path: text_at(tree, commit, path) if commit else None)
        theirs, ours = _SERIES.match(kernel), _SERIES.match(tree.version)
        self.series = theirs[1] if theirs and ours and theirs[1] != ours[1] else None


def stated(symbol: str, path: str, line: int, how: How, texts: Texts, old: Old) -> Location | None:
    """The location of a 1-based line that is said to be in the function `symbol`; `path` is a file of this tree.

    Where the old text is known the line is found by what it says. Otherwise it counts when it is in that function here; else the best that
    can be said is where the function begins now.
    """
    if found := relocated(path, line, how, texts, old):
        return found
    source = _source(how)
    before = old.text(path) if old.commit else None
    if before is None or before == texts.text(path):
        found = _as_stated(symbol, path, line, how, source, texts, old.series if before is None else None)
    return found or _moved(symbol, path, line, source, texts)


def _source(how: How) -> str:
    return "The log" if how == "log" else "The debug information"


def relocated(path: str, line: int, how: How, texts: Texts, old: Old) -> Location | None:
    """The location of a 1-based line by the text that it had in the crash's commit, or what stands in its place; None where that text is
    not known, is the same as here, or says nothing.
    """
    before = old.text(path) if old.commit else None
    if before is None or old.commit is None or before == texts.text(path):
        return None
    found = relocate(before, line, texts.text(path))
    there = found.line or found.near
    if there is None:
        return None
    function = texts.function(path, there)
    origin = f"{_source(how)} states line {line} of commit {old.commit[:12]}"
    if found.line == line:
        return texts.location(path, line, function, how, 0.95, f"{origin}, and the line is still there.")
    if found.line:
        return texts.location(path, there, function, "relocated", found.confidence, f"{origin}. {found.reason}")
    reason = f"{origin}, which is gone; this stands in its place. {found.reason}"
    return texts.location(path, there, function, "relocated", _IN_ITS_PLACE, reason)


def _as_stated(
    symbol: str, path: str, line: int, how: How, source: str, texts: Texts, series: str | None
) -> Location | None:
    text, function = texts.line(path, line), texts.function(path, line)
    if text is None:
        return None
    own = texts.named(path, symbol) if path.endswith(".S") else None
    if own and own.start <= line <= own.end:
        function = own  # labels stand inside of others
    if function and same_function(symbol, function.name):
        confidence, reason = 0.95, f"{source} states this line, and it is in {function.name}() here"
        if series:
            confidence, reason = OTHER_VERSION, f"{reason}, but the kernel was Linux {series}"
        if _NO_CODE.match(text) and not path.endswith(".S"):
            confidence, reason = _NOT_ITS_LINE, f"{reason}, and the line has no code"
        return texts.location(path, line, function, how, confidence, f"{reason}.")
    if path.endswith(".S"):
        return (
            None
            if own or series
            else texts.location(path, line, function, how, 0.6, f"{source} states this line of assembler code.")
        )
    if function is None and _may_make(symbol, path, line, texts):
        reason = f"{source} states this line, where a macro makes {symbol}()."
        return texts.location(path, line, None, how, OTHER_VERSION if series else 0.7, reason)
    return None


def _may_make(symbol: str, path: str, line: int, texts: Texts) -> bool:
    """Whether a macro invoked there can make `symbol`: ``SHOW(name)`` makes ``name_show``."""
    use = texts.invocation(path, line)
    return use is not None and any(word and f"_{word}_" in f"_{symbol.split('.', 1)[0]}_" for word in use.arguments)


def _moved(symbol: str, path: str, line: int, source: str, texts: Texts) -> Location | None:
    """Where the function begins now."""
    moved = texts.named(path, symbol)
    if moved is None:
        return None
    reason = f"{source} states line {line}, which is {_where(path, line, texts)} here; this is where {moved.name}() begins now."
    return texts.location(path, moved.start, moved, "relocated", 0.5, reason)


def _where(path: str, line: int, texts: Texts) -> str:
    function: Function | None = texts.function(path, line)
    if function:
        return f"in {function.name}()"
    return "outside any function" if texts.line(path, line) is not None else "past the file's end"
