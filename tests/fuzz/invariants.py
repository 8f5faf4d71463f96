"""What holds for whatever the parser of crashes is given: the fuzzer and the property tests both ask it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from itertools import accumulate, pairwise

from kernfix.crash import Crash, Frame, Log, decode, parse, parse_stream, to_json
from kernfix.crash.lines import without_colours

SECONDS, SECONDS_A_BYTE = 2.0, 20e-6
"""Processor time that a log may take, a hundred times what it does: what this catches grows faster than its input."""


def check_bytes(data: bytes) -> Log:
    """A log of bytes, as a whole and in blocks."""
    text = decode(data)
    log = check_text(text)
    offsets = list(accumulate((len(line) + 1 for line in data.split(b"\n")), initial=0))
    for crash in log.crashes:
        assert crash.start_byte == offsets[crash.start_line], f"byte {crash.start_byte} begins no line"
        # Not so for any text: JSON takes two surrogates that make a pair for one character.
        assert json.loads(json.dumps(to_json(crash))) == to_json(crash), "JSON does not keep it"
    assert parse_stream(_blocks(data)) == log, "read in blocks it is another log"
    return log


def check_text(text: str) -> Log:
    """A log of text, which need not be what bytes decode to."""
    start = time.process_time()
    log = parse(text)
    seconds, most = time.process_time() - start, SECONDS + SECONDS_A_BYTE * len(text)
    assert seconds <= most, f"{len(text)} characters took {seconds:.1f} s"
    lines = text.split("\n")
    assert all(one.start_line < other.start_line for one, other in pairwise(log.crashes)), "crashes out of order"
    for index, crash in enumerate(log.crashes):
        _check_crash(crash, lines)
        root = crash.consequence_of
        assert root is None or (0 <= root < index and log.crashes[root].consequence_of is None), f"follows from {root}"
        json.dumps(to_json(crash), allow_nan=False)
    return log


def _check_crash(crash: Crash, lines: list[str]) -> None:
    assert 0 <= crash.start_line <= crash.end_line < len(lines), f"lines {crash.start_line} to {crash.end_line}"
    assert crash.title, "a crash without a title"
    assert crash.title.isascii(), f"title {crash.title!r}"
    assert crash.title.isprintable(), f"title {crash.title!r}"
    line, start, end = crash.headline
    assert line == crash.start_line, "the headline is not where the crash starts"
    assert 0 <= start <= end <= len(lines[line]), f"headline {crash.headline}"
    for frame in _frames(crash):
        line, start, end = frame.span
        assert crash.start_line <= line < len(lines), f"frame on line {line} of a crash on {crash.start_line}"
        assert 0 <= start < end <= len(lines[line]), f"span {frame.span} of {frame.function}"
        told = without_colours(lines[line][start:end])
        assert told.startswith(frame.function), f"{told!r} for {frame.function}"


def _frames(crash: Crash) -> Iterator[Frame]:
    yield from (frame for stack in crash.stacks for frame in stack.frames)
    yield from (lock.frame for lock in crash.locks if lock.frame)


def _blocks(data: bytes) -> Iterator[bytes]:
    """The data cut anywhere, the same way each time: into single bytes where it is short, else into a few pieces."""
    chance = random.Random(data)
    if len(data) < 2000 and chance.random() < 0.2:
        yield from (data[at : at + 1] for at in range(len(data)))
        return
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(9)))
    yield from (data[start:end] for start, end in pairwise([0, *cuts, len(data)]))
