"""An index outside its array: tighten the check that is there, or add the one that is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kernfix.crash.model import Crash
from kernfix.fix.model import Draft, Kind
from kernfix.fix.templates.edit import insert_before, replace_lines
from kernfix.fix.templates.exits import branch, error_exit
from kernfix.fix.templates.flow import (
    bare,
    before,
    comparison,
    has_side_effects,
    in_loop,
    leaves,
    operands,
    same,
    takes,
    words,
    writes,
)
from kernfix.fix.templates.place import Place
from kernfix.patch.model import Edit
from kernfix.source.syntax import Body, Condition, Statement, Subscript

MAX_SUBSCRIPTS = 3
"""Subscripts on one line that are considered when the report does not tell which it was."""

_INTEGER = re.compile(r"-?\d{1,20}")
_CONSTANT = re.compile(r"-?\d\w*|[A-Z][A-Z0-9_]*")
_LENGTH = re.compile(r"\[(\d{1,12})\]$")
_OPERAND = re.compile(r"[\w.\[\]>-]*\w|[\w.\[\]>-]*\]")
_UNSIGNED = re.compile(r"\b(?:unsigned|bool|size_t|uint\d*_t|uintptr_t|__?u\d+|u\d+|__[bl]e\d+|gfp_t)\b")
_SIGNED = re.compile(r"\b(?:int|long|short|char|signed|ssize_t|int\d+_t|ptrdiff_t|loff_t|__?s\d+|s\d+)\b")


def propose(crash: Crash, place: Place) -> tuple[Draft, ...]:
    """A draft for each subscript at the fault that can be mended with what the code itself says of its bounds."""
    index = _index(crash)
    drafts = []
    for subscript in _subscripts(place):
        drafts += list(_tightened(crash, place, subscript, index)) or list(_missing(crash, place, subscript, index))
    return tuple(drafts)


def _index(crash: Crash) -> int | None:
    """The reported index, if the report has one."""
    stated = crash.facts.get("index", "")
    return int(stated) if _INTEGER.fullmatch(stated) else None


def _subscripts(place: Place) -> list[Subscript]:
    """Different subscripts on the line of the fault whose index is worth a check: no constant, nothing that does something."""
    found: dict[tuple[str, str], Subscript] = {}
    for each in place.body.subscripts_at(place.line) if place.line else ():
        does = has_side_effects(each.index) or has_side_effects(each.array)
        plain = (
            words(each.array) and "\n" not in each.array + each.index
        )  # inline assembly and broken lines are neither
        if plain and not does and not _CONSTANT.fullmatch(each.index) and not _is_pointer(place.body, each.array):
            found.setdefault((bare(each.array), bare(each.index)), each)
    return list(found.values())[:MAX_SUBSCRIPTS]


def _is_pointer(body: Body, array: str) -> bool:
    """Whether it is a local pointer, which has no length."""
    variable = body.variable(array)
    return variable is not None and not variable.array


# A check that is there.


def _tightened(crash: Crash, place: Place, subscript: Subscript, index: int | None) -> Iterator[Draft]:
    for condition in place.body.conditions:
        if (
            condition.head_end < subscript.line
            and leaves(condition)
            and not _changed_since(place.body, condition, subscript)
        ):
            for operand, limit in _upper_bounds(condition.text, subscript.index):
                better = _stricter(place, subscript, index, operand, limit)
                edit = _in_condition(place, condition, operand, better) if better else None
                if edit and better:
                    yield Draft(
                        "template", _why_tighter(place, subscript, condition, index, better), (edit,), "root-cause"
                    )
                    return


def _changed_since(body: Body, condition: Condition, subscript: Subscript) -> bool:
    """Whether the index may have another value at the subscript than at the check."""
    names = words(subscript.index)
    return any(
        condition.last < statement.first and statement.last < subscript.line and writes(statement.text, names)
        for statement in body.statements
    )


def _upper_bounds(condition: str, index: str) -> Iterator[tuple[str, str]]:
    """The operands of a condition that are true for a too large index, such as ``index >= LIMIT``, each with its limit."""
    for operand in operands(condition):
        compared = comparison(operand)
        if compared:
            left, operator, right = compared
            if operator in (">", ">=") and same(left, index):
                yield operand, right
            elif operator in ("<", "<=") and same(right, index):
                yield operand, left


def _stricter(place: Place, subscript: Subscript, index: int | None, operand: str, limit: str) -> str | None:
    """What the operand must become to catch the reported index, or None when it should have caught it."""
    name = subscript.index.strip()
    if index is not None and index < 0:
        return None if _is_unsigned(place.body, name) else f"{name} < 0 || {operand}"
    left, operator, right = comparison(operand) or ("", "", "")
    if operator in ("<", ">") and _is_length(place, subscript, index, limit):
        return f"{left} {operator}= {right}"
    return None


def _is_unsigned(body: Body, name: str) -> bool:
    variable = body.variable(name)
    return variable is not None and bool(_UNSIGNED.search(variable.type))


def _is_length(place: Place, subscript: Subscript, index: int | None, limit: str) -> bool:
    """Whether the limit is the array's length, so that an index equal to it is one too far."""
    if index is not None and limit == str(index):
        return True
    lengths = _declared_lengths(place, subscript.array)
    return same(limit, f"ARRAY_SIZE({subscript.array})") or any(same(limit, length) for length in lengths)


def _in_condition(place: Place, condition: Condition, operand: str, better: str) -> Edit | None:
    lines = place.text.split("\n")[condition.first - 1 : condition.head_end]
    old = "\n".join(lines)
    if old.count(operand) != 1:
        return None
    if "||" in better and re.search(r"&&", condition.text):
        better = f"({better})"
    new = old.replace(operand, better).split("\n")
    return replace_lines(place.path, place.text, condition.first, condition.head_end, new)


def _why_tighter(place: Place, subscript: Subscript, condition: Condition, index: int | None, better: str) -> str:
    value = f"{subscript.index} is {index}" if index is not None else f"{subscript.index} is out of range"
    if "< 0" in better:
        gap = "looks only at the upper limit, so a negative value passes it"
    else:
        gap = "lets the value pass that is equal to the length"
    return (
        f"In {place.where}, {value} where it indexes {subscript.array}. The check `{_one_line(condition.text)}` on line {condition.first} "
        f"{gap}. It should be `{_one_line(better)}`."
    )


# A check that is missing.


def _missing(crash: Crash, place: Place, subscript: Subscript, index: int | None) -> Iterator[Draft]:
    length = _length(crash, place, subscript)
    use = place.body.statement_at(subscript.line)
    names = words(subscript.index)
    if length is None or use is None or not use.alone or use.is_declaration:
        return
    loop = in_loop(place.body, subscript.line)
    if (loop and writes(loop.text, names)) or (use.first < subscript.line and writes(use.text, names)):
        return
    at = _insertion(place.body, use, names)
    leave = error_exit(place.body, at.first, "-EINVAL", at.indent)
    if leave is None:
        return
    check = _check(place.body, subscript.index.strip(), length, index)
    edit = insert_before(place.path, place.text, at.first, branch(at.indent, check, leave))
    if edit:
        kind: Kind = "root-cause" if index is not None else "symptom"
        yield Draft("template", _why_missing(place, subscript, check, index), (edit,), kind)


def _length(crash: Crash, place: Place, subscript: Subscript) -> str | None:
    """``ARRAY_SIZE(array)`` where the array is known to be one and to have a length."""
    stated = crash.facts.get("array", "")
    if _LENGTH.search(stated) or _declared_lengths(place, subscript.array):
        return f"ARRAY_SIZE({subscript.array})"
    return None


def _declared_lengths(place: Place, array: str) -> list[str]:
    """What stands in the brackets where the file declares an array of that name; of a member, its last name."""
    variable = place.body.variable(array)
    if variable is not None:
        return list(variable.array[:1])
    name = re.split(r"->|\.", array)[-1].strip()
    if not re.fullmatch(r"\w+", name):
        return []
    declared = rf"^[ \t]*(?:static |const |extern )*(?:struct |union |enum )?\w+[ \t*]+{name}\[([^\]\n]{{1,100}})\]"
    return re.findall(declared, place.text, re.MULTILINE)


def _insertion(body: Body, use: Statement, names: frozenset[str]) -> Statement:
    """The statement to put the check before: the use, or the lock or allocation before it in its block, as long as the index is final."""
    chosen = use
    for statement in before(body, use.first):
        simple = statement.kind in ("expression_statement", "if_statement")
        if statement.block != use.block or not simple or not statement.alone or writes(statement.text, names):
            break
        if statement.kind == "expression_statement" and takes(statement.text):
            chosen = statement
    return chosen


def _check(body: Body, index: str, length: str, reported: int | None) -> str:
    variable = body.variable(index)
    signed = variable is not None and not _UNSIGNED.search(variable.type) and bool(_SIGNED.search(variable.type))
    upper = f"{index if _OPERAND.fullmatch(index) else f'({index})'} >= {length}"
    return f"{index} < 0 || {upper}" if signed or (reported is not None and reported < 0) else upper


def _why_missing(place: Place, subscript: Subscript, check: str, index: int | None) -> str:
    value = f"is {index}" if index is not None else "may be out of range"
    tested = any(
        each.head_end < subscript.line and words(subscript.index) & words(each.text) for each in place.body.conditions
    )
    how = "the tests before it let it pass" if tested else f"nothing in {place.body.name}() tests it first"
    return (
        f"In {place.where}, {subscript.index} {value} where it indexes {subscript.array}, and {how}. "
        f"The new check refuses it: `{check}`."
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
