"""Who calls a function, and what it calls, without an index: by words in the text, held against the functions that they stand in.

A preprocessor is not run: calls that a macro's body makes are told of as the macro's, and calls through pointers by the member's name only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from kernfix.source.functions import function_at
from kernfix.source.grep import grep
from kernfix.source.model import Definition, Function, Stop
from kernfix.source.tree import Tree

Kind = Literal["call", "indirect", "reference", "macro"]
"""A call, a call through a pointer of that name, a place that takes the function's address, or the body of a macro."""

MAX_HITS = 50_000
"""How many lines of a whole tree are looked at for one name."""

_REGION = 400
_MAX_LINE = 1000
_IDENTIFIER = re.compile(r"[A-Za-z_]\w{0,199}")
_NOT_CODE = re.compile(r"/\*.*?(?:\*/|\Z)|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
_CALL = re.compile(r"(?P<access>->[ \t\n]*|\.[ \t\n]*)?\b(?P<name>[A-Za-z_]\w*)[ \t\n]*\(")
_NO_CALL = re.compile(
    r"(?:if|while|for|switch|return|sizeof|typeof|__typeof__|typeof_member|offsetof|offsetofend|alignof|__alignof__|_Alignof|_Static_assert"
    r"|static_assert|__attribute__|__aligned|__free|__cleanup|asm|asm_volatile_goto|volatile|__volatile__|else|do|goto|case|defined|likely"
    r"|unlikely|\w*for_each\w*|\w*foreach\w*|void|int|char|long|short|unsigned|signed|bool|float|double|const|[us](?:8|16|32|64)|guard"
    r"|scoped_guard|scoped_cond_guard|container_of|READ_ONCE|WRITE_ONCE|ARRAY_SIZE|__printf|__acquires|__releases|__must_hold)"
)
"""What stands before a parenthesis and is a keyword, a type, an attribute, or a macro as plain as these."""
_TAG = re.compile(r"\b(?:struct|union|enum)[ \t]+$")
_DECLARED = re.compile(r"[ \t]*[;,=)\[:]")
_NO_TYPE = re.compile(r"\b(?:return|case|else|goto)$")
_LABEL = re.compile(r"^[ \t]*(?:SYM_(?!\w*(?:END|ALIAS))\w+|ENTRY|GLOBAL|LEAF|NESTED)[ \t]*\([ \t]*(\w+)", re.MULTILINE)
_JUMP = re.compile(r"[ \t]*(?:\w+:[ \t]*)?(?:callq?|jmpi?|jra|jbsr|jsr|bsr|blx?|b|jal|jalr|j|tail|brasl|jg|br)[ \t]")
_ADDRESS = re.compile(r"(?:[=(,&:?{|!\[]|\breturn)\s*$")
_AFTER_ADDRESS = re.compile(r"\s*(?:[,;)}:?&|=!\]]|$)")
_INITIALISED = re.compile(r"^([A-Za-z_][^\n;{}=]*)=(?!=)", re.MULTILINE)
_POINTER = re.compile(r"\(\s*\*\s*(?:const\s+)?(\w+)")
_NO_NAME = re.compile(r"\[[^\]]*\]|\b__\w+(?:\([^()]*\))?")
_WORD = re.compile(r"\w+")
_TOP_MACRO = re.compile(r"^([A-Za-z_]\w*)[ \t]*\([^;{}]*\Z", re.MULTILINE)
_NO_USE = re.compile(r"EXPORT_|MODULE_|NOKPROBE_SYMBOL|ALLOW_ERROR_INJECTION|BTF_|SYM_|__EXPORT|ACPI_EXPORT|DECLARE_")
_DEFINE = re.compile(r"[ \t]*#[ \t]*define[ \t]+(\w+)")


@dataclass(frozen=True, slots=True)
class Call:
    """A use of a function: `line` of `path`, in `function`, None where it stands in none.

    `name` is who calls (`callers`) or what is called (`callees`): a function, a member for an indirect call, a macro, or the variable whose
    initialiser takes the address (``foo_fops``).
    """

    kind: Kind
    name: str
    path: str
    line: int
    function: Function | None


@dataclass(frozen=True, slots=True)
class Calls:
    """What was found, the nearest files first; `complete` is False where the search ended before the end of the tree."""

    found: tuple[Call, ...] = ()
    complete: bool = True


def callees(tree: Tree, definition: Definition) -> tuple[Call, ...]:
    """What a function calls, in the order of the text, each name once with its first line. Macros count; those like ``if`` do not."""
    lines = (tree.read(definition.path) or "").split("\n")
    function = definition.function
    head, brace, body = _code("\n".join(lines[function.start - 1 : function.end])).partition("{")
    line, counted = function.start + head.count("\n"), 0
    found: dict[tuple[str, str], Call] = {}
    for match in _CALL.finditer(_DIRECTIVE.sub(_blank, body)) if brace else ():
        name, at = match["name"], match.start("name")
        line, counted = line + body.count("\n", counted, at), at
        kind: Kind = "indirect" if match["access"] else "call"
        if kind == "indirect" or not _NO_CALL.fullmatch(name):
            found.setdefault((kind, name), Call(kind, name, definition.path, line, function))
    return tuple(found.values())


def callers(tree: Tree, name: str, path: str | None = None, limit: int = 500, stop: Stop = lambda: False) -> Calls:
    """Who calls the function called `name` in the source, or takes its address.

    `path` is the file that defines it: a static function is looked for there alone, and calls in files that have a static function of that
    name themselves do not count. The search ends after `limit` finds, or when `stop` says so.
    """
    if not _IDENTIFIER.fullmatch(name):
        return Calls()
    own = tree.read(path) if path else None
    if path and own and path.endswith(".c") and _is_static(own, name):
        hits = {path: [number for number, line in enumerate(own.split("\n"), 1) if name in line]}
        whole = True
    else:
        hits, whole = _search(tree, name, stop)
    found: list[Call] = []
    for file in sorted(hits, key=lambda each: _distance(each, path)):
        if len(found) >= limit or stop():
            return Calls(tuple(found[:limit]), False)
        text = tree.read(file) or ""
        if file == path or path is None or not _is_static(text, name):
            found += _uses(text, file, name, hits[file])
    return Calls(tuple(found[:limit]), whole and len(found) <= limit)


class _Region(NamedTuple):
    """The code around a line without its comments: of a function, or of what is between functions up to the line."""

    function: Function | None
    first: int
    lines: list[str]


def _uses(text: str, path: str, name: str, numbers: list[int]) -> Iterator[Call]:
    lines = [line[:_MAX_LINE] for line in text.split("\n")]
    word = re.compile(rf"(?<![\w.])(?<!->){name}\b")
    region = _Region(None, 0, [])
    for number in numbers:
        if number > len(lines):
            return  # the file has changed since it was searched
        if region.function is None or not region.function.start <= number <= region.function.end:
            region = _region(text, lines, number)
        line = region.lines[number - region.first]
        for match in word.finditer(line):
            use = _assembly(region, line) if path.endswith(".S") else _use(region, name, number, line, match)
            if use and not _TAG.search(line[: match.start()]):
                yield Call(use[0], use[1], path, number, region.function)
                break


def _region(text: str, lines: list[str], number: int) -> _Region:
    function = function_at(text, number)
    if function:
        return _Region(function, function.start, _code("\n".join(lines[function.start - 1 : function.end])).split("\n"))
    first = number
    while first > max(number - _REGION, 1) and not lines[first - 2].startswith("}"):
        first -= 1
    return _Region(None, first, _code("\n".join(lines[first - 1 : number])).split("\n"))


def _use(region: _Region, name: str, number: int, line: str, match: re.Match[str]) -> tuple[Kind, str] | None:
    """What a word is: the kind of use and who uses it, or None for a definition, a declaration, another thing of that name."""
    called = line[match.end() :].lstrip().startswith("(")
    at = number - region.first
    if macro := _macro(region.lines, at):
        return ("macro", macro) if macro != name else None
    function = region.function
    if function:
        if called:
            in_head = (
                function.name == name
                and not any("{" in each for each in region.lines[:at])
                and "{" not in line[: match.start()]
            )
            return None if in_head else ("call", function.name)
        return ("reference", function.name) if _is_address(region, name, line, match) else None
    return None if called else _top_use("\n".join([*region.lines[:at], line[: match.start()]]))


def _macro(lines: list[str], at: int) -> str | None:
    """The macro whose definition has the line."""
    while at > 0 and lines[at - 1].rstrip().endswith("\\"):
        at -= 1
    found = _DEFINE.match(lines[at])
    return found[1] if found else None


def _is_address(region: _Region, name: str, line: str, match: re.Match[str]) -> bool:
    before, after = line[: match.start()], line[match.end() :]
    if not (_ADDRESS.search(before) or not before.strip()) or not _AFTER_ADDRESS.match(after):
        return False
    return not any(_declares(each, name) for each in region.lines)


def _declares(line: str, name: str) -> bool:
    """Whether the line declares a variable of that name: a type stands before it."""
    for match in re.finditer(rf"\b{name}\b", line):
        before = line[: match.start()]
        type_ = before.rstrip(" \t*")
        if (
            type_ != before
            and type_[-1:].isidentifier()
            and not _NO_TYPE.search(type_)
            and _DECLARED.match(line, match.end())
        ):
            return True
    return False


def _assembly(region: _Region, line: str) -> tuple[Kind, str] | None:
    """The label of an assembler file that jumps to a function, or names it."""
    label = next(reversed(_LABEL.findall("\n".join(region.lines))), None)
    if label is None or _LABEL.match(line) or _NO_USE.match(line.lstrip()):
        return None
    return ("call" if _JUMP.match(line) else "reference"), label


def _top_use(before: str) -> tuple[Kind, str] | None:
    """Who takes the address outside of functions: the variable that is initialised, or the macro that it is an argument of."""
    macro = _TOP_MACRO.search(before[before.rfind(";") + 1 :])
    if macro:
        return None if _NO_USE.match(macro[1]) else ("reference", macro[1])
    initialised = next(reversed(list(_INITIALISED.finditer(before))), None)
    if initialised is None or ";" in before[initialised.end() :]:
        return None
    names = _POINTER.findall(initialised[1])[:1] or _WORD.findall(_NO_NAME.sub(" ", initialised[1]))
    return ("reference", names[-1]) if names else None


def _search(tree: Tree, name: str, stop: Stop) -> tuple[dict[str, list[int]], bool]:
    """The lines that have the word, by file, and whether those are all."""
    found, whole = grep(tree, name, "--word-regexp", "--fixed-strings", most=MAX_HITS, stop=stop)
    hits: dict[str, list[int]] = {}
    for hit in found:
        hits.setdefault(hit.path, []).append(hit.line)
    return hits, whole


def _distance(path: str, own: str | None) -> tuple[int, str]:
    """How far a file is from the defining one: itself, its folder, its part of the tree, the rest."""
    if own is None or path == own:
        return 0, path
    one, two = PurePosixPath(path).parts, PurePosixPath(own).parts
    return 1 if one[:-1] == two[:-1] else 2 if one[0] == two[0] else 3, path


def _is_static(text: str, name: str) -> bool:
    """Whether the text defines a static function of that name."""
    for match in re.finditer(
        rf"^static\b[^;{{}}()=\n]{{0,200}}(?:\n[^;{{}}()=\n#]{{0,200}})?\b{name}[ \t]*\(", text, re.MULTILINE
    ):
        line = text.count("\n", 0, match.end()) + 1
        found = function_at(text, line)
        if found and found.name == name:
            return True
    return False


def _code(text: str) -> str:
    """The text with comments and strings blanked, lines kept."""
    return _NOT_CODE.sub(_blank, text)


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])
