"""How often a line of an older tree is found again in a newer one, with the older text at hand."""

from __future__ import annotations

import random
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from rows import Given, Row

from kernfix.source import Function, functions
from kernfix.source.relocate import by_offset, named, relocate

FOLDERS = ("kernel", "mm", "fs", "net")
FILES, EACH, SEED = 1000, 5, 20261123
HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")

_Hunk = tuple[int, int, int, int]


class Sample(NamedTuple):
    """A line of `old`; `truth` is its number in `new`, None where the line is changed or gone."""

    path: str
    old: str
    new: str
    line: int
    function: Function
    truth: int | None


def rows(given: Given) -> Iterator[Row]:
    """Lines inside functions that both trees have the file of. What is true is said by git's patience diff and, where that gives a line no
    counterpart, by difflib within the function of the same name.
    """
    count: Counter[str] = Counter()
    seconds = []
    for sample in samples(given.older, given.tree):
        before = time.process_time()
        found = relocate(sample.old, sample.line, sample.new)
        seconds.append(time.process_time() - before)
        count[kind(sample.truth, found.line)] += 1
        count["shown"] += sample.truth is None and found.line is None and found.near is not None
        blind = by_offset(sample.new, sample.function.name, sample.line - sample.function.start)
        count[f"blind {kind(sample.truth, blind.line)}"] += 1
    kept = count["exact"] + count["wrong"] + count["missed"]
    gone = count["abstains"] + count["claims"]
    alike = "the judge compares text as well, which flatters; files that moved are left out"
    yield Row(
        "relocation: exact",
        100 * count["exact"] / kept,
        "%",
        99,
        of=f"{kept} lines with a counterpart by diff; {alike}",
    )
    yield Row(
        "relocation: silently wrong", 100 * count["wrong"] / kept, "%", 0.2, at_most=True, of=f"of the same {kept}"
    )
    yield Row(
        "relocation: abstains on vanished lines",
        100 * count["abstains"] / gone,
        "%",
        90,
        of=f"{gone} lines without one; lines changed in place and moved ones are among them, so that right finds count against this",
    )
    yield Row(
        "relocation: vanished, but its place is shown", 100 * count["shown"] / gone, "%", of=f"of the same {gone}"
    )
    yield Row(
        "relocation: exact by function and offset alone",
        100 * count["blind exact"] / kept,
        "%",
        of="no old text; the line's offset in its function known",
    )
    yield Row(
        "relocation: CPU, median",
        1000 * median(seconds),
        "ms",
        of=f"{len(seconds)} lines, both files read and split anew for each",
    )
    yield Row("relocation: CPU, 95th percentile", 1000 * quantiles(seconds, n=20)[-1], "ms")


def kind(truth: int | None, line: int | None) -> str:
    """What an answer is worth."""
    if truth is None:
        return "abstains" if line is None else "claims"
    return "missed" if line is None else "exact" if line == truth else "wrong"


def samples(older: Path, newer: Path, seed: int = SEED, files: int = FILES, each: int = EACH) -> Iterator[Sample]:
    """`each` lines with two identifiers inside functions of each of `files` sources, larger sources likelier."""
    dice = random.Random(seed)
    paths = sorted(path.relative_to(older) for folder in FOLDERS for path in (older / folder).rglob("*.c"))
    both = [path for path in paths if (newer / path).is_file() and (older / path).stat().st_size > 0]
    drawn = sorted(both, key=lambda path: -(dice.random() ** (1 / (older / path).stat().st_size)))[:files]
    for path in drawn:
        old, new = text_of(older / path), text_of(newer / path)
        texts, hunks = old.split("\n"), diff(older / path, newer / path)
        inside = [
            (line, function)
            for function in functions(old)
            for line in range(function.start, function.end + 1)
            if len(set(IDENTIFIER.findall(texts[line - 1]))) > 1
        ]
        for line, function in dice.sample(inside, min(each, len(inside))):
            truth = unchanged(hunks, line) or aligned(old, new, line, function)
            yield Sample(str(path), old, new, line, function, truth)


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


def diff(old: Path, new: Path) -> list[_Hunk]:
    """First line and length of each change, before and after."""
    command = (
        "git",
        "diff",
        "--no-index",
        "--patience",
        "-U0",
        "--no-color",
        "--no-ext-diff",
        "--",
        str(old),
        str(new),
    )
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr.decode("utf-8", "replace"))
    found = HUNK.findall(done.stdout.decode("utf-8", "replace"))
    return [(int(first), int(size or 1), int(there), int(its or 1)) for first, size, there, its in found]


def unchanged(hunks: list[_Hunk], line: int) -> int | None:
    """Where a line that no hunk changes is afterwards."""
    shift = 0
    for start, removed, _, added in hunks:
        first = start if removed else start + 1  # a hunk that only adds names the line above
        if line < first:
            break
        if line < first + removed:
            return None
        shift += added - removed
    return line + shift


def aligned(old: str, new: str, line: int, function: Function) -> int | None:
    """The line's counterpart in the function of the same name, by difflib."""
    for home in named(new, function.name)[:1]:
        before, after = (
            [each.strip() for each in text.split("\n")[its.start - 1 : its.end]]
            for text, its in ((old, function), (new, home))
        )
        for here, there, size in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
            if here <= line - function.start < here + size:
                return home.start + there + line - function.start - here
    return None
