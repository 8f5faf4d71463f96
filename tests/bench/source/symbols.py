"""How fast a raw report gets its lines from a vmlinux, against ``scripts/decode_stacktrace.sh``, and whether the lines are addr2line's."""

from __future__ import annotations

import os
import posixpath
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rows import Given, Row

from kernfix.crash import parse
from kernfix.source import Tree, locate_all, open_tree
from kernfix.source.debuginfo import Chain, Query, Symbols, by_program, open_symbols, queries_of
from kernfix.source.debuginfo.elf import Image, read_image

KERNFIX = "import sys; from kernfix.cli.main import main; sys.exit(main())"
FRAMES, ADDRESSES, ROUNDS, SEED = 30, 500, 15, 20261123


class Function(NamedTuple):
    """A function of the kernel: its address, its size in bytes, and the distance to what follows, which reports print."""

    name: str
    address: int
    size: int
    printed: int


def rows(given: Given) -> Iterator[Row]:
    """The time of one process and of a server that has the kernel open, in processor seconds of all processes; then agreement."""
    symbols, problem = open_symbols(given.vmlinux)
    tree, no_tree = open_tree(given.tree)
    if symbols is None or tree is None:
        sys.exit(problem or no_tree)
    every, dice = functions(given.vmlinux), random.Random(SEED)
    release = symbols.identity.release or ""
    reports = [report(dice.sample(every, FRAMES), release, dice) for _ in range(2 * ROUNDS + 1)]
    yield from _speed(given, tree, symbols, reports)
    yield from _agreement(given, tree, symbols, every, dice)


def functions(vmlinux: Path) -> list[Function]:
    """The functions that have a name of their own, from binutils."""
    said = subprocess.run(["nm", "-n", "-S", vmlinux], check=True, capture_output=True, text=True).stdout
    lines = [line.split() for line in said.splitlines()]
    starts = sorted({int(line[0], 16) for line in lines if len(line) > 2})
    after = dict(pairwise(starts))
    names = Counter(line[-1] for line in lines)
    sized = [(line[3], int(line[0], 16), int(line[1], 16)) for line in lines if len(line) == 4 and line[2] in "tT"]
    return [Function(name, at, size, after[at] - at) for name, at, size in sized if size > 1 and names[name] == 1]


def report(some: Sequence[Function], release: str, dice: random.Random) -> str:
    """A raw report that crashes in the first of the functions, called by the others."""
    places = [f"{each.name}+{dice.randrange(1, each.size):#x}/{each.printed:#x}" for each in some]
    return "\n".join(
        [
            "BUG: kernel NULL pointer dereference, address: 0000000000000010",
            f"CPU: 0 UID: 0 PID: 49 Comm: repro Not tainted {release} #1",
            f"RIP: 0010:{places[0]}",
            "Call Trace:",
            " <TASK>",
            *(f" {place}" for place in places[1:]),
            " </TASK>",
            "---[ end trace 0000000000000000 ]---",
            "",
        ]
    )


def _speed(given: Given, tree: Tree, symbols: Symbols, reports: Sequence[str]) -> Iterator[Row]:
    script = given.tree / "scripts/decode_stacktrace.sh"
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "report.txt"
        log.write_text(reports[0])
        peer = _process(["bash", str(script), str(given.vmlinux), str(given.tree)], reports[0], 3)
        command = ["locate", str(log), "--tree", str(given.tree), "--vmlinux", str(given.vmlinux)]
        ours = _process([sys.executable, "-c", KERNFIX, *command], "", ROUNDS)

    def serve(text: str) -> None:
        locate_all(parse(text).crashes, tree, symbols)

    def look(text: str) -> None:
        symbols.lookup_all(_queries(text))

    serve(reports[0])
    served = median(_seconds(serve, text) for text in reports[1 : ROUNDS + 1])
    asked = median(_seconds(look, text) for text in reports[ROUNDS + 1 :])
    what = f"{FRAMES} frames, through {symbols.tool}"
    yield Row("symbols: a report, whole process, times decode_stacktrace", peer.cpu / ours.cpu, "x", 20, of=what)
    yield Row("symbols: the same by the clock", peer.wall / ours.wall, "x", of="")
    yield Row("symbols: whole process", 1000 * ours.cpu, "ms", of=f"decode_stacktrace.sh: {1000 * peer.cpu:.0f} ms")
    yield Row("symbols: a new report in a server, times decode_stacktrace", peer.cpu / served, "x", 100, of=what)
    yield Row(
        "symbols: a new report in a server",
        1000 * served,
        "ms",
        of=f"{1000 * asked:.1f} ms for another, without the tree",
    )


class Cost(NamedTuple):
    """Seconds of a process and all that it starts: of the processors, and by the clock."""

    cpu: float
    wall: float


def _process(command: Sequence[str], asked: str, rounds: int) -> Cost:
    """The cheapest of several runs: what else the machine does only ever adds."""
    costs = []
    for _ in range(rounds):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        said = subprocess.run(command, input=asked.encode(), check=True, capture_output=True, env=_installed()).stdout
        after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
        if said.count(b".c:") < FRAMES // 2:
            sys.exit(f"{command[0]} found no lines.")
        costs.append(Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall))
    return Cost(min(cost.cpu for cost in costs), min(cost.wall for cost in costs))


def _installed() -> dict[str, str]:
    """An environment in which Python keeps its byte code, as it does for an installed program."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _seconds(work: Callable[[str], None], text: str) -> float:
    before = time.process_time()
    work(text)
    return time.process_time() - before


def _queries(text: str) -> list[Query]:
    return [query for crash in parse(text).crashes for query in queries_of(crash).values()]


def _agreement(
    given: Given, tree: Tree, symbols: Symbols, every: Sequence[Function], dice: random.Random
) -> Iterator[Row]:
    """Every sampled place against addr2line, the last address of a call for half of them; a third voice where they differ."""
    image = read_image(given.vmlinux)
    if isinstance(image, str):
        sys.exit(image)
    count: Counter[str] = Counter()
    for function, ours, theirs, third in _sampled(image, symbols, every, dice):
        ours, theirs, third = (_plain(chain, tree, given.vmlinux.parent) for chain in (ours, theirs, third))
        kind = _kind(ours, theirs, third)
        count[kind] += 1
        if kind == "unlike":
            print(f"# {function.name}: {ours} is {theirs} to addr2line, {third} to llvm-symbolizer")
    said = ", ".join(f"{number} {kind}" for kind, number in count.most_common())
    total = sum(count.values())
    yield Row(
        "symbols: the same as addr2line, or shown to be better",
        100 * (total - count["unlike"]) / total,
        "%",
        100,
        of=said,
    )
    yield Row("symbols: the same as addr2line", 100 * count["same"] / total, "%", of=f"{total} addresses")


def _sampled(
    image: Image, symbols: Symbols, every: Sequence[Function], dice: random.Random
) -> Iterator[tuple[Function, Chain, Chain, Chain]]:
    picked = dice.sample(every, ADDRESSES)
    queries = [
        Query(each.name, dice.randrange(1, each.size), each.printed, returns=bool(number % 2))
        for number, each in enumerate(picked)
    ]
    addresses = [each.address + query.offset - query.returns for each, query in zip(picked, queries, strict=True)]
    theirs = by_program.binutils_reader(image, {})(addresses)
    third = by_program.llvm_reader(image)(addresses) if by_program.installed(by_program.LLVM) else [()] * ADDRESSES
    return zip(picked, symbols.lookup_all(queries), theirs, third, strict=True)


_Plain = list[tuple[str, str, int]]


def _plain(chain: Chain, tree: Tree, build: Path) -> _Plain:
    """Function, file and line of each place; the file as the tree has it, or as the build folder has it."""

    def file(path: str) -> str:
        return tree.find(path) or posixpath.normpath(path).removeprefix(f"{build}/")

    return [(place.function, file(place.path), place.line) for place in chain]


def _kind(ours: _Plain, theirs: _Plain, third: _Plain) -> str:
    """How two answers compare. Where addr2line alone is of another opinion, it is its own: it mixes up the file numbers of DWARF 5 lines
    (binutils before 2.41) and takes the file that includes a header for the header.
    """
    if ours == theirs:
        return "same"
    files_only = [(name, line) for name, _, line in ours] == [(name, line) for name, _, line in theirs]
    if ours == third:
        return "other file, llvm-symbolizer says ours" if files_only else "other lines, llvm-symbolizer says ours"
    return "unlike"
