"""Debug information: symbols and offsets of a running kernel to source lines, through its ``vmlinux`` and its modules.

The way of the data: `frames` (a crash's frames → queries) → `symbols` (queries → chains). There, `files` finds ELF files, `elf` reads them,
`layout` gives modules addresses, `table` finds functions, and `readers` picks a program (`by_drgn`, `by_program`) for the lines. `fit`
holds a kernel against a log.
"""

from kernfix.source.debuginfo.fit import Identity
from kernfix.source.debuginfo.frames import queries_of
from kernfix.source.debuginfo.model import Answer, Chain, Place, Query, Reader, ReaderFailed
from kernfix.source.debuginfo.symbols import Symbols, open_symbols

__all__ = [
    "Answer",
    "Chain",
    "Identity",
    "Place",
    "Query",
    "Reader",
    "ReaderFailed",
    "Symbols",
    "open_symbols",
    "queries_of",
]
