"""What one file defines, in one pass over its bytes.

The kernel closes functions with a brace in column 0, so bodies are skipped by looking for the next one, and only what stands between
functions is read. Where that cannot be right (a brace in column 0 opens before one closes), the braces are counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from kernfix.source.index.assembly import labels
from kernfix.source.index.heads import Head, head_of
from kernfix.source.index.macros import closing, end_of_invocation, makers_of, split_arguments
from kernfix.source.index.model import Defined, Scan, Use

_USE = re.compile(rb"\n([A-Za-z_]\w*)\(")
_SMALL = 4096
_IGNORED = re.compile(
    rb"EXPORT|MODULE|MOD_|ACPI_EXPORT|NOKPROBE|ALLOW_ERROR_INJECTION|BTF_|NET_|BUILD_BUG|static_assert|LIST_HEAD|DEFINE_SPINLOCK"
    rb"|DEFINE_MUTEX|DEFINE_PER_CPU|DEFINE_STATIC_KEY|module_(?:param|init|exit)|early_param|__setup|\w*_initcall"
)
"""Macros that make no function, and are used most."""
_CONDITION = re.compile(
    rb"^[ \t]*#[ \t]*(ifdef|ifndef|if|else|elif|endif)\b([ \t]+0(?=[ \t]*(?:$|/)))?[^\n]*", re.MULTILINE
)
_TOKEN = re.compile(
    rb"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|[{}]|^[ \t]*#[ \t]*(?:if|else|elif|endif)",
    re.DOTALL | re.MULTILINE,
)


def scan(source: bytes, path: str) -> Scan:
    """What the text of the file at `path` adds to an index; the ending of the path tells the language. Never raises."""
    if path.endswith(".S"):
        return Scan(tuple(labels(source)))
    if len(source) > _SMALL and b"{" not in source and b";" not in source and b"\\\n" not in source:
        return Scan()  # nothing but numbers: half of the kernel's headers, by size
    reader = _Reader(source, lambda first, last: True)
    reader.read()
    return Scan(tuple(reader.defined), tuple(reader.uses), tuple(makers_of(source)))


def functions_of(source: bytes) -> list[Defined]:
    """The functions alone of a text in C."""
    reader = _Reader(source)
    reader.read()
    return reader.defined


def use_on(source: bytes, line: int) -> Use | None:
    """The macro alone that is invoked on 1-based `line` of a text in C."""
    reader = _Reader(source, lambda first, last: first <= line <= last)
    reader.read()
    return next((use for use in reader.uses if use.start <= line <= use.end), None)


class _Reader:
    """Goes through a text once; offsets only grow. `wants` says whether a macro counts that is invoked on these lines, first and last;
    without it none does.
    """

    def __init__(self, source: bytes, wants: Callable[[int, int], bool] | None = None) -> None:
        # With a line above, so that whatever begins a line has a line break before it.
        self._source = b"\n" + (_without_disabled(source) if b"if 0" in source else source)
        self._wants = wants
        self._line = 0
        self._counted = 0
        self.defined: list[Defined] = []
        self.uses: list[Use] = []

    def read(self) -> None:
        source = self._source
        gap = at = 0
        """Where what is between blocks begins, and where the next brace is looked for."""
        while (brace := source.find(b"{", at)) >= 0:
            skip = _not_code(source, gap, brace)
            if skip:
                at = skip
                continue
            begin = source.rfind(b"\n", gap, brace) + 1 or gap
            head = head_of(source, gap, brace)
            if isinstance(head, int):
                at = max(closing(source, head, len(source)) or 0, brace + 1)
            else:
                gap = at = self._block(head, gap, begin, brace)
        self._take_uses(gap, len(source))

    def _line_at(self, offset: int) -> int:
        self._line += self._source.count(b"\n", self._counted, offset)
        self._counted = offset
        return self._line

    def _block(self, head: Head | None, gap: int, begin: int, brace: int) -> int:
        """Take what stands before a brace and is not in a block; the offset behind the block."""
        source = self._source
        if head is None:
            self._take_uses(gap, begin)
            return brace + 1 if source[begin : begin + 8] == b'extern "' else _end_of_data(source, brace)
        self._take_uses(gap, head.start)
        start = self._line_at(head.start)
        end = _end_of_body(source, brace)
        last = self._line_at(end - 1)
        self.defined += [Defined(name, start, last) for name in head.names]
        if head.macro:
            self.uses.append(Use(head.macro, head.arguments, start, last))
        return end

    def _take_uses(self, gap: int, end: int) -> None:
        """The macros that are invoked in column 0 of what is between blocks."""
        if self._wants is None:
            return
        for match in _USE.finditer(self._source, max(gap - 1, 0), end):
            start, inside = match.start(1), match.end()
            if _IGNORED.match(self._source, start):
                continue
            stop = end_of_invocation(self._source, start, inside - 1, end)
            if stop and start >= self._counted:
                first, last = self._line_at(start), self._line_at(stop - 1)
                if self._wants(first, last):
                    arguments = split_arguments(self._source[inside : stop - 1])
                    self.uses.append(Use(match[1].decode(), arguments, first, last))


def _without_disabled(source: bytes) -> bytes:
    """The text with what is between ``#if 0`` and its ``#else`` or ``#endif`` blanked; as long, and with as many lines."""
    depth = start = 0
    spans: list[tuple[int, int]] = []
    for match in _CONDITION.finditer(source):
        word = match[1]
        if word.startswith(b"if"):
            if depth:
                depth += 1
            elif match[2]:
                depth, start = 1, match.end()
        elif depth and (word == b"endif" or depth == 1):
            depth -= 1
            if not depth:
                spans.append((start, match.start()))
    pieces: list[bytes] = []
    at = 0
    for first, last in spans:
        lines = source.count(b"\n", first, last)
        pieces += [source[at:first], b" " * (last - first - lines), b"\n" * lines]
        at = last
    return b"".join(pieces) + source[at:]


def _not_code(source: bytes, gap: int, brace: int) -> int:
    """Where to go on when a brace is in a comment or in a preprocessor line, else 0."""
    comment = source.rfind(b"/*", gap, brace)
    if comment >= 0 and source.find(b"*/", comment + 2, brace) < 0:
        end = source.find(b"*/", brace)
        return end + 2 if end >= 0 else len(source)
    begin = source.rfind(b"\n", gap, brace) + 1 or gap
    if b"//" in source[begin:brace]:
        end = source.find(b"\n", brace)
        return end if end >= 0 else len(source)
    while begin > gap and source[max(begin - 3, 0) : begin - 1].rstrip()[-1:] == b"\\":
        begin = source.rfind(b"\n", gap, begin - 1) + 1 or gap
    return _end_of_directive(source, brace) if source[begin:brace].lstrip()[:1] == b"#" else 0


def _end_of_directive(source: bytes, at: int) -> int:
    end = source.find(b"\n", at)
    while end > 0 and source[max(end - 2, 0) : end].rstrip()[-1:] == b"\\":
        end = source.find(b"\n", end + 1)
    return end if end >= 0 else len(source)


def _end_of_body(source: bytes, brace: int) -> int:
    """The offset behind a function's body."""
    line_end = source.find(b"\n", brace)
    rest = source[brace : line_end if line_end >= 0 else len(source)]
    if b"}" in rest and rest.count(b"{") == rest.count(b"}"):
        return brace + len(rest.rstrip())
    indent = source[source.rfind(b"\n", 0, brace) + 1 : brace]
    closer = b"\n" + indent + b"}" if indent.isspace() else b"\n}"
    end = source.find(closer, brace)
    if end < 0 or source.find(b"\n{", brace, end) >= 0:
        return _counted_end(source, brace, end + 2 if end >= 0 else len(source))
    return end + len(closer)


def _end_of_data(source: bytes, brace: int) -> int:
    """The offset behind the braces of a type or an initialiser."""
    line_end = source.find(b"\n", brace)
    rest = source[brace : line_end if line_end >= 0 else len(source)]
    if b"}" in rest and rest.count(b"{") == rest.count(b"}"):
        return brace + rest.rfind(b"}") + 1
    end = source.find(b"\n}", brace)
    if (
        end < 0
        or source.find(b")\n{", brace, end) >= 0
        or source.find(b") {", brace, end) >= 0
        or _is_values(source, brace, end)
    ):
        return _counted_end(source, brace, end + 2 if end >= 0 else len(source))
    return end + 2


def _is_values(source: bytes, brace: int, end: int) -> bool:
    """Whether an initialiser (``= {``) holds statements: then it has ended before."""
    return source[max(brace - 8, 0) : brace].rstrip()[-1:] == b"=" and source.find(b";", brace, end) >= 0


def _counted_end(source: bytes, brace: int, fallback: int) -> int:
    """The offset behind the brace that closes the one at `brace`; of ``#if`` branches each begins as deep as the first."""
    depth = 0
    outer: list[int] = []
    for match in _TOKEN.finditer(source, brace):
        token = match[0]
        if token == b"{":
            depth += 1
        elif token == b"}":
            depth -= 1
            if depth <= 0:
                return match.end()
        elif token.endswith(b"if") and not token.endswith((b"elif", b"endif")):
            outer.append(depth)
        elif token.endswith((b"else", b"elif")) and outer:
            depth = outer[-1]
        elif token.endswith(b"endif") and outer:
            outer.pop()
    return fallback
