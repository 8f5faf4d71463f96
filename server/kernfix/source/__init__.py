"""A kernel checkout: functions, symbols, locating, git facts.

The way of the data: `tree` (a jail around the checkout) → `names` (what a symbol is called in the source) → `definitions` (found by name),
`debuginfo` (found by debug information) → `locate` (every frame of a crash). `syntax` reads C, `git` asks git.
"""

from kernfix.source.debuginfo import Symbols, open_symbols
from kernfix.source.functions import function_at, functions
from kernfix.source.locate import locate, locate_all
from kernfix.source.model import Definition, Function, How, Located, LocatedStack, Location
from kernfix.source.names import definition_names, same_function
from kernfix.source.tree import Tree, open_tree

__all__ = [
    "Definition",
    "Function",
    "How",
    "Located",
    "LocatedStack",
    "Location",
    "Symbols",
    "Tree",
    "definition_names",
    "function_at",
    "functions",
    "locate",
    "locate_all",
    "open_symbols",
    "open_tree",
    "same_function",
]
