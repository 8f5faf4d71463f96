"""A call that failed and was not asked: test its result before what it should have prepared is used."""

from __future__ import annotations

import re
from functools import lru_cache

from kernfix.crash.model import Crash
from kernfix.fix.model import Draft
from kernfix.fix.templates.edit import insert_before, replace_lines
from kernfix.fix.templates.exits import branch, error_exit
from kernfix.fix.templates.flow import before, writes
from kernfix.fix.templates.place import Place
from kernfix.patch.model import Edit
from kernfix.source import functions
from kernfix.source.model import Function
from kernfix.source.syntax import Assignment, Body, Statement, parse_function

MAX_CALLS = 3

_MAX_ERRNO = 4095
"""The last page of the address space, where error pointers point (include/linux/err.h)."""
_IGNORED_CALL = re.compile(r"(?:\(void\)\s*)?(\w+)\s*\(.*\)\s*;", re.DOTALL)


def propose(crash: Crash, place: Place) -> tuple[Draft, ...]:
    """A draft for each call on the way to the fault whose failure the code knows of elsewhere and does not test here."""
    if crash.type == "MEMORY_SAFETY_BUG" and not _is_error_pointer(crash):
        return ()
    limit = place.line or place.body.close_line
    drafts = []
    for statement in before(place.body, limit):
        draft = (
            _error_pointer(place, statement, limit)
            or _error_number(place, statement, limit)
            or _ignored(place, statement)
        )
        if draft:
            drafts.append(draft)
    return tuple(drafts[:MAX_CALLS])


def _is_error_pointer(crash: Crash) -> bool:
    """Whether the address is that of an error pointer or of a member behind one."""
    stated = crash.facts.get("address", "").removeprefix("0x")
    return bool(re.fullmatch(r"[0-9a-f]{16}", stated)) and int(stated, 16) >= 2**64 - _MAX_ERRNO


def _assignment(body: Body, statement: Statement) -> Assignment | None:
    """The assignment that a plain statement is, when its value is a call."""
    if statement.kind not in ("expression_statement", "declaration"):
        return None
    return next(
        (each for each in body.assignments if each.call and statement.first <= each.line <= statement.last), None
    )


def _untested(place: Place, statement: Statement, name: str, limit: int) -> bool:
    """Whether nothing looks at `name` between the statement and the fault, and nothing gives it another value."""
    word = re.compile(rf"\b{re.escape(name)}\b")
    for condition in place.body.conditions:
        if statement.last < condition.first and (condition.first < limit) and word.search(condition.text):
            return False
    between = (each for each in place.body.statements if statement.last < each.first and each.last < limit)
    return not any(
        (
            each.kind in ("switch_statement", "while_statement", "for_statement", "return_statement")
            and word.search(each.text)
        )
        or writes(each.text, frozenset({name}))
        for each in between
    )


def _error_pointer(place: Place, statement: Statement, limit: int) -> Draft | None:
    """``p = f()`` without ``IS_ERR(p)``, when the file tests the result of `f` so elsewhere or `f` is seen to return such pointers."""
    given = _assignment(place.body, statement)
    variable = place.body.variable(given.target) if given else None
    if given is None or given.call is None or variable is None or not variable.pointers:
        return None
    if not _untested(place, statement, given.target, limit) or not _gives_error_pointers(place, given.call):
        return None
    leave = error_exit(place.body, statement.first, f"PTR_ERR({given.target})", statement.indent)
    return _after(
        place,
        statement,
        f"IS_ERR({given.target})",
        leave,
        f"{given.call}() on line {given.line} can return an error pointer",
    )


def _error_number(place: Place, statement: Statement, limit: int) -> Draft | None:
    """``ret = f()`` that nothing tests before the fault, when `f` is seen to return error numbers."""
    given = _assignment(place.body, statement)
    variable = place.body.variable(given.target) if given else None
    if (
        given is None
        or given.call is None
        or variable is None
        or variable.pointers
        or variable.type not in ("int", "long", "ssize_t")
    ):
        return None
    if not _untested(place, statement, given.target, limit) or not _gives_error_numbers(place, given.call):
        return None
    leave = error_exit(place.body, statement.first, given.target, statement.indent)
    return _after(place, statement, f"{given.target} < 0", leave, f"{given.call}() on line {given.line} can fail")


def _ignored(place: Place, statement: Statement) -> Draft | None:
    """``f();`` whose error number is thrown away."""
    match = (
        _IGNORED_CALL.fullmatch(statement.text)
        if statement.kind == "expression_statement" and statement.alone
        else None
    )
    if match is None or match[0].startswith("(void)") or not _gives_error_numbers(place, match[1]):
        return None
    leave = error_exit(place.body, statement.first, "-EINVAL", statement.indent)
    if leave is None:
        return None
    call = statement.text.rstrip("; \t\n")
    new = branch(statement.indent, f"{call} < 0", leave)
    edit = replace_lines(place.path, place.text, statement.first, statement.last, new)
    return _draft(place, f"{match[1]}() on line {statement.first} can fail", edit)


def _after(place: Place, statement: Statement, test: str, leave: list[str] | None, what: str) -> Draft | None:
    """The draft that puts a test after a statement."""
    following = next(
        (
            each
            for each in place.body.statements
            if each.first > statement.last and each.block == statement.block and not each.is_declaration
        ),
        None,
    )
    if leave is None or following is None or not following.alone:
        return None
    edit = insert_before(place.path, place.text, following.first, branch(following.indent, test, leave))
    return _draft(place, what, edit)


def _draft(place: Place, what: str, edit: Edit | None) -> Draft | None:
    why = f"{what}, and {place.where} goes on without a test of its result. The function now leaves with the error."
    return Draft("template", why, (edit,), "root-cause") if edit else None


def _gives_error_pointers(place: Place, call: str) -> bool:
    if re.search(
        rf"\b(\w+)\s*=\s*{re.escape(call)}\s*\([^;]{{0,400}};\s*if\s*\((?:unlikely\()?IS_ERR\(\1\)", place.text
    ):
        return True
    return any(value.startswith(("ERR_PTR(", "ERR_CAST(")) for value in _returns(place, call))


def _gives_error_numbers(place: Place, call: str) -> bool:
    return any(re.match(r"-E[A-Z0-9]+$", value) for value in _returns(place, call))


def _returns(place: Place, call: str) -> list[str]:
    """What a function of the same file returns."""
    function = _defined(place.text).get(call)
    body = parse_function(place.text, function) if function else None
    return [each.value for each in (body.returns if body else ()) if each.value]


@lru_cache(maxsize=2)
def _defined(text: str) -> dict[str, Function]:
    return {function.name: function for function in functions(text)}
