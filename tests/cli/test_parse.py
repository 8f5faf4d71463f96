"""``kernfix parse`` on good, bad and missing logs."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from kernfix.cli import exits, parse
from kernfix.cli.main import main
from kernfix.crash import Log

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


# --- text for people -------------------------------------------------------------------------------------------------------------------

CPU = "CPU: 1 UID: 0 PID: 12 Comm: frobtest Tainted: G        W          6.12.9 #3\n"
OOPS = (
    "BUG: kernel NULL pointer dereference, address: 0000000000000008\n#PF: supervisor write access in kernel mode\n"
    "Oops: Oops: 0002 [#1] SMP\n" + CPU + "RIP: 0010:frob+0x18/0x40 fs/frob.c:12\nCall Trace:\n <TASK>\n"
    " nob+0x33/0x60\n ? lost+0x1/0x2\n x64_sys_call+0x9a1/0x1d20\n do_syscall_64+0x5f/0x110\n </TASK>\n"
    "---[ end trace 0000000000000000 ]---\n"
)
PANIC = "Kernel panic - not syncing: Fatal exception\n"
HUNG = (
    "INFO: task frobber:31 blocked for more than 143 seconds.\n"
    "task:frobber         state:D stack:0     pid:31    tgid:31    ppid:2\nCall Trace:\n __schedule+0x1/0x2\n"
    " frob_drain+0x5/0x6\n\nShowing all locks held in the system:\n1 lock held by frobber/31:\n"
    " #0: ffff888004c51a00 (&frob->lock){+.+.}-{3:3}, at: frob_open+0x44/0xb0\n"
)


def shown(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """What is printed about a log, without the name of its file."""
    path = tmp_path / "x.log"
    path.write_text(text)
    assert main(["parse", *words, str(path)]) == exits.GOOD
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out.replace(str(path), "x.log").splitlines()


def test_all_that_is_told_of_a_crash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(f"all is well\n{OOPS}{PANIC}", tmp_path, capsys) == [
        "x.log:2: BUG: unable to handle kernel NULL pointer dereference in frob",
        "  function frob",
        "  at       fs/frob.c",
        "  type     NULL-POINTER-DEREFERENCE",
        "  details  address 0000000000000008, access Write",
        "  task     frobtest (12), on CPU 1, kernel 6.12.9 #3, tainted G W",
        "  then     kernel panic: Fatal exception (line 15)",
        "  lines    2-15",
        "  stack by frobtest (task 12)",
        "    frob+0x18/0x40 fs/frob.c:12",
        "    nob+0x33/0x60",
        "    … 2 more",
    ]


def test_several_crashes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(f"{HUNG}noise\n{OOPS}{PANIC}{PANIC}", tmp_path, capsys)
    gap = lines.index("")
    first, second = lines[:gap], lines[gap + 1 :]
    assert first[0] == "x.log:1: INFO: task hung in frob_drain"
    assert second[0].startswith("x.log:11: BUG: unable to handle kernel NULL pointer dereference in frob")
    assert "  task     frobber (31)" in first
    assert "  locks    &frob->lock at frob_open+0x44/0xb0" in first
    assert not any(line.startswith(("  then", "  at")) for line in first)
    assert not any(line.startswith("  locks") for line in second)
    (then,) = (line for line in second if line.startswith("  then"))
    assert then == "  then     kernel panic: Fatal exception (line 24); kernel panic: Fatal exception (line 25)"
    assert "the kernel panicked" in "\n".join(first)  # its own text does not say so otherwise
    assert "the kernel panicked" not in "\n".join(second)


def test_a_lock_that_is_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown((LOGS / "lockdep-circular.log").read_text(), tmp_path, capsys)
    (locks,) = (line for line in lines if line.startswith("  locks"))
    assert "wants " in locks


def test_many_things_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    locks = "".join(
        f" #{no}: ffff888004c51a0{no} (&lock{no}){{+.+.}}-{{3:3}}, at: f{no}+0x4/0xb\n" for no in range(1, 7)
    )
    frames = "".join(f" frob{no}+0x1/0x2\n" for no in range(40))
    traces = "".join(f"Freed by task {no}:\n nob{no}+0x1/0x2\n\n" for no in range(9))
    others = "Last potentially related work creation:\n hob+0x1/0x2\n"
    lines = shown(f"{HUNG}{locks}BUG: a\nCall Trace:\n{frames}\n{traces}{others}", tmp_path, capsys)
    text = "\n".join(lines)
    assert text.count("&lock") == 3
    assert " …\n" in text
    assert "    frob15+0x1/0x2\n    … 24 more" in text
    assert "frob16" not in text
    assert "    nob5+0x1/0x2" in text
    assert "nob6" not in text
    assert "  … stacks not shown: 4 other (--json has them)" in lines


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_problems_of_a_log_are_said(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parse, "read_log", lambda name: Log((), ("only half of it is read",)))
    assert main(["parse", *words, "x.log"]) == exits.NO
    out = capsys.readouterr().out
    if words:
        assert json.loads(out)["files"][0]["problems"] == ["only half of it is read"]
    else:
        assert out == "x.log: no crash found.\nx.log: only half of it is read\n"


def test_what_a_log_says_does_nothing_to_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = "BUG: a\x9b31m\u202eb\nCall Trace:\n f\x07\u200b+0x1/0x2\nCPU: 0 PID: 1 Comm: \u202eevil Not tainted 6.1\n"
    text = "".join(shown(log, tmp_path, capsys))
    assert not [char for char in text if not char.isprintable()]


# --- several files ---------------------------------------------------------------------------------------------------------------------


def test_files_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", NONE, GOOD, NONE]) == exits.GOOD
    out = capsys.readouterr().out
    assert out.startswith(f"{NONE}: no crash found.\n{GOOD}:6: KASAN")
    assert out.count(NONE) == 1  # the same file is read once


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ([GOOD], exits.GOOD),
        ([NONE], exits.NO),
        ([NONE, GOOD], exits.GOOD),
        (["gone.log"], exits.BAD_INPUT),
        ([GOOD, "gone.log"], exits.BAD_INPUT),
        ([NONE, "gone.log"], exits.BAD_INPUT),
    ],
)
@pytest.mark.parametrize("words", [[], ["--json"]])
def test_exit_code(words: list[str], names: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", *words, *names]) == code
    assert ("gone.log" in capsys.readouterr().err) == ("gone.log" in names)


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["parse", "--frob"])
    assert stop.value.code == exits.USAGE
    assert "--frob" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_json_of_files_without_a_crash_is_a_document(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", *words, NONE]) == exits.NO
    out = capsys.readouterr().out
    if words:
        assert json.loads(out) == {
            "schema": "kernfix.crash/1",
            "files": [{"file": NONE, "crashes": [], "problems": []}],
        }
    else:
        assert out.count("\n") == 1


# --- a log that comes in blocks --------------------------------------------------------------------------------------------------------


class Slow(io.BytesIO):
    """Standard input that gives what is there: a few bytes at a time."""

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size > 0, "a log must not be read as a whole"
        return super().read(min(size, 7))


def test_standard_input_that_trickles(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["parse", GOOD]) == exits.GOOD
    whole = capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=Slow(Path(GOOD).read_bytes())))
    assert main(["parse", "-"]) == exits.GOOD
    assert capsys.readouterr().out == whole.replace(GOOD, "standard input")


@pytest.mark.parametrize(
    ("content", "sentence"), [(b"", "standard input is empty"), (b"\0\1\2", "standard input looks binary")]
)
def test_useless_standard_input(
    content: bytes, sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    check_failure(capsys, ["-"], sentence)


def test_a_huge_log_is_not_held(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    block = b"[    1.000000][   T1] all is well\n" * 30_000
    blocks = 50

    def coming(name: str) -> Iterator[bytes]:
        assert name == "huge.log"
        yield OOPS.encode()
        for _ in range(blocks):
            yield bytes(bytearray(block))  # a new one each time
        yield OOPS.encode()

    monkeypatch.setattr(parse, "read_blocks", coming)
    tracemalloc.start()
    try:
        assert main(["parse", "huge.log"]) == exits.GOOD
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < blocks * len(block) // 2
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("huge.log:")]
    assert [line.split(":")[1] for line in lines] == ["1", str(OOPS.count("\n") + blocks * 30_000 + 1)]


def test_a_file_that_breaks_off(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def coming(name: str) -> Iterator[bytes]:
        yield OOPS.encode()
        raise exits.BadInput(f"cannot read {name}: the disk is gone.")

    monkeypatch.setattr(parse, "read_blocks", coming)
    check_failure(capsys, ["x.log"], "cannot read x.log: the disk is gone.")
