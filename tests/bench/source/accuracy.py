"""Whether the right function is found: for lines that the compiler states, and next to ctags."""

from __future__ import annotations

import posixpath
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rows import Given, Row, lines

from kernfix.source import Tree, definition_names, open_tree
from kernfix.source.functions import function_at, invocation_around, spot
from kernfix.source.index.model import Defined
from kernfix.source.index.scan import scan

ADDRESSES, SEED = 6000, 20261123
APART = ("tools/testing/",)
"""Folders whose macros ctags and kernfix name differently."""
MADE_BY_COMPILER = "_sub_"
"""The constructors that a compiler adds for a sanitizer: no source line is theirs."""


class Said(NamedTuple):
    """A line of code as debug information states it: the function, the path in the tree, the 1-based line."""

    function: str
    path: str
    line: int


class Tag(NamedTuple):
    """A function as ctags states it."""

    name: str
    start: int
    end: int


def rows(given: Given) -> Iterator[Row]:
    """The right function by the compiler, how long that takes without an index, and the agreement with ctags."""
    tree, problem = open_tree(given.tree)
    if tree is None:
        sys.exit(problem)
    yield from _by_compiler(tree, list(stated(tree, given.vmlinux)))
    yield from _by_ctags(tree)


def stated(tree: Tree, vmlinux: Path) -> Iterator[Said]:
    """What addr2line says of random addresses in functions, inlined ones included; longer functions have more."""
    said = subprocess.run(["nm", "-S", "--defined-only", vmlinux], check=True, capture_output=True, text=True).stdout
    sized = [line.split() for line in said.splitlines()]
    spans = [(int(words[0], 16), int(words[1], 16)) for words in sized if len(words) == 4 and words[2] in "tT"]
    dice = random.Random(SEED)
    chosen = dice.choices(spans, [size for _, size in spans], k=ADDRESSES)
    asked = "".join(f"{start + dice.randrange(size):#x}\n" for start, size in chosen)
    command = ["addr2line", "-f", "-i", "-e", vmlinux]
    answer = subprocess.run(command, input=asked, check=True, capture_output=True, text=True).stdout.splitlines()
    for function, place in zip(answer[::2], answer[1::2], strict=True):
        path, _, line = place.split(" ")[0].rpartition(":")
        found = tree.find(posixpath.normpath(path)) if line.isdigit() else None
        if not function.startswith(MADE_BY_COMPILER):
            yield Said(function, found or "", int(line) if line.isdigit() else 0)


def _by_compiler(tree: Tree, every: list[Said]) -> Iterator[Row]:
    kinds: Counter[str] = Counter()
    seconds = []
    outside = sum(not said.path for said in every)
    every = [said for said in every if said.path]
    for said in every:
        began = time.process_time()
        found = function_at(tree.read(said.path) or "", said.line)
        seconds.append(time.process_time() - began)
        names = {found.name} if found else set()
        if names & set(definition_names(said.function)):
            kinds["function"] += 1
        elif found is None and _is_made(tree, said):
            kinds["macro"] += 1
        else:
            kinds["wrong" if found else "none"] += 1
    right = 100 * (kinds["function"] + kinds["macro"]) / len(every)
    of = f"{len(every)} frames of {ADDRESSES} addresses, {outside} more are in no file of the tree; " + ", ".join(
        f"{kind} {kinds[kind]}" for kind in kinds
    )
    yield Row("right function, or the macro that makes it, by the compiler", right, "%", 99, of=of)
    yield Row("file:line to function without an index: median", 1000 * statistics.median(seconds), "ms", 1, True)
    yield Row(
        "file:line to function without an index: p95", 1000 * statistics.quantiles(seconds, n=20)[-1], "ms", 5, True
    )


def _is_made(tree: Tree, said: Said) -> bool:
    """Whether an argument of the macro there is in the function's name: the functions that macros make are called after one."""
    there = spot(tree.read_bytes(said.path) or b"", said.line)
    use = there and invocation_around(there)
    return use is not None and any(word and word in said.function for word in use.arguments)


def _by_ctags(tree: Tree) -> Iterator[Row]:
    tags = _tags(tree)
    found = missed = known = extra = 0
    for path in sorted(str(path.relative_to(tree.root)) for path in tree.root.rglob("*.[ch]")):
        expected = tags.get(path, [])
        if path.startswith(APART) or tree.path(path) is None:
            continue
        defined = scan((tree.read(path) or "").encode("utf-8", "surrogateescape"), path).defined
        matched = {number for tag in expected for number, each in enumerate(defined) if _same(tag, each)}
        found += len(expected)
        missed += sum(not any(_same(tag, each) for each in defined) for tag in expected)
        known += len(defined)
        extra += len(defined) - len(matched)
    apart = f"{found} functions of ctags outside of {', '.join(APART)}"
    yield Row("recall against ctags", 100 * (1 - missed / found), "%", 99.9, of=f"{apart}; {missed} missed")
    yield Row(
        "precision against ctags", 100 * (1 - extra / known), "%", 99.9, of=f"{known} of ours; {extra} not in its list"
    )


def _same(tag: Tag, defined: Defined) -> bool:
    """The same name on lines in common; ctags calls a function that a macro makes by the macro's name, in capitals."""
    common = defined.start <= tag.end and tag.start <= defined.end
    return common and (defined.name == tag.name or defined.end == tag.end or tag.name.isupper())


def _tags(tree: Tree) -> dict[str, list[Tag]]:
    tags: dict[str, list[Tag]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "ctags",
            "-R",
            "--kinds-C=f",
            "--languages=C",
            "--langmap=C:.c.h",
            "--fields=+ne",
            "-f",
            f"{folder}/tags",
            ".",
        ]
        subprocess.run(command, cwd=tree.root, check=True, stderr=subprocess.DEVNULL)
        for line in Path(folder, "tags").read_text("latin-1").splitlines():
            if line.startswith("!"):
                continue
            name, path, *rest = line.split("\t")
            fields = dict(field.split(":", 1) for field in rest if ":" in field)
            path = path.removeprefix("./")
            if "line" in fields and path.endswith((".c", ".h")) and not path.startswith(APART):
                start = int(fields["line"])
                tags[path].append(Tag(name, start, int(fields.get("end", start))))
    return tags


if __name__ == "__main__":
    for text in lines(rows(Given(*map(Path, sys.argv[1:4])))):
        print(text, flush=True)
