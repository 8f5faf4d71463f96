"""C as the kernel writes it, through tree-sitter: which functions a text has, and what a function's statements are.

The only folder that knows tree-sitter; what leaves it are plain values.
"""

from kernfix.source.syntax.body import parse_function
from kernfix.source.syntax.functions import function_at, functions, syntax_errors
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
    "function_at",
    "functions",
    "parse_function",
    "syntax_errors",
]
