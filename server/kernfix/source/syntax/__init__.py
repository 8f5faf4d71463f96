"""C as the kernel writes it, through tree-sitter: what a function's statements are, and where the grammar stumbles.

The only folder that knows tree-sitter; what leaves it are plain values.
"""

from kernfix.source.syntax.body import parse_function
from kernfix.source.syntax.errors import syntax_errors
from kernfix.source.syntax.model import (
    Assignment,
    Body,
    Condition,
    Dereference,
    Label,
    Return,
    Statement,
    Subscript,
    Variable,
)

__all__ = [
    "Assignment",
    "Body",
    "Condition",
    "Dereference",
    "Label",
    "Return",
    "Statement",
    "Subscript",
    "Variable",
    "parse_function",
    "syntax_errors",
]
