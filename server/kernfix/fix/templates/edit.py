"""Line edits as search and replace: the search text grows by neighbouring lines until it occurs once in its file."""

from __future__ import annotations

from collections.abc import Sequence

from kernfix.patch.edits import MIN_SEARCH
from kernfix.patch.model import Edit

_MAX_CONTEXT = 12
"""Lines taken in on each side before a place counts as one that cannot be told from another."""
_MAX_COMMENT = 40


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
        if _names_a_place(search, text):
            return Edit(path, search, _joined([*lines[above : first - 1], *new, *lines[last:below]]))
        above, below = max(above - 1, 0), min(below + 1, len(lines))
    return None


def insert_before(path: str, text: str, line: int, new: Sequence[str]) -> Edit | None:
    """The edit that puts `new` before 1-based `line` and the comment that belongs to it; as a paragraph where one begins there."""
    lines = text.split("\n")
    at = line - len(_comment_above(lines, line))
    paragraph = [] if lines[at - 2].strip() else [""]
    return replace_lines(path, text, at, at - 1, [*new, *paragraph])


def _comment_above(lines: Sequence[str], line: int) -> Sequence[str]:
    """The lines of the comment that ends right above 1-based `line`."""
    for first in range(line - 2, max(line - 2 - _MAX_COMMENT, -1), -1):
        if first == line - 2 and not lines[first].rstrip().endswith("*/"):
            return ()
        if "/*" in lines[first]:
            return lines[first : line - 1] if lines[first].lstrip().startswith("/*") else ()
    return ()


def _joined(lines: Sequence[str]) -> str:
    return "".join(line + "\n" for line in lines)


def _names_a_place(search: str, text: str) -> bool:
    """Whether it occurs once and says more than a brace does."""
    found = text.find(search)
    return len("".join(search.split())) >= MIN_SEARCH and found >= 0 and text.find(search, found + 1) < 0
