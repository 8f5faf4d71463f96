"""Positions as the client counts them."""

from __future__ import annotations

import random

import pytest
from lsprotocol import types
from pygls.workspace import PositionCodec

from kernfix.lsp.text import Document, Text, split_lines

ENCODINGS = {
    types.PositionEncodingKind.Utf8: lambda text: len(text.encode("utf-8")),
    types.PositionEncodingKind.Utf16: lambda text: len(text.encode("utf-16-le")) // 2,
    types.PositionEncodingKind.Utf32: len,
}
ALPHABET = ["a", "é", "€", "🦊", "\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\t", ""]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("a", ["a"]),
        ("a\n", ["a", ""]),
        ("a\r\nb\rc\n\rd", ["a", "b", "c", "", "d"]),
        ("a\x0cb\u2028c\x85d\x1ce", ["a\x0cb\u2028c\x85d\x1ce"]),
    ],
)
def test_split_lines(text: str, lines: list[str]) -> None:
    assert list(split_lines(text)) == lines


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_columns_there_and_back(encoding: types.PositionEncodingKind) -> None:
    text = Text("x\naé€🦊b\n", PositionCodec(encoding))
    for character in range(6):
        position = text.column(1, character)
        assert position == types.Position(1, ENCODINGS[encoding]("aé€🦊b"[:character]))
        assert text.character(position) == (1, character)
        assert text.position(text.offset(position)) == position


@pytest.mark.parametrize(
    ("position", "expected"),
    [((0, 99), (0, 2)), ((1, 0), (1, 0)), ((7, 3), (1, 0)), ((0, 1), (0, 0))],
)
def test_positions_out_of_range_move_to_the_nearest_place(position: tuple[int, int], expected: tuple[int, int]) -> None:
    """The last is between the halves of a surrogate pair."""
    text = Text("🦊b\n", PositionCodec(types.PositionEncodingKind.Utf16))
    assert text.character(types.Position(*position)) == expected


def test_code_of_a_line_leaves_the_indentation_out() -> None:
    text = Text("\t\tx = 1;  \n\n", PositionCodec(types.PositionEncodingKind.Utf16))
    assert text.code(0) == types.Range(types.Position(0, 2), types.Position(0, 8))
    assert text.code(1) == types.Range(types.Position(1, 0), types.Position(1, 0))
    assert text.code(99).start.line == 2


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_incremental_changes_give_what_the_client_has(encoding: types.PositionEncodingKind) -> None:
    """Random edits of a document with every kind of character, against plain slicing of the same text."""
    rng = random.Random(7)
    mirror = "start 🦊\r\nof it\n"
    document = Document("file:///x", mirror, 1, "kernel-crash", position_codec=PositionCodec(encoding))
    for _ in range(400):
        marks = sorted(rng.choices(range(len(mirror) + 1), k=2))
        start, end = (_off_line_ends(mirror, mark) for mark in marks)
        new = "".join(rng.choices(ALPHABET, k=rng.randrange(5)))
        text = Text(mirror, PositionCodec(encoding))
        span = types.Range(text.position(start), text.position(end))
        document.apply_change(types.TextDocumentContentChangePartial(range=span, text=new))
        mirror = mirror[:start] + new + mirror[end:]
        assert document.source == mirror
    document.apply_change(types.TextDocumentContentChangeWholeDocument(text="new"))
    assert document.source == "new"


def _off_line_ends(text: str, offset: int) -> int:
    """No client can name the place between the two characters of a line end."""
    return offset - 1 if text[offset - 1 : offset + 1] == "\r\n" else offset
