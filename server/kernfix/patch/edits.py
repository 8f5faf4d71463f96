"""Search and replace, as models and templates propose changes; never raises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher

from kernfix.patch.model import Change, Edit, Problem, Reader
from kernfix.patch.text import MAX_TEXT, split_lines, unsafe_path

MIN_SEARCH = 4
"""Fewer non-blank characters than this (a brace, ``);``) name no place."""


def apply_edits(edits: Iterable[Edit], read: Reader) -> Change:
    """What the files are after `edits`, applied in order; the problems say which edits do not fit, and why.

    A search text that does not occur is tried once more line by line without regard to white space, since models often turn tabs
    into spaces; it must then fit one place only, and the lines that the edit keeps stay as the file has them.
    """
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    problems: list[Problem] = []
    for edit in edits:
        problem = _load(edit.file, read, before, after) or _apply(edit, after)
        if problem:
            problems.append(Problem(problem, edit.file))
    return _change(before, after, problems)


def _change(before: Mapping[str, str], after: Mapping[str, str], problems: list[Problem]) -> Change:
    touched = [path for path in before if before[path] != after[path]]
    if not touched and not problems:
        problems = [Problem("The edits change nothing.")]
    return Change({path: before[path] for path in touched}, {path: after[path] for path in touched}, tuple(problems))


def _load(path: str, read: Reader, before: dict[str, str], after: dict[str, str]) -> str | None:
    if reason := unsafe_path(path):
        return f"{path!r} cannot be edited: {reason}."
    if path not in before:
        text = read(path)
        if text is None:
            return f"There is no readable file {path} in the tree."
        before[path] = after[path] = text
    return None


def _apply(edit: Edit, texts: dict[str, str]) -> str | None:
    text = texts[edit.file]
    search, replace = edit.search, edit.replace
    if "\r" not in text:
        search, replace = search.replace("\r\n", "\n"), replace.replace("\r\n", "\n")
    if len("".join(search.split())) < MIN_SEARCH:
        return f"The search text {search!r} is too short to name one place."
    if search == replace:
        return "The edit replaces a text by itself."
    found = text.find(search)
    if found >= 0 and text.find(search, found + 1) >= 0:
        return f"The search text occurs {text.count(search)} times and must occur once: {_first_line(search)}"
    if found >= 0:
        result: str | None = text[:found] + replace + text[found + len(search) :]
    else:
        result, problem = _apply_loosely(text, search, replace)
        if problem:
            return problem
    if result is None or len(result) > MAX_TEXT:
        return "The edited file would be too large."
    texts[edit.file] = result
    return None


def _first_line(text: str) -> str:
    line = text.strip().split("\n", 1)[0].strip()
    return f"`{line[:120]}`"


def _plain(line: str) -> str:
    return " ".join(line.split())


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _apply_loosely(text: str, search: str, replace: str) -> tuple[str | None, str | None]:
    """The text after the edit, or the problem; lines are compared without regard to white space."""
    lines = split_lines(text)
    wanted = search.strip("\n").split("\n")
    plain = [_plain(line) for line in wanted]
    found = _windows([_plain(line) for line in lines], plain)
    if not found:
        return None, f"The search text does not occur: {_first_line(search)}"
    if len(found) > 1:
        return None, f"The search text occurs {len(found)} times but for white space: {_first_line(search)}"
    start, end = found[0], found[0] + len(wanted)
    kept = [line.rstrip("\n") for line in lines[start:end]]
    new = "".join(line + "\n" for line in _reindented(wanted, kept, replace.strip("\n")))
    if lines[end - 1][-1:] != "\n":
        new = new.removesuffix("\n")
    if new == "".join(lines[start:end]):
        return None, "The edit replaces a text by itself but for white space."
    return "".join(lines[:start]) + new + "".join(lines[end:]), None


def _windows(lines: list[str], wanted: list[str]) -> list[int]:
    first = wanted[0]
    return [at for at, line in enumerate(lines) if line == first and lines[at : at + len(wanted)] == wanted]


def _reindented(wanted: list[str], kept: list[str], replace: str) -> list[str]:
    """The replacement's lines: those of the search text as the file has them, new ones with the file's indentation."""
    if not replace:
        return []
    new = replace.split("\n")
    indents = {_indent(search): _indent(line) for search, line in zip(wanted, kept, strict=True) if search.strip()}
    result = [_transfer(line, indents) for line in new]
    same = SequenceMatcher(None, [_plain(line) for line in wanted], [_plain(line) for line in new], autojunk=False)
    for block in same.get_matching_blocks():
        result[block.b : block.b + block.size] = kept[block.a : block.a + block.size]
    return result


def _transfer(line: str, indents: Mapping[str, str]) -> str:
    own = _indent(line)
    base = max((indent for indent in indents if own.startswith(indent)), key=len, default=None)
    return line if base is None or not line.strip() else indents[base] + line[len(base) :]
