"""Asking the index: a symbol's definitions, in microseconds."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from kernfix.source.index.rows import KINDS, Kind
from kernfix.source.index.store import FORMAT, Damaged, discard, guarded, index_path, locked
from kernfix.source.model import Definition, Function
from kernfix.source.names import definition_names
from kernfix.source.rank import tier
from kernfix.source.tree import Tree

_FIND = (
    "select file.path, defined.start, defined.more, defined.kind from defined join file on file.id = defined.file"
    " where defined.name = ?"
)


class Entry(NamedTuple):
    """A definition, and what defines it: the function's own body, a label, or the invocation of a macro."""

    definition: Definition
    kind: Kind


class Index:
    """An open index, of one thread. It shows what was true when each question is asked; opening one takes less than a millisecond, so
    that it can be opened for each crash and need not be kept.

    `problem` becomes one sentence when the file turns out to be damaged: then nothing more is found, and the next refresh builds it anew.
    """

    def __init__(self, tree: Tree, path: Path, db: sqlite3.Connection) -> None:
        self._tree = tree
        self._path = path
        self._db = db
        self._tier = lru_cache(maxsize=4096)(lambda path, arch: tier(tree, path, arch))
        self.problem: str | None = None

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def definitions(self, names: Iterable[str], arch: str | None = None) -> dict[str, tuple[Definition, ...]]:
        """The definitions of each symbol (as a kernel prints it), the likeliest first; see `kernfix.source.search.search`."""
        return {name: tuple(entry.definition for entry in self.entries(name, arch)) for name in names}

    def entries(self, symbol: str, arch: str | None = None) -> list[Entry]:
        """The definitions of one symbol, with their kinds, the likeliest first."""
        found = self.find(symbol)
        if len(found) > 1:
            found.sort(
                key=lambda each: (
                    self._tier(each.definition.path, arch),
                    each.definition.path,
                    each.definition.function.start,
                )
            )
        return found

    def find(self, symbol: str) -> list[Entry]:
        """The definitions of one symbol in no order."""
        for name in definition_names(symbol):
            if rows := self._rows(name):
                return [
                    Entry(Definition(path, Function(name, start, start + more)), KINDS[kind])
                    for path, start, more, kind in rows
                ]
        return []

    def _rows(self, name: str) -> list[tuple[str, int, int, int]]:
        if self.problem or not name.isascii():
            return []
        try:
            with guarded():
                return self._db.execute(_FIND, (name,)).fetchall()
        except Damaged as damage:
            self.problem = f"{damage} It is left aside until the tree is indexed again."
            with locked(self._path, stop=lambda: True) as held:
                if held:
                    discard(self._path)
        except sqlite3.Error as error:
            self.problem = f"The index {self._path} cannot be read ({error})."
        return []


def open_index(tree: Tree) -> tuple[Index | None, str | None]:
    """The index of a tree, to be asked; or one sentence that says why there is none that can be used."""
    path = index_path(tree.root)
    none = f"There is no index of {tree.root} yet; kernfix index --tree {tree.root} makes one."
    if not path.is_file():
        return None, none
    # Nobody writes to a folder that is read-only, and the shared memory that readers need otherwise cannot be made there.
    mode = "mode=ro" if os.access(path.parent, os.W_OK) else "immutable=1"
    try:
        db = sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, isolation_level=None, timeout=1)
        try:
            with guarded():
                (version,) = db.execute("pragma user_version").fetchone()
                if version == FORMAT:
                    db.execute(_FIND, ("",))
        except BaseException:
            db.close()
            raise
    except (sqlite3.Error, Damaged) as error:
        return None, f"The index {path} cannot be used ({error}); kernfix index --tree {tree.root} builds it anew."
    if version != FORMAT:
        db.close()
        old = f"The index of {tree.root} is of another version of kernfix; kernfix index --tree {tree.root} builds it anew."
        return None, old if version else none
    return Index(tree, path, db), None
