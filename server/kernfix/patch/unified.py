"""A change as a unified diff, as git writes it, and as line edits, as an editor takes it."""

from __future__ import annotations

from collections.abc import Iterator

from kernfix.patch.model import Change, LineEdit
from kernfix.patch.text import changed_ranges, split_lines

CONTEXT = 3
NO_NEWLINE = "\\ No newline at end of file"

_Range = tuple[int, int, int, int]


def unified_diff(change: Change) -> str:
    """The change as text that ``git apply`` and ``patch -p1`` take: files sorted by path, three lines of context."""
    paths = sorted({*change.before, *change.after})
    return "".join(_file_diff(path, change.before.get(path), change.after.get(path)) for path in paths)


def line_edits(before: str, after: str) -> tuple[LineEdit, ...]:
    """What turns `before` into `after`: ranges of whole lines of `before`, in order and apart from each other."""
    new = split_lines(after)
    return tuple(LineEdit(i1, i2, "".join(new[j1:j2])) for i1, i2, j1, j2 in changed_ranges(split_lines(before), new))


def _file_diff(path: str, before: str | None, after: str | None) -> str:
    if before == after:
        return ""
    head = f"diff --git a/{path} b/{path}\n"
    if before is None:
        head += "new file mode 100644\n"
    if after is None:
        head += "deleted file mode 100644\n"
    body = "".join(_hunks(split_lines(before or ""), split_lines(after or "")))
    if body:
        # As in git, a tab ends a name with a blank in it, so that nobody takes the rest for a time stamp.
        end = "\t\n" if " " in path else "\n"
        head += "--- /dev/null\n" if before is None else f"--- a/{path}{end}"
        head += "+++ /dev/null\n" if after is None else f"+++ b/{path}{end}"
    return head + body


def _hunks(old: list[str], new: list[str]) -> Iterator[str]:
    for group in _groups(changed_ranges(old, new)):
        start = max(group[0][0] - CONTEXT, 0)
        end = min(group[-1][1] + CONTEXT, len(old))
        shift = group[0][2] - group[0][0]
        new_end = end + group[-1][3] - group[-1][1]
        yield f"@@ -{_extent(start, end)} +{_extent(start + shift, new_end)} @@\n"
        at = start
        for i1, i2, j1, j2 in group:
            yield from _tagged(" ", old[at:i1])
            yield from _tagged("-", old[i1:i2])
            yield from _tagged("+", new[j1:j2])
            at = i2
        yield from _tagged(" ", old[at:end])


def _groups(ranges: list[_Range]) -> Iterator[list[_Range]]:
    """Changes whose context would touch share a hunk."""
    group: list[_Range] = []
    for change in ranges:
        if group and change[0] - group[-1][1] > 2 * CONTEXT:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _extent(start: int, end: int) -> str:
    """``start,count`` of a hunk's head; an empty range names the line before it, and a count of one is left out."""
    count = end - start
    if count == 0:
        return f"{start},0"
    return str(start + 1) if count == 1 else f"{start + 1},{count}"


def _tagged(tag: str, lines: list[str]) -> Iterator[str]:
    for line in lines:
        yield tag + line if line.endswith("\n") else f"{tag}{line}\n{NO_NEWLINE}\n"
