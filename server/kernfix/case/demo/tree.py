"""The demo's kernel tree: a copy of our own in the user's cache, unpacked from a package or copied from a tree, with or without the bug."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from kernfix.patch import apply_edits
from kernfix.patch.model import Edit
from kernfix.source import Tree, open_tree
from kernfix.source.archive import archive_command, stamp

PACKAGE = "linux-source-6.12"
TARBALL = Path("/usr/src/linux-source-6.12.tar.xz")


class DemoUnavailable(Exception):
    """The demo cannot run here; one sentence with what to do."""


def material() -> Traversable:
    """The folder with the demo's edit, reproducer and config."""
    return files("kernfix.case.demo") / "perf_swevent"


def find_source(tree: Path | None) -> Path:
    """The tree or tarball to start from: what the user named, or the installed package's."""
    if tree is not None:
        opened, reason = open_tree(tree)
        if opened is None:
            raise DemoUnavailable(reason or f"{tree} is not a kernel tree.")
        return opened.root
    if not TARBALL.is_file():
        raise DemoUnavailable(
            f"the demo needs a kernel source: install it with `sudo apt-get install --no-install-recommends {PACKAGE}`,"
            " or name a Linux 6.12 tree with --tree."
        )
    return TARBALL


def prepare_tree(source: Path, cache: Path, *, seeded: bool) -> tuple[Tree, bool]:
    """The demo's own tree below `cache`, made from `source` if it is not there yet; and whether it was there."""
    name = f"{_identity(source)}-{'seeded' if seeded else 'pristine'}"
    place = cache / name
    if not place.is_dir():
        partial = cache / f".{name}.{os.getpid()}"
        try:
            _fill(source, partial)
            if seeded:
                _seed(partial)
            partial.rename(place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return _opened(place), False
    return _opened(place), True


def _opened(place: Path) -> Tree:
    tree, reason = open_tree(place)
    if tree is None:
        raise DemoUnavailable(f"{reason} Remove {place} and try again.")
    return tree


def _identity(source: Path) -> str:
    """Tells one source, and one version of the demo's edit, from another."""
    status = source.stat()
    state = stamp(source) if source.is_dir() else f"{source}\0{status.st_size}\0{status.st_mtime_ns}"
    edit = (material() / "seed.json").read_text()
    return hashlib.sha256(f"{state}\0{edit}".encode()).hexdigest()[:16]


def _fill(source: Path, place: Path) -> None:
    place.mkdir(parents=True)
    unpack = ["tar", "-C", str(place), "--no-same-owner", "-x"]
    if source.is_file():
        done = subprocess.run([*unpack, "--strip-components=1", "-f", str(source)], capture_output=True, check=False)
    else:
        with subprocess.Popen(archive_command(source, None), stdout=subprocess.PIPE) as archive:
            done = subprocess.run([*unpack, "-f", "-"], stdin=archive.stdout, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise DemoUnavailable(f"cannot copy {source} to {place}: {said[-1] if said else 'tar failed'}")


def _seed(place: Path) -> None:
    """Put the bug back."""
    tree = _opened(place)
    edits = [Edit(**edit) for edit in json.loads((material() / "seed.json").read_text())["edits"]]
    change = apply_edits(edits, tree.read)
    if change.problems:
        raise DemoUnavailable(
            f"the bug cannot be put back into this tree ({change.problems[0].message}); the demo is made for Linux 6.12."
        )
    for path, text in change.after.items():
        (place / path).write_bytes((text or "").encode("utf-8", "surrogateescape"))
