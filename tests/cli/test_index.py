"""``kernfix index`` as a user runs it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kernfix.cli.main import main
from kernfix.source.index.store import index_path, locked


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "linux"
    (folder / "kernel").mkdir(parents=True)
    (folder / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\n")
    (folder / "Kconfig").write_text("")
    (folder / "kernel/ring.c").write_text("int ring_put(void)\n{\n}\n")
    return folder


def test_json(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "--tree", str(tree), "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert err == ""
    assert Path(document.pop("path")).stat().st_size == document.pop("bytes")
    assert document.pop("seconds") > 0
    assert document == {
        "schema": "kernfix.index/1", "files": 1, "names": 1, "changed": 1, "removed": 0, "problems": [],
    }  # fmt: skip


def test_for_people(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / os.fsdecode(b"kernel/\xe9.c")).write_text("")
    assert main(["index", "--tree", str(tree)]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert lines[0].startswith("1 definitions in 1 files (1 read, 0 gone), 0.")
    assert lines[1].startswith("note: 'kernel/")


@pytest.mark.parametrize(("path", "message"), [("/nonexistent", "is not a folder"), ("/", "is not a kernel tree")])
def test_bad_input(path: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "--tree", path]) == 3
    assert message in capsys.readouterr().err


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["index"])
    assert caught.value.code == 2
    assert "--tree" in capsys.readouterr().err


def test_no_cache(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tree / "Makefile"))
    assert main(["index", "--tree", str(tree)]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert "XDG_CACHE_HOME" in err
    assert err.count("\n") == 1


def test_progress_on_a_terminal(tree: Path) -> None:
    shown, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "kernfix", "index", "--tree", str(tree)], stdout=subprocess.DEVNULL, stderr=terminal
    ) as child:
        assert child.wait(60) == 0
    os.close(terminal)
    drawn = os.read(shown, 65536)
    os.close(shown)
    assert b"[########################] 1/1 reading files" in drawn
    assert drawn.endswith(b"\r\x1b[K"), "the line is taken away"


def test_ctrl_c(tree: Path) -> None:
    """The index is held by another, so that the process is waiting for certain."""
    with locked(index_path(tree.resolve()), lambda: False):
        command = [sys.executable, "-m", "kernfix", "index", "--tree", str(tree)]
        shown, terminal = pty.openpty()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal) as child:
            assert b"waiting" in os.read(shown, 1000)
            child.send_signal(signal.SIGINT)
            assert child.wait(20) == 130
            assert child.stdout is not None
            assert child.stdout.read() == b""
        os.close(terminal)
        assert b"cancelled" in os.read(shown, 1000)
        os.close(shown)
