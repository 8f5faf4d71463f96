"""A NULL pointer that is used: test it where it got its value, and otherwise where it is used."""

from __future__ import annotations

import re

from kernfix.crash.model import Crash
from kernfix.fix.model import Draft, Kind
from kernfix.fix.templates.edit import insert_before
from kernfix.fix.templates.exits import branch, error_exit
from kernfix.fix.templates.flow import bare, before, has_side_effects, in_loop, words, writes
from kernfix.fix.templates.place import Place
from kernfix.source.syntax import Assignment, Body, Dereference, Statement

MAX_POINTERS = 3
"""Pointers that are considered when the report does not tell which it was."""

_INSIDE = re.compile(r"&|container_of\b|\w+_entry\b")
_ALLOCATES = re.compile(
    r"(?:^|_)(?:k|kv|v|dev_k|devm_k)?(?:[mzc]alloc|malloc_array|alloc|memdup|strdup|strndup)|alloc_|_alloc"
)


def propose(crash: Crash, place: Place) -> tuple[Draft, ...]:
    """A draft for each pointer that may have been it: those used on the faulting line, else those that a call gave and nobody tested."""
    drafts = []
    for use in _uses(place):
        draft = _at_source(place, use) or _at_use(place, use)
        if draft:
            drafts.append(draft)
    return tuple(drafts)


def _uses(place: Place) -> list[Dereference]:
    """Dereferences of pointers that may still be NULL there; of each pointer the first."""
    body = place.body
    here = (
        body.dereferences_at(place.line) if place.line else [each for each in body.dereferences if _giver(body, each)]
    )
    found: dict[str, Dereference] = {}
    for use in here:
        if _may_be_null(body, use) and not _is_tested(place, use) and not _was_used(body, use):
            found.setdefault(bare(use.base), use)
    return sorted(found.values(), key=lambda use: _rank(body, use))[:MAX_POINTERS]


def _rank(body: Body, use: Dereference) -> int:
    """What a call gave is NULL more often than a member, and a member more often than an argument."""
    return 0 if _giver(body, use) else 1 if "->" in use.base else 2


def _may_be_null(body: Body, use: Dereference) -> bool:
    """Not what can be asked only by doing something, not the running task, and nothing that is a place inside another object."""
    given = [each.value for each in body.assignments if each.target == use.base and each.line < use.line]
    return not has_side_effects(use.base) and use.base != "current" and not (given and _INSIDE.match(given[-1]))


def _giver(body: Body, use: Dereference) -> Assignment | None:
    """The call that gave a local pointer its value, the nearest one above the use."""
    variable = body.variable(use.base)
    if variable is None or not variable.pointers:
        return None
    given = [each for each in body.assignments if each.target == use.base and each.line < use.line]
    return given[-1] if given and given[-1].call else None


def _is_tested(place: Place, use: Dereference) -> bool:
    """Whether a test of the pointer stands before the use: a check that leaves, a branch around it, or one in the same expression."""
    pointer = re.escape(use.base)
    named = rf"(?<![\w.>]){pointer}(?!\w|->|\.|\[)"
    for condition in place.body.conditions:
        encloses = condition.head_end < use.line <= condition.last
        left = condition.last < use.line and condition.effect != "other"
        if (encloses or left) and re.search(rf"(?:^|[^\w&*]){named}\s*(?:$|[)&|=!?,])", condition.text):
            return True
    statement = place.body.statement_at(use.line)
    earlier = place.text[statement.start : use.start] if statement else ""
    return bool(re.search(rf"{named}\s*(?:&&|\?|!=\s*NULL|\)\s*&&)|!\s*{named}\s*\|\|", earlier))


def _was_used(body: Body, use: Dereference) -> bool:
    """Whether it was dereferenced before on every way to the use, which it would not have survived."""
    for statement in before(body, use.line):
        if writes(statement.text, words(use.base)):
            return False
        whole = statement.kind in ("expression_statement", "declaration", "return_statement")
        if whole and any(
            each.base == use.base and statement.first <= each.line <= statement.last for each in body.dereferences
        ):
            return True
    return False


def _at_source(place: Place, use: Dereference) -> Draft | None:
    """After the call that gave the pointer, when it is a plain statement on the way to the use."""
    body, giver = place.body, _giver(place.body, use)
    if giver is None or giver.call is None:
        return None
    statement = next((each for each in before(body, use.line) if each.first <= giver.line <= each.last), None)
    if statement is None or statement.kind not in ("expression_statement", "declaration"):
        return None
    following = _after(body, statement, use.line)
    allocates = bool(_ALLOCATES.search(giver.call))
    # The way out is the one from before the call, which took nothing if it gave NULL.
    leave = error_exit(body, statement.first, "-ENOMEM" if allocates else "-EINVAL", statement.indent)
    if (
        following is None
        or leave is None
        or any(each.base == use.base and giver.line < each.line < following.first for each in body.dereferences)
    ):
        return None
    edit = insert_before(place.path, place.text, following.first, branch(following.indent, f"!{use.base}", leave))
    kind: Kind = "root-cause" if allocates else "symptom"
    why = (
        f"{giver.call}() on line {giver.line} can return NULL, and {place.body.name}() uses {use.base} on line {use.line} without a test "
        f"({place.path}). The function now fails when there is nothing to use."
    )
    return Draft("template", why, (edit,), kind) if edit else None


def _after(body: Body, statement: Statement, limit: int) -> Statement | None:
    """The first statement after `statement` in its block that is no declaration and begins no later than `limit`."""
    later = (each for each in body.statements if each.first > statement.last and each.block == statement.block)
    found = next((each for each in later if not each.is_declaration), None)
    return found if found and found.alone and found.first <= limit else None


def _at_use(place: Place, use: Dereference) -> Draft | None:
    """Before the statement that uses it: keeps the kernel alive, and says nothing of why there was nothing."""
    statement = place.body.statement_at(use.line)
    if statement is None or not statement.alone or statement.is_declaration or not place.line:
        return None
    loop = in_loop(place.body, use.line)
    if loop == statement or writes(place.text[statement.start : use.start], words(use.base)):
        return None
    leave = error_exit(place.body, statement.first, "-EINVAL", statement.indent)
    if leave is None:
        return None
    edit = insert_before(place.path, place.text, statement.first, branch(statement.indent, f"!{use.base}", leave))
    why = (
        f"In {place.where}, {use.base} is NULL where {_what(use)} is read through it. The new check leaves before that; "
        "why it is NULL is not answered by it."
    )
    return Draft("template", why, (edit,), "symptom") if edit else None


def _what(use: Dereference) -> str:
    return f"its member {use.member}" if use.member else "a value"
