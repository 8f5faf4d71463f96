"""The debug information of a kernel and its modules, ready to be asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from kernfix.crash.model import Crash
from kernfix.source.debuginfo import fit
from kernfix.source.debuginfo.files import module_files, module_name, open_with_lines
from kernfix.source.debuginfo.fit import Identity
from kernfix.source.debuginfo.layout import place, table_of
from kernfix.source.debuginfo.model import Answer, Chain, Query, Reader, ReaderFailed
from kernfix.source.debuginfo.readers import open_reader
from kernfix.source.debuginfo.table import Table

_UNKNOWN = Identity()


class _Part(NamedTuple):
    """One file: the kernel itself or a module."""

    table: Table
    read: Reader
    tool: str
    identity: Identity


def _table(pairs: Iterable[tuple[str, int]]) -> Table:
    every = list(pairs)
    return Table([name.encode() for name, _ in every], [address for _, address in every])


class Symbols:
    """The debug information of one ``vmlinux``; `tool` says which program reads it.

    `table` lists every symbol with its address; `chains` gives the chain of each of some addresses. `modules` are folders with the
    files of its modules; they are read when a frame in one is asked for.
    """

    def __init__(
        self,
        table: Table | Iterable[tuple[str, int]],
        chains: Reader,
        tool: str,
        identity: Identity = _UNKNOWN,
        modules: Sequence[Path] = (),
    ) -> None:
        known = table if isinstance(table, Table) else _table(table)
        self._kernel = _Part(known, chains, tool, identity)
        self.tool = tool
        self._folders = modules
        self._files: dict[str, Path] | None = None
        self._modules: dict[str, _Part | str] = {}

    @property
    def identity(self) -> Identity:
        """Which kernel this is."""
        return self._kernel.identity

    def refusal(self, crash: Crash) -> str | None:
        """Why this is not the kernel that printed the crash, as the end of a sentence; None where nothing speaks against it."""
        return fit.refusal(crash, self._kernel.identity, self._kernel.table.knows)

    def doubt(self, crash: Crash) -> str | None:
        """What makes this a near, but another build than the kernel that printed the crash, as a clause; None where nothing does."""
        return fit.doubt(crash, self._kernel.identity, self._kernel.table.knows)

    def lookup(self, function: str, offset: int, size: int | None = None, returns: bool = False) -> Chain:
        """The source lines of one place; see `ask`."""
        return self.lookup_all([Query(function, offset, size, returns)])[0]

    def lookup_all(self, queries: Sequence[Query]) -> list[Chain]:
        """The chain of each query; see `ask`."""
        return self.ask(queries).chains

    def ask(self, queries: Sequence[Query]) -> Answer:
        """The chain of each query; empty when there is no such symbol of that size, or several whose lines differ."""
        chains: list[Chain] = [()] * len(queries)
        problems: list[str] = []
        for module in dict.fromkeys(query.module for query in queries):
            numbers = [number for number, query in enumerate(queries) if query.module == module]
            found = self._ask_one(module, [queries[number] for number in numbers])
            problems += found.problems
            for number, chain in zip(numbers, found.chains, strict=True):
                chains[number] = chain
        return Answer(chains, tuple(problems))

    def _ask_one(self, module: str | None, queries: Sequence[Query]) -> Answer:
        part = self._kernel if module is None else self._module(module)
        nothing: list[Chain] = [()] * len(queries)
        if isinstance(part, str):
            return Answer(nothing, (part,))
        stated = next((query.build_id for query in queries if query.build_id), None)
        if module and stated and part.identity.build_id and not part.identity.build_id.startswith(stated):
            return Answer(
                nothing, (f"{module}: its file is of build id {part.identity.build_id}, the log of {stated}.",)
            )
        places = [part.table.addresses(query) for query in queries]
        asked = sorted({address for each in places for address in each})
        try:
            known = dict(zip(asked, part.read(asked), strict=True)) if asked else {}
        except ReaderFailed as failure:
            return Answer(nothing, (str(failure),))
        answers = [{known[address] for address in each} for each in places]
        chains = [answer.pop() if len(answer) == 1 else () for answer in answers]
        return Answer([_named(chain, query.function) for chain, query in zip(chains, queries, strict=True)])

    def _module(self, name: str) -> _Part | str:
        if self._files is None:
            self._files = {}
            for folder in self._folders:
                self._files = module_files(folder) | self._files
        if name not in self._modules:
            self._modules[name] = self._open_module(name, self._files.get(module_name(name)))
        return self._modules[name]

    def _open_module(self, name: str, path: Path | None) -> _Part | str:
        if path is None:
            return f"{name}: {name}.ko was not found beside the vmlinux or in the folder of modules."
        part = _open(path)
        if isinstance(part, str):
            return part
        theirs, ours = part.identity.release, self._kernel.identity.release
        if theirs and ours and theirs != ours:
            return f"{name}: {path} is of Linux {theirs}, and the vmlinux of {ours}."
        return part


def _named(chain: Chain, function: str) -> Chain:
    """The chain with the symbol's name for code that the debug information gives none to: that of the assembler, say."""
    nameless = chain and chain[-1].function in ("", "??")
    return (*chain[:-1], chain[-1]._replace(function=function)) if nameless else chain


def open_symbols(vmlinux: Path, modules: Path | None = None) -> tuple[Symbols | None, str | None]:
    """The debug information of `vmlinux`, or one sentence that says why there is none to be had.

    Modules are looked for in the folder `modules`, and in that of the vmlinux where it is a build folder or has them in it.
    """
    part = _open(vmlinux)
    if isinstance(part, str):
        return None, part
    if not len(part.table):
        return None, f"{vmlinux} has no symbols: it was stripped."
    folders = [folder for folder in (modules, vmlinux.parent) if folder]
    return Symbols(part.table, part.read, part.tool, part.identity, folders), None


def _open(path: Path) -> _Part | str:
    image = open_with_lines(path)
    if isinstance(image, str):
        return image
    try:
        parts = place(image) if image.relocatable else {}
        table, identity = table_of(image, parts), fit.identity_of(image)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror or error}."
    opened = open_reader(image, parts)
    return opened if isinstance(opened, str) else _Part(table, opened.read, opened.tool, identity)
