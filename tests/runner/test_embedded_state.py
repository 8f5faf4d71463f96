"""The folder of an embedded runner's jobs: its own, and those of runners that are no more are removed."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from kernfix.runner import serve
from kernfix.runner.serve import embedded_state


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "embedded").mkdir()
    return tmp_path / "embedded"


def make(home: Path, name: str, *, lock: bool, age: float = 0) -> Path:
    folder = home / name
    (folder / "artifacts/j1").mkdir(parents=True)
    if lock:
        (folder / "lock").touch()
    seconds = folder.stat().st_mtime - age
    os.utime(folder, (seconds, seconds))
    return folder


def test_each_has_its_own_and_shares_the_cache(home: Path) -> None:
    one, two = embedded_state(home.parent), embedded_state(home.parent)
    assert one.jobs != two.jobs
    assert one.jobs.parent == two.jobs.parent == home
    assert one.trees == two.trees == home.parent / "trees"
    assert one.jobs.stat().st_mode & 0o077 == 0, "what a job sees is its user's alone"


@pytest.mark.parametrize(
    ("lock", "age", "held", "stays"),
    [
        (True, 0, True, True),  # at work
        (True, 10**6, True, True),
        (True, 0, False, False),  # killed
        (False, 0, False, True),  # being made
        (False, 2 * serve.MAKING_SECONDS, False, False),  # half removed by one that was killed
    ],
)
def test_whose_folder_stays(home: Path, lock: bool, age: float, held: bool, stays: bool) -> None:
    folder = make(home, "old", lock=lock, age=age)
    if held:
        with (folder / "lock").open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            embedded_state(home.parent)
    else:
        embedded_state(home.parent)
    assert folder.exists() == stays


def test_many_that_start_at_once_do_not_stumble_over_each_other(home: Path) -> None:
    for number in range(50):
        make(home, f"dead-{number}", lock=True)
    made: list[Path] = []
    threads = [threading.Thread(target=lambda: made.append(embedded_state(home.parent).jobs)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8
    assert set(home.iterdir()) == set(made)
