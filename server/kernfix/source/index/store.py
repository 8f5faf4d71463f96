"""The index as an SQLite file in the user's cache.

One file a tree, one transaction a refresh: readers see the index as it was before or as it is after, and a process that is killed leaves
it as it was (write-ahead log, https://sqlite.org/wal.html). A lock file beside it keeps two builders from doing the same work.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sqlite3
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from kernfix.source.index.model import Use
from kernfix.source.index.rows import Reply, Row
from kernfix.source.index.walk import Folder, Folders, Stamp

FORMAT = 2
"""The format of the file; one of another format is built anew. To be raised too when a scan finds more in the same text."""
POLL_SECONDS = 0.05
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR", "SQLITE_FORMAT", "SQLITE_MISMATCH", "SQLITE_SCHEMA")

# `defined` is its own index by name. Rows of a file are found by reading all of it, which takes 0.1 s and is done only when files changed.
_TABLES = """
create table total (names int);
create table folder (path text primary key, mtime_ns int, names text, stamps blob, folders text) without rowid;
create table file (id integer primary key, path text not null);
create table defined (name text, file int, start int, more int, kind int, primary key (name, file, start)) without rowid;
create table uses (file integer primary key, json text not null);
create table makers (file integer primary key, json text not null);
"""


class Damaged(Exception):
    """The file is no index of this format, or its content is broken; the sentence says which."""


def index_path(root: Path) -> Path:
    """Where the index of the tree at `root` (links resolved) is; XDG Base Directory Specification."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    return cache / "kernfix" / "index" / f"{os.fsencode(root.name).decode('ascii', 'replace')[:40]}-{key}.db"


@contextlib.contextmanager
def locked(path: Path, stop: Callable[[], bool]) -> Iterator[bool]:
    """Be the only builder of the index at `path`; False when `stop` said so while another was at it. The folder is made if need be."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as file:
        while not (held := _lock(file)) and not stop():
            time.sleep(POLL_SECONDS)
        yield held


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def discard(path: Path) -> None:
    """Remove an index; the lock must be held."""
    for suffix in ("-wal", "-shm", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Turn SQLite's errors about the content of a file into `Damaged`; those about the machine stay."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "")
        if not isinstance(error, sqlite3.OperationalError) or name.startswith(_DAMAGE):
            raise Damaged(f"The index was damaged ({error}).") from error
        raise


class Store:
    """A builder's hold of the file at `path`, which is made if need be. All is written when the context is left without an error.

    Raises `Damaged`, and sqlite3.Error where the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=10)
        try:
            with guarded():
                self._begin()
        except BaseException:
            self._db.close()
            raise

    def _begin(self) -> None:
        for setting in ("journal_mode = wal", "synchronous = normal", "cache_size = -64000"):
            self._db.execute(f"pragma {setting}")
        self._db.execute("begin immediate")
        (version,) = self._db.execute("pragma user_version").fetchone()
        tables = self._db.execute("select count(*) from sqlite_schema").fetchone()[0]
        if version not in (0, FORMAT) or (tables and not version):
            raise Damaged("The index was made by another version of kernfix.")
        if not tables:
            for statement in _TABLES.strip().split("\n"):
                self._db.execute(statement)
            self._db.execute(f"pragma user_version = {FORMAT}")

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                with guarded():
                    self._db.execute("commit")
                    self._db.execute("pragma wal_checkpoint(truncate)")
        finally:
            self._db.close()

    def folders(self) -> Folders:
        """The tree as it was when the index was written."""
        rows = self._db.execute("select path, mtime_ns, names, stamps, folders from folder")
        return {
            path: Folder(mtime_ns, _files(names, stamps), _split(folders))
            for path, mtime_ns, names, stamps, folders in rows
        }

    def next_id(self) -> int:
        """The first number that no file has."""
        return int(self._db.execute("select coalesce(max(id), 0) + 1 from file").fetchone()[0])

    def names(self) -> int:
        """How many definitions there were when they were counted last."""
        (names,) = self._db.execute("select coalesce(max(names), 0) from total").fetchone()
        return int(names)

    def count(self) -> None:
        """Count the definitions."""
        self._db.execute("delete from total")
        self._db.execute("insert into total select count(*) from defined")

    def put_folders(self, folders: Iterable[tuple[str, Folder]]) -> None:
        """Write the state of these folders."""
        self._db.executemany(
            "insert or replace into folder values (?, ?, ?, ?, ?)",
            (
                (path, folder.mtime_ns, "/".join(folder.files), _packed(folder.files), "/".join(folder.folders))
                for path, folder in folders
            ),
        )

    def drop_folders(self, paths: Iterable[str]) -> None:
        """Forget folders; their files are dropped apart."""
        self._db.executemany("delete from folder where path = ?", ((path,) for path in paths))

    def add_files(self, files: Iterable[tuple[int, str]]) -> None:
        """Give new files their numbers."""
        self._db.executemany("insert into file values (?, ?)", files)

    def drop_files(self, numbers: Iterable[int]) -> None:
        """Forget files that are gone."""
        self._db.executemany("delete from file where id = ?", ((number,) for number in numbers))

    def clear(self, numbers: Iterable[int]) -> None:
        """Forget what files say."""
        self._db.execute("create temp table stale (id integer primary key)")
        self._db.executemany("insert or ignore into temp.stale values (?)", ((number,) for number in numbers))
        for table in ("defined", "uses", "makers"):
            self._db.execute(f"delete from {table} where file in (select id from temp.stale)")
        self._db.execute("drop table temp.stale")

    def add(self, reply: Reply) -> None:
        """Write what a batch of files says."""
        self.add_rows(reply.rows)
        for table, column in (("uses", 3), ("makers", 4)):
            rows = ((file[0], file[column]) for file in reply.files if file[column])
            self._db.executemany(f"insert into {table} values (?, ?)", rows)

    def add_rows(self, rows: Iterable[Row]) -> None:
        """Write definitions; those that are there already stay as they are."""
        self._db.executemany("insert or ignore into defined values (?, ?, ?, ?, ?)", sorted(rows))

    def drop_kind(self, kind: int) -> None:
        """Forget all definitions of a kind."""
        self._db.execute("delete from defined where kind = ?", (kind,))

    def makers(self) -> dict[int, str]:
        """What the macros of each file make, as JSON, by the file's number."""
        return dict(self._db.execute("select file, json from makers"))

    def uses(self, numbers: Iterable[int] | None = None) -> Iterator[tuple[int, list[Use]]]:
        """The macros that each file invokes, with the file's number; of all files, or of those with these numbers."""
        if numbers is None:
            rows: Iterable[tuple[int, str]] = self._db.execute("select file, json from uses")
        else:
            found = (self._db.execute("select file, json from uses where file = ?", (number,)) for number in numbers)
            rows = (row for cursor in found for row in cursor)
        for number, text in rows:
            yield (
                number,
                [Use(macro, tuple(arguments), start, end) for macro, arguments, start, end in json.loads(text)],
            )

    def headers(self) -> set[int]:
        """The numbers of the headers."""
        return {number for (number,) in self._db.execute("select id from file where path like '%.h'")}


def _split(names: str) -> tuple[str, ...]:
    return tuple(names.split("/")) if names else ()


def _packed(files: dict[str, Stamp]) -> bytes:
    return array("q", (number for stamp in files.values() for number in stamp)).tobytes()


def _files(names: str, stamps: bytes) -> dict[str, Stamp]:
    try:
        numbers = array("q", stamps)
        return dict(zip(_split(names), zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True), strict=True))
    except (TypeError, ValueError) as error:
        raise Damaged(f"The index was damaged ({error}).") from error
