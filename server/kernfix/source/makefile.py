"""Kernel Makefiles as data: which words a list such as ``obj-y`` or ``ext4-y`` has, and under which conditions.

A Makefile is read once and for every configuration: what depends on one stays a `Condition`, to be decided when a configuration is at hand.
Only what lists of objects use is understood (GNU make's manual, Documentation/kbuild/makefiles.rst); nothing is run.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_WORDS = 5_000
"""How many words one list may come to have."""

MAX_SIZE = 1 << 20
"""The largest Makefile in characters that is read; the kernel's largest has less than a tenth of it."""

_MAX_DEPTH = 12
_MAX_FILES = 200
_CONFIG = re.compile(r"CONFIG_\w+")
_BRACES = re.compile(r"\$\{([^{}\n]*)\}")
_COMMENT = re.compile(r"(?<!\\)#.*")
_ASSIGN = re.compile(r"(?:[+?!]|:{1,3})?=")
_TEXT_CONDITION = re.compile(r"(ifdef|ifndef|ifeq|ifneq)\b(.*)")
_NO_NAME = re.compile(r"[:\"'\s;|&]|^$|flags|FLAGS|cmd_|_cmd")
_QUOTED = re.compile(r"""\s*(["'])(.*?)\1\s*(["'])(.*?)\3\s*""")


class Condition(NamedTuple):
    """Holds where the text `left`, expanded, is (`wanted`) or is not one of `values`."""

    left: str
    values: tuple[str, ...]
    wanted: bool = True

    def holds(self, variables: Mapping[str, str]) -> bool | None:
        """Whether it holds with these variables; None where it asks for something else than them."""
        left = value_of(self.left, variables)
        values = [value_of(value, variables) for value in self.values]
        if left is None or None in values:
            return None
        return (left.strip() in values) == self.wanted

    @property
    def symbols(self) -> frozenset[str]:
        """The Kconfig symbols that it asks for, such as ``CONFIG_EXT4_FS``."""
        return frozenset(_CONFIG.findall(" ".join((self.left, *self.values))))


class Word(NamedTuple):
    """A word of a list, there if all conditions hold."""

    text: str
    conditions: tuple[Condition, ...] = ()


Lists = dict[str, list[Word]]


@dataclass(slots=True)
class Makefile:
    """Reads Makefiles of one folder, with what they include, into `lists`."""

    folder: str
    read: Callable[[str], str | None]
    lists: Lists
    _stack: list[list[Condition]] = field(default_factory=list)
    _files: int = 0

    def take(self, path: str, depth: int = 0) -> None:
        """Read the file at that path from the top of the tree; one that is not there adds nothing."""
        self._files += 1
        text = self.read(path) if depth <= _MAX_DEPTH and self._files <= _MAX_FILES else None
        if text is None or len(text) > MAX_SIZE:
            return
        level = len(self._stack)
        for line in _BRACES.sub(r"$(\1)", text.replace("\\\n", " ")).split("\n"):
            line = _COMMENT.sub("", line).strip()
            if line and not self._conditional(line, level):
                self._statement(line, depth)
        del self._stack[level:]

    def words(self, text: str, depth: int = 0) -> list[Word]:
        """The words that `text` expands to."""
        found: list[Word] = []
        for token in _tokens(text):
            found += self._token(token, depth) if "$" in token else [Word(token)]
        return found[:MAX_WORDS]

    def _statement(self, line: str, depth: int) -> None:
        keyword, _, rest = line.partition(" ")
        if keyword in ("include", "-include", "sinclude"):
            for word in self.words(rest):
                self._stack.append(list(word.conditions))
                self.take(posixpath.normpath(word.text), depth + 1)
                self._stack.pop()
        elif match := _ASSIGN.search(line):
            name = line[: match.start()].removeprefix("export ").removeprefix("override ").strip()
            if name.startswith(_LISTS) or not _NO_NAME.search(name):
                self._assign(name, match[0], self.words(line[match.end() :]))

    def _assign(self, name: str, operator: str, words: list[Word]) -> None:
        around = tuple(condition for level in self._stack for condition in level)
        base, dash, expression = name.partition("-$(")
        if not dash:
            self._store(name, operator, words, around)
            return
        text = self._text("$(" + expression)
        folders = [word for word in words if word.text.endswith("/")]
        objects = [word for word in words if not word.text.endswith("/")]
        # A folder is entered for y and for m alike.
        for value, values, listed in (("y", ("y", "m"), folders), ("y", ("y",), objects), ("m", ("m",), objects)):
            which = Condition(text, values)
            self._store(f"{base}-{value}", operator, listed, (*around, which))

    def _store(self, name: str, operator: str, words: list[Word], around: tuple[Condition, ...]) -> None:
        if operator == "?=" and name in self.lists:
            return
        kept = self.lists.setdefault(name, [])
        if operator not in ("+=", "?="):
            # What was there stays where the last of the conditions does not hold.
            other = (around[-1]._replace(wanted=not around[-1].wanted),) if around else ()
            kept[:] = [word._replace(conditions=_merged(word.conditions, other)) for word in kept if other]
        added = (Word(word.text, _merged(around, word.conditions)) for word in words)
        kept[:] = list(dict.fromkeys((*kept, *added)))[:MAX_WORDS]

    def _conditional(self, line: str, level: int) -> bool:
        """Whether the line begins, turns or ends a conditional part; it is taken then."""
        if line.startswith("endif"):
            if len(self._stack) > level:
                self._stack.pop()
            return True
        if line.startswith("else"):
            if len(self._stack) > level and self._stack[-1]:
                *before, last = self._stack[-1]
                self._stack[-1] = [*before, last._replace(wanted=not last.wanted), *self._condition(line[4:].strip())]
            return True
        if found := self._condition(line):
            self._stack.append(found)
        return bool(found)

    def _condition(self, line: str) -> list[Condition]:
        match = _TEXT_CONDITION.match(line)
        if match is None:
            return []
        kind, rest = match[1], match[2].strip()
        if kind in ("ifdef", "ifndef"):
            return [Condition(self._text(f"$({rest})"), ("",), kind == "ifndef")]
        if quoted := _QUOTED.fullmatch(rest):
            left, right = quoted[2], quoted[4]
        else:
            left, _, right = _cut(rest.removeprefix("(").removesuffix(")"))
        return [Condition(self._text(left.strip()), (self._text(right.strip()),), kind == "ifeq")]

    def _text(self, text: str) -> str:
        """`text` with the variables of this Makefile in it, as far as they have one unconditional value."""

        def value(match: re.Match[str]) -> str:
            words = self.lists.get(match[1])
            plain = words is not None and len(words) < 50 and not any(word.conditions for word in words)
            return " ".join(word.text for word in words) if words is not None and plain else match[0]

        return re.sub(r"\$\(([\w.-]+)\)", value, text)

    def _token(self, token: str, depth: int) -> list[Word]:
        """The words of a token with a reference in it; what stands before and after goes to each. Unknown references stay."""
        start = token.find("$(")
        end = _closing(token, start + 2) if start >= 0 else -1
        if end < 0 or depth > _MAX_DEPTH:
            return [Word(token)]
        middle = self._reference(token[start + 2 : end], depth + 1)
        if middle is None:
            middle = [Word(token[start : end + 1])]
        before, after = token[:start], token[end + 1 :]
        if not before and not after:
            return middle
        tails = self._token(after, depth + 1) if "$" in after else [Word(after)]
        return [
            Word(before + word.text + tail.text, _merged(word.conditions, tail.conditions))
            for word in middle
            for tail in tails
        ][:MAX_WORDS]

    def _reference(self, inside: str, depth: int) -> list[Word] | None:
        name, blank, arguments = inside.partition(" ")
        if blank and name in _FUNCTIONS:
            return self._function(name, arguments, depth)
        variable, colon, change = inside.partition(":")
        words = self.lists.get(variable.strip())
        if words is None or not colon:
            return words
        old, _, new = change.partition("=")
        return list(_replaced(words, old if "%" in old else f"%{old}", new if "%" in new else f"%{new}"))

    def _function(self, name: str, arguments: str, depth: int) -> list[Word]:
        parts = list(_arguments(arguments))
        words = self.words(parts[-1], depth)
        if name in ("addprefix", "addsuffix") and len(parts) == 2:
            added = self.words(parts[0], depth)
            if name == "addprefix":
                return [
                    Word(each.text + word.text, _merged(each.conditions, word.conditions))
                    for each in added
                    for word in words
                ]
            return [
                Word(word.text + each.text, _merged(word.conditions, each.conditions))
                for each in added
                for word in words
            ]
        if name in ("patsubst", "subst") and len(parts) == 3:
            old, new = self._text(parts[0]).strip(), self._text(parts[1]).strip()
            if name == "patsubst":
                return list(_replaced(words, old, new))
            return [word._replace(text=word.text.replace(old, new) if old else word.text) for word in words]
        return words


_LISTS = ("obj-", "lib-", "libs-", "core-", "drivers-", "net-", "virt-", "head-", "extra-", "always-")
_FUNCTIONS = frozenset({"addprefix", "addsuffix", "patsubst", "subst", "sort", "strip"})


def value_of(text: str, variables: Mapping[str, str]) -> str | None:
    """`text` expanded; a Kconfig symbol that is not set is empty, any other unknown reference makes the whole unknown (None)."""
    return _value(text, variables, 0)


def _value(text: str, variables: Mapping[str, str], depth: int) -> str | None:
    pieces: list[str] = []
    at = 0
    while (start := text.find("$(", at)) >= 0:
        end = _closing(text, start + 2)
        value = _inner(text[start + 2 : end], variables, depth + 1) if end >= 0 and depth < _MAX_DEPTH else None
        if value is None:
            return None
        pieces += [text[at:start], value]
        at = end + 1
    return "".join(pieces) + text[at:]


def _inner(inside: str, variables: Mapping[str, str], depth: int) -> str | None:
    name, blank, rest = inside.partition(" ")
    if not blank:
        return variables.get(inside, "" if inside.startswith("CONFIG_") else None)
    arguments = [_value(part, variables, depth) for part in _arguments(rest)]
    known = [part for part in arguments if part is not None]
    calculate = _CALCULATED.get((name, len(known)))
    return calculate(*known) if calculate and len(known) == len(arguments) else None


_CALCULATED: dict[tuple[str, int], Callable[..., str]] = {
    ("subst", 3): lambda old, new, text: text.replace(old, new) if old else text,
    ("filter", 2): lambda wanted, text: " ".join(word for word in text.split() if word in wanted.split()),
    ("filter-out", 2): lambda wanted, text: " ".join(word for word in text.split() if word not in wanted.split()),
    ("findstring", 2): lambda part, text: part if part in text else "",
    ("strip", 1): lambda text: " ".join(text.split()),
    ("if", 2): lambda condition, yes: yes if condition.strip() else "",
    ("if", 3): lambda condition, yes, no: yes if condition.strip() else no,
    ("or", 2): lambda one, two: one.strip() or two,
    ("or", 3): lambda one, two, three: one.strip() or two.strip() or three,
    ("and", 2): lambda one, two: two if one.strip() else "",
}


def _merged(one: tuple[Condition, ...], two: tuple[Condition, ...]) -> tuple[Condition, ...]:
    return tuple(dict.fromkeys((*one, *two))) if one and two else one or two


def _replaced(words: Iterable[Word], old: str, new: str) -> Iterator[Word]:
    """``$(patsubst old,new,words)`` with one ``%`` each."""
    head, percent, tail = old.partition("%")
    for word in words:
        text = word.text
        if percent and len(text) >= len(head) + len(tail) and text.startswith(head) and text.endswith(tail):
            yield word._replace(text=new.replace("%", text[len(head) : len(text) - len(tail)], 1))
        else:
            yield word._replace(text=new) if text == old else word


def _tokens(text: str) -> Iterator[str]:
    """The words of `text`; blanks in parentheses do not part."""
    if "(" not in text:
        yield from text.split()
        return
    depth, start = 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")" and depth > 0)
        if depth == 0 and letter.isspace():
            if at > start:
                yield text[start:at]
            start = at + 1
    if start < len(text):
        yield text[start:]


def _closing(text: str, at: int) -> int:
    """The offset of the parenthesis that closes the one before `at`, or -1."""
    depth = 1
    for offset in range(at, len(text)):
        depth += (text[offset] == "(") - (text[offset] == ")")
        if depth == 0:
            return offset
    return -1


def _arguments(text: str) -> Iterator[str]:
    comma = ","
    while comma:
        part, comma, text = _cut(text)
        yield part


def _cut(text: str) -> tuple[str, str, str]:
    """`text` parted at its first comma that is in no parentheses."""
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            return text[:at], ",", text[at + 1 :]
    return text, "", ""
