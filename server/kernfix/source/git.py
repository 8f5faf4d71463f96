"""What git knows of a tree. Nothing is written to it, and nothing of its configuration is run."""

from __future__ import annotations

import os
import subprocess

from kernfix.source.tree import Tree

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
