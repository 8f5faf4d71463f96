"""Bearer tokens: only hashes are kept, in a file that is the runner's alone."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import threading
from pathlib import Path

import pytest

from kernfix.runner import tokens as module
from kernfix.runner.tokens import Tokens


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


def test_a_token_is_taken_and_others_are_not(path: Path) -> None:
    tokens = Tokens(path)
    token = tokens.create("ann")
    assert tokens.accepts(token)
    for other in ("", "x", token + "x", token[:-1], token.swapcase(), hashlib.sha256(token.encode()).hexdigest(), "ü"):
        assert not tokens.accepts(other)


def test_no_token_is_taken_before_one_is_made(path: Path) -> None:
    assert not Tokens(path).accepts("")
    assert not Tokens(path).accepts(hashlib.sha256(b"").hexdigest())
    assert Tokens(path).names() == []


def test_tokens_are_long_and_never_the_same(path: Path) -> None:
    made = {Tokens(path).create(f"n{number}") for number in range(20)}
    assert len(made) == 20
    assert all(len(token) >= 43 for token in made)


def test_only_the_hash_is_kept(path: Path) -> None:
    token = Tokens(path).create("ann")
    assert json.loads(path.read_text()) == {"ann": hashlib.sha256(token.encode()).hexdigest()}
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_file_is_the_runners_alone(path: Path, umask: int) -> None:
    path.with_suffix(".partial").write_text("left by one that was killed")
    path.with_suffix(".partial").chmod(0o666)
    before = os.umask(umask)
    try:
        Tokens(path).create("ann")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_running_runner_takes_a_token_made_beside_it(path: Path) -> None:
    """``kernfix runner token`` is another process."""
    running = Tokens(path)
    token = Tokens(path).create("ann")
    assert running.accepts(token)
    assert running.names() == ["ann"]


def test_a_name_has_one_token(path: Path) -> None:
    tokens = Tokens(path)
    old, other = tokens.create("ann"), tokens.create("bob")
    new = tokens.create("ann")
    assert [tokens.accepts(token) for token in (old, new, other)] == [False, True, True]
    assert tokens.names() == ["ann", "bob"]


def test_a_token_for_once_is_never_written(path: Path) -> None:
    tokens = Tokens(path)
    token = tokens.create_once()
    assert tokens.accepts(token)
    assert not path.exists()
    assert not Tokens(path).accepts(token)
    assert tokens.names() == []


def test_every_known_token_is_compared_in_constant_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = Tokens(path)
    token = tokens.create("ann")
    tokens.create("bob")
    tokens.create_once()
    compared: list[tuple[str, str]] = []
    real = hmac.compare_digest

    def count(a: str, b: str) -> bool:
        compared.append((a, b))
        return real(a, b)

    monkeypatch.setattr(module.hmac, "compare_digest", count)
    assert tokens.accepts(token)
    assert len(compared) == 3, "a hit does not end the comparison"
    assert token not in str(compared)


def test_many_made_at_once_are_all_kept(path: Path) -> None:
    made: dict[str, str] = {}

    def make(name: str) -> None:
        made[name] = Tokens(path).create(name)

    threads = [threading.Thread(target=make, args=(f"n{number}",)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(Tokens(path).accepts(token) for token in made.values())
