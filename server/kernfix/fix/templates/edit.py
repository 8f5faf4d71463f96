"""Line edits as search and replace: the search text grows by neighbouring lines until it occurs once in its file."""

from __future__ import annotations

from collections.abc import Sequence

from kernfix.patch.model import Edit

_MAX_CONTEXT = 12
"""Lines taken in on each side before a place counts as one that cannot be told from another."""


def replace_lines(path: str, text: str, first: int, last: int, new: Sequence[str]) -> Edit | None:
    """The edit that puts `new` in the place of the lines `first` to `last` (1-based, inclusive; `last` < `first` inserts before `first`).

    None when even a wide neighbourhood of the lines occurs more than once.
    """
    lines = text.split("\n")
    above, below = first - 1, last
    if above == below:  # an insertion: something must be there to search for
        below += 1
    for _ in range(_MAX_CONTEXT):
        search = _joined(lines[above:below])
        if _occurs_once(text, search):
            return Edit(path, search, _joined([*lines[above : first - 1], *new, *lines[last:below]]))
        above, below = max(above - 1, 0), min(below + 1, len(lines))
    return None


def insert_before(path: str, text: str, line: int, new: Sequence[str]) -> Edit | None:
    """The edit that puts `new` before 1-based `line`."""
    return replace_lines(path, text, line, line - 1, new)


def _joined(lines: Sequence[str]) -> str:
    return "".join(line + "\n" for line in lines)


def _occurs_once(text: str, search: str) -> bool:
    found = text.find(search)
    return found >= 0 and text.find(search, found + 1) < 0
