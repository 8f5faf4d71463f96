"""The labels of assembler files (Documentation/core-api/asm-annotations.rst)."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from kernfix.source.index.model import Defined

_BEGIN = re.compile(
    rb"^[ \t]*(?:SYM_(?:TYPED_)?(?:FUNC|CODE|INNER)\w*\([ \t]*(?P<marked>[A-Za-z_.$][\w.$]*)"
    rb"|(?:\w*ENTRY\w*|_*GLOBAL\w*|FUNC_START|FUNC|LEAF|NESTED|FEXPORT|idtentry\w*|\w*VECTOR\w*)[ \t]*\(?[ \t]*(?P<entry>[A-Za-z_]\w*)"
    rb"|(?P<label>[A-Za-z_]\w*):)",
    re.MULTILINE,
)
_ALIAS = re.compile(rb"^[ \t]*SYM_FUNC_ALIAS\w*\([ \t]*(\w+)[ \t]*,[ \t]*(\w+)[ \t]*\)", re.MULTILINE)
_NO_BEGIN = re.compile(rb"SYM_\w*_(?:END|ALIAS)")
_END = re.compile(
    rb"^[ \t]*(?:SYM_(?:FUNC|CODE|TYPED_FUNC)_END|END(?:PROC|FUNC)?|_ASM_NOKPROBE)\w*[ \t]*\(", re.MULTILINE
)


def labels(source: bytes) -> Iterator[Defined]:
    """Every label that begins a function or a piece of code, up to its end mark or the next label; and other names of those."""
    known: dict[bytes, Defined] = {}
    found = [match for match in _BEGIN.finditer(source) if not _NO_BEGIN.match(match[0].lstrip())]
    ends = [match.start() for match in _END.finditer(source)]
    line = counted = 0
    for number, match in enumerate(found):
        name = match["marked"] or match["entry"] or match["label"]
        line += source.count(b"\n", counted, match.end())
        counted = match.end()
        limit = found[number + 1].start() if number + 1 < len(found) else len(source)
        after = bisect_left(ends, match.end())
        end = ends[after] if after < len(ends) else len(source)
        last = end if end < limit or (match["marked"] and end < len(source)) else limit - 1
        known[name] = Defined(
            name.decode("ascii"), line + 1, line + 1 + source.count(b"\n", counted, max(last, counted)), "label"
        )
        yield known[name]
    for match in _ALIAS.finditer(source):
        if own := known.get(match[2]):
            yield own._replace(name=match[1].decode("ascii"))
