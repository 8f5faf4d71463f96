"""Warm build trees: one copy of the source with its objects per base, config and compiler, used by one build at a time.

A job's patch is applied to the warm tree itself, so that only what it touches is compiled, and is taken back afterwards. Two marks make
this safe against a process killed at any moment: a *journal* of the original files, rolled back before the next use, and a *building*
mark, after which everything that the interrupted build wrote is thrown away (a half-written object looks up to date to make).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from kernfix.runner.faults import BadRequest

OUTPUTS = (".o", ".a", ".ko", ".so", ".dbg", ".cmd", ".d", ".mod", ".order", ".symvers")


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
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            shutil.rmtree(self.source, ignore_errors=True)
            for mark in ("configured", "building"):
                (self.folder / mark).unlink(missing_ok=True)
            shutil.rmtree(self._journal, ignore_errors=True)

    @contextlib.contextmanager
    def patched(self, before: Mapping[str, str | None], after: Mapping[str, str | None]) -> Iterator[None]:
        """The tree with the files of a patch in place; they are taken back at the end, whatever happens."""
        for path in after:
            self._inside(path)
        self._keep(before)
        try:
            for path, text in after.items():
                _write(self.source / path, text)
            yield
        finally:
            self._roll_back()

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """Mark a build, so that one that is cut off does not leave half-written objects to the next."""
        self._building.touch()
        yield  # only a build that ended by itself, well or not, has written its objects whole
        self._building.unlink()

    def read(self, path: str) -> str | None:
        """A source file's text, or None; what `kernfix.patch` reads."""
        file = self._inside(path)
        return file.read_bytes().decode("utf-8", "surrogateescape") if file.is_file() else None

    def _inside(self, path: str) -> Path:
        """The path in the tree; a symbolic link that leads out of it is refused."""
        file = self.source / path
        if not file.parent.resolve().is_relative_to(self.source.resolve()) or file.is_symlink():
            raise BadRequest(f"the patch names {path}, which leads out of the tree")
        return file

    def _keep(self, before: Mapping[str, str | None]) -> None:
        partial = self._journal.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        names: dict[str, str | None] = {}
        for number, (path, text) in enumerate(before.items()):
            names[path] = None if text is None else str(number)
            if text is not None:
                (partial / str(number)).write_bytes(text.encode("utf-8", "surrogateescape"))
        (partial / "files.json").write_text(json.dumps(names))
        os.sync()
        partial.rename(self._journal)

    def _roll_back(self) -> None:
        names: dict[str, str | None] = json.loads((self._journal / "files.json").read_text())
        for path, saved in names.items():
            text = None if saved is None else (self._journal / saved).read_bytes().decode("utf-8", "surrogateescape")
            _write(self.source / path, text)
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
                path = Path(folder, name)
                if (
                    name.endswith(OUTPUTS) or name.startswith(("vmlinux", ".vmlinux"))
                ) and path.lstat().st_mtime >= since:
                    path.unlink()


def _write(path: Path, text: str | None) -> None:
    """Write by replacing, always with a new time stamp, so that make sees the change in both directions."""
    if text is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".kernfix-partial")
    partial.write_bytes(text.encode("utf-8", "surrogateescape"))
    if path.exists():
        shutil.copymode(path, partial)
    partial.replace(path)
