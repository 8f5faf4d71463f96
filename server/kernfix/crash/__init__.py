"""Console text to crashes: pure, no I/O, never raises.

`decode` bytes to text, `parse` text to a `Log` of `Crash` values, `to_json` a crash to the documented JSON.
The way of the data: `scan` (headlines) → `report` (which lines belong to which crash) → `parse` (one row of `formats` fits, `guilty` finds
whom to blame, `titles` and `classes` name it, `corruption` doubts it) with `stacks` and `facts` beside it.
"""

from kernfix.crash.jsonform import to_json
from kernfix.crash.model import Crash, Executor, Frame, Log, SourceLine, Span, Stack, StackKind
from kernfix.crash.parse import decode, parse, same_crash
from kernfix.crash.skips import is_machinery

__all__ = [
    "Crash",
    "Executor",
    "Frame",
    "Log",
    "SourceLine",
    "Span",
    "Stack",
    "StackKind",
    "decode",
    "is_machinery",
    "parse",
    "same_crash",
    "to_json",
]
