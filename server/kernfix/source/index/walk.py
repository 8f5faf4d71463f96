"""What has changed in a tree since it was last looked at: one ``lstat`` for each file, and a listing only of the folders that changed.

A folder's own time changes when a file comes, goes or is replaced; a file's time or size when its content does. A time so recent that
a later change might not show in it is kept as 0, so that the next look takes it for changed.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from kernfix.source.tree import MAX_FILE

SUFFIXES = (".c", ".h", ".S")
RECENT_NS = 2_000_000_000
"""The coarsest clock among file systems in use, in nanoseconds."""


Stamp = tuple[int, int, int]
"""What tells that a file is as it was, its size and its time in ns, and the number that it has in the index (0: none yet)."""


class Folder(NamedTuple):
    """What a folder holds, by name."""

    mtime_ns: int
    files: dict[str, Stamp]
    folders: tuple[str, ...]


Folders = dict[str, Folder]
"""The folders of a tree by path, relative to the tree; ``""`` is the tree's own."""


@dataclass(slots=True)
class Walked:
    """A tree as it is now; `stale` are the files to read again, as folder and name."""

    folders: Folders = field(default_factory=dict)
    stale: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def walk(root: str, known: Folders, stop: Callable[[], bool]) -> Walked:
    """Look at a tree of which `known` was true some time ago. Stops early, with less, when `stop` says so.

    Links are not followed: what they lead to in the tree is found by its own path, and the rest is not the tree's. Hidden folders hold
    the data of tools (``.git``, ``.pc``), sometimes with copies of sources.
    """
    walked = Walked()
    waiting = [""]
    while waiting and not stop():
        path = waiting.pop()
        folder = _look(root, path, known.get(path), walked)
        if folder is not None:
            walked.folders[path] = folder
            waiting += [join(path, name) for name in folder.folders]
    return walked


def join(folder: str, name: str) -> str:
    """The path of what is in a folder."""
    return f"{folder}/{name}" if folder else name


def settled(mtime_ns: int) -> int:
    """A time to keep: 0 where it is so recent that it proves nothing."""
    return 0 if 0 <= time.time_ns() - mtime_ns < RECENT_NS else mtime_ns


def _look(root: str, path: str, old: Folder | None, walked: Walked) -> Folder | None:
    """A folder as it is now, the very same value if it did not change; None when it is none any more, or cannot be read."""
    place = f"{root}/{path}" if path else root
    try:
        seen = os.lstat(place)
        if not stat.S_ISDIR(seen.st_mode):
            return None
        if old is not None and seen.st_mtime_ns == old.mtime_ns:
            return _look_again(place, path, old, walked)
        return _list(place, path, seen.st_mtime_ns, old, walked)
    except OSError as error:
        walked.problems.append(f"{path or root} cannot be read: {error.strerror}.")
        return None


def _look_again(place: str, path: str, old: Folder, walked: Walked) -> Folder:
    """A folder that has the same files as before."""
    lstat = os.lstat
    changed = {}
    for name, stamp in old.files.items():
        now = lstat(f"{place}/{name}")
        if now.st_mtime_ns != stamp[1] or now.st_size != stamp[0]:
            changed[name] = (now.st_size, 0, stamp[2])
            walked.stale.append((path, name))
    return old._replace(files=old.files | changed) if changed else old


def _list(place: str, path: str, mtime_ns: int, old: Folder | None, walked: Walked) -> Folder:
    files: dict[str, Stamp] = {}
    folders = []
    problems = len(walked.problems)
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIXES):
                if entry.is_file(follow_symlinks=False) and _is_fit(entry, path, walked.problems):
                    files[entry.name] = _stamp(entry, path, old, walked)
            elif (
                entry.name[0] != "." and entry.is_dir(follow_symlinks=False) and _is_text(entry, path, walked.problems)
            ):
                folders.append(entry.name)
    # What is wrong with a folder is said each time, so that it is listed each time.
    return Folder(0 if len(walked.problems) > problems else settled(mtime_ns), files, tuple(sorted(folders)))


def _stamp(entry: os.DirEntry[str], path: str, old: Folder | None, walked: Walked) -> Stamp:
    now = entry.stat(follow_symlinks=False)
    before = old.files.get(entry.name) if old else None
    if before and (now.st_size, now.st_mtime_ns) == before[:2]:
        return before
    walked.stale.append((path, entry.name))
    return now.st_size, 0, before[2] if before else 0


def _is_fit(entry: os.DirEntry[str], path: str, problems: list[str]) -> bool:
    size = entry.stat(follow_symlinks=False).st_size
    if size > MAX_FILE:
        problems.append(f"{join(path, entry.name)} is left out: it has {size} bytes, more than {MAX_FILE}.")
    return size <= MAX_FILE and _is_text(entry, path, problems)


def _is_text(entry: os.DirEntry[str], path: str, problems: list[str]) -> bool:
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        problems.append(f"{join(path, entry.name)!a} is left out: its name is not UTF-8.")
        return False
    return True
