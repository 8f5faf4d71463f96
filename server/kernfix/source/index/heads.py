"""The head of a function: what stands before its opening brace."""

from __future__ import annotations

import re
from typing import NamedTuple

from kernfix.source.index.macros import closing, split_arguments

_LIMIT = 4000
"""Bytes before a brace in which its head is looked for."""
_COMMENT = re.compile(rb"/\*.*?(?:\*/|\Z)|//[^\n]*", re.DOTALL)
_DIRECTIVE = re.compile(rb"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
_TYPE = re.compile(rb"\b(?:struct|union|enum|typedef)\b[^;*]*\Z")
"""A type is being defined: what looks like a call stands before it."""
_CALL = re.compile(rb"([A-Za-z_]\w*)\s*\(")
_INVOKED = re.compile(rb"\n[A-Za-z_]\w*\(")
_POINTED = re.compile(rb"\(\s*\*[\s*]*(?:\w+[\s*]+)*?([A-Za-z_]\w*)\s*\(")
"""``int (*get(int a))(int b)``: a function that returns a function."""
_NO_FUNCTION = frozenset(
    b"if for while switch do else return sizeof asm __asm__ __asm typeof __typeof__ defined struct union enum case".split()
)
_TYPES = frozenset(b"void int long short char unsigned signed bool float double const".split())
ATTRIBUTES = frozenset(
    b"__acquires __releases __must_hold __attribute__ __attribute __alloc_size __no_sanitize __cond_acquires __printf __scanf __section "
    b"__aligned __counted_by __alias __realloc_size __free __cleanup __malloc __assume_aligned __diagnose_as __cond_lock "
    b"__compiletime_error __compiletime_warning __acquires_shared __releases_shared __cond_acquires_shared __must_hold_shared "
    b"__guarded_by __declspec "
    b"_Alignas __nonnull __no_sanitize_or_inline".split()
)
"""Attributes with arguments, which may stand before or behind a function's name."""
_PREFIXES = (
    (b"COMPAT_SYSCALL", "compat_sys_"),
    (b"SYSCALL", "sys_"),
    (b"SYSCALL32", "sys_"),
    (b"PPC32_SYSCALL", "sys_"),
)
"""Macros that hang something before the name that they are given (include/linux/syscalls.h)."""


class Head(NamedTuple):
    """Where it starts, the names that it defines, and the macro that makes it, if one does, with its arguments."""

    start: int
    names: tuple[str, ...]
    macro: str = ""
    arguments: tuple[str, ...] = ()


class _Call(NamedTuple):
    name: bytes
    start: int
    end: int


def head_of(source: bytes, gap: int, brace: int) -> Head | int | None:
    """The head of the function whose body opens at `brace`; None when it opens something else. Blocks have ended before `gap`.

    A number is the offset of a parenthesis in which the brace is: an argument of a macro.
    """
    low = max(gap, brace - _LIMIT)
    text = source[low:brace]
    if low > gap and (closed := text.find(b"*/")) >= 0 and text.find(b"/*", 0, closed) < 0:
        text = b" " * (closed + 2) + text[closed + 2 :]  # the end of a comment that begins above
    if b"/*" in text or b"//" in text:
        text = _COMMENT.sub(_blank, text)
    if b"#" in text:
        text = _DIRECTIVE.sub(_blank, text)
    line = text[text.rfind(b"\n") + 1 :]
    if line[:1].isspace() and (opened := _opened(text)) is not None:
        return low + opened
    if text.rstrip()[-1:] == b"=":
        return None
    begin = max(text.rfind(b";"), text.rfind(b"}")) + 1
    if not text[begin:].strip() and source[brace - 1 : brace] == b"\n":
        begin = _before_parameters(text)
    paragraph = text.rfind(b"\n\n", begin, len(text.rstrip()))
    while paragraph >= 0 and b"(" not in text[paragraph:]:
        paragraph = text.rfind(b"\n\n", begin, paragraph)
    begin = max(begin, paragraph + 1)
    head = _function(text[begin:])
    if isinstance(head, int):
        return low + begin + head
    return head and head._replace(start=low + begin + head.start)


def _opened(text: bytes) -> int | None:
    """The parenthesis of a macro invoked in column 0 that is still open at the end of `text`."""
    ends = [match.end() for match in _INVOKED.finditer(text)]
    if not ends or closing(text, ends[-1] - 1, len(text)) is not None:
        return None
    return ends[-1] - 1


def _blank(match: re.Match[bytes]) -> bytes:
    return b" " * (match.end() - match.start())


def _before_parameters(text: bytes) -> int:
    """Where a head begins that declares its parameters behind the parentheses, as C was written before 1989."""
    end = len(text.rstrip())
    opening = text.rfind(b")", 0, end)
    return (
        max(
            text.rfind(b";", 0, max(opening, 0)),
            text.rfind(b"}", 0, max(opening, 0)),
            text.rfind(b"\n\n", 0, max(opening, 0)),
        )
        + 1
    )


def _function(head: bytes) -> Head | int | None:
    """The head of a function in a text that ends where its body opens, or where a parenthesis is open still."""
    if b"(" not in head:
        return None
    calls = _calls(head)
    if calls and calls[-1].end == 0:
        return head.index(b"(", calls[-1].start)
    call = next((call for call in reversed(calls) if call.name not in ATTRIBUTES), None)
    if call is None or call.name in _NO_FUNCTION or b"=" in head[: call.start] or _TYPE.search(head, call.end):
        return None
    start = len(head) - len(head.lstrip())
    for other in calls[: calls.index(call)]:
        if other.name not in (ATTRIBUTES | _TYPES | {call.name}) and b"\n" in head[other.end : call.start]:
            start = other.end + len(head[other.end :]) - len(head[other.end :].lstrip())
    if call.name in _TYPES or head[call.end : call.end + 1] == b"(":
        pointed = _POINTED.search(head, call.start)
        if pointed:
            return Head(start, (pointed[1].decode(),))
        return None if call.name in _TYPES else _made(head, call, start)
    if call.name.isupper():
        return _made(head, call, start)
    return Head(start, (call.name.decode(),))


def _calls(head: bytes) -> list[_Call]:
    """Every ``name(...)`` that is in no other's parentheses; the end of one that is not closed is 0."""
    calls = []
    at = 0
    while match := _CALL.search(head, at):
        at = closing(head, match.end() - 1, len(head)) or 0
        calls.append(_Call(match[1], match.start(), at))
        if not at:
            break
    return calls


def _made(head: bytes, call: _Call, start: int) -> Head:
    """A function whose head is a macro: it is named after the first argument."""
    inside = head[head.find(b"(", call.start) + 1 : call.end - 1]
    arguments = split_arguments(inside)
    name = arguments[0] if arguments and arguments[0] not in ("", "void") else call.name.decode()
    prefix = next((prefix for macro, prefix in _PREFIXES if call.name.startswith(macro)), "")
    return Head(start, (prefix + name,), call.name.decode(), arguments)
