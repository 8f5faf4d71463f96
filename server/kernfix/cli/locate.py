"""``kernfix locate``: the code of every frame, in the tree that the user has."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from kernfix.case.locate import LocatedLog, locate_log, located_json
from kernfix.cli.exits import GOOD, NO, BadInput
from kernfix.cli.parse import read_log
from kernfix.cli.terminal import printable
from kernfix.crash import Crash, Frame, is_machinery
from kernfix.source import Located, Location
from kernfix.source.texts import Texts

LONG_SECONDS = 1.0
"""From here on it is worth saying how to make it quicker."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("file", metavar="FILE", help="a console log, or - for standard input")
    parser.add_argument("--tree", type=Path, required=True, help="the kernel tree; it is only read")
    parser.add_argument("--vmlinux", type=Path, help="the kernel that crashed, with debug information, for exact lines")
    parser.add_argument("--modules", type=Path, metavar="DIR", help="the folder of its modules, if not beside vmlinux")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args: argparse.Namespace) -> int:
    """Print the crashes with their code; the answer is no when there is no crash."""
    log = read_log(args.file)
    began = time.monotonic()
    with _note("searching the tree …"):
        located, problem = locate_log(log, args.tree, args.vmlinux, args.modules)
    if located is None:
        raise BadInput(problem or f"{args.tree} cannot be used.")
    seconds = time.monotonic() - began
    if args.json:
        document = {"schema": "kernfix.crash/1", "files": [{"file": args.file, "crashes": located_json(located)}]}
        print(json.dumps(document))
    else:
        print("\n".join(lines(located)) or f"no crash in {args.file}")
    if seconds >= LONG_SECONDS and sys.stderr.isatty() and _was_searched(located):
        command = f"kernfix index --tree {shlex.quote(str(args.tree))}"
        print(printable(f"note: all of the tree was searched; {command} makes this instant."), file=sys.stderr)
    return GOOD if log.crashes else NO


def _was_searched(located: LocatedLog) -> bool:
    """Whether functions were looked for by their names, and without an index."""
    stacks = (stack for where in located.crashes for stack in where.stacks)
    if not any(location is None or location.how == "symbol" for stack in stacks for location in stack.locations):
        return False
    from kernfix.source.index.lookup import open_index  # slow to load

    index, _ = open_index(located.tree)
    if index:
        index.close()
    return index is None


@contextlib.contextmanager
def _note(text: str) -> Iterator[None]:
    """Show `text` on a terminal while something takes a few seconds."""
    shown = sys.stderr.isatty()
    print(text if shown else "", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        print("\r\033[K" if shown else "", end="", file=sys.stderr, flush=True)


def lines(located: LocatedLog) -> Iterator[str]:
    """The located crashes for people: each stack that matters, with the machinery of reports and the unwinder's guesses counted."""
    pairs = zip(located.log.crashes, located.crashes, strict=True)
    faults = [(crash, where) for crash, where in pairs if crash.consequence_of is None]
    texts = Texts(located.tree)
    for number, (crash, where) in enumerate(faults):
        if number:
            yield ""
        yield from _crash_text(crash, where, texts)


def _crash_text(crash: Crash, where: Located, texts: Texts) -> Iterator[str]:
    yield printable(crash.title)
    if where.site:
        yield f"  at {_place(where.site)}"
        yield f"       {_source(where.site, texts)}"
    hidden = 0
    for stack, places in zip(crash.stacks, where.stacks, strict=True):
        if stack.kind == "other":
            hidden += 1
            continue
        task = f" ({stack.task}, pid {stack.pid})" if stack.task else ""
        yield f"  {stack.kind}{printable(task)}"
        yield from _stack_text(stack.frames, places.locations, texts)
    if hidden:
        yield f"  … {hidden} more stack{'s' if hidden > 1 else ''} (the panic, other tasks); --json has them"
    for problem in where.problems:
        yield f"  note: {printable(problem)}"


def _stack_text(frames: Sequence[Frame], locations: Sequence[Location | None], texts: Texts) -> Iterator[str]:
    entries = list(enumerate(zip(frames, locations, strict=True)))
    for folded, group in itertools.groupby(entries, key=lambda entry: _is_noise(entry[1][0])):
        together = list(group)
        if folded:
            yield f"    … {len(together)} more"
            continue
        for number, (frame, location) in together:
            yield from _frame_text(number, frame, location, texts)


def _is_noise(frame: Frame) -> bool:
    return not frame.reliable or is_machinery(frame.function)


def _frame_text(number: int, frame: Frame, location: Location | None, texts: Texts) -> Iterator[str]:
    inlined = location is not None and location.inlined_by
    name = printable(location.function or frame.function if location and inlined else frame.function)
    if location is None:
        yield f"    #{number} {name}  not found"
        return
    yield f"    #{number} {name}  {_place(location)}"
    yield f"         {_source(location, texts)}"
    for caller in location.inlined_by:
        yield f"       inlined into {printable(caller.function or 'code')}  {_place(caller)}"


def _place(location: Location) -> str:
    return f"{printable(location.path)}:{location.line}  ({location.how}, {location.confidence:.0%})"


def _source(location: Location, texts: Texts) -> str:
    return printable((texts.line(location.path, location.line) or "").strip().expandtabs())
