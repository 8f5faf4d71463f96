"""What one row of the table of crash kinds (`kernfix.crash.formats`) can say.

A *family* is a keyword that starts a crash, with the phrases that show a false alarm. Its *kinds* are tried from the top; a kind says how
the headline goes on, what the body must hold, how the title is made and where the function to blame is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

Pick = Callable[[list[str]], str | None]
"""Chooses the function to blame among the candidates, innermost first."""

FUNC = r"([A-Za-z_][\w:]*)(?:\.\w|\+0x| \([\w./+-]+:\d)"
"""A function as an address prints it, or as scripts/decode_stacktrace.sh does; the group leaves out what the compiler appended."""


class _Trace:
    """The step of a `Look` that reads the frames below the last one found."""


TRACE = _Trace()

Step = re.Pattern[str] | _Trace
Look = tuple[Step, ...]
"""Steps down the report: the next line that a pattern fits (its group is a candidate), or the stack that follows."""


@cache
def rx(pattern: str) -> re.Pattern[str]:
    """A compiled pattern; ``^`` and ``$`` are the ends of a line."""
    return re.compile(pattern, re.MULTILINE)


CALL_TRACE = rx(r"Call [Tt]race|Backtrace:")
FAULT = rx(
    r"^\s*(?:R?IP|EIP)(?: is at|:)? (?:[0-9a-f]{4}:)?(?:\s*\[<?[0-9a-f]+>?\])*\s*" + FUNC
    + r"|^\s*(?:PC is at|e?pc :|NIP \[[0-9a-f]+\]) " + FUNC
)  # fmt: skip

DEFAULT_LOOK: tuple[Look, ...] = ((FAULT, CALL_TRACE, TRACE), (CALL_TRACE, TRACE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of crash.

    `headline` is matched where the family's keyword stands. `body` is searched for below it and must be found where it is given. The
    numbered places of `title` and `alts` are the groups of the headline and then of the body; ``{F}`` is the blamed function, and a title
    without it blames none. `looks` are the alternatives of where to look for the function, `skip` is added to the common skip list, and
    `pick` chooses when it is not the first that is left. `broken` marks a headline that only a damaged log has, `needs_stack` is False
    for a report that comes without one. Where `file_after` is found, the guilty file is looked for below it first.
    """

    headline: re.Pattern[str]
    title: str
    body: re.Pattern[str] | None = None
    alts: tuple[str, ...] = ()
    looks: tuple[Look, ...] = DEFAULT_LOOK
    skip: tuple[str, ...] = ()
    pick: Pick | None = None
    broken: bool = False
    file_after: re.Pattern[str] | None = None
    needs_stack: bool = True

    @property
    def names_function(self) -> bool:
        """Whether the title blames a function."""
        return "{F}" in self.title


@dataclass(frozen=True, slots=True)
class Family:
    """A headline keyword (case matters), what shows a false alarm on the same line, and the kinds that it can be."""

    keyword: str
    kinds: tuple[Kind, ...]
    ignore: re.Pattern[str] | None = None
