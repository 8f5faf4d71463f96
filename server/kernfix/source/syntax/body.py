"""A function taken apart into statements and the expressions that fixes are built on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tree_sitter import Node

from kernfix.source.functions import plain_bytes
from kernfix.source.model import Function
from kernfix.source.syntax.model import (
    Assignment,
    Body,
    Condition,
    Dereference,
    Effect,
    Label,
    Return,
    Statement,
    Subscript,
    Variable,
)
from kernfix.source.syntax.parser import declared_name, outermost_functions, parse
from kernfix.source.syntax.prepass import prepass

_STORAGE = frozenset({"static", "inline", "extern", "register"})
_HOLDERS = frozenset({"compound_statement", "labeled_statement", "case_statement", "ERROR"})
_STATEMENTS = frozenset(
    {
        f"{kind}_statement"
        for kind in (
            "expression",
            "if",
            "for",
            "while",
            "do",
            "switch",
            "return",
            "goto",
            "break",
            "continue",
            "labeled",
        )
    }
    | {"declaration", "compound_statement"}
)
"""What may have lines put before it; a ``case`` may not."""
_EFFECTS: dict[str, Effect] = {
    "return_statement": "return",
    "goto_statement": "goto",
    "break_statement": "break",
    "continue_statement": "continue",
}


def parse_function(text: str, function: Function) -> Body | None:
    """The statements of `function`, which `functions` or `function_at` found in `text`; None when there is no body to be found there."""
    lines = text.split("\n")
    base = sum(len(line) + 1 for line in lines[: function.start - 1])
    own = "\n".join(lines[function.start - 1 : function.end])
    source = prepass(plain_bytes(own))
    for node in outermost_functions(parse(source)):
        declarator, block = node.child_by_field_name("declarator"), node.child_by_field_name("body")
        if declarator is None or block is None or block.type != "compound_statement":
            continue
        taker = _Taker(own, source, base, function.start)
        if taker.name(declarator) == function.name:
            return taker.body(node, declarator, block)
    return None


class _Taker:
    """Collects what the nodes of one function are; positions of nodes are turned into the file's lines and characters."""

    def __init__(self, own: str, source: bytes, base: int, first_line: int) -> None:
        self.own = own
        self.source = source
        self.base = base
        self.first_line = first_line
        self.variables: list[Variable] = []
        self.statements: list[Statement] = []
        self.subscripts: list[Subscript] = []
        self.dereferences: list[Dereference] = []
        self.assignments: list[Assignment] = []
        self.conditions: list[Condition] = []
        self.labels: list[Label] = []
        self.returns: list[Return] = []
        self.takers: dict[str, Callable[[Node], None]] = {
            "declaration": self.take_declaration,
            "subscript_expression": self.take_subscript,
            "field_expression": self.take_field,
            "pointer_expression": self.take_pointer,
            "assignment_expression": self.take_assignment,
            "if_statement": self.take_if,
            "labeled_statement": self.take_label,
            "return_statement": self.take_return,
        }

    def body(self, node: Node, declarator: Node, block: Node) -> Body:
        for parameter in _parameters(declarator):
            self.take_variable(parameter, parameter.child_by_field_name("declarator"), parameter=True)
        self.walk(block)
        stars = "*" * _pointers(declarator)
        return Body(
            name=self.name(declarator),
            return_type=f"{self.type_before(node, declarator)} {stars}".strip(),
            open_line=self.first(block),
            close_line=self.last(block),
            broken=block.has_error,
            variables=tuple(self.variables),
            statements=tuple(sorted(self.statements, key=lambda statement: statement.start)),
            subscripts=tuple(self.subscripts),
            dereferences=tuple(self.dereferences),
            assignments=tuple(self.assignments),
            conditions=tuple(self.conditions),
            labels=tuple(self.labels),
            returns=tuple(self.returns),
        )

    def walk(self, block: Node) -> None:
        """Visit every node below the function's outermost block, in the order of the text."""
        pending = [(block, (0, 0), 0)]
        while pending:
            node, around, depth = pending.pop()
            if node.type == "compound_statement":
                around, depth = (self.first(node), self.last(node)), depth + 1
            if take := self.takers.get(node.type):
                take(node)
            for child in node.named_children:
                if node.type in _HOLDERS and child.type in _STATEMENTS:
                    self.take_statement(child, around, depth)
            pending += [(child, around, depth) for child in reversed(node.named_children)]

    def first(self, node: Node) -> int:
        return node.start_point.row + self.first_line

    def last(self, node: Node) -> int:
        return node.end_point.row + self.first_line

    def text(self, node: Node | None) -> str:
        return self.own[node.start_byte : node.end_byte] if node else ""

    def name(self, declarator: Node | None) -> str:
        """The declared name as it stands after the prepass: ``sys_read`` for a system call."""
        found = declared_name(declarator) if declarator else None
        return found.text.decode("ascii") if found and found.text else ""

    def type_before(self, node: Node, declarator: Node) -> str:
        """What stands before the declarator, without storage classes and attributes."""
        words = self.source[node.start_byte : declarator.start_byte].decode("ascii").split()
        return " ".join(word for word in words if word not in _STORAGE)

    def take_statement(self, node: Node, around: tuple[int, int], depth: int) -> None:
        line_start = self.own.rfind("\n", 0, node.start_byte) + 1
        before = self.own[line_start : node.start_byte]
        self.statements.append(
            Statement(
                kind=node.type,
                first=self.first(node),
                last=self.last(node),
                start=self.base + node.start_byte,
                end=self.base + node.end_byte,
                indent=before[: len(before) - len(before.lstrip())],
                alone=not before.strip(),
                block=around,
                depth=depth,
                text=self.text(node),
            )
        )

    def take_declaration(self, node: Node) -> None:
        for declarator in node.children_by_field_name("declarator"):
            value = declarator.child_by_field_name("value") if declarator.type == "init_declarator" else None
            inner = declarator.child_by_field_name("declarator") if declarator.type == "init_declarator" else declarator
            self.take_variable(node, inner, value=value)
            if value is not None:
                self.assignments.append(
                    Assignment(self.name(inner), self.text(value), self.first(value), self.call(value))
                )

    def take_variable(
        self, node: Node, declarator: Node | None, value: Node | None = None, parameter: bool = False
    ) -> None:
        name = self.name(declarator)
        kind = node.child_by_field_name("type")
        if declarator is None or not name or kind is None:
            return
        first = node.child_by_field_name("declarator") or declarator
        self.variables.append(
            Variable(
                name=name,
                type=self.type_before(node, first),
                line=self.first(declarator),
                pointers=_pointers(declarator),
                array=tuple(self.text(size) for size in _array_sizes(declarator)),
                parameter=parameter,
                value=self.text(value) if value else None,
            )
        )

    def take_subscript(self, node: Node) -> None:
        array, index = node.child_by_field_name("argument"), node.child_by_field_name("index")
        self.subscripts.append(Subscript(self.text(array), self.text(index), self.first(node), *self.extent(node)))

    def take_field(self, node: Node) -> None:
        operator, base = node.child_by_field_name("operator"), node.child_by_field_name("argument")
        if operator is not None and operator.type == "->":
            member = self.text(node.child_by_field_name("field"))
            self.dereferences.append(Dereference(self.text(base), member, self.first(operator), *self.extent(node)))

    def take_pointer(self, node: Node) -> None:
        if node.children[0].type == "*":
            base = self.text(node.child_by_field_name("argument"))
            self.dereferences.append(Dereference(base, None, self.first(node), *self.extent(node)))

    def take_assignment(self, node: Node) -> None:
        target, value = node.child_by_field_name("left"), node.child_by_field_name("right")
        operator = node.child_by_field_name("operator")
        if operator is not None and operator.type == "=":
            self.assignments.append(Assignment(self.text(target), self.text(value), self.first(node), self.call(value)))

    def take_if(self, node: Node) -> None:
        condition, branch = node.child_by_field_name("condition"), node.child_by_field_name("consequence")
        if condition is None:
            return
        effect, value = self.effect(branch)
        text = self.text(condition).removeprefix("(").removesuffix(")").strip()
        self.conditions.append(Condition(text, self.first(node), self.last(condition), self.last(node), effect, value))

    def take_label(self, node: Node) -> None:
        label = node.child_by_field_name("label")
        if label is not None:
            self.labels.append(Label(self.text(label), self.first(label)))

    def take_return(self, node: Node) -> None:
        self.returns.append(Return(self.text(_first_value(node)) or None, self.first(node)))

    def effect(self, branch: Node | None) -> tuple[Effect, str | None]:
        """How a branch ends, judged by its last statement."""
        while branch is not None and branch.type == "compound_statement":
            branch = next((child for child in reversed(branch.named_children) if child.type != "comment"), None)
        effect = _EFFECTS.get(branch.type, "other") if branch else "other"
        value = _first_value(branch) if branch and effect in ("return", "goto") else None
        return effect, self.text(value) or None

    def call(self, value: Node | None) -> str | None:
        if value is not None and value.type == "call_expression":
            return self.text(value.child_by_field_name("function"))
        return None

    def extent(self, node: Node) -> tuple[int, int]:
        return self.base + node.start_byte, self.base + node.end_byte


def _first_value(node: Node) -> Node | None:
    return next((child for child in node.named_children if child.type != "comment"), None)


def _declarators(declarator: Node) -> Iterator[Node]:
    current: Node | None = declarator
    while current is not None:
        yield current
        inner = current.child_by_field_name("declarator")
        if inner is None and current.type == "parenthesized_declarator":
            inner = _first_value(current)
        current = inner


def _pointers(declarator: Node) -> int:
    return sum(node.type == "pointer_declarator" for node in _declarators(declarator))


def _array_sizes(declarator: Node) -> list[Node | None]:
    sizes = [node.child_by_field_name("size") for node in _declarators(declarator) if node.type == "array_declarator"]
    return sizes[::-1]


def _parameters(declarator: Node) -> list[Node]:
    function = next((node for node in _declarators(declarator) if node.type == "function_declarator"), None)
    listed = function.child_by_field_name("parameters") if function else None
    return [child for child in listed.named_children if child.type == "parameter_declaration"] if listed else []
