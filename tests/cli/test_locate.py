"""``kernfix locate`` as a user runs it."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from kernfix.cli import locate
from kernfix.cli.main import main
from kernfix.source.index.build import refresh
from kernfix.source.tree import open_tree

LOG = """\
[    3.1] BUG: kernel NULL pointer dereference, address: 0000000000000008
[    3.1] Oops: 0000 [#1] SMP
[    3.1] CPU: 0 PID: 42 Comm: repro Not tainted 6.12.4 #1
[    3.1] RIP: 0010:ring_put+0x13/0x80 kernel/ring.c:4
[    3.1] Call Trace:
[    3.1]  ring_ioctl+0x40/0xa0
[    3.1]  ? nowhere_at_all+0x1/0x20
[    3.1]  nowhere_else+0x1/0x20
[    3.1] ---[ end trace 0000000000000000 ]---
"""
RING = b"""\
int ring_put(struct ring *r)
{
	/* \xe9 */
	return r->next->count; /* \x1b[31m */
}

long ring_ioctl(struct file *file)
{
	return ring_put(file->private_data);
}
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "linux"
    (folder / "kernel").mkdir(parents=True)
    (folder / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\n")
    (folder / "Kconfig").write_text("")
    (folder / "kernel/ring.c").write_bytes(RING)
    (tmp_path / "log").write_text(LOG)
    return folder


def run(tree: Path, *words: str, log: str | None = None) -> int:
    return main(["locate", log or str(tree.parent / "log"), "--tree", str(tree), *words])


def test_for_people(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tree) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = [line.strip() for line in out.split("\n")]
    assert lines[0] == "BUG: unable to handle kernel NULL pointer dereference in ring_put"
    assert "#0 ring_put  kernel/ring.c:4  (log, 95%)" in lines
    assert "return r->next->count; /* \N{REPLACEMENT CHARACTER}[31m */" in lines
    assert "#1 ring_ioctl  kernel/ring.c:7  (symbol, 90%)" in lines
    assert "… 1 more" in lines, "the unwinder's guesses are counted"
    assert any(line.startswith("note: nowhere_else") for line in lines)


def test_json_is_one_document(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tree, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "kernfix.crash/1"
    (file,) = document["files"]
    assert file["file"] == str(tree.parent / "log")
    assert file["crashes"][0]["stacks"][0]["frames"][0]["location"]["line"] == 4


def test_standard_input(tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LOG.encode())))
    assert run(tree, log="-") == 0
    assert "kernel/ring.c:4" in capsys.readouterr().out


def test_no_crash(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree.parent / "log").write_text("all is well\n")
    assert run(tree) == 1
    assert "no crash in" in capsys.readouterr().out
    assert run(tree, "--json") == 1
    assert json.loads(capsys.readouterr().out)["files"][0]["crashes"] == []


@pytest.mark.parametrize("text", ["", "\0\xff" * 100])
def test_no_console_log(tree: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tree.parent / "log").write_text(text)
    assert run(tree) == 3
    assert "name a console log" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "log", "message"),
    [
        (("--tree", "/nonexistent"), None, "/nonexistent is not a folder"),
        (("--tree", "/"), None, "is not a kernel tree"),
        ((), "/nonexistent.log", "cannot read /nonexistent.log"),
        ((), "/", "name a file"),
        (("--vmlinux", "/nonexistent"), None, "/nonexistent cannot be read"),
        (("--vmlinux", "/etc/passwd"), None, "is not an ELF file"),
        (("--modules", "/"), None, "name its vmlinux, too"),
        (("--vmlinux", "/etc/passwd", "--modules", "/etc/passwd"), None, "/etc/passwd is not a folder"),
        (
            ("--vmlinux", "/etc/passwd", "--modules", "/none\x1b"),
            None,
            "/none\N{REPLACEMENT CHARACTER} is not a folder",
        ),
    ],
)
def test_bad_input(
    tree: Path, words: tuple[str, ...], log: str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tree, *words, log=log) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["locate", "log"])
    assert caught.value.code == 2
    assert "--tree" in capsys.readouterr().err


def test_json_of_a_location(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every frame has a place or null; the fields are those that are promised."""
    run(tree, "--json")
    (crash,) = json.loads(capsys.readouterr().out)["files"][0]["crashes"]
    frames = [frame for stack in crash["stacks"] for frame in stack["frames"]]
    found = {frame["function"]: frame["location"] for frame in frames}
    assert list(found) == ["ring_put", "ring_ioctl", "nowhere_at_all", "nowhere_else"]
    assert (found["nowhere_at_all"], found["nowhere_else"]) == (None, None)
    by_log, by_name = found["ring_put"], found["ring_ioctl"]
    for location in (by_log, by_name):
        assert set(location) >= {"path", "line", "function_start", "function_end", "how", "confidence", "selector"}
        assert 0 < location["confidence"] <= 1
    assert (by_log["path"], by_log["line"], by_log["how"]) == ("kernel/ring.c", 4, "log")
    assert (by_name["line"], by_name["function_start"], by_name["function_end"]) == (7, 7, 10)
    assert by_name["how"] == "symbol"
    assert by_log["selector"].startswith("kernel/ring.c#ring_put+3~")


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, enough: float) -> None:
    """Somebody looks on, and `enough` seconds are long."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(locate, "LONG_SECONDS", enough)


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_long_search_says_how_to_make_it_short(
    tree: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch, 0.0)
    spaced = tree.rename(tree.with_name("my linux"))
    assert run(spaced, *words) == 0
    out, err = capsys.readouterr()
    assert f"kernfix index --tree '{spaced}' makes this instant." in err
    assert "instant" not in out


@pytest.mark.parametrize("case", ["indexed", "nothing searched for", "short"])
def test_no_hint(tree: Path, case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    on_a_terminal(monkeypatch, 600.0 if case == "short" else 0.0)
    if case == "indexed":
        opened, _ = open_tree(tree)
        assert opened is not None
        assert refresh(opened)[0]
    if case == "nothing searched for":
        stated = [line for line in LOG.splitlines(keepends=True) if "+0x" not in line or ".c:" in line]
        (tree.parent / "log").write_text("".join(stated))
    assert run(tree) == 0
    err = capsys.readouterr().err
    assert "searching the tree" in err, "this is a terminal"
    assert "instant" not in err


def test_no_hint_without_a_terminal(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(locate, "LONG_SECONDS", 0.0)
    assert run(tree) == 0
    assert capsys.readouterr().err == ""
