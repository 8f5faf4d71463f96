"""Making and refreshing the index of a tree: look at the files, have those that changed read by workers, write what they say.

The calling process reads no source itself, but it works for seconds at the first time: an event loop asks `kernfix.source.index.child`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from kernfix.source.index.derive import MACRO, derive
from kernfix.source.index.pool import NoWorkers, Pool
from kernfix.source.index.rows import Job
from kernfix.source.index.store import Damaged, Store, discard, guarded, index_path, locked
from kernfix.source.index.walk import Folders, Walked, join, walk
from kernfix.source.model import Stop
from kernfix.source.tree import Tree

CANCELLED = "The index was not finished: it was cancelled."

_BATCH_FILES = 200
_BATCH_BYTES = 4 << 20
_MOST_NAMED = 20


_WORDS = {
    "waiting": "waiting for another kernfix",
    "looking": "looking for changed files",
    "reading": "reading files",
    "writing": "writing the index",
}


class Progress(NamedTuple):
    """How far the work is: `done` of `total` files while they are read; 0 of 0 where that is not known."""

    phase: Literal["waiting", "looking", "reading", "writing"]
    done: int = 0
    total: int = 0

    @property
    def words(self) -> str:
        """What is being done, for people."""
        return _WORDS[self.phase]


Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """An index that is up to date.

    `files` and `names` are all that it has, `changed` the files that were read this time and `removed` those that are gone; `seconds`
    is wall time, `bytes` the size of the index. `problems` say what is not in it, and why it was built anew if it was.
    """

    path: Path
    files: int
    names: int
    changed: int
    removed: int
    seconds: float
    bytes: int
    problems: tuple[str, ...] = ()


def refresh(
    tree: Tree, report: Report = lambda _: None, stop: Stop = lambda: False
) -> tuple[Refreshed | None, str | None]:
    """Bring the index of a tree up to date, from nothing if need be; or one sentence that says why there is none.

    While another process is at it, wait, and take over what it did. `report` is called in this thread. When `stop` says so, the index stays
    as it was.
    """
    began = time.monotonic()
    path = index_path(tree.root)
    report(Progress("waiting"))
    try:
        with locked(path, stop) as held:
            return _refresh(tree, path, began, report, stop) if held else (None, CANCELLED)
    except NoWorkers as error:
        return None, f"There is no index of {tree.root}: {error}"
    except (OSError, sqlite3.Error, Damaged) as error:
        return None, (
            f"The index of {tree.root} cannot be kept in {path.parent} ({error}): "
            "make room or give rights there, or name another cache folder with XDG_CACHE_HOME."
        )


class _Cancelled(Exception):
    pass


def _refresh(tree: Tree, path: Path, began: float, report: Report, stop: Stop) -> tuple[Refreshed | None, str | None]:
    said = []
    try:
        try:
            work = _work(tree, path, report, stop)
        except Damaged as damage:
            discard(path)
            said = [f"{damage} It was built anew."]
            work = _work(tree, path, report, stop)
    except _Cancelled:
        return None, CANCELLED
    seconds = time.monotonic() - began
    problems = (*said, *_shortened(work.problems))
    size = path.stat().st_size
    return Refreshed(path, work.files, work.names, work.changed, work.removed, seconds, size, problems), None


class _Work(NamedTuple):
    files: int
    names: int
    changed: int
    removed: int
    problems: list[str]


def _work(tree: Tree, path: Path, report: Report, stop: Stop) -> _Work:
    with guarded(), Store(path) as store:
        known = store.folders()
        report(Progress("looking"))
        walked = walk(str(tree.root), known, stop)
        if stop():
            raise _Cancelled
        gone = _gone(known, walked.folders)
        jobs = _number(store, walked)
        changed = 0
        if jobs or gone:
            before = store.makers()
            store.drop_files(gone)
            if known:
                store.clear([*gone, *(number for number, _ in jobs)])
            changed = _read(store, tree, walked, jobs, report, stop)
            report(Progress("writing"))
            _derive(store, before, {number for number, _ in jobs})
            store.count()
        _keep(store, known, walked.folders)
        count = sum(len(folder.files) for folder in walked.folders.values())
        return _Work(count, store.names(), changed, len(gone), walked.problems)


def _gone(known: Folders, folders: Folders) -> list[int]:
    """The numbers of files that are not there any more."""
    gone: list[int] = []
    for path, old in known.items():
        new = folders.get(path)
        if new is not old:
            gone += [number for name, (_, _, number) in old.files.items() if new is None or name not in new.files]
    return gone


def _number(store: Store, walked: Walked) -> list[Job]:
    """The files to read, sorted by path, each with its number; new files get theirs."""
    if not walked.stale:
        return []
    jobs, new = [], []
    number = store.next_id()
    for folder, name in sorted(walked.stale):
        files = walked.folders[folder].files
        size, mtime_ns, known = files[name]
        if not known:
            files[name] = size, mtime_ns, number
            new.append((number, join(folder, name)))
            number += 1
        jobs.append((files[name][2], join(folder, name)))
    store.add_files(new)
    return jobs


def _read(store: Store, tree: Tree, walked: Walked, jobs: list[Job], report: Report, stop: Stop) -> int:
    """Have files read and write what they say; how many could be."""
    places = {number: place for (number, _), place in zip(jobs, sorted(walked.stale), strict=True)}
    done = 0
    failed: list[tuple[int, str]] = []
    report(Progress("reading", 0, len(jobs)))
    if jobs:
        with Pool(str(tree.root), list(_batches(jobs, walked))) as pool:
            for reply in pool.replies(stop):
                store.add(reply)
                for number, size, mtime_ns, _, _ in reply.files:
                    folder, name = places[number]
                    walked.folders[folder].files[name] = size, mtime_ns, number
                failed += reply.failed
                done += len(reply.files)
                report(Progress("reading", done + len(failed), len(jobs)))
        if stop():
            raise _Cancelled
    walked.problems += [f"{join(*places[number])} is left out: {reason}." for number, reason in sorted(failed)]
    return done


def _batches(jobs: list[Job], walked: Walked) -> Iterator[list[Job]]:
    """Files that one worker reads at once: many, but not more than it reads in a second."""
    batch: list[Job] = []
    size = 0
    for job, (folder, name) in zip(jobs, sorted(walked.stale), strict=True):
        batch.append(job)
        size += walked.folders[folder].files[name][0]
        if len(batch) >= _BATCH_FILES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _derive(store: Store, before: dict[int, str], read: set[int]) -> None:
    """Write the functions that macros make: of the files read, or of all files when any macro came, went or changed."""
    after = store.makers()
    if after == before:
        store.add_rows(derive(store.uses(read), after, store.headers()))
    else:
        store.drop_kind(MACRO)
        store.add_rows(derive(store.uses(), after, store.headers()))


def _keep(store: Store, known: Folders, folders: Folders) -> None:
    """Write how the tree was seen, where that is new."""
    store.put_folders((path, folder) for path, folder in folders.items() if known.get(path) is not folder)
    store.drop_folders(path for path in known if path not in folders)


def _shortened(problems: list[str]) -> list[str]:
    """Not more than a reader wants to see."""
    more = len(problems) - _MOST_NAMED
    return problems if more <= 0 else [*problems[:_MOST_NAMED], f"{more} more files or folders are left out."]
