"""`kernfix runner`: tokens, and what the operator reads when it does not start. (What it does when it runs: tests/runner/test_serve.py.)"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
from pathlib import Path

import pytest

from kernfix.cli.main import main
from kernfix.runner.state import State
from kernfix.runner.tokens import Tokens

Capture = pytest.CaptureFixture[str]


def token(capsys: Capture, state: Path, name: str) -> str:
    assert main(["runner", "token", name, "--state", str(state)]) == 0
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (1, "")
    return out.strip()


def check_refused(capsys: Capture, code: int, says: str, *words: str) -> None:
    """The runner does not start, and one sentence on standard error says why."""
    assert main(["runner", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    [sentence] = [line for line in err.splitlines() if "no token exists yet" not in line]
    assert sentence.startswith("kernfix runner: ")
    assert says in sentence
    assert sentence.endswith(".")


def test_a_token_is_shown_once_and_only_its_hash_is_kept(tmp_path: Path, capsys: Capture) -> None:
    first, second = (token(capsys, tmp_path, name) for name in ("ci", "editor"))
    assert len(first) >= 43, "256 bits"
    assert first != second
    stored = State.at(tmp_path).tokens
    assert json.loads(stored.read_text()) == {
        name: hashlib.sha256(each.encode()).hexdigest() for name, each in (("ci", first), ("editor", second))
    }
    assert stored.stat().st_mode & 0o077 == 0
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or first.encode() not in path.read_bytes()


def test_a_name_used_again_replaces_its_token(tmp_path: Path, capsys: Capture) -> None:
    old, new = token(capsys, tmp_path, "ci"), token(capsys, tmp_path, "ci")
    tokens = Tokens(State.at(tmp_path).tokens)
    assert (tokens.names(), tokens.accepts(old), tokens.accepts(new)) == (["ci"], False, True)


def test_the_state_is_in_the_users_cache(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["runner", "token", "ci"]) == 0
    assert Tokens(tmp_path / "kernfix/runner/jobs/tokens.json").accepts(capsys.readouterr().out.strip())


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
def test_embedded_is_for_loopback_alone(tmp_path: Path, capsys: Capture, host: str) -> None:
    words = ("serve", "--embedded", "--host", host, "--port", "0", "--state", str(tmp_path))
    check_refused(capsys, 3, "listens on loopback only", *words)
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use(tmp_path: Path, capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        words = ("serve", "--port", str(port), "--state", str(tmp_path))
        check_refused(capsys, 4, f"cannot listen on 127.0.0.1:{port}: Address already in use.", *words)


def test_an_address_of_another_machine(tmp_path: Path, capsys: Capture) -> None:
    words = ("serve", "--host", "192.0.2.1", "--port", "0", "--state", str(tmp_path))
    check_refused(capsys, 4, "cannot listen on 192.0.2.1:0: Cannot assign requested address.", *words)


def test_a_host_that_is_not_known(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> socket.socket:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known (while attempting to bind)")

    monkeypatch.setattr(socket, "create_server", unknown)
    words = ("serve", "--host", "nowhere.invalid", "--state", str(tmp_path))
    check_refused(capsys, 4, "cannot listen on nowhere.invalid:8470: Name or service not known.", *words)


@pytest.mark.parametrize("verb", [("serve", "--port", "0"), ("token", "ci")])
def test_a_state_folder_that_is_a_file(tmp_path: Path, capsys: Capture, verb: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("mine")
    check_refused(capsys, 4, "Not a directory; name another folder", *verb, "--state", str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


def test_a_state_folder_that_may_not_be_written(tmp_path: Path, capsys: Capture) -> None:
    if os.geteuid() == 0:
        pytest.skip("the superuser may write everywhere")
    tmp_path.chmod(0o500)
    check_refused(capsys, 4, "Permission denied", "serve", "--port", "0", "--state", str(tmp_path / "state"))


def test_jobs_that_are_no_database(tmp_path: Path, capsys: Capture) -> None:
    (State.at(tmp_path).jobs / "jobs.sqlite").write_bytes(b"not SQLite" * 100)
    check_refused(capsys, 4, "file is not a database", "serve", "--port", "0", "--state", str(tmp_path))


def test_without_a_token_it_says_how_to_make_one(tmp_path: Path, capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        words = ["runner", "serve", "--port", str(listener.getsockname()[1]), "--state", str(tmp_path)]
        main(words)
        assert "kernfix runner token NAME" in capsys.readouterr().err
        token(capsys, tmp_path, "ci")
        main(words)
        assert "token NAME" not in capsys.readouterr().err


def test_what_is_not_installed_is_named(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kernfix.runner.serve", "kernfix.runner.queue"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "dbos", None)
    monkeypatch.delattr("kernfix.runner.serve", raising=False)
    check_refused(capsys, 4, "pip install 'kernfix[runner]'", "serve", "--port", "0", "--state", str(tmp_path))


@pytest.mark.parametrize(
    "words",
    [(), ("serve", "--port", "99999"), ("serve", "--port", "-1"), ("serve", "--port", "http"), ("token",), ("stop",)],
)
def test_a_senseless_command_line(capsys: Capture, words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["runner", *words])
    assert "usage: kernfix runner" in capsys.readouterr().err
