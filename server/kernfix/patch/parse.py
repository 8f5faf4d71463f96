"""Unified diffs to values: git's, and plain ones made with ``diff -u`` and meant for ``patch -p1``; never raises."""

from __future__ import annotations

import re

from kernfix.patch.model import Diff, FileDiff, Hunk, Problem
from kernfix.patch.text import MAX_TEXT, unsafe_path

_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_GIT = re.compile(r'diff --git (?:a/(?P<old>.+) b/(?P<new>.+)|"a/(?P<qold>[^"]*)" "b/(?P<qnew>[^"]*)")$')
_QUOTED = re.compile(r'\\([0-7]{3}|[abtnvfr"\\])')

_REFUSED = {
    "GIT binary patch": "it is a binary patch",
    "Binary files ": "it is a binary patch",
    "rename from ": "it renames a file, which is not supported; give it as a deletion and a new file",
    "copy from ": "it copies a file, which is not supported; give it as a new file",
    "new mode ": "it changes a file's mode, which is not supported",
    "new file mode 120000": "it makes a symbolic link",
    "new file mode 160000": "it adds a submodule",
}


def parse_diff(text: str) -> Diff:
    """The files and hunks of a patch; a mail's head and tail around it are skipped."""
    if len(text) > MAX_TEXT:
        return Diff((), (Problem("The patch is too large."),))
    parser = _Parser(text.split("\n"))
    parser.run()
    if not parser.files and not parser.problems:
        parser.problems.append(Problem("There is no unified diff in the text."))
    return Diff(tuple(parser.files), tuple(parser.problems))


class _Parser:
    """Walks the lines once; `at` is the next line."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.at = 0
        self.files: list[FileDiff] = []
        self.problems: list[Problem] = []

    def run(self) -> None:
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.startswith("diff --git "):
                self.git_file(line)
            elif line.startswith("--- ") and self.peek(1).startswith("+++ ") and self.peek(2).startswith("@@ "):
                self.plain_file()
            elif line.startswith("@@ -"):
                self.refuse(f"Line {self.at + 1} is a hunk that belongs to no file.", None)
                self.at += 1
            else:
                self.at += 1

    def peek(self, ahead: int) -> str:
        index = self.at + ahead
        return self.lines[index] if index < len(self.lines) else ""

    def refuse(self, message: str, file: str | None) -> None:
        self.problems.append(Problem(message, file))

    def git_file(self, first: str) -> None:
        """A file with git's extended head, which may have no hunk: an empty file that is made or deleted."""
        old, new = _git_names(first)
        self.at += 1
        head: list[str] = []
        while self.at < len(self.lines) and not self.lines[self.at].startswith(("--- ", "diff --git ", "@@ ")):
            if not _is_git_head(self.lines[self.at]):
                break
            head.append(self.lines[self.at])
            self.at += 1
        if refused := next((why for line in head for start, why in _REFUSED.items() if line.startswith(start)), None):
            self.refuse(f"The patch of {new or first!r} is refused: {refused}.", new)
            return
        if self.peek(0).startswith("--- ") and self.peek(1).startswith("+++ "):
            self.plain_file()
        elif any(line.startswith("new file mode") for line in head):
            self.add(None, new, ())
        elif any(line.startswith("deleted file mode") for line in head):
            self.add(old, None, ())

    def plain_file(self) -> None:
        old, new = _name(self.lines[self.at][4:]), _name(self.lines[self.at + 1][4:])
        self.at += 2
        hunks: list[Hunk] = []
        while match := _HUNK.match(self.peek(0)):
            self.at += 1
            hunk = self.hunk(match)
            if hunk is None:
                self.refuse(f"Hunk {len(hunks) + 1} is cut short, or its line counts are wrong.", new or old)
                return
            hunks.append(hunk)
        if old and new and old != new:
            self.refuse(f"The patch renames {old} to {new}, which is not supported.", new)
            return
        self.add(old, new, tuple(hunks))

    def hunk(self, match: re.Match[str]) -> Hunk | None:
        """The lines after an ``@@`` line, as many as it announces; None when they are not there."""
        old_left, new_left = (1 if count is None else int(count) for count in (match[2], match[4]))
        lines: list[tuple[str, str]] = []
        while old_left > 0 or new_left > 0:
            # Mailers strip the blank of an empty context line.
            line = (self.peek(0) or " ") if self.at < len(self.lines) - 1 else self.peek(0)
            tag = line[:1]
            if tag not in (" ", "-", "+"):
                return None
            old_left -= tag != "+"
            new_left -= tag != "-"
            self.at += 1
            if no_newline := self.peek(0).startswith("\\"):
                self.at += 1
            lines.append((tag, line[1:] if no_newline else line[1:] + "\n"))
        return Hunk(int(match[1]), int(match[3]), tuple(lines)) if old_left == new_left == 0 else None

    def add(self, old: str | None, new: str | None, hunks: tuple[Hunk, ...]) -> None:
        path = new or old
        if path is None:
            self.refuse("A part of the patch names no file.", None)
        elif reason := unsafe_path(path):
            self.refuse(f"{path!r} cannot be patched: {reason}.", path)
        else:
            self.files.append(FileDiff(old, new, hunks))


def _is_git_head(line: str) -> bool:
    known = (
        "index ",
        "old mode ",
        "deleted file mode",
        "similarity ",
        "dissimilarity ",
        "rename to ",
        "copy to ",
        "new file mode",
    )
    return line.startswith((*known, *_REFUSED))


def _git_names(line: str) -> tuple[str | None, str | None]:
    match = _GIT.match(line)
    if match is None:
        return None, None
    if match["qold"] is not None:
        return _unquote(match["qold"]), _unquote(match["qnew"])
    # Names may hold " b/"; when both are the same name, the line splits in the middle.
    rest = line.removeprefix("diff --git ")
    half = (len(rest) - 1) // 2
    if rest[:half][2:] == rest[half + 1 :][2:]:
        return rest[2:half], rest[2:half]
    return match["old"], match["new"]


def _name(field: str) -> str | None:
    """The file that a ``---`` or ``+++`` line names, without its first folder (``-p1``); None for ``/dev/null``."""
    if field.startswith('"'):
        name = _unquote(field[1:].split('"', 1)[0]) if "\\" not in field else _unquote(field.strip()[1:-1])
    else:
        name = field.split("\t", 1)[0].rstrip("\r")
    if name == "/dev/null":
        return None
    first, slash, rest = name.partition("/")
    if not slash:
        return first
    # An absolute path stays absolute, to be refused.
    return rest if first else name


def _unquote(text: str) -> str:
    """Git's C-style quoting undone: ``\\303\\274`` is the bytes of a UTF-8 character."""
    plain = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "\\": 92}
    raw = bytearray()
    at = 0
    for match in _QUOTED.finditer(text):
        raw += text[at : match.start()].encode("utf-8", "surrogateescape")
        raw.append(plain[match[1]] if match[1] in plain else int(match[1], 8) & 0xFF)
        at = match.end()
    raw += text[at:].encode("utf-8", "surrogateescape")
    return raw.decode("utf-8", "surrogateescape")
