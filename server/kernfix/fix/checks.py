"""Cheap tests of a draft, in order of cost; the first that fails ends them."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from functools import lru_cache

from kernfix.fix.model import Candidate, Check, Draft
from kernfix.patch import apply_edits, papering_over, unified_diff
from kernfix.patch.model import Change, Reader
from kernfix.source.syntax import syntax_errors

MAX_CHANGED_LINES = 40
"""More than this is no longer one fix that a person can judge at a glance."""


def check(draft: Draft, read: Reader) -> Candidate:
    """The draft as a candidate, with the outcome of each check that it reached; `read` gives the tree's files."""
    start = time.monotonic()
    change = apply_edits(draft.edits, read)
    diff = "" if change.problems else unified_diff(change)
    checks: dict[str, Check] = {}
    for name, test in _CHECKS:
        ok, detail = test(change, diff)
        now = time.monotonic()
        checks[name] = Check(ok, detail, round(now - start, 4))
        start = now
        if not ok:
            break
    return Candidate(_id(draft, diff), draft, change, diff, checks, (draft.source,))


def changed_lines(diff: str) -> int:
    """How many lines the diff takes out or puts in."""
    return sum(1 for _ in _changed(diff))


def _changed(diff: str) -> Iterator[str]:
    for line in diff.splitlines():
        if line.startswith(("+", "-")) and not line.startswith(("+++ ", "--- ")):
            yield line


def _applies(change: Change, diff: str) -> tuple[bool, str]:
    if change.problems:
        return False, " ".join(problem.message for problem in change.problems)
    return True, f"applies to {', '.join(sorted(change.after))}"


def _size(change: Change, diff: str) -> tuple[bool, str]:
    count = changed_lines(diff)
    if count == 0:
        return False, "changes nothing"
    return count <= MAX_CHANGED_LINES, f"{count} changed line{'s' if count > 1 else ''}, of {MAX_CHANGED_LINES} at most"


def _parses(change: Change, diff: str) -> tuple[bool, str]:
    """Whether the grammar stumbles over no more lines than before: the kernel's macros trip it up in some files to begin with."""
    for path in sorted(change.after):
        if path.endswith((".c", ".h")) and _errors(change.after[path] or "") > _errors(change.before.get(path) or ""):
            return False, f"{path} has a syntax error that was not there before"
    return True, "no new syntax error"


@lru_cache(maxsize=8)
def _errors(text: str) -> int:
    return len(syntax_errors(text))


def _papering_over(change: Change, diff: str) -> tuple[bool, str]:
    signs = papering_over(change)
    return not signs, " ".join(signs) or "no sign of hiding the crash"


_CHECKS: tuple[tuple[str, Callable[[Change, str], tuple[bool, str]]], ...] = (
    ("applies", _applies),
    ("size", _size),
    ("parses", _parses),
    ("papering-over", _papering_over),
)

_HUNK = re.compile(r"^@@ .*$", re.MULTILINE)


def _id(draft: Draft, diff: str) -> str:
    """Of the diff without its line numbers; of the edits when there is no diff."""
    text = _HUNK.sub("@@", diff) or repr(draft.edits)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
