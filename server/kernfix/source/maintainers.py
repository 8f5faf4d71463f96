"""Who looks after a file, by the tree's own ``MAINTAINERS``.

The rules are those of ``scripts/get_maintainer.pl``: a file belongs to every section of which an ``F:`` or ``N:`` pattern matches it and no
``X:`` pattern does. ``K:`` patterns look at contents and are left to the script.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from kernfix.patch import unsafe_path
from kernfix.source.tree import Tree

MAX_PATH = 1000
"""The longest path in characters that is looked up."""

_FIELD = re.compile(r"([A-Z]):\s*(.*)")
_WILD = re.compile(r"[*?\[]")
_LIST = re.compile(r"(?:[^<]*<)?([^\s<>]+)>?\s*(.*)")
_MAX_REGEX = 200
_COSTLY = re.compile(r"\)[*+{?]|\\[1-9]|\(\?|(?:(?<!\\)[*+{].*){4}")
"""Expressions whose search may take more than polynomial time, or a high power of the path's length."""


@dataclass(frozen=True, slots=True)
class Subsystem:
    """A section of ``MAINTAINERS`` that a file belongs to.

    Persons are as the file has them, ``Name <address>``; `lists` are addresses, without those that only subscribers may write to. `status`
    is such as ``Supported``, ``Maintained``, ``Orphan`` (``""`` where none is given), `trees` such as ``git git://…``. `depth` is how many
    folders of the path the pattern that matched names, which is how specific it is: 0 by an ``N:`` expression, -1 for what begins
    with a star.
    """

    name: str
    status: str
    maintainers: tuple[str, ...]
    reviewers: tuple[str, ...]
    lists: tuple[str, ...]
    trees: tuple[str, ...]
    depth: int


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    fields: tuple[tuple[str, str], ...]

    def all(self, letter: str) -> tuple[str, ...]:
        return tuple(value for key, value in self.fields if key == letter)


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A pattern of a section: `order` is its place among the section's lines, the last that matches decides how specific a match is."""

    section: int
    order: int
    excludes: bool
    text: str
    wild: bool
    depth: int

    def holds(self, tree: Tree, path: str) -> bool:
        """Whether a path matches, by `file_match_pattern` of the script: a pattern matches from the start of the path, and reaches into
        folders below only if it ends with a slash or is the name of a folder.
        """
        if self.wild:
            return bool(_glob(self.text).match(path)) and (
                self.text.endswith("/") or self.text.count("/") == path.count("/")
            )
        if not path.startswith(self.text) or self.text.endswith("/"):
            return path.startswith(self.text)
        if self._is_folder(tree, path):
            return path.startswith(self.text + "/")
        return self.text.count("/") == path.count("/")

    def _is_folder(self, tree: Tree, path: str) -> bool:
        # The script asks the file system only after it has escaped dots, so a folder with a dot in its name needs its slash.
        if "." in self.text or not self.text or unsafe_path(self.text):
            return False
        return path.startswith(self.text + "/") or (path != self.text and (tree.root / self.text).is_dir())


@dataclass(frozen=True, slots=True)
class Maintainers:
    """A ``MAINTAINERS`` file that was read, ready to be asked; see `read_maintainers`."""

    tree: Tree
    _sections: tuple[_Section, ...] = ()
    _by_folder: dict[str, list[_Pattern]] = field(default_factory=dict)
    _by_regex: tuple[tuple[int, int, re.Pattern[str]], ...] = ()

    def of(self, path: str) -> tuple[Subsystem, ...]:
        """The subsystems that a file (or a folder, with a slash at its end) belongs to, the most specific first, and those that are
        equally specific in the order of the file.
        """
        if unsafe_path(path) or len(path) > MAX_PATH:
            return ()
        matches = [
            pattern
            for folder in _folders(path)
            for pattern in self._by_folder.get(folder, ())
            if pattern.holds(self.tree, path)
        ]
        excluded = {pattern.section for pattern in matches if pattern.excludes}
        ranked = [(each.section, each.order, _depth(each, path)) for each in matches if not each.excludes]
        ranked += [(section, order, 0) for section, order, regex in self._by_regex if regex.search(path)]
        depths = {section: depth for section, _, depth in sorted(ranked) if section not in excluded}
        return tuple(
            _subsystem(self._sections[section], depth)
            for section, depth in sorted(depths.items(), key=lambda each: (-each[1], each[0]))
        )


def read_maintainers(tree: Tree) -> Maintainers:
    """The tree's ``MAINTAINERS``; one that cannot be read has no sections."""
    sections = tuple(_sections(tree.read("MAINTAINERS") or ""))
    by_folder: dict[str, list[_Pattern]] = defaultdict(list)
    by_regex = []
    for number, section in enumerate(sections):
        for order, (letter, value) in enumerate(section.fields):
            if letter in "FX" and (pattern := _pattern(number, order, letter == "X", value)):
                literal = _WILD.split(value, maxsplit=1)[0]
                by_folder[literal.rpartition("/")[0]].append(pattern)
            elif letter == "N" and (regex := _regex(value)):
                by_regex.append((number, order, regex))
    return Maintainers(tree, sections, dict(by_folder), tuple(by_regex))


def _sections(text: str) -> Iterator[_Section]:
    """A line that is no field names the section whose fields follow; blank lines and comments do not count."""
    name, fields = "", []
    for line in text.split("\n"):
        if match := _FIELD.match(line):
            fields.append((match[1], match[2].strip()))
        elif line.strip() and not line.lstrip().startswith("#"):
            if fields:
                yield _Section(name, tuple(fields))
            name, fields = line.strip(), []
    if fields:
        yield _Section(name, tuple(fields))


def _pattern(section: int, order: int, excludes: bool, text: str) -> _Pattern | None:
    if not text:
        return None
    depth = -1 if text.startswith("*") else text.count("/") + (not text.endswith("/"))
    return _Pattern(section, order, excludes, text, _WILD.search(text) is not None, depth)


def _depth(pattern: _Pattern, path: str) -> int:
    # The name of a folder without its slash counts as with it.
    folder = not pattern.wild and not pattern.text.endswith("/") and path.startswith(pattern.text + "/")
    return pattern.text.count("/") + 1 if folder else pattern.depth


@lru_cache(maxsize=4096)
def _glob(text: str) -> re.Pattern[str]:
    """A pattern with ``*``, ``?`` and ``[…]`` as an expression. What follows a star is taken where it comes first, and stays there: as the
    end is not fixed this misses nothing, and a search takes linear time.
    """
    pieces = [_piece(piece) for piece in re.split(r"\*+", text)]
    try:
        return re.compile(pieces[0] + "".join(f"(?>.*?{piece})" for piece in pieces[1:]))
    except re.error:
        return re.compile(re.escape(text))


def _piece(text: str) -> str:
    parts = re.split(r"(\[[^\[\]]+\]|\?)", text)
    return "".join(
        {"?": "."}.get(part, part if part.startswith("[") and part.endswith("]") else re.escape(part)) for part in parts
    )


def _regex(text: str) -> re.Pattern[str] | None:
    """An ``N:`` expression, blanks ignored as the script does; None for one that is broken or could take long."""
    if len(text) > _MAX_REGEX or _COSTLY.search(text):
        return None
    try:
        return re.compile(text, re.VERBOSE | re.ASCII)
    except (re.error, RecursionError, OverflowError):
        return None


def _folders(path: str) -> Iterator[str]:
    """The folders above a path, itself included where it is one, and the top."""
    yield ""
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)


def _subsystem(section: _Section, depth: int) -> Subsystem:
    lists = (match for value in section.all("L") if (match := _LIST.match(value)))
    return Subsystem(
        name=section.name,
        status=next(iter(section.all("S")), ""),
        maintainers=section.all("M"),
        reviewers=section.all("R"),
        lists=tuple(match[1] for match in lists if "subscribers-only" not in match[2]),
        trees=section.all("T"),
        depth=depth,
    )
