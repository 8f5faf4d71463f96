"""Where functions are defined, by their names: in the tree's index, or by a walk over the tree where it has none."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kernfix.source.functions import function_around, invocation_around, spot
from kernfix.source.grep import grep_problem
from kernfix.source.index.assembly import labels
from kernfix.source.index.lookup import open_index
from kernfix.source.index.store import index_path
from kernfix.source.model import Definition, Stop
from kernfix.source.search import search
from kernfix.source.tree import Tree

Definitions = Mapping[str, Sequence[Definition]]
"""The definitions of each symbol, the likeliest first."""

_AGAIN_SECONDS = 30.0
_refreshed: dict[Path, float] = {}
"""When this process brought the index of a tree up to date."""


def find(
    tree: Tree, wanted: Iterable[tuple[str, str | None]], stop: Stop = lambda: False
) -> tuple[dict[str | None, Definitions], tuple[str, ...]]:
    """The definitions of symbols as a kernel for an architecture prints them, by architecture and then by symbol.

    With them, what kept them from being looked for, or the index from being used. An index that does not know a name, or whose answer does
    not hold any more, is brought up to date first.
    """
    names: dict[str | None, set[str]] = {}
    for name, arch in wanted:
        names.setdefault(arch, set()).add(name)
    found, problem = _indexed(tree, names)
    if found is not None and not stop() and not (_holds_all(tree, found) and _is_complete(tree, found)):
        from kernfix.source.index.build import refresh  # slow to load, and rarely needed

        refreshed, problem = refresh(tree, stop=stop)
        if refreshed:
            _refreshed[tree.root] = time.monotonic()
        found, problem = _indexed(tree, names) if refreshed else (None, problem)
    if found is not None:
        return found, ()
    searched: dict[str | None, Definitions] = {
        arch: search(tree, its, arch, stop) for arch, its in sorted(names.items(), key=str)
    }
    return searched, tuple(filter(None, (problem, grep_problem())))


def _indexed(
    tree: Tree, names: Mapping[str | None, set[str]]
) -> tuple[dict[str | None, Definitions] | None, str | None]:
    """What the index says, or None and why an index that is there cannot be used."""
    index, problem = open_index(tree)
    if index is None:
        path = index_path(tree.root)
        return None, problem if path.is_file() and path.stat().st_size else None
    with index:
        found: dict[str | None, Definitions] = {arch: index.definitions(its, arch) for arch, its in names.items()}
        return (None, index.problem) if index.problem else (found, None)


def _is_complete(tree: Tree, found: Mapping[str | None, Definitions]) -> bool:
    """Whether every name was found, or was looked for in vain a moment ago: most logs have names that their tree does not."""
    just_now = time.monotonic() - _refreshed.get(tree.root, -_AGAIN_SECONDS) < _AGAIN_SECONDS
    return just_now or all(every for its in found.values() for every in its.values())


def _holds_all(tree: Tree, found: Mapping[str | None, Definitions]) -> bool:
    """Whether what was found is still defined where the index says."""
    return all(_holds(tree, every[0]) for its in found.values() for every in its.values() if every)


def _holds(tree: Tree, definition: Definition) -> bool:
    source, function = tree.read_bytes(definition.path), definition.function
    if source is None:
        return False
    if definition.path.endswith(".S"):
        found = labels(source)
        return any(
            (label.name, label.start, label.end) == (function.name, function.start, function.end) for label in found
        )
    first = spot(source, function.start)
    if first is None:
        return False
    there = function_around(first)
    if there is not None and there.name == function.name:
        return there == function
    use = invocation_around(first)
    return use is not None and any(word and word in function.name for word in use.arguments)
