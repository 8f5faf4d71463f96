"""Console text to crashes: pure, no I/O, never raises.

`decode` bytes to text, `parse` text to a `Log` of `Crash` values (`parse_stream` for a log that comes in blocks), `to_json` a crash to the
documented JSON.

The way of the data: `stretch` (what of the log is near a headline, by `scan`) → `report` (`lines` taken apart, each read once by
`entries`; which lines belong to which crash) → `parse`, where a report becomes a crash: `naming` (one row of `formats` fits; `blame` finds
the function, `titles` and `classes` name it, `corruption` doubts it) with `stacks`, `locks`, `machine`, `registers`, `facts` and `guilty`
beside it, and `whole` for what holds for all of a log.
"""

from kernfix.crash.blame import is_plumbing
from kernfix.crash.jsonform import to_json
from kernfix.crash.model import Crash, Executor, Frame, HeldLock, Log, Machine, SourceLine, Span, Stack, StackKind
from kernfix.crash.parse import decode, parse, parse_stream, same_crash
from kernfix.crash.skips import is_machinery

__all__ = [
    "Crash",
    "Executor",
    "Frame",
    "HeldLock",
    "Log",
    "Machine",
    "SourceLine",
    "Span",
    "Stack",
    "StackKind",
    "decode",
    "is_machinery",
    "is_plumbing",
    "parse",
    "parse_stream",
    "same_crash",
    "to_json",
]
