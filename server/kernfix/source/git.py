"""What git knows of a tree. Nothing is written to it, and nothing of its configuration is run."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Timer
from typing import NamedTuple

from kernfix.patch import unsafe_path
from kernfix.source.tree import MAX_FILE, Tree

_OPTIONS = (
    "--no-pager",
    "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.quotePath=false",
    "-c", "protocol.allow=never",
    "-c", "log.showSignature=false",
    "-c", "i18n.logOutputEncoding=UTF-8",
    "-c", "blame.ignoreRevsFile=",
    "-c", "blame.showRoot=false",
)  # fmt: skip
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    # Older git does not know the line above: no transport at all, whatever protocol.*.allow the checkout's configuration has.
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "LC_ALL": "C",
}
_SECONDS = 120.0
_MAX_OUTPUT = 256 << 20
_MAX_LINES = 10_000
_BLAME_SECONDS = 60.0
_REVISION = re.compile(r"[A-Za-z0-9_][\w./@{}^~+-]{0,199}", re.ASCII)
_HEADER = re.compile(r"([0-9a-f]{40,64}) ([0-9]{1,10}) ([0-9]{1,10})(?: [0-9]+)?")
_UNCOMMITTED = re.compile(r"0+")
_COMMIT_FORMAT = "%H%x00%an%x00%at%x00%s"
_DIFF = (
    *("diff", "--no-ext-diff", "--no-textconv", "--ignore-submodules=all", "--no-color", "--no-renames", "--unified=3"),
    *("--src-prefix=a/", "--dst-prefix=b/", "HEAD", "--"),
)
_FILTERS = r"^filter\..*\.(clean|process)$"
_COMMIT = re.compile(r"-g([0-9a-f]{7,64})(?![0-9a-z])")
_RELEASE = re.compile(r"v?([2-9]\.\d{1,3}|[1-9]\d\.\d{1,3})(\.\d{1,4})?(-rc\d{1,2})?(-next-\d{8})?(-[A-Za-z]+)?")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: its full hash, the name of its author, when it was written (None where that is no date), its subject."""

    hash: str
    author: str
    date: datetime | None
    subject: str


@dataclass(frozen=True, slots=True)
class Blamed:
    """Where a line comes from: `commit` put it there, as line `original_line` of the file then called `original_path`.

    `commit` is None for a line that is not committed. `cut` says that the clone is shallow and ends with this commit, so that it may only
    be the oldest that is here, and is nothing to blame.
    """

    line: int
    text: str
    commit: Commit | None
    original_path: str
    original_line: int
    cut: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """Commits, the newest first. `complete` is False where the search was given up before the end of history."""

    commits: tuple[Commit, ...] = ()
    complete: bool = True


class _Output(NamedTuple):
    """What a command printed, and how it ended: 0 well, above 0 by an error, below 0 because it was stopped."""

    text: str
    code: int


def _run(tree: Tree, *arguments: str, seconds: float = _SECONDS, off: tuple[str, ...] = ()) -> _Output:
    """Run git, stopped after `seconds` and after `_MAX_OUTPUT` bytes; `off` are settings of the checkout that are made empty."""
    # A tree may belong to another user (a mount, a container); reading it is what its own user asked for.
    command = ["git", *_OPTIONS, "-c", f"safe.directory={tree.root}", "-C", str(tree.root), *arguments]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        process = subprocess.Popen(
            command,
            env=outside | _ENVIRONMENT | _emptied(off),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, ValueError):  # ValueError: a NUL in an argument
        return _Output("", 1)
    timer = Timer(seconds, process.kill)
    with process:
        timer.start()
        try:
            raw = process.stdout.read(_MAX_OUTPUT + 1) if process.stdout else b""
        finally:
            timer.cancel()
        if len(raw) > _MAX_OUTPUT:
            process.kill()
    return _Output(raw.decode("utf-8", "surrogateescape"), process.returncode)


def _emptied(settings: tuple[str, ...]) -> dict[str, str]:
    """The environment that empties settings; with ``-c`` the name of a filter that has a ``=`` in it would be cut there."""
    pairs = {f"GIT_CONFIG_KEY_{number}": name for number, name in enumerate(settings)}
    return (
        pairs
        | {f"GIT_CONFIG_VALUE_{number}": "" for number in range(len(settings))}
        | {"GIT_CONFIG_COUNT": str(len(settings))}
    )


def _git(tree: Tree, *arguments: str, seconds: float = _SECONDS, off: tuple[str, ...] = ()) -> str | None:
    """What the command prints, or None when git is missing, says no, or has no end."""
    output = _run(tree, *arguments, seconds=seconds, off=off)
    return output.text if output.code == 0 else None


def _filters(tree: Tree) -> tuple[str, ...]:
    """The checkout's own settings that name commands, which git would run on files of the work tree when it reads them."""
    return tuple(
        name for name in (_git(tree, "config", "-z", "--name-only", "--get-regexp", _FILTERS) or "").split("\0") if name
    )


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
    return _git(tree, *_DIFF, off=_filters(tree))


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


def blame(tree: Tree, path: str, first: int, last: int, revision: str | None = None) -> tuple[Blamed, ...] | None:
    """Where lines `first` to `last` (1-based, inclusive) of a file come from, as it is in the work tree or in `revision`.

    None when git cannot say: no repository, an untracked file, lines that the file does not have, no such revision.
    """
    if not _askable(tree, path, first, last):
        return None
    commit = _resolve(tree, revision) if revision else ""
    if commit is None:
        return None
    command = ("blame", "--porcelain", "--no-textconv", "-L", f"{first},{last}", *filter(None, [commit]), "--", path)
    printed = _git(tree, *command, seconds=_BLAME_SECONDS, off=_filters(tree))
    if printed is None:
        return None
    shallow = (_git(tree, "rev-parse", "--is-shallow-repository") or "").strip() == "true"
    return tuple(_read_blame(printed, shallow))


def history(
    tree: Tree, path: str, first: int, last: int, revision: str = "HEAD", limit: int = 10, seconds: float = 20.0
) -> History | None:
    """The last commits that changed lines `first` to `last` of a file as it is in `revision`, followed back through older versions.

    Git must look at every commit of the file for this, so it is stopped after `limit` commits or after `seconds`, and then what was found
    so far is the answer. None when git cannot say, as for `blame`.
    """
    commit = _resolve(tree, revision) if _askable(tree, path, first, last) else None
    if commit is None:
        return None
    # One more than is wanted tells whether there are more.
    command = ("log", "--no-ext-diff", "--no-textconv", "--no-color", "--no-patch", f"--max-count={limit + 1}")
    output = _run(
        tree,
        *command,
        f"--format={_COMMIT_FORMAT}",
        f"-L{first},{last}:{path}",
        commit,
        seconds=seconds,
        off=_filters(tree),
    )
    commits = tuple(_read_commits(output.text))
    if output.code > 0:
        return None
    return History(commits[:limit], output.code == 0 and len(commits) <= limit)


def fixes_line(tree: Tree, commit: str) -> str | None:
    """The ``Fixes:`` line that names a commit, with at least 12 digits of its hash (Documentation/process/submitting-patches.rst)."""
    full = _resolve(tree, commit)
    printed = (
        _git(tree, "log", "--max-count=1", "--abbrev=12", "--no-color", '--format=Fixes: %h ("%s")', full)
        if full
        else None
    )
    return (printed or "").strip() or None


def _askable(tree: Tree, path: str, first: int, last: int) -> bool:
    return not unsafe_path(path) and 1 <= first <= last < first + _MAX_LINES and is_git(tree)


def _resolve(tree: Tree, revision: str) -> str | None:
    """The full hash of the commit that `revision` names, or None; a name cannot be taken for an option."""
    if not _REVISION.fullmatch(revision) or not is_git(tree):
        return None
    return (_git(tree, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}") or "").strip() or None


def _read_blame(printed: str, shallow: bool) -> Iterator[Blamed]:
    """The lines of ``git blame --porcelain``: a commit's details stand only where it comes first (git-blame(1))."""
    known: dict[str, dict[str, str]] = {}
    details: dict[str, str] = {}
    digest, original, line = "", 0, 0
    for row in printed.split("\n"):
        if row.startswith("\t"):
            commit = None if _UNCOMMITTED.fullmatch(digest) else _commit(digest, details)
            yield Blamed(
                line, row[1:], commit, details.get("filename", ""), original, shallow and "boundary" in details
            )
        elif match := _HEADER.fullmatch(row):
            digest, original, line = match[1], int(match[2]), int(match[3])
            details = known.setdefault(digest, {})
        else:
            key, _, value = row.partition(" ")
            details[key] = value


def _commit(digest: str, details: dict[str, str]) -> Commit:
    return Commit(digest, details.get("author", ""), _date(details.get("author-time", "")), details.get("summary", ""))


def _read_commits(printed: str) -> Iterator[Commit]:
    for row in printed.split("\n"):
        digest, *rest = row.split("\0")
        if len(rest) == 3:
            yield Commit(digest, rest[0], _date(rest[1]), rest[2])


def _date(seconds: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None
