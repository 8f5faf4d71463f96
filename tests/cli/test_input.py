"""Reading what the user named."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from kernfix.cli.exits import BadInput
from kernfix.cli.input import read_blocks, read_bytes

Read = Callable[[str], bytes]
READERS: dict[str, Read] = {"whole": read_bytes, "blocks": lambda name: b"".join(read_blocks(name))}
BIG = b"x" * ((1 << 20) - 1) + b"\n" + b"y" * 12

every_reader = pytest.mark.parametrize("read", READERS.values(), ids=READERS)


@every_reader
@pytest.mark.parametrize("content", [b"", b"a\nb", b"\0\xff\r\n", BIG], ids=["empty", "text", "bytes", "big"])
def test_a_file_and_standard_input(read: Read, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(content)
    assert read(str(path)) == content
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    assert read("-") == content


@every_reader
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (".", r"\. is a folder; name a file\."),
        ("gone.log", r"cannot read gone\.log: No such file or directory\."),
        ("x.log/y", r"cannot read x\.log/y: Not a directory\."),
        ("n" * 300, r"cannot read n+: File name too long\."),
    ],
)
def test_what_cannot_be_read(
    read: Read, name: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.log").touch()
    with pytest.raises(BadInput, match=f"^{sentence}$"):
        read(name)


def test_blocks_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(BIG)
    blocks = read_blocks(str(path))
    assert next(blocks) == BIG[: 1 << 20]
    with path.open("ab") as file:
        file.write(b"more")
    assert b"".join(blocks) == b"y" * 12 + b"more"
