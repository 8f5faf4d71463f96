"""``kernfix parse``: the crashes in console logs, as text for people or as one JSON document."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from kernfix import crash
from kernfix.cli import exits
from kernfix.cli.input import read_blocks
from kernfix.cli.terminal import printable
from kernfix.crash import Crash, Frame, HeldLock, Log, Machine, Stack

SCHEMA = "kernfix.crash/1"

_HEADINGS = {
    "crash": "stack",
    "alloc": "allocated",
    "free": "freed",
    "origin": "uninitialised since",
    "race": "other access",
    "lock": "lock",
}
"""Stacks that are shown; the others are counted."""
_HIDDEN = {"cpu": "of other processors", "lock": "about locks"}
_MOST_FRAMES, _FEWER_FRAMES, _MOST_STACKS = 16, 4, 6
_MOST_LOCKS, _MOST_AFTER = 4, 4


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("files", metavar="FILE", nargs="*", default=["-"], help="console log; - for standard input")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args: argparse.Namespace) -> int:
    """Parse every file. A file that cannot be used is reported and does not keep the others from being read."""
    logs: dict[str, Log] = {}
    bad: dict[str, str] = {}
    for name in dict.fromkeys(args.files or ["-"]):
        try:
            logs[name] = read_log(name)
        except exits.BadInput as failure:
            bad[name] = str(failure)
            print(f"kernfix parse: {failure}", file=sys.stderr)
    if args.json:
        print(json.dumps({"schema": SCHEMA, "files": [_json(name, logs, bad) for name in [*logs, *bad]]}))
    else:
        paint = _Paint(sys.stdout.isatty() and "NO_COLOR" not in os.environ)
        for line in itertools.chain.from_iterable(_text(name, log, paint) for name, log in logs.items()):
            print(line)
    if bad:
        return exits.BAD_INPUT
    return exits.GOOD if any(log.crashes for log in logs.values()) else exits.NO


def read_log(name: str) -> Log:
    """The crashes of a file (``-``: standard input); BadInput when it cannot be a console log."""
    seen = _Seen()
    log = crash.parse_stream(seen.passing(read_blocks(name)))
    shown = _shown_name(name)
    if seen.blank:
        raise exits.BadInput(f"{shown} is empty; name a console log.")
    if not log.crashes and seen.binary:
        raise exits.BadInput(f"{shown} looks binary and holds no crash; name a console log in plain text.")
    return log


class _Seen:
    """What went by of a file: whether it has been `blank` so far, and whether it looks `binary`."""

    def __init__(self) -> None:
        self.blank = True
        self.binary = False

    def passing(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The same blocks, looked at."""
        for block in blocks:
            self.blank = self.blank and not block.strip()
            self.binary = self.binary or b"\0" in block
            yield block


def _json(name: str, logs: dict[str, Log], bad: dict[str, str]) -> dict[str, Any]:
    log = logs.get(name, Log(()))
    problems = [bad[name]] if name in bad else list(log.problems)
    return {"file": name, "crashes": [crash.to_json(one) for one in log.crashes], "problems": problems}


# --- text for people -------------------------------------------------------------------------------------------------------------------


class _Paint:
    """Terminal colours, or none."""

    def __init__(self, on: bool) -> None:
        self._on = on

    def bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self._on else text

    def red(self, text: str) -> str:
        return f"\x1b[1;31m{text}\x1b[0m" if self._on else text

    def dim(self, text: str) -> str:
        return f"\x1b[2m{text}\x1b[0m" if self._on else text


def _text(name: str, log: Log, paint: _Paint) -> Iterator[str]:
    shown = _shown_name(name)
    if not log.crashes:
        yield f"{shown}: no crash found."
    for no, (index, one) in enumerate(
        (index, one) for index, one in enumerate(log.crashes) if one.consequence_of is None
    ):
        if no:
            yield ""
        yield f"{paint.dim(f'{shown}:{one.start_line + 1}:')} {paint.red(printable(one.title))}"
        yield from _summary(one, [after for after in log.crashes if after.consequence_of == index], paint)
        yield from _stacks(one.stacks, paint)
    for problem in log.problems:
        yield f"{shown}: {problem}"


def _summary(one: Crash, consequences: list[Crash], paint: _Paint) -> Iterator[str]:
    remarks = (
        f"incomplete report ({one.corrupted}): do not trust the title" if one.corrupted else None,
        "the log also shows a failure of the test machine" if one.suppressed else None,
        "the kernel panicked" if one.panicked and not consequences else None,
        *one.problems,
    )
    rows = (
        ("function", one.function),
        ("at", f"{one.site.file}:{one.site.line}" if one.site else one.guilty_file),
        ("type", one.type),
        ("details", ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in one.facts.items())),
        ("task", _machine(one.machine)),
        (
            "locks",
            "; ".join(_lock(lock) for lock in one.locks[:_MOST_LOCKS]) + (" …" if len(one.locks) > _MOST_LOCKS else ""),
        ),
        ("then", "; ".join(f"{after.title} (line {after.start_line + 1})" for after in consequences[:_MOST_AFTER])),
        ("lines", f"{one.start_line + 1}-{one.end_line + 1}"),
        ("note", "; ".join(remark for remark in remarks if remark)),
    )
    for label, value in rows:
        if value:
            yield f"  {paint.dim(f'{label:8}')} {printable(value)}"


def _machine(machine: Machine) -> str:
    parts = (
        machine.comm and machine.comm + (f" ({machine.pid})" if machine.pid is not None else ""),
        machine.cpu is not None and f"on CPU {machine.cpu}",
        machine.kernel and f"kernel {machine.kernel}",
        machine.taint and f"tainted {machine.taint}",
    )
    return ", ".join(part for part in parts if part)


def _lock(lock: HeldLock) -> str:
    at = f" at {_frame(lock.frame)}" if lock.frame else ""
    return f"{'' if lock.held else 'wants '}{lock.name}{at}"


def _stacks(stacks: Iterable[Stack], paint: _Paint) -> Iterator[str]:
    hidden: Counter[str] = Counter()
    shown: Counter[str] = Counter()
    for stack in sorted(stacks, key=lambda stack: stack.kind != "crash"):
        shown[stack.kind] += 1
        if stack.kind not in _HEADINGS or shown[stack.kind] > _MOST_STACKS:
            hidden[_HIDDEN.get(stack.kind, "other")] += 1
            continue
        who = f" by {stack.task}" if stack.task else ""
        pid = f" (task {stack.pid})" if stack.pid is not None else ""
        what = (stack.label or "lock") if stack.kind == "lock" else f"{_HEADINGS[stack.kind]}{who}{pid}"
        yield "  " + paint.bold(printable(what))
        yield from _frames(stack, paint)
    if hidden:
        more = ", ".join(f"{count} {what}" for what, count in hidden.items())
        yield paint.dim(f"  … stacks not shown: {more} (--json has them)")


def _frames(stack: Stack, paint: _Paint) -> Iterator[str]:
    """The frames that matter: the unwinder's guesses are left out, and what only reports, enters the kernel or (in a stack that only
    explains the crash) serves everyone is counted.
    """
    most, dull = (_MOST_FRAMES, crash.is_machinery) if stack.kind == "crash" else (_FEWER_FRAMES, crash.is_plumbing)
    folded = 0
    for frame in (frame for frame in stack.frames if frame.reliable):
        if most == 0 or dull(frame.function):
            folded += 1
            continue
        if folded:
            yield paint.dim(f"    … {folded} more")
        yield f"    {printable(_frame(frame))}"
        most, folded = most - 1, 0
    if folded:
        yield paint.dim(f"    … {folded} more")


def _frame(frame: Frame) -> str:
    offset = f"+{frame.offset:#x}/{frame.size:#x}" if frame.offset is not None and frame.size is not None else ""
    place = f" {frame.file}:{frame.line}" if frame.file else ""
    where = f" from {frame.caller}" if frame.caller else ""
    return f"{frame.shown}{where}{offset}{place}{' [inline]' if frame.inlined else ''}{f' [{frame.module}]' if frame.module else ''}"


def _shown_name(name: str) -> str:
    return "standard input" if name == "-" else printable(name)
