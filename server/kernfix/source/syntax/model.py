"""What a function is made of, as values. Lines are 1-based lines of the file; `start` and `end` of expressions are characters of the
file's text, ``text[start:end]``; texts are as in the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Effect = Literal["return", "goto", "break", "continue", "other"]
"""How a branch ends: by leaving the function, a jump, leaving or repeating a loop, or by going on."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A parameter or a local variable.

    `type` is the type without its stars and attributes (``const struct ring``), `pointers` counts the stars, `array` holds the text of each
    bracket (``("SLOTS",)``), `value` the initial value.
    """

    name: str
    type: str
    line: int
    pointers: int = 0
    array: tuple[str, ...] = ()
    parameter: bool = False
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement or declaration that stands directly in a block, so that whole lines may be put before or after it.

    `first` and `last` are its lines; a loop, ``if`` or ``switch`` includes its body. `kind` is tree-sitter's name of it, such as
    ``expression_statement``, ``declaration``, ``if_statement``, ``for_statement``, ``return_statement``. `indent` is the white space before
    it, `alone` says that nothing else stands before it on its line, `block` are the lines of the braces around it, and `depth` is 1 in the
    function's outermost block.
    """

    kind: str
    first: int
    last: int
    start: int
    end: int
    indent: str
    alone: bool
    block: tuple[int, int]
    depth: int
    text: str

    @property
    def is_declaration(self) -> bool:
        """Whether it declares variables; code before later declarations is what the kernel's style forbids."""
        return self.kind == "declaration"


@dataclass(frozen=True, slots=True)
class Subscript:
    """``array[index]``."""

    array: str
    index: str
    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Dereference:
    """``base->member``, or ``*base`` with no member."""

    base: str
    member: str | None
    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """``target = value``, also where a declaration initialises; `call` is the function when the value is a call."""

    target: str
    value: str
    line: int
    call: str | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """An ``if``: the condition without its parentheses, the lines of the whole statement, and how its branch ends.

    `value` is what is returned, or the label that is jumped to; `head_end` is the last line of the condition itself.
    """

    text: str
    first: int
    head_end: int
    last: int
    effect: Effect
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """A label to jump to."""

    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Return:
    """A ``return``; `value` is None where it returns nothing."""

    value: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Body:
    """A function taken apart. Everything is in the order of the text; `open_line` has the body's opening brace.

    `broken` says that the grammar could not make sense of a part of it (an unusual macro): the rest still holds.
    """

    name: str
    return_type: str
    open_line: int
    close_line: int
    broken: bool = False
    variables: tuple[Variable, ...] = ()
    statements: tuple[Statement, ...] = ()
    subscripts: tuple[Subscript, ...] = ()
    dereferences: tuple[Dereference, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    conditions: tuple[Condition, ...] = ()
    labels: tuple[Label, ...] = ()
    returns: tuple[Return, ...] = ()

    def statement_at(self, line: int) -> Statement | None:
        """The innermost statement of a block that has `line`."""
        around = [statement for statement in self.statements if statement.first <= line <= statement.last]
        return min(around, key=lambda each: (each.last - each.first, -each.depth, each.start), default=None)

    def first_statement(self) -> Statement | None:
        """The first statement of the outermost block after the declarations at its top."""
        return next((item for item in self.statements if item.depth == 1 and not item.is_declaration), None)

    def variable(self, name: str) -> Variable | None:
        """The parameter or local of that name; of several, the one declared first."""
        return next((item for item in self.variables if item.name == name), None)

    def subscripts_at(self, line: int) -> tuple[Subscript, ...]:
        """Subscripts that begin on `line`."""
        return tuple(item for item in self.subscripts if item.line == line)

    def dereferences_at(self, line: int) -> tuple[Dereference, ...]:
        """Dereferences on `line`: of a chain over several lines, those whose arrow or star is there."""
        return tuple(item for item in self.dereferences if item.line == line)
