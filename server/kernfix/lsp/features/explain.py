"""Values of a crash log explained: registers, addresses, error codes, and the instructions of its `Code:` line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kernfix.crash.model import Span
from kernfix.lsp import markdown
from kernfix.lsp.analysis import Analysis

if TYPE_CHECKING:
    from kernfix.crash.explain import Explained, Found
    from kernfix.crash.model import Crash

_CODE = re.compile(r"Code:\s*(?P<words>[0-9a-f<>(][0-9a-f<>() ]*)")
_S390_ROW = re.compile(r" [0-9a-f]{8,16}: ?([0-9a-f]{4,12})\b")
_ROW = re.compile(r"[0-9a-f<>()#]+")
_PAGE = 4096


def explain_at(analysis: Analysis, line: int, character: int) -> tuple[Span, list[str]] | None:
    """What the value under a character of the log is, as paragraphs of Markdown, and where it is; None where there is none to explain.

    On the line of the code it is the instructions, with the one at the crash marked. Lines and characters are 0-based.
    """
    from kernfix.crash import explain

    if not 0 <= line < len(analysis.text.lines):
        return None
    text = analysis.text.lines[line]
    crash = _crash(analysis, line)
    if explain.is_code(text):
        return _code(text, line, crash)
    found = explain.value_at(text, character)
    parts = _value(found, crash) if found else []
    return (Span(line, found.start, found.end), parts) if found and parts else None


def _crash(analysis: Analysis, line: int) -> Crash | None:
    """The crash that a line belongs to; else the last one before it: registers may come late."""
    there = analysis.crashes_in(line, line)
    before = [index for index, crash in enumerate(analysis.crashes) if crash.start_line <= line]
    index = next(iter([*there, *reversed(before)]), None)
    return None if index is None else analysis.crashes[index]


def _value(found: Found, crash: Crash | None) -> list[str]:
    from kernfix.crash import explain

    arch, registers = (crash.arch, crash.registers) if crash else (None, {})
    digits = f"0x{found.digits.removeprefix('0x')}"
    name = f"**{markdown.code(found.name)}** " if found.name else ""
    said = explain.explain(found.value, arch, registers, found.name or "")
    others = [
        other for other, value in registers.items() if other != found.name and value == digits and found.value > _PAGE
    ]
    part = _part(found, digits, crash) if crash and found.is_register else []
    if not part and (not said or (found.name is None and said[0].startswith("the number"))):
        return []
    also = (f"also in {', '.join(others)}",) if others and said else ()
    told = _list([*said, *also])
    return [f"{name}{markdown.code(digits)}", *([told] if told else []), *part]


def _part(found: Found, digits: str, crash: Crash) -> list[str]:
    """What a register does in the instruction at the crash."""
    from kernfix.crash import explain

    name = found.name or ""
    if crash.registers.get(name) not in (None, digits):
        return [markdown.plain("This is not the crash's own register: a program's, or another processor's.")]
    if crash.code is None:
        return []
    explained = explain.explain_crash(crash)
    roles = [f"{name} is {role}" for role in explained.roles.get(name, ())]
    return [
        *([_list(roles)] if roles else []),
        *([_told(explained)] if roles and name not in explained.operands else []),
    ]


def _code(text: str, line: int, crash: Crash | None) -> tuple[Span, list[str]] | None:
    """The code of the crash where the line has it; else that of a program or another processor, whose registers are not known."""
    from kernfix.crash import explain

    start, end = text.index("Code:"), len(text.rstrip())
    match = _CODE.search(text)
    words = _S390_ROW.findall(text) or (match["words"] if match else "").split()
    if crash and crash.code and _holds(crash.code, words):
        explained = explain.explain_crash(crash)
    elif crash and words:
        explained = explain.explain_code(" ".join(words), crash.arch, {})
    else:
        return None
    if explained.listing.trapping is None:
        return Span(line, start, end), [markdown.plain(explained.listing.problem)]
    told = [_told(explained)] if explained.sentences else []
    return Span(line, start, end), [*_title(explained), markdown.block(_listing(explained), "asm"), *told]


def _holds(code: str, words: list[str]) -> bool:
    """Whether a line has the crash's code, or one row of it (s390 and older powerpc print rows)."""
    plain = [re.sub(r"[<>()#]", "", word) for word in code.split()]
    rows = [re.sub(r"[<>()#]", "", word) for word in words if _ROW.fullmatch(word)]
    return bool(rows) and (plain[: len(rows)] == rows or rows[0] == plain[0])


def _title(explained: Explained) -> list[str]:
    if explained.function is None:
        return []
    where = markdown.code(f"{explained.function}+{explained.offset:#x}")
    return [f"Code at {where}" + (", where the processor faulted" if explained.faulted else "")]


def _listing(explained: Explained) -> str:
    rows = [(f"{explained.offset + its.offset:+#x}", its) for its in explained.listing.instructions]
    width = max(len(place) for place, _ in rows)
    trapping = explained.listing.trapping
    return "\n".join(f"{'>' if its is trapping else ' '} {place:>{width}}  {its.text}" for place, its in rows)


def _told(explained: Explained) -> str:
    """The instruction and what is known of it; its sentences quote code with backticks."""
    trapping = explained.listing.trapping
    first = [f"{markdown.code(trapping.text)}:"] if trapping else []
    return " ".join([*first, *(_quoted(sentence) for sentence in explained.sentences)])


def _list(sentences: list[str]) -> str:
    return "\n".join(f"- {_quoted(sentence)}" for sentence in sentences)


def _quoted(sentence: str) -> str:
    """A sentence as Markdown: what stands between backticks as code, the rest plain."""
    parts = sentence.split("`")
    if len(parts) % 2 == 0:  # a lone backtick
        return markdown.plain(sentence)
    shown = [markdown.code(part) if number % 2 else _plain(part) for number, part in enumerate(parts) if part]
    return "".join(shown)


def _plain(text: str) -> str:
    """Plain, with the spaces at its ends."""
    lead, trail = " " * (text[:1] == " "), " " * (text[-1:] == " " and len(text) > 1)
    return f"{lead}{markdown.plain(text)}{trail}"
