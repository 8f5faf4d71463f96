"""Where functions are defined, without an index: one walk over the tree for all names of a crash.

``grep`` finds the lines that may begin a definition, and the syntax says which of them do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kernfix.source.functions import function_at, plain_bytes
from kernfix.source.grep import Hit, grep
from kernfix.source.index.assembly import labels
from kernfix.source.model import Definition, Function, Stop
from kernfix.source.names import definition_names
from kernfix.source.rank import ranked
from kernfix.source.tree import Tree

MAX_NAMES = 1000
_MAX_HITS = 200_000
_IDENTIFIER = re.compile(r"[A-Za-z_]\w{0,199}")


def search(
    tree: Tree, names: Iterable[str], arch: str | None = None, stop: Stop = lambda: False
) -> dict[str, tuple[Definition, ...]]:
    """The definitions of each name, the likeliest first; names are symbols as a kernel prints them (`definition_names`)."""
    wanted = {name: definition_names(name) for name in names}
    plain = sorted({part for parts in wanted.values() for part in parts if _IDENTIFIER.fullmatch(part)})[:MAX_NAMES]
    found: dict[str, list[Definition]] = {name: [] for name in plain}
    hits, _ = grep(tree, _pattern(plain), "--extended-regexp", most=_MAX_HITS, stop=stop) if plain else ([], True)
    for definition in _definitions(tree, hits, stop):
        found.get(definition.function.name, []).append(definition)
    return {
        name: ranked(tree, next((found[part] for part in parts if found.get(part)), ()), arch)
        for name, parts in wanted.items()
    }


def _pattern(names: list[str]) -> str:
    either = "|".join(names)
    calls = sorted({name.removeprefix("compat_").removeprefix("sys_") for name in names if "sys_" in name})
    macro = f"^[A-Za-z_ ]*[A-Z][A-Z0-9_]*[[:space:]]*\\([[:space:]]*({'|'.join([either, *calls])})[[:space:]]*[,)]"
    return f"^([A-Za-z_].*[^A-Za-z0-9_])?({either})[[:space:]]*\\(\n{macro}\n"


def _definitions(tree: Tree, hits: Iterable[Hit], stop: Stop) -> Iterator[Definition]:
    """What is defined where the hits are; prototypes, calls and comments define nothing."""
    texts: dict[str, str] = {}
    seen: set[Definition] = set()
    for hit in sorted(hits):
        if stop():
            return
        if hit.path not in texts:
            texts = {hit.path: tree.read(hit.path) or ""}
        for definition in _defined(hit, texts[hit.path]):
            if definition not in seen:
                seen.add(definition)
                yield definition


def _defined(hit: Hit, text: str) -> Iterator[Definition]:
    """The function that a hit is in, or all labels of an assembler file: one may be named far from its code."""
    if hit.path.endswith(".S"):
        for label in labels(plain_bytes(text)):
            yield Definition(hit.path, Function(label.name, label.start, label.end))
    elif not hit.text.rstrip().endswith((";", "\\")) and (function := function_at(text, hit.line)):
        yield Definition(hit.path, function)
