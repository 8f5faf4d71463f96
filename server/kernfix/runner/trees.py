"""Warm build trees: one copy of the source with its objects per base, config and compiler, used by one build at a time.

A job's patch is applied to the warm tree itself, so that only what it touches is compiled, and is taken back afterwards. Two marks make
this safe against a process killed at any moment: a *journal* of the original files, rolled back before the next use, and a *building*
mark, after which everything that the interrupted build wrote is thrown away (a half-written object looks up to date to make).

The sources and what their own Makefiles did to the tree are hostile: nothing is written through a link that they may have left.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path

from kernfix.patch import unsafe_path
from kernfix.runner.faults import BadRequest, RunnerFault

OUTPUTS = (".o", ".a", ".ko", ".so", ".dbg", ".cmd", ".d", ".mod", ".order", ".symvers", ".lds")
OUTPUT_NAMES = frozenset({"vmlinux", "vmlinux.unstripped", "System.map"})
TEMPORARY = (".tmp_", ".vmlinux.")
CONFIGURED = "config"
"""Beside the source: its config as the base completed it."""


class WarmTree:
    """One warm tree, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = folder / "src"
        self._journal = folder / "journal"
        self._building = folder / "building"

    @property
    def filled(self) -> bool:
        """Whether the source is there."""
        return self.source.is_dir()

    def require(self) -> None:
        """RunnerFault when the source, once fetched, is gone: somebody emptied the cache between two steps of a job."""
        if not self.filled:
            raise RunnerFault("the copy of the tree was removed from the cache while the job was at work; verify again")

    @contextlib.asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Hold the tree alone, across processes; whatever a killed holder left behind is mended first."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(0.2)
            os.utime(file.fileno())
            await asyncio.to_thread(self._mend)
            yield

    def last_used(self) -> float:
        """When the tree was last locked, in seconds since the epoch."""
        lock = self.folder / "lock"
        return lock.stat().st_mtime if lock.exists() else 0.0

    def remove_unused(self) -> None:
        """Delete the tree unless somebody holds it."""
        with (self.folder / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            shutil.rmtree(self.source, ignore_errors=True)
            for mark in (self.folder / CONFIGURED, self._building):
                mark.unlink(missing_ok=True)
            shutil.rmtree(self._journal, ignore_errors=True)

    @contextlib.contextmanager
    def patched(self, after: Mapping[str, str | None]) -> Iterator[None]:
        """The tree with the files of a patch in place; they are taken back at the end, whatever happens."""
        self._keep(after)
        try:
            for path, text in after.items():
                _write(self._inside(path), None if text is None else text.encode("utf-8", "surrogateescape"))
            yield
        finally:
            self._roll_back()

    def begin_build(self) -> None:
        """Mark the tree: what is written from now on may be cut off half-way."""
        self._building.touch()

    def end_build(self) -> None:
        """Take the mark away; for a build that ended by itself, well or not, and so has written its objects whole."""
        self._building.unlink()

    def read(self, path: str) -> str | None:
        """A source file's text, or None; what `kernfix.patch` reads."""
        file = self._inside(path)
        return file.read_bytes().decode("utf-8", "surrogateescape") if file.is_file() else None

    def put(self, path: str, data: bytes) -> None:
        """Write a file that is no part of the source, such as the config."""
        _write(self._inside(path), data)

    def take(self, path: str, target: Path) -> bool:
        """Copy a file that a build made; False when it made none."""
        file = self._inside(path)
        if file.is_file():
            shutil.copy2(file, target)
        return file.is_file()

    def _inside(self, path: str) -> Path:
        """The path of a file in the tree, or where one may be made; one that leads out of it or cannot be a file is refused."""
        file = self.source / path
        try:
            nearest = next(parent for parent in file.parents if parent.exists())
            is_jailed = file.parent.resolve().is_relative_to(self.source.resolve()) and not file.is_symlink()
            is_fit = is_jailed and nearest.is_dir() and not file.is_dir() and not unsafe_path(path)
        except (OSError, RuntimeError, ValueError):  # too long a name, a loop of links, a null byte
            is_fit = False
        if not is_fit:
            raise BadRequest(f"{path} leads out of the tree, or cannot be a file in it")
        return file

    def _keep(self, paths: Iterable[str]) -> None:
        """Copy the originals, with their permissions, and name them; None stands for a file that there is not."""
        partial = self._journal.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        names: dict[str, str | None] = {}
        for number, path in enumerate(paths):
            file = self._inside(path)
            names[path] = str(number) if file.is_file() else None
            if file.is_file():
                shutil.copy(file, partial / str(number))
        (partial / "files.json").write_text(json.dumps(names))
        for file in (*partial.iterdir(), partial):
            _sync(file)
        partial.rename(self._journal)
        _sync(self.folder)

    def _roll_back(self) -> None:
        names: dict[str, str | None] = json.loads((self._journal / "files.json").read_text())
        try:
            for path, saved in names.items():
                file = self._inside(path)
                _write(file, None if saved is None else (self._journal / saved).read_bytes())
                if saved is not None:
                    shutil.copymode(self._journal / saved, file)
        except (
            BadRequest
        ):  # a build turned a folder into a link that leads out: nothing in there can be trusted any more
            shutil.rmtree(self.source)
            shutil.rmtree(self._journal)
            raise
        shutil.rmtree(self._journal)

    def _mend(self) -> None:
        if self._journal.exists():
            self._roll_back()
        if self._building.exists():
            self._drop_outputs(self._building.stat().st_mtime)
            self._building.unlink()

    def _drop_outputs(self, since: float) -> None:
        """Delete what a build wrote since that time."""
        for folder, _, files in os.walk(self.source):
            for name in files:
                is_output = name.endswith(OUTPUTS) or name.startswith(TEMPORARY) or name in OUTPUT_NAMES
                path = Path(folder, name)
                if is_output and path.lstat().st_mtime >= since:
                    path.unlink()


def _sync(path: Path) -> None:
    """Have a file or folder on the disk, not only on its way there."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(path: Path, data: bytes | None) -> None:
    """Write by replacing, always with a new time stamp, so that make sees the change in both directions."""
    if data is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".kernfix-partial")
    partial.unlink(missing_ok=True)
    with partial.open("xb") as file:  # a new file, never what a link of that name leads to
        file.write(data)
    if path.exists():
        shutil.copymode(path, partial)
    partial.replace(path)
