"""Symbols and offsets of a running kernel to source lines, through the debug information of its ``vmlinux``.

drgn answers in milliseconds and is used where it is installed; binutils' ``nm`` and ``addr2line`` do the same more slowly.
"""

from __future__ import annotations

import bisect
import importlib.util
import shutil
import struct
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

_ELF_HEAD = struct.Struct("<4sBB10xHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_MACHINES = {62: "X86_64", 183: "AARCH64"}
"""ELF machine numbers (elf.h) to drgn's names: 64-bit, little-endian machines whose kernels are linked in the upper half."""
_KERNEL_HALF = (1 << 63, (1 << 64) - 1)
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


class Symbols:
    """The debug information of one ``vmlinux``; `tool` says which program reads it.

    `table` lists every symbol with its address; `chains` gives the chain of each of some addresses.
    """

    def __init__(
        self, table: Iterable[tuple[str, int]], chains: Callable[[Sequence[int]], list[Chain]], tool: str
    ) -> None:
        self._addresses: dict[str, set[int]] = defaultdict(set)
        for name, address in table:
            self._addresses[name].add(address)
        self._sorted = sorted(set().union(*self._addresses.values()))
        self._chains = chains
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
        chains = dict(zip(known, self._chains(known), strict=True)) if known else {}
        return [chains[address] if address is not None else () for address in addresses]

    def _address(self, query: Query) -> int | None:
        sizes = {address: self._size(address) for address in self._addresses.get(query.function, ())}
        found = [address for address, size in sizes.items() if query.size in (None, size) and 0 <= query.offset <= size]
        return found[0] + query.offset - (query.returns and query.offset > 0) if len(found) == 1 else None

    def _size(self, address: int) -> int:
        """Bytes to the next symbol, which is what a report calls a function's size (get_symbol_pos in kernel/kallsyms.c)."""
        after = bisect.bisect_right(self._sorted, address)
        return self._sorted[after] - address if after < len(self._sorted) else 0


def open_symbols(vmlinux: Path) -> tuple[Symbols | None, str | None]:
    """The debug information of `vmlinux`, or one sentence that says why there is none to be had."""
    machine, problem = _inspect(vmlinux)
    if machine is None:
        return None, problem
    if importlib.util.find_spec("drgn") is not None:
        return _open_drgn(vmlinux, machine)
    if shutil.which("addr2line") and shutil.which("nm"):
        return _open_binutils(vmlinux), None
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


def _open_drgn(vmlinux: Path, machine: str) -> tuple[Symbols | None, str | None]:
    import drgn  # an optional dependency, and slow to load

    program = drgn.Program(drgn.Platform(getattr(drgn.Architecture, machine)))
    # Debug information of a file that no program runs: drgn takes it only for a module that is placed by hand. It moves the addresses of
    # symbols and lines alike to where the module is placed, so any range that is large enough does.
    module = program.extra_module("vmlinux", create=True)
    module.address_range = _KERNEL_HALF
    try:
        module.try_file(vmlinux, force=True)
    except (OSError, ValueError) as error:
        return None, f"{vmlinux} cannot be read: {error}."
    if module.debug_file_status != drgn.ModuleFileStatus.HAVE:
        return None, f"{vmlinux} has debug information that drgn cannot read."

    def chain(address: int) -> Chain:
        try:
            places = program.source_location(address)
        except LookupError:
            return ()
        return tuple(Place(place.filename, place.line, place.column or None, place.name() or "") for place in places)

    table = [(symbol.name, symbol.address) for symbol in program.symbols()]
    return Symbols(table, lambda addresses: [chain(address) for address in addresses], "drgn"), None


def _open_binutils(vmlinux: Path) -> Symbols:
    words = (line.split() for line in _run("nm", "--defined-only", str(vmlinux)).splitlines())
    table = [(word[2], int(word[0], 16)) for word in words if len(word) == 3]
    command = ("addr2line", "--addresses", "--functions", "--inlines", "--exe", str(vmlinux))

    def chains(addresses: Sequence[int]) -> list[Chain]:
        said = _run(*command, asked="".join(f"{address:#x}\n" for address in addresses))
        known = _read_chains(said)
        return [tuple(known.get(address, ())) for address in addresses]

    return Symbols(table, chains, "addr2line")


def _read_chains(said: str) -> dict[int, list[Place]]:
    """What addr2line printed: an address, then a line with the function and one with ``path:line`` for each level of inlining."""
    chains: dict[int, list[Place]] = {}
    address, name = 0, ""
    for line in said.splitlines():
        if line.startswith("0x"):
            address, name = int(line, 16), ""
        elif not name:
            name = line
        else:
            path, _, rest = line.rpartition(":")
            number = rest.split(" ", 1)[0]
            if number.isdigit() and number != "0":
                chains.setdefault(address, []).append(Place(path, int(number), None, name))
            name = ""
    return chains


def _run(*command: str, asked: str = "") -> str:
    try:
        done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=_TOOL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
