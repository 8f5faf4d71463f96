"""Which kernel tree a log belongs to, and the files that go with the two."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kernfix.lsp.addresses import path_of as document_path

if TYPE_CHECKING:
    from kernfix.lsp.settings import Settings
    from kernfix.source.tree import Tree

NO_TREE = "No kernel tree is known: open the log inside one, open one as a workspace folder, or set kernfix.tree."


@dataclass(frozen=True)
class Found:
    """The tree, its folder by the name that the user knows it by (links not resolved), and what is wrong with the settings."""

    tree: Tree | None = None
    root: Path | None = None
    vmlinux: Path | None = None
    problem: str = ""


def find(settings: Settings, uri: str, folders: Iterable[Path]) -> Found:
    """The tree of the settings, else a workspace folder that is one, else the nearest parent of the log that is one."""
    from kernfix.source import open_tree

    folders = list(folders)
    if settings.tree:
        candidates: Iterable[Path] = [path_of(settings.tree, folders)]
    else:
        candidates = [*folders, *_parents(uri)]
    problem = ""
    for path in candidates:
        tree, reason = open_tree(path)
        if tree:
            vmlinux, problem = _vmlinux(settings, folders, path)
            return Found(tree, path, vmlinux, problem)
        problem = f"The setting kernfix.tree cannot be used: {reason}" if settings.tree else ""
    return Found(problem=problem)


def path_of(setting: str, folders: Iterable[Path]) -> Path:
    """A path of the settings: ``~`` is the home folder, and a relative one starts at the first workspace folder."""
    path = Path(setting)
    if path.parts[:1] == ("~",):
        path = Path.home().joinpath(*path.parts[1:])
    base = next(iter(folders), Path.cwd())
    return Path(os.path.normpath(base / path))


def beside(uri: str, names: Iterable[str]) -> Path | None:
    """The first of these files in the folder of the log."""
    own = document_path(uri)
    paths = (own.parent / name for name in names) if own else ()
    return next((path for path in paths if path.is_file()), None)


def _vmlinux(settings: Settings, folders: Iterable[Path], tree: Path) -> tuple[Path | None, str]:
    """Debug information: as set, else of a build in the tree."""
    path = path_of(settings.vmlinux, folders) if settings.vmlinux else tree / "vmlinux"
    if path.is_file():
        return path, ""
    return None, f"The setting kernfix.vmlinux cannot be used: there is no file {path}." if settings.vmlinux else ""


def _parents(uri: str) -> Iterator[Path]:
    own = document_path(uri)
    if own:
        yield from own.parents
