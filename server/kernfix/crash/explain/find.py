"""Which value is under a character of a line of the log, and what the log calls it.

Values are registers (arch/*/kernel/process.c:show_regs() and the like), addresses in headlines, error codes, and any other hexadecimal
number that is long enough to be an address. Offsets in functions (``+0x1a/0x40``) and the bytes of a `Code:` line are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_LIMIT = 1024
"""Characters of a line that are read: printk cuts lines at that."""

_DIGITS = r"(?:[0-9a-f]{16}|[0-9a-f]{8})"
_VALUE = rf"(?:0x[0-9a-f]{{1,16}}|{_DIGITS})(?![\w.+])"
_PAIR = re.compile(
    rf"\b(?P<name>[A-Za-z][A-Za-z0-9]{{0,7}})(?: {{0,4}}: {{0,2}}| )(?:[0-9a-f]{{4}}:)?(?:\[<)?(?P<value>{_VALUE})"
)
_ROW = re.compile(rf"(?P<lead>GPR|\$)(?P<first>[ \d]\d) {{0,4}}:(?P<values>(?: {{1,2}}{_DIGITS})+)")
_WORD = re.compile(rf"(?<![\w+/.])(?P<value>{_VALUE})")
_CODES = re.compile(r"error_code\((?P<a>0x[0-9a-f]{4,8})\)|\bOops: (?P<b>[0-9a-f]{4}) \[#")
_RANGE = re.compile(r"\brange \[(?P<a>0x[0-9a-f]{1,16})-(?P<b>0x[0-9a-f]{1,16})\]")
_SMALL = 1 << 16
"""Below it, a number without a name is no address."""
_CODE_LINE = re.compile(r"\b(?:Krnl )?Code: ")

_ADDRESS = frozenset({"addr", "address", "at"})
"""Words before an address."""
_REGISTER = re.compile(
    r"[RE][A-Z]{2}|R\d\d|EFLAGS|RFLAGS|EFL|CR[0-8]|DR[0-7]|[CDEFGS]S|knlGS|PKRU|ORIG_RAX"  # x86
    r"|[xr]\d{1,2}|sp|lr|pc|fp|ip|psr|pstate"  # arm64, arm, s390
    r"|e?pc|ra|gp|tp|[ast]\d{1,2}|u0|status|badaddr|cause"  # riscv, loongarch
    r"|NIP|LR|CTR|MSR|CR|XER|CFAR|DAR|DSISR|REGS"  # powerpc
    r"|ERA|CRMD|PRMD|EUEN|ECFG|ESTAT|BADV|Hi|Lo|Status|Cause|BadVA|ESR|FAR"  # loongarch, mips, arm64
)


class Found(NamedTuple):
    """A value in a line: the characters ``[start, end)`` of it with its name, the name if the log gives one, its digits as printed."""

    start: int
    end: int
    name: str | None
    value: int
    digits: str

    @property
    def is_register(self) -> bool:
        """Whether the name is a register's."""
        return self.name is not None and (_REGISTER.fullmatch(self.name) is not None or self.name[0] in "$G")


def value_at(line: str, character: int) -> Found | None:
    """The value under a character (0-based) of a line; one that the character is right behind counts too."""
    near = [found for found in values_in(line) if found.start <= character <= found.end]
    return next((found for found in near if character < found.end), near[0] if near else None)


def values_in(line: str) -> list[Found]:
    """All values of a line, from the left."""
    line = line[:_LIMIT]
    if is_code(line):
        return []
    taken: dict[int, Found] = {}
    for found in (*_rows(line), *_codes(line), *_pairs(line), *_words(line)):
        taken.setdefault(found.end, found)
    return [taken[end] for end in sorted(taken)]


def is_code(line: str) -> bool:
    """Whether a line has the bytes around an instruction."""
    return _CODE_LINE.search(line[:_LIMIT]) is not None


def _rows(line: str) -> Iterator[Found]:
    """``GPR04: …`` and ``$ 4   : …``: the registers from that one on."""
    for row in _ROW.finditer(line):
        for number, match in enumerate(re.finditer(_DIGITS, row["values"]), int(row["first"])):
            start, end = (row.start("values") + place for place in match.span())
            yield Found(
                start, end, f"GPR{number:02}" if row["lead"] == "GPR" else f"${number}", int(match[0], 16), match[0]
            )


def _codes(line: str) -> Iterator[Found]:
    """The error code of a page fault of x86."""
    for match in _CODES.finditer(line):
        digits = match["a"] or match["b"]
        yield Found(*match.span(match.lastgroup or 0), "error_code", int(digits, 16), digits)


def _pairs(line: str) -> Iterator[Found]:
    for match in _PAIR.finditer(line):
        name = match["name"]
        colon = ":" in line[match.end("name") : match.start("value")]
        if name in _ADDRESS:
            yield Found(*match.span("value"), "address", int(match["value"], 16), match["value"])
        elif colon and _REGISTER.fullmatch(name):
            yield Found(match.start(), match.end("value"), name, int(match["value"], 16), match["value"])


def _words(line: str) -> Iterator[Found]:
    for match in _RANGE.finditer(line):
        yield from (Found(*match.span(end), "address", int(match[end], 16), match[end]) for end in "ab")
    for match in _WORD.finditer(line):
        digits = match["value"]
        if int(digits, 16) < _SMALL:
            continue
        if digits.startswith("0x") or len(digits) == 16 or not digits.isdecimal():
            yield Found(*match.span(), None, int(digits, 16), digits)
