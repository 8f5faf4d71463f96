"""A kernel tree as a tar stream, for a runner: exactly the sources, nothing that a build left in them.

Only the command lines are made here, so that the same selection serves a copy on this machine and an upload to another.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

# What kbuild writes into a tree (the kernel's own .gitignore, shortened to what matters); made anew by every build.
BUILT = (
    *(
        "*.o",
        "*.a",
        "*.ko",
        "*.cmd",
        "*.mod",
        "*.mod.c",
        "*.order",
        "*.symvers",
        "*.so",
        "*.so.dbg",
        "*.builtin",
        ".tmp_*",
    ),
    *(".config", ".config.old", ".git", "vmlinux", ".vmlinux.*", "System.map", ".version", "bzImage"),
    *("./include/config", "./include/generated", "./arch/*/include/generated"),
)
BUILT_SUFFIXES = tuple(pattern[1:] for pattern in BUILT if pattern.startswith("*."))
BUILT_PREFIXES = (".tmp_", ".vmlinux.")
BUILT_NAMES = frozenset(pattern for pattern in BUILT if "*" not in pattern and "/" not in pattern)
BUILT_FOLDERS = ("include/config", "include/generated")

GIT = ["git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "safe.directory=*"]


def archive_command(root: Path, commit: str | None) -> list[str]:
    """A command whose standard output is the tar stream: of a git `commit`, or of the files as they stand."""
    if commit is not None:
        return [*GIT, "-C", str(root), "archive", "--format=tar", commit, "--", "."]
    excludes = [f"--exclude={pattern}" for pattern in BUILT]
    options = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner"]
    return ["tar", "-C", str(root), *options, *excludes, "-cf", "-", "."]


def stamp(root: Path) -> str:
    """A hash that changes when any source file of a folder does, from names, sizes and times (it reads no file).

    Costs about a second for a kernel tree.
    """
    digest = hashlib.sha256(str(root.resolve()).encode())
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not _is_built(folder, name))
        for name in sorted(files):
            if not _is_built(folder, name):
                status = os.lstat(f"{folder}/{name}")
                digest.update(
                    f"{folder}/{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape")
                )
    return digest.hexdigest()


def _is_built(folder: str, name: str) -> bool:
    if name in BUILT_NAMES or name.endswith(BUILT_SUFFIXES) or name.startswith(BUILT_PREFIXES):
        return True
    return f"{folder}/{name}".endswith(BUILT_FOLDERS)
