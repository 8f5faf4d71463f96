"""The index as a file."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from kernfix.source.index.model import Use
from kernfix.source.index.rows import Reply
from kernfix.source.index.store import Damaged, Store, discard, guarded, index_path
from kernfix.source.index.walk import Folder

FOLDERS = {
    "": Folder(1, {}, ("fs", "with space")),
    "fs": Folder(2, {"a.c": (10, 1 << 62, 1), "b.h": (0, -5, 2)}, ()),
    "with space": Folder(0, {}, ()),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.db"


def fill(path: Path) -> None:
    with Store(path) as store:
        store.put_folders(FOLDERS.items())
        store.add_files([(1, "fs/a.c"), (2, "fs/b.h")])
        uses = '[["M",["x",""],3,4]]'
        store.add(Reply([(1, 10, 5, uses, ""), (2, 0, 5, "", "[]")], [("f", 1, 1, 2, 0), ("g", 2, 5, 0, 1)], []))


def counted(store: Store) -> int:
    store.count()
    return store.names()


def test_what_was_written_is_read(path: Path) -> None:
    fill(path)
    with Store(path) as store:
        assert store.folders() == FOLDERS
        assert store.next_id() == 3
        assert counted(store) == 2
        assert list(store.uses()) == list(store.uses([1, 2, 9])) == [(1, [Use("M", ("x", ""), 3, 4)])]
        assert store.makers() == {2: "[]"}
        assert store.headers() == {2}


def test_a_definition_is_written_once(path: Path) -> None:
    fill(path)
    with Store(path) as store:
        store.add_rows([("f", 1, 1, 2, 2), ("f", 1, 1, 2, 2), ("f", 1, 9, 2, 2)])
        assert counted(store) == 3


def test_a_file_is_cleared(path: Path) -> None:
    fill(path)
    with Store(path) as store:
        store.clear([1, 77])
        store.clear([1])
        assert counted(store) == 1
        assert list(store.uses()) == []
        assert store.makers() == {2: "[]"}
        store.drop_files([1])
        store.drop_folders(["fs"])
        assert store.headers() == {2}
        assert set(store.folders()) == {"", "with space"}


def test_an_error_leaves_the_index_as_it_was(path: Path) -> None:
    fill(path)

    def fail() -> None:
        with Store(path) as store:
            store.clear([1, 2])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with Store(path) as store:
        assert counted(store) == 2


def test_nothing_is_left_beside_it(path: Path) -> None:
    fill(path)
    assert [each.name for each in path.parent.iterdir()] == ["index.db"]
    discard(path)
    discard(path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    "statement",
    [
        "update folder set stamps = x'0102'",
        "update folder set stamps = 'text'",
        "update folder set names = 'a/b/c'",
        "drop table folder",
    ],
)
def test_damage_is_told_from_other_errors(path: Path, statement: str) -> None:
    fill(path)
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()

    def read() -> None:
        with guarded(), Store(path) as store:
            store.folders()

    with pytest.raises(Damaged):
        read()


def test_a_folder_is_no_index(path: Path) -> None:
    path.mkdir()
    with pytest.raises(sqlite3.OperationalError):
        Store(path)


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    names = ["/src/linux", "/other/linux", "/src/linux2", "/", "/src/" + "x" * 200, os.fsdecode(b"/src/caf\xe9")]
    paths = [index_path(Path(name)) for name in names]
    assert len(set(paths)) == len(names)
    assert {each.parent for each in paths} == {tmp_path / "kernfix" / "index"}
    assert all(str(each).isprintable() and len(each.name) < 80 for each in paths)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert index_path(Path("/src")).parent == tmp_path / "home/.cache/kernfix/index"
