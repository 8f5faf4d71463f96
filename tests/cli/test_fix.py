"""``kernfix fix``: its output, its document, its exit codes, and that it never speaks to a model unasked."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from kernfix.cli.main import main

LOG = """\
[   19.832788] UBSAN: array-index-out-of-bounds in drivers/toy.c:8:14
[   19.834848] index -1 is out of range for type 'int [4]'
[   19.836130] CPU: 0 UID: 0 PID: 50 Comm: repro Not tainted 6.12.0 #6
[   19.838916] Call Trace:
[   19.839134]  <TASK>
[   19.839334]  dump_stack_lvl+0x8e/0xa0
[   19.841042]  __ubsan_handle_out_of_bounds+0xc9/0x100
[   19.841648]  toy_size+0x36c/0x380
[   19.842044]  do_syscall_64+0x63/0x100
[   19.842144]  entry_SYSCALL_64_after_hwframe+0x4b/0x53
[   19.842244]  </TASK>
[   19.842344] ---[ end trace ]---
"""
TOY = """\
static int sizes[4];

static int toy_size(int slot)
{
	if (slot >= 4)
		return -ENOENT;

	return sizes[slot];
}
"""
Run = tuple[int, str, str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "tree/Makefile": "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\n",
        "tree/Kconfig": "",
        "tree/kernel/fork.c": "",
        "tree/drivers/toy.c": TOY,
        "console.log": LOG,
        "boot.log": "[    0.000000] Linux version 6.12.0\n",
        "empty.log": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def run(
    folder: Path, capsys: pytest.CaptureFixture[str], *words: str, log: str = "console.log", tree: str = "tree"
) -> Run:
    code = main(["fix", str(folder / log), "--tree", str(folder / tree), *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_people_see_why_what_and_the_diff(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(folder, capsys)
    assert code == 0
    for part in (
        "UBSAN: array-index-out-of-bounds in toy_size",
        "root-cause",
        "slot is -1",
        "passed: applies, size, parses",
        "+\tif (slot < 0 ||",
    ):
        assert part in out
    assert "KERNFIX_LLM_BASE_URL" in err


def test_json_is_one_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(folder, capsys, "--json")
    assert code == 0
    [candidate] = json.loads(out)["candidates"]
    assert candidate["verdict"] is None
    assert candidate["checks"]["applies"]["ok"] is True


def test_nothing_to_propose_is_a_no(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "tree/drivers/toy.c").write_text(TOY.replace("slot >= 4", "slot < 0 || slot >= 4"))
    (folder / "console.log").write_text(LOG.replace("UBSAN: array-index-out-of-bounds", "UBSAN: shift-out-of-bounds"))
    code, out, _ = run(folder, capsys)
    assert code == 1
    assert "No fix is proposed" in out
    code, out, _ = run(folder, capsys, "--json")
    assert (code, json.loads(out)) == (1, {"candidates": []})


@pytest.mark.parametrize(
    ("log", "tree", "words", "code", "says"),
    [
        ("none.log", "tree", (), 3, "cannot read"),
        ("tree", "tree", (), 3, "is a folder"),
        ("empty.log", "tree", (), 3, "no crash"),
        ("boot.log", "tree", (), 3, "no crash"),
        ("console.log", "none", (), 3, "is not a folder"),
        ("console.log", "tree/drivers", (), 3, "not a kernel tree"),
        ("console.log", "tree", ("--vmlinux", "/dev/null"), 3, "not an ELF file"),
        ("console.log", "tree", ("--provider", "llm"), 4, "KERNFIX_LLM_BASE_URL"),
        ("console.log", "tree", ("--provider", "all"), 4, "KERNFIX_LLM_BASE_URL"),
    ],
)
def test_bad_input_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], log: str, tree: str, words: tuple[str, ...], code: int, says: str
) -> None:
    got, out, err = run(folder, capsys, *words, log=log, tree=tree)
    assert got == code
    assert out == ""
    assert says in err
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [("--n", "0"), ("--n", "many"), ("--provider", "oracle")])
def test_a_senseless_command_line(folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(folder, capsys, *words)


def test_a_key_for_another_tool_is_no_consent(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a socket was opened"))
    assert run(folder, capsys)[0] == 0


def test_an_endpoint_that_is_not_there_does_not_hide_the_templates(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERNFIX_LLM_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("KERNFIX_LLM_MODEL", "m")
    monkeypatch.setenv("KERNFIX_LLM_API_KEY", "sk-own-0123456789")
    code, out, err = run(folder, capsys, "--n", "1")
    assert code == 0
    assert "asking m at 127.0.0.1" in err
    assert "cannot be reached" in err
    assert "sk-own" not in out + err


def test_a_second_crash_in_the_log_is_mentioned(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "console.log").write_text(LOG + LOG.replace("toy_size", "toy_free").replace("19.8", "29.8"))
    assert "holds 2 crashes" in run(folder, capsys)[2]


def test_what_the_log_says_cannot_drive_the_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "tree/drivers/toy.c").write_text(TOY.replace("\treturn sizes", "\t/* \x1b[2J \u202e */\n\treturn sizes"))
    (folder / "console.log").write_text(LOG.replace("toy.c:8:", "toy.c:9:"))
    _, out, _ = run(folder, capsys)
    assert "+\tif (slot < 0" in out
    assert "\x1b" not in out
    assert "\u202e" not in out
