"""Chains through llvm-symbolizer or addr2line, each asked once for all addresses; both speak of functions and ``path:line:column``."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Sequence

from kernfix.source.debuginfo.elf import Image
from kernfix.source.debuginfo.layout import Part
from kernfix.source.debuginfo.model import Chain, Place, Reader, ReaderFailed

LLVM = "llvm-symbolizer"
BINUTILS = "addr2line"
_SECONDS = 120.0
_ADDRESS = re.compile(r"^0x[0-9a-f]+\n", re.MULTILINE)
_LINE = re.compile(r"(?P<path>.*?):(?P<line>[1-9]\d{0,8})(?::(?P<column>\d{1,9}))?(?: \(discriminator \d+\))?")


def installed(program: str) -> bool:
    """Whether `program` can be started."""
    return shutil.which(program) is not None


def llvm_reader(image: Image) -> Reader:
    """A reader of a linked file. A relocatable one has several sections at the same addresses, which llvm-symbolizer takes no word for."""
    command = (LLVM, f"--obj={image.path}", "--inlines", "--functions=linkage", "--no-demangle")

    def chains(addresses: Sequence[int]) -> list[Chain]:
        said = _run(command, addresses).split("\n\n")
        return [_chain(block.splitlines()) for block in said if block]

    return lambda addresses: _all(chains(addresses), addresses, LLVM)


def binutils_reader(image: Image, parts: dict[int, Part]) -> Reader:
    """A reader of a linked or relocatable file; the latter costs a process for each section that is asked for."""
    command = (BINUTILS, "--addresses", "--functions", "--inlines", "--exe", str(image.path))

    def linked(addresses: Sequence[int]) -> list[Chain]:
        return _all(_by_address(_run(command, addresses)), addresses, BINUTILS)

    def relocatable(addresses: Sequence[int]) -> list[Chain]:
        asked: dict[Part, list[int]] = defaultdict(list)
        for address in addresses:
            if part := next((each for each in parts.values() if 0 <= address - each.start < each.size), None):
                asked[part].append(address)
        found: dict[int, Chain] = {}
        for part, its in asked.items():
            within = [address - part.start for address in its]
            said = _by_address(_run((*command, "--section", part.section), within))
            found |= zip(its, _all(said, its, BINUTILS), strict=True)
        return [found.get(address, ()) for address in addresses]

    return relocatable if image.relocatable else linked


def _by_address(said: str) -> list[Chain]:
    """What addr2line printed: an address, then a line with the function and one with ``path:line`` for each level of inlining."""
    return [_chain(block.splitlines()) for block in _ADDRESS.split(said)[1:]]


def _chain(lines: Sequence[str]) -> Chain:
    """The places of pairs of lines, a function's name and ``path:line:column``; those without a line are not known."""
    places = []
    for name, stated in zip(lines[::2], lines[1::2], strict=False):
        if (match := _LINE.fullmatch(stated)) and match["path"] != "??":
            places.append(Place(match["path"], int(match["line"]), int(match["column"] or 0) or None, name))
    return tuple(places)


def _all(chains: list[Chain], addresses: Sequence[int], program: str) -> list[Chain]:
    if len(chains) != len(addresses):
        raise ReaderFailed(f"{program} gave {len(chains)} answers to {len(addresses)} questions.")
    return chains


def _run(command: Sequence[str], addresses: Sequence[int]) -> str:
    asked = "".join(f"{address:#x}\n" for address in addresses)
    try:
        done = subprocess.run(
            command, input=asked, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ReaderFailed(f"{command[0]} did not answer in {_SECONDS:.0f} seconds.") from None
    except OSError as error:
        raise ReaderFailed(f"{command[0]} could not be started: {error.strerror or error}.") from error
    if done.returncode:
        said = " ".join(done.stderr.split())[:200] or f"status {done.returncode}"
        raise ReaderFailed(f"{command[0]} failed: {said}.")
    return done.stdout
