"""What of a log is near its headlines, however the log comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernfix.crash import Log, decode, parse, parse_stream, stretch
from kernfix.crash.lines import read_lines
from kernfix.crash.scan import REPLAY
from kernfix.crash.stretch import LEAD, MAX_HEADLINES, WINDOW, Cutter, Stretch, byte_length, whole_lines

LOGS = sorted((Path(__file__).parent / "logs").glob("*.log"))
NOISE = "[    1.000000] all is well"
BUG = "[    1.000000] BUG: KASAN: use-after-free in frob+0x1/0x2"
INFO = "[    1.000000][   T1] INFO: task frob:1 blocked for more than 143 seconds."
REPLAYED = f"[    1.000000] {REPLAY}"
ODD = "x\N{GREEK SMALL LETTER ALPHA}\N{LINE SEPARATOR}\udcff\udc80\r\x0b\x1b[0m"


def cut(pieces: Iterable[str]) -> list[Stretch]:
    cutter = Cutter()
    return [*(each for piece in pieces for each in cutter.feed(piece)), *cutter.finish()]


def check(text: str, *expected: tuple[int, int, list[int]]) -> None:
    """The first line of each stretch, the line behind its last, and its headlines."""
    stretches = cut([text])
    assert [(each.first, each.end, [head.line for head in each.headlines]) for each in stretches] == list(expected)
    check_places(text, stretches)


def check_places(text: str, stretches: list[Stretch]) -> None:
    """Lines, line numbers and byte offsets of stretches agree with the text that they were cut from."""
    data = text.encode("utf-8", "surrogateescape")
    lines = text.split("\n")
    for each in stretches:
        assert each.lines == lines[each.first : each.end]
        assert data[: each.start_byte].count(b"\n") == each.first
        assert each.start_byte == 0 or data[each.start_byte - 1 : each.start_byte] == b"\n"


# --- what is kept ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "\n", NOISE, f"{NOISE}\n" * 100, f"{BUG}\n{REPLAYED}\n{NOISE}\n"])
def test_without_a_headline_nothing_is_kept(text: str) -> None:
    check(text)


def test_a_headline_alone() -> None:
    check(BUG, (0, 1, [0]))
    check(f"{BUG}\n", (0, 1, [0]))
    check(f"\n\n{BUG}\n\n", (0, 4, [2]))


@pytest.mark.parametrize("before", [0, 1, LEAD - 1, LEAD, LEAD + 1, 3 * LEAD])
def test_lead(before: int) -> None:
    check(f"{NOISE}\n" * before + BUG, (max(0, before - LEAD), before + 1, [before]))


@pytest.mark.parametrize("after", [0, 1, WINDOW - 1, WINDOW, WINDOW + 1])
def test_window(after: int) -> None:
    check(f"{BUG}\n" + f"{NOISE}\n" * after, (0, 1 + min(after, WINDOW - 1), [0]))


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        (WINDOW - 1, [(0, WINDOW + 3, [0, WINDOW])]),
        (WINDOW, [(0, WINDOW, [0]), (WINDOW + 1 - LEAD, WINDOW + 4, [WINDOW + 1])]),
        (3 * WINDOW, [(0, WINDOW, [0]), (3 * WINDOW + 1 - LEAD, 3 * WINDOW + 4, [3 * WINDOW + 1])]),
    ],
)
def test_headlines_near_each_other_share_a_stretch(between: int, expected: list[tuple[int, int, list[int]]]) -> None:
    check(f"{BUG}\n" + f"{NOISE}\n" * between + f"{INFO}\n" + f"{NOISE}\n" * 2, *expected)


def test_a_long_stretch_ends_at_the_next_headline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretch, "LEAD", 2)
    monkeypatch.setattr(stretch, "STRETCH_LIMIT", 5)
    text = f"{NOISE}\n" * 3 + f"{BUG}\n" * 20
    stretches = cut([text])
    check_places(text, stretches)
    assert len(stretches) > 1
    assert [headline.line for each in stretches for headline in each.headlines] == list(range(3, 23))
    assert all(each.first <= headline.line < each.end for each in stretches for headline in each.headlines)


def test_the_families_come_along() -> None:
    (only,) = cut([f"{BUG}\n{INFO}\n"])
    assert [headline.family.keyword for headline in only.headlines] == ["BUG:", "INFO:"]


# --- too many --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [1, 7, MAX_HEADLINES, 3 * MAX_HEADLINES])
def test_no_more_headlines_than_the_limit(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretch, "MAX_HEADLINES", 20)
    lines = [f"{NOISE}\n", *[f"{BUG}\n"] * 50]
    cutter = Cutter()
    pieces = ("".join(lines[at : at + at_once]) for at in range(0, len(lines), at_once))
    stretches = [*(each for piece in pieces for each in cutter.feed(piece)), *cutter.finish()]
    assert [headline.line for each in stretches for headline in each.headlines] == list(range(1, 21))
    assert cutter.beyond == 21


def test_as_many_headlines_as_the_limit_are_no_problem() -> None:
    assert parse("VFS: Close: file count is 0\n" * MAX_HEADLINES).problems == ()


def test_more_are_said() -> None:
    log = parse("all is well\n" + "VFS: Close: file count is 0\n" * (MAX_HEADLINES + 2))
    assert len(log.crashes) == MAX_HEADLINES
    (problem,) = log.problems
    assert str(MAX_HEADLINES) in problem
    assert f"beyond line {MAX_HEADLINES + 1}" in problem


# --- bytes -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "length"),
    [("", 0), ("abc", 3), ("\N{GREEK SMALL LETTER ALPHA}", 2), ("\udcff", 1), (ODD, 14), ("\U0001f427", 4)],
)
def test_byte_length(text: str, length: int) -> None:
    assert byte_length(text) == length == len(text.encode("utf-8", "surrogateescape"))


@given(st.binary(max_size=60))
def test_byte_length_of_any_bytes(data: bytes) -> None:
    assert byte_length(decode(data)) == len(data)


def test_the_length_of_a_surrogate_that_no_byte_became() -> None:
    assert byte_length("\ud800") == 3


def test_start_byte_after_odd_bytes() -> None:
    text = f"{ODD}\n" * (LEAD + 3) + f"{BUG}\n{ODD}\n{INFO}"
    check(text, (3, LEAD + 6, [LEAD + 3, LEAD + 5]))
    crashes = parse(text).crashes
    data = text.encode("utf-8", "surrogateescape")
    assert [crash.start_byte for crash in crashes] == [data.index(BUG.encode()), data.index(INFO.encode())]


# --- where the log is cut into pieces does not matter -----------------------------------------------------------------------------------

LINE = st.sampled_from([NOISE, NOISE, NOISE, BUG, INFO, REPLAYED, ODD, "", "login: "])
TEXT = st.tuples(st.lists(LINE, max_size=40).map("\n".join), st.sampled_from(["", "\n"])).map("".join)


def blocks_of(text: str, cuts: Iterable[int]) -> Iterator[str]:
    ends = sorted({0, len(text), *(at % (len(text) + 1) for at in cuts)})
    return (text[start:end] for start, end in pairwise(ends))


@settings(deadline=None)
@given(TEXT, st.lists(st.integers(0, 5000), max_size=12))
def test_whole_lines_loses_nothing_and_cuts_no_line(text: str, cuts: list[int]) -> None:
    pieces = list(whole_lines(blocks_of(text, cuts), "\n", REPLAY))
    assert "".join(pieces) == text
    assert all(piece.endswith("\n") for piece in pieces[:-1])
    assert all(REPLAY not in piece.partition("\n")[0] for piece in pieces[1:])


@pytest.mark.parametrize(
    ("blocks", "pieces"),
    [
        ([], []),
        (["", ""], []),
        (["a"], ["a"]),
        (["a\nb\n", "c\n"], ["a\n", "b\n", "c\n"]),
        (["a\nb\nc", "d"], ["a\n", "b\ncd"]),
        (["a\nb\n", "G\n", "c\nd\n"], ["a\n", "b\nG\nc\n", "d\n"]),
        (["a\nG\nG\n", "G\nb\n", "c\n"], ["a\nG\nG\nG\nb\n", "c\n"]),
        (["G\nG\n", "G\n"], ["G\nG\nG\n"]),
        (["a" * 9, "b" * 9, "\nc" + "d" * 16 + "\n", "e\n"], ["a" * 9 + "b" * 9 + "\n", "c" + "d" * 16 + "\n", "e\n"]),
    ],
)
def test_whole_lines(blocks: list[str], pieces: list[str]) -> None:
    """A line that holds ``G`` stays with the line above."""
    assert list(whole_lines(blocks, "\n", "G")) == pieces
    assert list(whole_lines([block.encode() for block in blocks], b"\n", b"G")) == [piece.encode() for piece in pieces]


def kept(stretches: Iterable[Stretch]) -> list[object]:
    return [(each.first, each.start_byte, each.lines, each.headlines) for each in stretches]


@settings(deadline=None, max_examples=200)
@given(TEXT, st.lists(st.integers(0, 5000), max_size=12), st.integers(0, 3), st.integers(1, 9))
def test_stretches_do_not_depend_on_the_pieces(text: str, cuts: list[int], lead: int, window: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretch, "LEAD", lead)
        patch.setattr(stretch, "WINDOW", window)
        whole = cut([text]) if text else []
        assert kept(cut(whole_lines(blocks_of(text, cuts), "\n", REPLAY))) == kept(whole)
        check_places(text, whole)


@settings(deadline=None)
@given(TEXT, st.lists(st.integers(0, 5000), max_size=12))
def test_a_stretch_that_is_called_common_reads_the_same_with_all_care(text: str, cuts: list[int]) -> None:
    for each in cut(whole_lines(blocks_of(text, cuts), "\n", REPLAY)):
        assert read_lines(each.first, each.lines, common=each.common) == read_lines(each.first, each.lines)


@settings(deadline=None)
@given(TEXT, st.lists(st.integers(0, 5000), max_size=12))
def test_crashes_do_not_depend_on_the_pieces(text: str, cuts: list[int]) -> None:
    data = text.encode("utf-8", "surrogateescape")
    ends = sorted({0, len(data), *(at % (len(data) + 1) for at in cuts)})
    assert parse_stream(data[start:end] for start, end in pairwise(ends)) == parse(text)


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("log", LOGS, ids=lambda path: path.stem)
def test_a_log_in_blocks_is_the_same_log(log: Path, size: int) -> None:
    data = log.read_bytes()
    whole = parse(decode(data))
    assert parse_stream(data[at : at + size] for at in range(0, len(data), size)) == whole
    assert whole != Log(()) or log.stem == "no-crash"


def test_a_character_in_two_blocks() -> None:
    data = "α\nBUG: α\nα".encode()
    assert parse_stream([data[:1], data[1:9], data[9:]]) == parse(data.decode())


@settings(deadline=None, max_examples=200)
@given(TEXT, st.lists(st.integers(0, 5000), max_size=12), st.integers(1, 9), st.integers(1, 9))
def test_neither_do_long_ones(text: str, cuts: list[int], window: int, limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretch, "LEAD", 2)
        patch.setattr(stretch, "WINDOW", window)
        patch.setattr(stretch, "STRETCH_LIMIT", limit)
        assert cut(whole_lines(blocks_of(text, cuts), "\n", REPLAY)) == (cut([text]) if text else [])
