"""The one tree-sitter parser, and helpers over its nodes."""

from __future__ import annotations

from collections.abc import Iterator

import tree_sitter_c
from tree_sitter import Language, Node, Parser

_LANGUAGE = Language(tree_sitter_c.language())


def parse(source: bytes) -> Node:
    """The root node of `source`; it keeps its tree alive. A parser holds state, so each call has its own (threads)."""
    return Parser(_LANGUAGE).parse(source).root_node


def outermost_functions(root: Node) -> Iterator[Node]:
    """The function definitions that are in no other: what lies deeper is a loop macro that the grammar took for a function."""
    pending = [root]
    while pending:
        node = pending.pop()
        if node.type == "function_definition":
            yield node
        else:
            pending += reversed(node.children)


def declared_name(node: Node) -> Node | None:
    """The identifier that a declarator, however nested in stars, brackets and parentheses, declares."""
    current: Node | None = node
    while current is not None and current.type not in ("identifier", "field_identifier", "type_identifier"):
        inner = current.child_by_field_name("declarator")
        if inner is None and current.type in ("parenthesized_declarator", "attributed_declarator"):
            inner = next(
                (child for child in current.named_children if child.type.endswith(("declarator", "identifier"))), None
            )
        current = inner
    return current


def error_rows(root: Node) -> Iterator[int]:
    """The 0-based rows of what could not be parsed, or had to be made up to go on."""
    pending = [root] if root.has_error else []
    while pending:
        node = pending.pop()
        if node.is_error or node.is_missing:
            yield node.start_point.row
        pending += [child for child in reversed(node.children) if child.has_error or child.is_missing]
