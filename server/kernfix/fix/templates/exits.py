"""How a function is left with an error at some line, as its own neighbouring checks do it."""

from __future__ import annotations

import re
from itertools import zip_longest

from kernfix.fix.templates.flow import acquires, after, before, condition_of, leaves, releases, words
from kernfix.source.syntax import Body, Condition, Statement

_INTEGERS = frozenset(
    {"int", "long", "long int", "long long", "ssize_t", "s32", "s64", "loff_t", "__s32", "__s64", "signed int"}
)
_OWN = {"bool": "false", "irqreturn_t": "IRQ_NONE", "vm_fault_t": "VM_FAULT_SIGBUS", "__poll_t": "EPOLLERR"}
"""Result types that are no error number: what says "no"."""
_PLAIN = re.compile(r"-?\w+|ERR_PTR\(-?\w+\)")
"""Results that say the same wherever they are returned."""
_NAME = re.compile(r"[A-Za-z_]\w*")


def error_exit(body: Body, line: int, error: str, indent: str) -> list[str] | None:
    """The lines that leave the function before `line` with an error, for the branch of an ``if`` at `indent`.

    `error` is an expression for the error number: ``-EINVAL``, ``ret``, ``PTR_ERR(p)``. What was taken before must be given back: when the
    nearest check before `line` jumps to a label, so does this one; a bare return is used only where the function itself would still
    return so. None when no way out can be trusted.
    """
    model, taken = _model(body, line)
    if model is not None and model.effect == "goto":
        return _jump(body, model, error, indent)
    if taken and model is None:
        return None
    value = _result(body, error)
    if value is None and model is not None and _PLAIN.fullmatch(model.value or ""):
        value = model.value
    if value is None:
        return None
    return [f"{indent}\treturn {value};" if value else f"{indent}\treturn;"]


def branch(indent: str, condition: str, body: list[str]) -> list[str]:
    """An ``if`` in the kernel's style: braces only around more than one line."""
    if len(body) == 1:
        return [f"{indent}if ({condition})", *body]
    return [f"{indent}if ({condition}) {{", *body, f"{indent}}}"]


def _model(body: Body, line: int) -> tuple[Condition | None, bool]:
    """The check to leave like, and whether something was taken before `line` that a bare return would lose."""
    given_back = 0
    earlier = list(before(body, line))
    for statement, previous in zip_longest(earlier, earlier[1:]):
        condition = condition_of(body, statement)
        if condition and leaves(condition):
            took = acquires(condition.text) or (previous is not None and _tests_taking(body, condition, previous))
            return (_next_check(body, line), True) if took and not given_back else (condition, False)
        takes, gives = acquires(statement.text), releases(statement.text)
        if takes and not gives and not given_back:
            return _next_check(body, line), True
        given_back = max(given_back + gives - takes, 0)
    return None, False


def _tests_taking(body: Body, condition: Condition, previous: Statement) -> bool:
    """Whether the check is about what the statement before it tried to take: after it, the thing is held."""
    targets = {each.target for each in body.assignments if previous.first <= each.line <= previous.last}
    return acquires(previous.text) and bool(targets & words(condition.text))


def _next_check(body: Body, line: int) -> Condition | None:
    """The first check from `line` on, as long as nothing more is taken or given back before it."""
    for statement in after(body, line):
        condition = condition_of(body, statement)
        if condition and leaves(condition):
            return condition
        if acquires(statement.text) or releases(statement.text) or statement.kind != "expression_statement":
            return None
    return None


def _jump(body: Body, model: Condition, error: str, indent: str) -> list[str]:
    """To the model's label, with the error put where the function keeps its result."""
    jump = f"{indent}\tgoto {model.value};"
    holder = _holder(body)
    value = _as_pointer(error) if body.return_type.endswith("*") else error
    return [jump] if holder in (None, value) else [f"{indent}\t{holder} = {value};", jump]


def _holder(body: Body) -> str | None:
    """The local variable that the function returns."""
    if body.return_type == "void":
        return None
    names = [
        each.value for each in body.returns if each.value and _NAME.fullmatch(each.value) and body.variable(each.value)
    ]
    return names[-1] if names else None


def _result(body: Body, error: str) -> str | None:
    """What a bare return gives back, from the type and from what the function returns elsewhere; "" for nothing, None for unknown."""
    kind = body.return_type
    values = [each.value for each in body.returns if each.value]
    if kind == "void":
        return ""
    if kind.endswith("*"):
        given = re.fullmatch(r"PTR_ERR\((.*)\)", error)
        if any(value.startswith(("ERR_PTR", "ERR_CAST")) for value in values) or (given and given[1] in values):
            return _as_pointer(error)
        return "NULL" if "NULL" in values else None  # what its callers test is not known
    if kind in _OWN:
        return _OWN[kind]
    if kind in _INTEGERS:
        plain = bool(values) and all(value in ("0", "1") for value in values)
        return "0" if plain and "1" in values else error
    return None


def _as_pointer(error: str) -> str:
    """An error number as an error pointer."""
    pointer = re.fullmatch(r"PTR_ERR\((.*)\)", error)
    return f"ERR_CAST({pointer[1]})" if pointer else f"ERR_PTR({error})"
