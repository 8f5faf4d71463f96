"""Kernel idioms that are no C to a grammar without a preprocessor, blanked or rewritten in place.

Every rule keeps the length of the text and its line breaks, so that offsets into the result are offsets into the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from kernfix.source.index.heads import ATTRIBUTES

_WORDS = (
    "__always_inline|__always_unused|__attribute_const__|__bitwise|__bpf_kfunc|__cold|__cpuidle|__deprecated|__exception_irq_entry|__exit|"
    "__extension__|__flatten|__force|__head|__init|__init_memblock|__init_or_module|__initdata|__inline|__inline__|__iomem|__irq_entry|"
    "__kprobes|__latent_entropy|__lockfunc|__maybe_unused|__meminit|__must_check|__naked|__net_exit|__net_init|__no_kasan_or_inline|"
    "__no_kcsan|__no_profile|__no_sanitize_address|__no_sanitize_memory|__no_sanitize_or_inline|__no_sanitize_thread|"
    "__no_sanitize_undefined|__no_stack_protector|__nocfi|__noendbr|__nonstring|__noreturn|__noscs|__packed|__percpu|__private|__pure|"
    "__rcu|__read_mostly|__ref|__ro_after_init|__sched|__softirq_entry|__unused|__used|__user|__visible|__weak|____cacheline_aligned|"
    "____cacheline_aligned_in_smp|__cacheline_aligned|asmlinkage|fastcall|noinline|noinline_for_stack|noinline_for_tracing|noinstr|"
    "nokprobe_inline|notrace|INLINE|STATIC|STATIC_IFN_KUNIT|VISIBLE_IF_KUNIT"
)
_WORD = re.compile(rb"\b(?:" + _WORDS.encode() + rb")\b(?![ \t]*\()")
_WITH_ARGUMENTS = re.compile(rb"\b(?:" + b"|".join(sorted(ATTRIBUTES)) + rb")[ \t]*\(")
_LOOP = re.compile(
    rb"^([ \t]+)(\w*(?:for_each|foreach)\w*|scoped_(?:cond_)?guard|scoped_user_\w+)(?=[ \t]*\()", re.MULTILINE
)
_TAGGED_ARGUMENT = re.compile(rb"(?<=[(,])([ \t]*)(struct|union|enum)(?=[ \t]+\w+[ \t]*[,)])")
_TYPED_MACRO = re.compile(rb"\b((?:min|max|clamp|min_not_zero|rounddown|swap)_t\([ \t]*)([a-z][a-z0-9_ ]*)(?=,)")
_CASE_RANGE = re.compile(rb"^([ \t]*case[ \t][^:\n]{1,200}?)\.\.\.(?=[^:\n]{0,200}:)", re.MULTILINE)
_TOP_CALL = re.compile(rb"^[A-Za-z_]\w*\([^;{}\n]*\)[ \t]*(?:;[ \t]*)?$(?!\n[ \t{])", re.MULTILINE)
_MACRO_HEAD = re.compile(
    rb"^((?:static |asmlinkage |notrace )*)([A-Z][A-Z0-9_]*)\(([^(){};]*(?:\([^(){};]*\)[^(){};]*)*)\)(?=\s*\{)",
    re.MULTILINE,
)
_DIRECTIVE = re.compile(rb"[ \t]*#[ \t]*(\w*)")
_CODE = re.compile(rb"/\*.*?(?:\*/|$)|//.*|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")


def prepass(source: bytes) -> bytes:
    """`source` with the idioms gone; same length, same lines."""
    source = _without_directives(source)
    source = _MACRO_HEAD.sub(_rewrite_head, source)
    source = _blank_with_arguments(source)
    for pattern, rewrite in _RULES:
        source = pattern.sub(rewrite, source)
    return source


def blank(source: bytes) -> bytes:
    """White space of the same length and lines."""
    return re.sub(rb"[^\n]", b" ", source)


_RULES: tuple[tuple[re.Pattern[bytes], Callable[[re.Match[bytes]], bytes]], ...] = (
    (_WORD, lambda match: blank(match[0])),
    (_TOP_CALL, lambda match: blank(match[0])),
    (_LOOP, lambda match: match[1] + b"while".ljust(len(match[2]))),
    (_TAGGED_ARGUMENT, lambda match: match[1] + blank(match[2])),
    (_TYPED_MACRO, lambda match: match[1] + b"_" * len(match[2])),
    (_CASE_RANGE, lambda match: match[1] + b" + "),
)


def _blank_with_arguments(source: bytes) -> bytes:
    pieces: list[bytes] = []
    at = 0
    for match in _WITH_ARGUMENTS.finditer(source):
        end = _closing(source, match.end())
        if match.start() >= at and end is not None:
            pieces += [source[at : match.start()], blank(source[match.start() : end])]
            at = end
    return b"".join(pieces) + source[at:]


def _closing(source: bytes, at: int) -> int | None:
    """The offset after the parenthesis that closes the one before `at`, if it comes soon."""
    depth = 1
    for offset in range(at, min(at + 512, len(source))):
        depth += (source[offset] == 0x28) - (source[offset] == 0x29)
        if depth == 0:
            return offset + 1
    return None


def _rewrite_head(match: re.Match[bytes]) -> bytes:
    """The head of a function that a macro makes, as C: ``SYSCALL_DEFINE2(dup2, unsigned int, old, unsigned int, new)`` becomes
    ``long sys_dup2(unsigned int old, unsigned int new)``, ``DEFINE_IDTENTRY(exc_nmi)`` becomes ``void exc_nmi()``.
    """
    prefix, macro, arguments = match[1], match[2], match[3]
    kind = next((kind for kind in _MADE if macro.startswith(kind.macro)), _Made(b"", b"void", b"", False))
    name, comma, rest = arguments.partition(b",")
    before = blank(prefix) + kind.type + b" "
    # The macro's name makes room for type and prefix; a shorter one is none that we know.
    room = len(prefix) + len(macro) + 1 - len(before) - len(kind.prefix)
    if room < 1:
        return match[0]
    if not comma or not kind.parameters:
        # One byte more for the closing parenthesis, which the blank after the macro's own parenthesis pays for.
        head = (before + b" " * (room - 1) + kind.prefix + name.rstrip() + b"()").ljust(len(match[0]))
        return _lines_of(match[0], head)
    return before + b" " * room + kind.prefix + name + b"(" + _paired(rest) + b")"


def _lines_of(source: bytes, head: bytes) -> bytes:
    """`head` with the line breaks of `source` where it is blank; a name never spans lines."""
    return bytes(0x0A if old == 0x0A else new for old, new in zip(source, head, strict=True))


def _paired(arguments: bytes) -> bytes:
    """``type, name, type, name`` with every other comma blanked."""
    pieces = arguments.split(b",")
    result = pieces[0]
    for number, piece in enumerate(pieces[1:], 1):
        result += (b" " if number % 2 else b",") + piece
    return result


class _Made(NamedTuple):
    """A family of macros that make a function: its result type, what the name gets in front, whether ``type, name`` pairs follow."""

    macro: bytes
    type: bytes
    prefix: bytes
    parameters: bool


_MADE = (
    _Made(b"COMPAT_SYSCALL_DEFINE", b"long", b"compat_sys_", True),
    _Made(b"SYSCALL_DEFINE", b"long", b"sys_", True),
    _Made(b"SYSCALL32_DEFINE", b"long", b"sys_", True),
    _Made(b"BPF_CALL_", b"u64", b"", True),
    _Made(b"NOTRACE_BPF_CALL_", b"u64", b"", True),
)


def _without_directives(source: bytes) -> bytes:
    """Preprocessor lines blanked. Of ``#if A … #else B … #endif`` both branches stay where each is whole by itself; otherwise the first."""
    lines = source.split(b"\n")
    branches: list[list[int]] = []
    continued = False
    for number, line in enumerate(lines):
        match = None if continued else _DIRECTIVE.match(line)
        if match is None and not continued:
            continue
        continued = line.endswith(b"\\")
        lines[number] = b" " * len(line)
        if match is not None:
            _branch(match[1], number, branches, lines)
    return b"\n".join(lines)


def _branch(directive: bytes, number: int, stack: list[list[int]], lines: list[bytes]) -> None:
    """Keep the first lines of the open branches in `stack`, and judge them at their ``#endif``."""
    if directive in (b"if", b"ifdef", b"ifndef"):
        stack.append([number + 1])
    elif directive in (b"else", b"elif", b"elifdef", b"elifndef") and stack:
        stack[-1].append(number + 1)
    elif directive == b"endif" and stack:
        starts = stack.pop()
        spans = list(zip(starts, [*(start - 1 for start in starts[1:]), number], strict=True))
        if not all(_whole(lines[start:end]) for start, end in spans):
            for start, end in spans[1:]:
                lines[start:end] = [b" " * len(line) for line in lines[start:end]]


def _whole(lines: list[bytes]) -> bool:
    """Whether a branch is made of whole statements: its braces pair up and it does not end in the middle of one."""
    code = _CODE.sub(b"", b"\n".join(lines)).strip()
    return code.count(b"{") == code.count(b"}") and (not code or code[-1:] in b";},:")
