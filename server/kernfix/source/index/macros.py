"""Functions that macros make: what each macro makes, where it is invoked, and the names that come of it.

Macros are read where they are defined, so that those of a driver are known as well as those of the kernel's headers:
``#define DEFINE_SHOW_ATTRIBUTE(name) static int name##_open(...) { ... }`` makes ``foo_open`` out of ``DEFINE_SHOW_ATTRIBUTE(foo);``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kernfix.source.index.model import Maker, Piece

_DEFINE = re.compile(rb"#[ \t]*define[ \t]+(\w+)\(((?:[^()\n\\]|\\\n)*)\)[ \t]*(?=[\\A-Za-z_])")
_BODY_LIMIT = 20_000
_NAME = rb"\b(\w+(?:\s*##\s*\w+){0,8})\s*\((?:[^(){};]|\((?:[^(){};]|\([^(){};]*\))*\))*\)"
_HEAD = re.compile(_NAME + rb"\s*(?:\w+(?:\([^(){}]*\))?\s*){0,4}\{")
_LAST_HEAD = re.compile(_NAME + rb"\s*\Z")
_CALL = re.compile(rb"\b(\w+)\s*\(")
_FIRST_WORD = re.compile(rb"(?!(?:for|if|while|do|switch|return)\b)[A-Za-z_]")
"""What makes a function begins with its type or with another macro, not with a statement."""
_COMMENT = re.compile(rb"/\*.*?(?:\*/|\Z)", re.DOTALL)
_PAREN = re.compile(rb"[()]|/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)
_COMMA = re.compile(rb"[(){}\[\],]|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)
_IDENTIFIER = re.compile(rb"\w{1,100}\Z")
_PASTE = re.compile(rb"\s*##\s*")
_KEYWORDS = frozenset(
    b"if for while switch return sizeof typeof __typeof__ defined do else __attribute__ likely unlikely".split()
)
_ASSEMBLER: dict[bytes, tuple[Piece, ...]] = {
    # arch/*/include/asm/static_call.h: the trampolines of static calls
    **dict.fromkeys((b"ARCH_DEFINE_STATIC_CALL_TRAMP", b"ARCH_DEFINE_STATIC_CALL_NULL_TRAMP"), ("__SCT__", 0)),
    **dict.fromkeys((b"ARCH_DEFINE_STATIC_CALL_RET0_TRAMP",), ("__SCT__", 0)),
    # arch/x86/include/asm/idtentry.h: the entries of exceptions
    **dict.fromkeys(
        (
            b"DECLARE_IDTENTRY", b"DECLARE_IDTENTRY_DEBUG", b"DECLARE_IDTENTRY_DF", b"DECLARE_IDTENTRY_ERRORCODE", b"DECLARE_IDTENTRY_IRQ",
            b"DECLARE_IDTENTRY_IST", b"DECLARE_IDTENTRY_MCE", b"DECLARE_IDTENTRY_NMI", b"DECLARE_IDTENTRY_RAW",
            b"DECLARE_IDTENTRY_RAW_ERRORCODE", b"DECLARE_IDTENTRY_SW", b"DECLARE_IDTENTRY_SYSVEC", b"DECLARE_IDTENTRY_VC",
            b"DECLARE_IDTENTRY_XENCB",
        ),
        ("asm_", 1),
    ),
}  # fmt: skip
"""Macros that make a function in assembler, which their C does not tell; it only declares others."""
_MOST_CALLS = 12
_MOST_ARGUMENTS = 12


def makers_of(source: bytes) -> Iterator[Maker]:
    """What the macros that a text defines make."""
    if b"define" not in source:
        return
    at = 0
    while match := _DEFINE.search(source, at):
        at = _end_of_line(source, match.end())
        body = source[match.end() : min(at, match.end() + _BODY_LIMIT)].replace(b"\\\n", b"\n")
        if b"/*" in body:
            body = _COMMENT.sub(b" ", body)
        body = body.strip()
        if match[1] in _ASSEMBLER:
            yield Maker(match[1].decode(), "", (_ASSEMBLER[match[1]],))
        elif _FIRST_WORD.match(body):
            yield from _makers(match[1], match[2], body)


def _end_of_line(source: bytes, at: int) -> int:
    """The end of the line at an offset and of those that it goes on in."""
    end = source.find(b"\n", at)
    while end > 0 and source[end - 1 : end] == b"\\":
        end = source.find(b"\n", end + 1)
    return end if end >= 0 else len(source)


def _makers(macro: bytes, parameters: bytes, body: bytes) -> Iterator[Maker]:
    stated = [name.strip() for name in parameters.replace(b"\\\n", b" ").split(b",")]
    names = {name.removesuffix(b"...") or b"__VA_ARGS__": number for number, name in enumerate(stated)}
    label = macro.decode()
    if b"##" in body and (pieces := _pieces(body.strip(), names)):
        yield Maker(label, "", (pieces,))
    heads = list(_HEAD.finditer(body)) if b"{" in body else []
    if not body.rstrip().endswith((b"}", b";")) and (last := _LAST_HEAD.search(_top(body))) and _is_typed(body, last):
        heads.append(last)
    for head in heads:
        pieces = _pieces(head[1], names)
        if head[1] not in _KEYWORDS and any(isinstance(piece, int) for piece in pieces):
            yield Maker(label, "", (pieces,))
    for number, call in enumerate(_CALL.finditer(top := _top(body))):
        if number >= _MOST_CALLS:
            break
        if call[1] in _KEYWORDS or call[1] in names or call[1] == macro:
            continue
        end = closing(top, call.end() - 1, len(top))
        inside = top[call.end() : end - 1] if end else b""
        arguments = tuple(_pieces(part.strip(), names) for part in _parts(inside))
        if any(isinstance(piece, int) for pieces in arguments for piece in pieces):
            yield Maker(label, call[1].decode(), arguments)


def _is_typed(body: bytes, head: re.Match[bytes]) -> bool:
    """Whether a type stands before the name, so that it is no mere call."""
    return body[: head.start()].rstrip()[-1:].isalnum() or body[: head.start()].rstrip()[-1:] in (b"*", b"_")


def _top(body: bytes) -> bytes:
    """A macro's text without what is in braces."""
    if b"{" not in body:
        return body
    kept: list[bytes] = []
    depth = 0
    for part in re.split(rb"([{}])", body):
        if part == b"{":
            depth += 1
        elif part == b"}":
            depth = max(depth - 1, 0)
            kept.append(b";")
        elif depth == 0:
            kept.append(part)
    return b"".join(kept)


def _pieces(text: bytes, names: Mapping[bytes, int]) -> tuple[Piece, ...]:
    """The pieces that ``a ## b ## _c`` is pasted from; nothing where it is no name."""
    parts = _PASTE.split(text)
    if not all(_IDENTIFIER.match(part) for part in parts):
        return ()
    return tuple(names[part] if part in names else part.decode() for part in parts)


def end_of_invocation(source: bytes, start: int, opening: int, limit: int) -> int | None:
    """The offset behind the macro that is invoked at `start`; None when it is a part of something else."""
    above = source[max(start - 200, 0) : start].rstrip(b" \t\r\n")
    if above and above[-1:] not in b";})/\\" and not above.rpartition(b"\n")[2].lstrip().startswith(b"#"):
        return None
    return closing(source, opening, limit)


def closing(text: bytes, opening: int, limit: int) -> int | None:
    """The offset behind the parenthesis that closes the one at `opening`, None when there is none before `limit`."""
    simple = text.find(b")", opening, limit)
    if simple < 0:
        return None
    if (
        text.find(b"(", opening + 1, simple) < 0
        and text.find(b'"', opening, simple) < 0
        and text.find(b"/*", opening, simple) < 0
    ):
        return simple + 1
    depth = 0
    for match in _PAREN.finditer(text, opening, limit):
        if match[0] == b"(":
            depth += 1
        elif match[0] == b")":
            depth -= 1
            if depth == 0:
                return match.end()
    return None


def split_arguments(inside: bytes) -> tuple[str, ...]:
    """The arguments of an invocation that are plain names, ``""`` for every other."""
    return tuple(
        part.decode() if _IDENTIFIER.match(part := raw.strip()) else "" for raw in _parts(inside)[:_MOST_ARGUMENTS]
    )


def _parts(inside: bytes) -> list[bytes]:
    if b"(" not in inside and b'"' not in inside and b"{" not in inside:
        return inside.split(b",")
    parts, depth, begin = [], 0, 0
    for match in _COMMA.finditer(inside):
        token = match[0]
        if token in b"([{":
            depth += 1
        elif token in b")]}":
            depth -= 1
        elif token == b"," and depth == 0:
            parts.append(inside[begin : match.start()])
            begin = match.end()
    return [*parts, inside[begin:]]
