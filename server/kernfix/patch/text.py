"""Lines and paths: what all of this room agrees on."""

from __future__ import annotations

from difflib import SequenceMatcher

MAX_TEXT = 32 << 20
"""The longest text in characters that is taken or produced; the largest generated header of the kernel has about 25 million."""


def split_lines(text: str) -> list[str]:
    """The lines of `text` with their newlines. Only ``\\n`` ends a line, as for diff and the compiler: a form feed does not."""
    lines = text.split("\n")
    last = lines.pop()
    return [line + "\n" for line in lines] + ([last] if last else [])


def changed_ranges(old: list[str], new: list[str]) -> list[tuple[int, int, int, int]]:
    """What differs, in order: ``old[i1:i2]`` became ``new[j1:j2]``."""
    head = _common_head(old, new)
    tail = _common_head(old[head:][::-1], new[head:][::-1])
    middle = SequenceMatcher(None, old[head : len(old) - tail], new[head : len(new) - tail])
    return [
        (i1 + head, i2 + head, j1 + head, j2 + head) for tag, i1, i2, j1, j2 in middle.get_opcodes() if tag != "equal"
    ]


def _common_head(old: list[str], new: list[str]) -> int:
    count = 0
    for a, b in zip(old, new, strict=False):
        if a != b:
            break
        count += 1
    return count


def unsafe_path(path: str) -> str | None:
    """Why `path` must not be touched, or None: only plain paths below the tree are, and nothing of git's own."""
    if not path:
        return "the path is empty"
    if any(character in '\\"' or not character.isprintable() for character in path):
        return "the path has a backslash, a quote or a control character in it"
    if path.startswith("/"):
        return "the path is absolute"
    parts = path.split("/")
    if ".." in parts:
        return "the path leaves the tree with `..`"
    if "" in parts or "." in parts:
        return "the path is not in its shortest form"
    if any(part.lower() == ".git" for part in parts):
        return "the path is inside git's own folder"
    return None
