"""``kernfix parse`` on good, bad and missing logs."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from kernfix.cli import exits
from kernfix.cli.main import main

LOGS = Path(__file__).resolve().parents[1] / "crash" / "logs"
GOOD = str(LOGS / "kasan-oob-then-panic.log")
NONE = str(LOGS / "no-crash.log")


def check_failure(
    capsys: pytest.CaptureFixture[str], words: list[str], sentence: str, code: int = exits.BAD_INPUT
) -> None:
    assert main(["parse", *words]) == code
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err


def test_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", GOOD]) == exits.GOOD
    shown = capsys.readouterr().out
    assert f"{GOOD}:6: KASAN: slab-out-of-bounds Write in frob_set_table" in shown
    for words in (
        "KASAN-WRITE",
        "then     kernel panic: KASAN: panic_on_warn set",
        "frob_set_table+0x1f4/0x310 [frob]",
        "allocated (task 212)",
        "… 3 more",
    ):
        assert words in shown
    assert "frob_get_table" not in shown  # a guess of the unwinder
    assert "dump_stack" not in shown
    assert "\x1b" not in shown


def test_doubt_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", str(LOGS / "truncated.log")]) == exits.GOOD
    assert "do not trust the title" in capsys.readouterr().out


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", "--json", GOOD, NONE]) == exits.GOOD
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "kernfix.crash/1"
    assert [file["file"] for file in document["files"]] == [GOOD, NONE]
    crash, panic = document["files"][0]["crashes"]
    assert crash["title"] == "KASAN: slab-out-of-bounds Write in frob_set_table"
    assert (crash["consequence_of"], panic["consequence_of"]) == (None, 0)
    assert document["files"][1] == {"file": NONE, "crashes": [], "problems": []}


def test_no_crash(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", NONE]) == exits.NO
    assert capsys.readouterr().out == f"{NONE}: no crash found.\n"


@pytest.mark.parametrize("words", [[], ["-"]])
def test_standard_input(words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(Path(GOOD).read_bytes())))
    assert main(["parse", *words]) == exits.GOOD
    assert capsys.readouterr().out.startswith("standard input:6: KASAN")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "is empty"), (b" \n\n", "is empty"), (b"\x7fELF\x02\x01\0\0\0 text", "looks binary")],
)
def test_useless_content(content: bytes, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(content)
    check_failure(capsys, [str(path)], sentence)


def test_missing_file_and_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_failure(capsys, [str(tmp_path / "gone.log")], "cannot read")
    check_failure(capsys, [str(tmp_path)], "is a folder")


def test_a_bad_file_does_not_hide_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = str(tmp_path / "gone.log")
    assert main(["parse", "--json", gone, GOOD]) == exits.BAD_INPUT
    captured = capsys.readouterr()
    files = {file["file"]: file for file in json.loads(captured.out)["files"]}
    assert len(files[GOOD]["crashes"]) == 2
    assert files[gone]["crashes"] == []
    assert "cannot read" in files[gone]["problems"][0]


def test_bytes_that_are_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(b"\0\0boot\nBUG: \xff\x1b]0;x\x07 odd\nCall Trace:\n f\xfe\x1b+0x1/0x2\n")
    assert main(["parse", "--json", str(path)]) == exits.GOOD
    json.loads(capsys.readouterr().out)
    assert main(["parse", str(path)]) == exits.GOOD
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    shown.encode()
