"""Questions about the order of things in one function that text and block structure can answer; where they cannot, the answer errs towards
leaving the code alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kernfix.source.syntax import Body, Condition, Statement

_WORD = re.compile(r"[A-Za-z_]\w*")
_WRAPPED = re.compile(r"(?:unlikely|likely|WARN_ON|WARN_ON_ONCE)?\s*\((.*)\)", re.DOTALL)
_RELATION = re.compile(r"(?<![-<>])(?:>=|<=|[<>])(?![<>=])")
_WRITES = (
    r"\bNAME\s*(?:(?:[-+*/%&|^]|<<|>>)?=(?!=)|\+\+|--)|(?:\+\+|--)\s*(?:\w+(?:->|\.))*NAME\b"
    r"|(?<!&)&\s*(?:\w+(?:->|\.))*NAME\b(?!\s*(?:->|\.|\[))|\b(?:get_user|\w{0,64}for_each\w*)\s*\([^;{]*\bNAME\b"
)
"""A pattern for one name, which stands for NAME."""
_TAKES = re.compile(
    r"\b\w{0,64}(?:lock(?!ed|dep|_class)|alloc|dup|acquire)(?:_\w+)?\s*\(|\b(?:down|guard|scoped_guard)\w*\s*\("
)
"""The surer part of `_ACQUIRES`."""
_ACQUIRES = re.compile(
    r"\b\w{0,64}(?:lock(?!ed|dep|_class)|alloc|_get|get_|dup|acquire|begin|prepare|register|attach|enable|open|pin)(?:_\w+)?\s*\("
    r"|\b(?:down|guard|scoped_guard)\w*\s*\("
)
_RELEASES = re.compile(
    r"\b\w{0,64}(?:unlock|free|put|release|end|detach|unregister|close|unpin|disable)(?:_\w+)?\s*\(|\bup(?:_read|_write)?\s*\("
)
_HARMLESS = re.compile(
    r"\b(?:get_user|rcu_read_lock_held\w*|lockdep_\w+|\w{0,64}unlock\w*|detach\w*|unregister\w*|unpin\w*|get_random\w*|smp_processor_id)\s*\("
)


def words(expression: str) -> frozenset[str]:
    """The identifiers of an expression."""
    return frozenset(_WORD.findall(expression))


def same(first: str, second: str) -> bool:
    """Whether two expressions are the same text but for white space and outer parentheses."""
    return bare(first) == bare(second)


def bare(expression: str) -> str:
    """An expression without white space and outer parentheses."""
    text = "".join(expression.split())
    while text.startswith("(") and text.endswith(")") and _closes_at(text, 0) == len(text) - 1:
        text = text[1:-1]
    return text


def _closes_at(text: str, opening: int) -> int:
    depth = 0
    for at in range(opening, len(text)):
        depth += (text[at] == "(") - (text[at] == ")")
        if depth == 0:
            return at
    return -1


def operands(condition: str) -> list[str]:
    """What a condition joins by ``||`` and ``&&`` at its outermost level, as it stands; ``unlikely()`` around it all is looked through."""
    text = condition.strip()
    while (match := _WRAPPED.fullmatch(text)) and _closes_at(text, match.start(1) - 1) == len(text) - 1:
        text = match[1].strip()
    return [part.strip() for part in _split(text, ("||", "&&"))]


def comparison(operand: str) -> tuple[str, str, str] | None:
    """Left side, operator and right side of ``a >= b`` and its like, when there is just one such operator at the outermost level."""
    text = operand.strip()
    while text.startswith("(") and _closes_at(text, 0) == len(text) - 1:
        text = text[1:-1].strip()
    found = [
        match
        for match in _RELATION.finditer(text)
        if text.count("(", 0, match.start()) == text.count(")", 0, match.start())
    ]
    if len(found) != 1:
        return None
    return text[: found[0].start()].strip(), found[0][0], text[found[0].end() :].strip()


def _split(text: str, separators: tuple[str, ...]) -> Iterator[str]:
    depth = start = 0
    for at, character in enumerate(text):
        depth += (character in "([") - (character in ")]")
        if depth == 0 and text.startswith(separators, at):
            yield text[start:at]
            start = at + 2
    yield text[start:]


def has_side_effects(expression: str) -> bool:
    """Whether evaluating it a second time may do something: a call, an assignment, a step."""
    return bool(re.search(r"\w\s*\(|\+\+|--|(?<![=!<>])=(?!=)", expression))


def acquires(text: str) -> bool:
    """Whether a statement looks as if it takes something that must be given back: a lock, memory, a reference."""
    return bool(_ACQUIRES.search(_HARMLESS.sub("", text)))


def takes(text: str) -> bool:
    """Whether it surely takes a lock or memory."""
    return bool(_TAKES.search(_HARMLESS.sub("", text)))


def releases(text: str) -> bool:
    """Whether a statement looks as if it gives something back."""
    return bool(_RELEASES.search(text))


def writes(text: str, names: frozenset[str]) -> bool:
    """Whether a statement may change one of `names`: assigns it, steps it, loops over it, passes its address, has it filled by a macro."""
    return any(re.search(_WRITES.replace("NAME", name), text) for name in names)


def before(body: Body, line: int) -> Iterator[Statement]:
    """The statements that ran before `line` when it is reached, nearest first: those in the blocks around it that end above it."""
    for statement in reversed(body.statements):
        if statement.last < line and statement.block[0] <= line <= statement.block[1]:
            yield statement


def after(body: Body, line: int) -> Iterator[Statement]:
    """The statements from `line` on in the same block, in order."""
    here = body.statement_at(line)
    for statement in body.statements:
        if here and statement.first >= here.first and statement.block == here.block:
            yield statement


def condition_of(body: Body, statement: Statement) -> Condition | None:
    """The condition when the statement is an ``if``."""
    if statement.kind != "if_statement":
        return None
    return next(
        (each for each in body.conditions if (each.first, each.last) == (statement.first, statement.last)), None
    )


def leaves(condition: Condition) -> bool:
    """Whether its branch leaves the function, at once or by a label."""
    return condition.effect in ("return", "goto")


def in_loop(body: Body, line: int) -> Statement | None:
    """The innermost loop around `line` that does not begin there."""
    loops = ("for_statement", "while_statement", "do_statement")
    around = [each for each in body.statements if each.kind in loops and each.first <= line <= each.last]
    return max(around, key=lambda each: each.depth, default=None)
