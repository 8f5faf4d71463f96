"""What git knows of a tree. Nothing is written to it, and nothing of its configuration is run."""

from __future__ import annotations

import os
import re
import subprocess

from kernfix.patch import unsafe_path
from kernfix.source.tree import MAX_FILE, Tree

_OPTIONS = (
    "--no-pager",
    "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.quotePath=false",
    "-c", "protocol.allow=never",
)  # fmt: skip
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "LC_ALL": "C",
}
_SECONDS = 120.0
_DIFF = (
    *("diff", "--no-ext-diff", "--no-textconv", "--ignore-submodules=all", "--no-color", "--no-renames", "--unified=3"),
    *("--src-prefix=a/", "--dst-prefix=b/", "HEAD", "--"),
)
_FILTERS = r"^filter\..*\.(clean|process)$"
_COMMIT = re.compile(r"-g([0-9a-f]{7,64})(?![0-9a-z])")
_RELEASE = re.compile(r"v?([2-9]\.\d{1,3}|[1-9]\d\.\d{1,3})(\.\d{1,4})?(-rc\d{1,2})?(-next-\d{8})?(-[A-Za-z]+)?")


def _git(tree: Tree, *arguments: str) -> str | None:
    """What the command prints, or None when git is missing or says no."""
    # A tree may belong to another user (a mount, a container); reading it is what its own user asked for.
    command = ["git", *_OPTIONS, "-c", f"safe.directory={tree.root}", "-C", str(tree.root), *arguments]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            command,
            env=outside | _ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else None


def is_git(tree: Tree) -> bool:
    """Whether the tree is the top of a git work tree; one inside another project's checkout is not."""
    top = _git(tree, "rev-parse", "--show-prefix")
    return top is not None and top.strip() == ""


def head(tree: Tree) -> str | None:
    """The commit that is checked out, 40 (or 64) hexadecimal digits."""
    return (_git(tree, "rev-parse", "--verify", "HEAD^{commit}") or "").strip() or None if is_git(tree) else None


def describe(tree: Tree) -> str | None:
    """The commit in words, such as ``v6.12-3-gabc1234``."""
    return (_git(tree, "describe", "--always", "--tags") or "").strip() or None if is_git(tree) else None


def diff_head(tree: Tree) -> str | None:
    """The uncommitted changes of tracked files as a patch, ``""`` when there are none, None when git cannot say."""
    if not is_git(tree):
        return None
    # Comparing files would run the filters that the checkout's own configuration names.
    names = (_git(tree, "config", "--name-only", "--get-regexp", _FILTERS) or "").split("\n")
    off = [word for name in names if name for word in ("-c", f"{name}=")]
    return _git(tree, *off, *_DIFF)


def dirty(tree: Tree) -> bool:
    """Whether tracked files differ from the commit that is checked out."""
    return bool(diff_head(tree))


def commit_of(tree: Tree, release: str) -> str | None:
    """The commit that a kernel of `release` was built from, where this repository has it.

    A release names its commit (``6.1.0-rc3-00123-gabcdef012345``, scripts/setlocalversion), or is that of a tag (``v6.1-rc3``, ``6.1.0``,
    ``6.1.12-syzkaller``, ``6.9.0-rc1-next-20240325``). One of a distribution (``6.1.0-13-amd64``) and one with commits on top of a tag
    (``6.1.0+``) name none.
    """
    words = release.split(maxsplit=1)
    name = _revision(words[0]) if words else None
    if name is None or not is_git(tree):
        return None
    return (_git(tree, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}") or "").strip() or None


def _revision(release: str) -> str | None:
    """What git may call the commit of `release`."""
    if stated := _COMMIT.search(release):
        return stated[1]
    match = _RELEASE.fullmatch(release)
    if match is None:
        return None
    version, patch, candidate, following, _ = match.groups("")
    return f"refs/tags/{following[1:] or 'v' + version + patch.removesuffix('.0') + candidate}"


def text_at(tree: Tree, commit: str, path: str) -> str | None:
    """The text of a file in `commit` (see `commit_of`), decoded as `Tree.read` does; None when it has none there or is too large."""
    if unsafe_path(path) or not re.fullmatch("[0-9a-f]{7,64}", commit):
        return None
    name = f"{commit}:{path}"
    size = (_git(tree, "cat-file", "-s", name) or "").strip()
    return _git(tree, "cat-file", "blob", name) if size.isdigit() and int(size) <= MAX_FILE else None
