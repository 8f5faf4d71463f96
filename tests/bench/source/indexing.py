"""What an index costs and what it finds, next to ctags on the same files."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rows import Given, Row, lines

from kernfix.source import Tree, open_tree
from kernfix.source.index.build import Refreshed, refresh
from kernfix.source.index.lookup import Index, open_index
from kernfix.source.index.walk import walk

CHANGED = 100
MISSING = Path(tempfile.gettempdir()) / "kernfix-missing-symbols.txt"
"""The symbols that no definition was found for are written here, one a line."""


def rows(given: Given) -> Iterator[Row]:
    """All figures of the index, on a copy that shares its files with the tree: changed ones are replaced, never written to."""
    with tempfile.TemporaryDirectory(dir=given.tree.parent) as folder, _cache(f"{folder}/cache"):
        subprocess.run(["cp", "-al", str(given.tree), f"{folder}/tree"], check=True)
        tree, problem = open_tree(Path(folder, "tree"))
        assert tree is not None, problem
        yield from _building(tree)
        yield from _asking(tree, given.vmlinux)
        yield from _refreshing(tree)


@contextmanager
def _cache(folder: str) -> Iterator[None]:
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before


def _building(tree: Tree) -> Iterator[Row]:
    before = _cpu()
    refreshed = _refreshed(tree)
    own, children = (after - earlier for after, earlier in zip(_cpu(), before, strict=True))
    ctags = _ctags(tree)
    of = f"{refreshed.files} files, {refreshed.seconds:.0f} s wall; workers {children:.1f} s, builder {own:.1f} s, ctags {ctags:.1f} s"
    yield Row("whole index: processor time against ctags --kinds-C=f", (own + children) / ctags, "x", 2.0, True, of)
    yield Row("whole index: size", refreshed.bytes / 1e6, "MB", 70, True, f"{refreshed.names} definitions")
    for problem in refreshed.problems:
        print(f"note: {problem}", file=sys.stderr)


def _ctags(tree: Tree) -> float:
    """Processor seconds of ctags on the files of the index."""
    walked = walk(str(tree.root), {}, lambda: False)
    names = "".join(f"{path}/{name}\n" for path, folder in walked.folders.items() for name in folder.files)
    with tempfile.TemporaryDirectory() as folder:
        command = ["ctags", "--kinds-C=f", "-L", "-", "-f", f"{folder}/tags"]
        before = _cpu()[1]
        subprocess.run(command, input=names, text=True, cwd=tree.root, check=True, stderr=subprocess.DEVNULL)
        return _cpu()[1] - before


def _refreshing(tree: Tree) -> Iterator[Row]:
    # What was made in these last seconds might still change unseen, and is looked at again.
    time.sleep(2)
    _refreshed(tree)
    unchanged = [_timed(tree) for _ in range(5)]
    seconds, cpu, refreshed = min(unchanged, key=lambda each: each[1])
    assert refreshed.changed == 0
    of = f"{seconds:.2f} s wall, best of {len(unchanged)}"
    yield Row("refresh without a change: processor time", cpu, "s", 0.5, True, of)
    files = sorted((tree.root / "drivers/net").rglob("*.c"))
    for number in range(CHANGED):
        file = files[number * len(files) // CHANGED]
        text = file.read_bytes()
        file.unlink()
        file.write_bytes(text + b"\nint kernfix_bench_%d(void)\n{\n\treturn 0;\n}\n" % number)
    seconds, cpu, refreshed = _timed(tree)
    assert refreshed.changed == CHANGED
    yield Row(f"refresh with {CHANGED} changed files: processor time", cpu, "s", 1.5, True, f"{seconds:.2f} s wall")
    with _opened(tree) as index:
        assert all(index.find(f"kernfix_bench_{number}") for number in range(CHANGED))


def _asking(tree: Tree, vmlinux: Path) -> Iterator[Row]:
    names = _symbols(vmlinux)
    with _opened(tree) as index:
        index.definitions(names)
        plain, ranked = [], []
        missing = []
        for name in names:
            begin = time.perf_counter()
            found = index.find(name)
            middle = time.perf_counter()
            index.definitions((name,), "x86_64")
            plain.append((middle - begin) * 1e6)
            ranked.append((time.perf_counter() - middle) * 1e6)
            missing += [] if found else [name]
    yield _latency("name to definitions", plain)
    yield _latency("name to definitions, ranked", ranked)
    MISSING.write_text("".join(f"{name}\n" for name in missing))
    share = 100 * (1 - len(missing) / len(names))
    yield Row("text symbols that are found", share, "%", 99, False, f"{len(names)} symbols; missing: {MISSING}")


def _latency(name: str, taken: list[float]) -> Row:
    of = f"median {statistics.median(taken):.1f} µs, {len(taken)} names"
    return Row(f"{name}: p95", statistics.quantiles(taken, n=20)[-1], "µs", 50, True, of)


def _symbols(vmlinux: Path) -> list[str]:
    """The distinct names of functions."""
    listed = subprocess.run(["nm", str(vmlinux)], check=True, capture_output=True, text=True).stdout
    words = (line.split() for line in listed.splitlines())
    return sorted({each[2] for each in words if len(each) == 3 and each[1] in "tTwW"})


def _timed(tree: Tree) -> tuple[float, float, Refreshed]:
    before = sum(_cpu())
    began = time.perf_counter()
    refreshed = _refreshed(tree)
    return time.perf_counter() - began, sum(_cpu()) - before, refreshed


def _refreshed(tree: Tree) -> Refreshed:
    refreshed, problem = refresh(tree)
    assert refreshed is not None, problem
    return refreshed


def _opened(tree: Tree) -> Index:
    index, problem = open_index(tree)
    assert index is not None, problem
    return index


def _cpu() -> tuple[float, float]:
    """Processor seconds of this process, and of the children that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    own, children = (usage.ru_utime + usage.ru_stime for usage in both)
    return own, children


def main() -> None:
    """The rows for a tree, a vmlinux and an older tree."""
    for line in lines(rows(Given(*(Path(word).resolve() for word in sys.argv[1:4])))):
        print(line, flush=True)


if __name__ == "__main__":
    main()
