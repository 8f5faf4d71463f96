"""Symbols and offsets of a running kernel to source lines, through the debug information of its ``vmlinux``.

drgn answers in milliseconds and is used where it is installed; binutils' ``nm`` and ``addr2line`` do the same more slowly.
"""

from __future__ import annotations

import importlib.util
import shutil
import struct
import subprocess
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

_ELF_HEAD = struct.Struct("<4sBB10xHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_MACHINES = {62: "X86_64", 183: "AARCH64"}
"""ELF machine numbers (elf.h) to drgn's names: 64-bit, little-endian machines whose kernels are linked in the upper half."""
_KERNEL_HALF = (1 << 63, (1 << 64) - 1)
_ALIGNMENT = 64
"""The most padding after a function, in bytes: a report's size reaches to the next symbol (kernel/kallsyms.c), an ELF symbol's does not."""
_TOOL_SECONDS = 120.0


class Query(NamedTuple):
    """``function+offset/size`` of a report; `returns` for an entry of a call trace, which is where the call returns to."""

    function: str
    offset: int
    size: int | None = None
    returns: bool = False


class Place(NamedTuple):
    """A source line as the debug information states it: the path as the compiler saw it, 1-based line, the (inlined) function."""

    path: str
    line: int
    column: int | None
    function: str


Chain = tuple[Place, ...]
"""What one address is, the innermost inlined function first; empty when nothing is known."""


class _Backend(Protocol):
    def symbols(self, name: str) -> list[tuple[int, int]]:
        """Address and size of each function symbol of that name."""

    def chains(self, addresses: Sequence[int]) -> list[Chain]:
        """The chain of each address."""


class Symbols:
    """The debug information of one ``vmlinux``; `tool` says which program reads it."""

    def __init__(self, backend: _Backend, tool: str) -> None:
        self._backend = backend
        self.tool = tool

    def lookup(self, function: str, offset: int, size: int | None = None, returns: bool = False) -> Chain:
        """The source lines of one place; see `lookup_all`."""
        return self.lookup_all([Query(function, offset, size, returns)])[0]

    def lookup_all(self, queries: Sequence[Query]) -> list[Chain]:
        """The chain of each query; empty when there is not exactly one such symbol of that size.

        A return address is looked up one byte earlier, inside the call: the next instruction may belong to another line or function.
        """
        addresses = [self._address(query) for query in queries]
        known = sorted({address for address in addresses if address is not None})
        chains = dict(zip(known, self._backend.chains(known), strict=True)) if known else {}
        return [chains[address] if address is not None else () for address in addresses]

    def _address(self, query: Query) -> int | None:
        found = {
            address
            for address, size in self._backend.symbols(query.function)
            if query.size is None or 0 <= query.size - size < _ALIGNMENT
        }
        if len(found) != 1 or query.offset < 0 or (query.size is not None and query.offset > query.size):
            return None
        return found.pop() + query.offset - (1 if query.returns and query.offset > 0 else 0)


def open_symbols(vmlinux: Path) -> tuple[Symbols | None, str | None]:
    """The debug information of `vmlinux`, or one sentence that says why there is none to be had."""
    machine, problem = _inspect(vmlinux)
    if machine is None:
        return None, problem
    if importlib.util.find_spec("drgn") is not None:
        backend, problem = _open_drgn(vmlinux, machine)
        return (Symbols(backend, "drgn"), None) if backend else (None, problem)
    if shutil.which("addr2line") and shutil.which("nm"):
        return Symbols(_Binutils(vmlinux), "addr2line"), None
    return None, "Reading debug information needs drgn (pip install 'kernfix[symbols]') or binutils."


def _inspect(vmlinux: Path) -> tuple[str | None, str | None]:
    """The machine of an ELF file with debug information, or the problem with it."""
    try:
        with vmlinux.open("rb") as file:
            head = file.read(_ELF_HEAD.size)
            if len(head) < _ELF_HEAD.size or head[:4] != b"\x7fELF":
                return None, f"{vmlinux} is not an ELF file."
            _, bits, order, _, machine, _, _, _, sections, _, _, _, _, entry_size, count, names = _ELF_HEAD.unpack(head)
            if bits != 2 or order != 1 or machine not in _MACHINES:
                return None, f"{vmlinux} is of a machine whose debug information is not read (x86-64 and arm64 are)."
            file.seek(sections)
            table = file.read(entry_size * count)
            if entry_size != _SECTION.size or len(table) < entry_size * count or names >= count:
                return None, f"{vmlinux} is damaged: its section table is cut short."
            entries = [_SECTION.unpack_from(table, at) for at in range(0, len(table), entry_size)]
            file.seek(entries[names][4])
            labels = file.read(min(entries[names][5], 1 << 20)).split(b"\0")
    except OSError as error:
        return None, f"{vmlinux} cannot be read: {error.strerror or error}."
    if not any(label.endswith(b".debug_info") for label in labels):
        return None, f"{vmlinux} has no debug information (CONFIG_DEBUG_INFO)."
    return _MACHINES[machine], None


class _Drgn:
    def __init__(self, symbols: Callable[[str], list[tuple[int, int]]], chain: Callable[[int], Chain]) -> None:
        self.symbols = symbols
        self._chain = chain

    def chains(self, addresses: Sequence[int]) -> list[Chain]:
        return [self._chain(address) for address in addresses]


def _open_drgn(vmlinux: Path, machine: str) -> tuple[_Backend | None, str | None]:
    import drgn  # an optional dependency, and slow to load

    program = drgn.Program(drgn.Platform(getattr(drgn.Architecture, machine)))
    # Debug information of a file that no program runs: drgn takes it only for a module that is placed by hand.
    module = program.extra_module("vmlinux", create=True)
    module.address_range = _KERNEL_HALF
    try:
        module.try_file(vmlinux, force=True)
    except (OSError, ValueError, drgn.MissingDebugInfoError) as error:
        return None, f"{vmlinux} cannot be read: {error}."
    if module.debug_file_status != drgn.ModuleFileStatus.HAVE:
        return None, f"{vmlinux} has debug information that drgn cannot read."

    def symbols(name: str) -> list[tuple[int, int]]:
        return sorted((symbol.address, symbol.size) for symbol in program.symbols(name))

    def chain(address: int) -> Chain:
        try:
            places = program.source_location(address)
        except LookupError:
            return ()
        return tuple(Place(place.filename, place.line, place.column or None, place.name()) for place in places)

    return _Drgn(symbols, chain), None


class _Binutils:
    def __init__(self, vmlinux: Path) -> None:
        self.vmlinux = vmlinux
        self._table: Mapping[str, list[tuple[int, int]]] | None = None

    def symbols(self, name: str) -> list[tuple[int, int]]:
        if self._table is None:
            table: dict[str, list[tuple[int, int]]] = defaultdict(list)
            for line in self._run("nm", "--print-size", "--defined-only", str(self.vmlinux)).splitlines():
                words = line.split()
                if len(words) == 4 and words[2] in "tTwW":
                    table[words[3]].append((int(words[0], 16), int(words[1], 16)))
            self._table = table
        return sorted(self._table.get(name, ()))

    def chains(self, addresses: Sequence[int]) -> list[Chain]:
        asked = "".join(f"{address:#x}\n" for address in addresses)
        said = self._run(
            "addr2line", "--addresses", "--functions", "--inlines", "--exe", str(self.vmlinux), asked=asked
        )
        chains: dict[int, list[Place]] = {}
        name, chain = "", []
        for line in said.splitlines():
            if line.startswith("0x"):
                chain = chains.setdefault(int(line, 16), [])
                name = ""
            elif not name:
                name = line
            else:
                path, _, rest = line.rpartition(":")
                number = rest.split(" ", 1)[0]
                if path != "??" and number.isdigit() and number != "0":
                    chain.append(Place(path, int(number), None, name))
                name = ""
        return [tuple(chains.get(address, ())) for address in addresses]

    def _run(self, *command: str, asked: str = "") -> str:
        try:
            done = subprocess.run(
                command, input=asked, capture_output=True, text=True, timeout=_TOOL_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout
