"""A kernel checkout as a jail: reads what lies in it, and nothing else."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from kernfix.patch import unsafe_path

MAX_FILE = 32 << 20
"""The largest file in bytes that is read; the kernel's largest generated header has about 25 million."""

_VERSION = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)[ \t]*=[ \t]*(\S*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Tree:
    """A kernel tree: its folder, with links resolved, and its version as the top Makefile states it, such as ``6.12.4-rc1``."""

    root: Path
    version: str

    def path(self, relative: str) -> Path | None:
        """The regular file at that path; None when there is none, or when it lies outside (``..``, absolute, a link that leads out)."""
        real = self._real(relative)
        return Path(real) if real else None

    def _real(self, relative: str) -> str | None:
        """The same as text: a log names hundreds of paths, and pathlib takes longer than the system."""
        if unsafe_path(relative):
            return None
        root = str(self.root)
        try:
            real = _regular(f"{root}/{relative}")
        except OSError:
            return None
        return real if real and real.startswith(root.rstrip("/") + "/") else None

    def read(self, relative: str) -> str | None:
        """The text of a file, bytes that are not UTF-8 kept as surrogates; None when it cannot be read or is larger than `MAX_FILE`."""
        source = self.read_bytes(relative)
        return None if source is None else source.decode("utf-8", "surrogateescape")

    def read_bytes(self, relative: str) -> bytes | None:
        """The same as it is in the file."""
        path = self.path(relative)
        try:
            if path is None or path.stat().st_size > MAX_FILE:
                return None
            return path.read_bytes()
        except OSError:
            return None

    def find(self, stated: str) -> str | None:
        """The file that a log or debug information means by `stated`, relative to the tree.

        What stands before the tree's own part, a build folder (``/build/linux-6.1/fs/pipe.c``, ``../../fs/pipe.c``), is left out, the
        shortest such part first; a bare file name is too little to go by unless it is at the top.
        """
        if not stated or len(stated) > 4096:
            return None
        parts = [part for part in posixpath.normpath(stated).split("/") if part not in ("", "..")]
        names = ("/".join(parts[start:]) for start in range(max(len(parts) - 1, 1)))
        return next((name for name in names if self._real(name)), None)


def _regular(path: str) -> str | None:
    """Where the regular file at `path` really is, by the system's own way through the links; None where something else is there.

    It is not opened by this: devices and pipes stay untouched. Raises OSError.
    """
    file = os.open(path, os.O_PATH)
    try:
        return os.readlink(f"/proc/self/fd/{file}") if stat.S_ISREG(os.fstat(file).st_mode) else None  # noqa: PTH115
    finally:
        os.close(file)


def open_tree(path: Path) -> tuple[Tree | None, str | None]:
    """The kernel tree at `path`, or one sentence that says why it is none."""
    if not path.is_dir():
        return None, f"{path} is not a folder."
    tree = Tree(path.resolve(), "")
    makefile = tree.read("Makefile")
    stated = dict(_VERSION.findall(makefile or ""))
    if "VERSION" not in stated or "PATCHLEVEL" not in stated:
        return None, f"{path} is not a kernel tree: its Makefile states no kernel version."
    if tree.path("Kconfig") is None or not (tree.root / "kernel").is_dir():
        return None, f"{path} is not a kernel tree: it has no Kconfig or no folder kernel/."
    numbers = ".".join(stated[key] for key in ("VERSION", "PATCHLEVEL", "SUBLEVEL") if stated.get(key))
    return Tree(tree.root, numbers + stated.get("EXTRAVERSION", "")), None
