"""Signs that a patch hides a crash instead of fixing it. They are textual and only advise: a good fix may show one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from kernfix.patch.model import Change
from kernfix.patch.text import changed_ranges, split_lines

_ASSERT = re.compile(
    r"\b(?:VM_)?(?:WARN(?:_ON|_ONCE|_ON_ONCE|_RATELIMIT|_TAINT(?:_ONCE)?)?|BUG(?:_ON)?|(?:VM|MMAP)_(?:BUG|WARN)_ON\w*|"
    r"BUILD_BUG_ON\w*|DEBUG_LOCKS_WARN_ON|CHECK_DATA_CORRUPTION|lockdep_assert\w*|might_sleep\w*|might_fault|assert\w*|\w+_ASSERT|"
    r"ASSERT\w*|RCU_LOCKDEP_WARN|KCSAN_\w+|static_assert)\s*\("
)
_LOCK = re.compile(
    r"\b(?:(?:raw_)?(?:spin|read|write|mutex|rt_mutex|ww_mutex|local|seq|bit_spin|rcu_read|srcu_read|bh|pte|folio|page|inode|task|device|rtnl)"
    r"_(?:try)?(?:un)?lock(?:_\w+)?|(?:lock|release)_sock\w*|(?:down|up)_(?:read|write)\w*|(?:read|write)_seq\w+|rtnl_(?:un)?lock|"
    r"(?:scoped_)?guard|preempt_(?:dis|en)able\w*|local_irq_(?:save|restore|disable|enable)|local_bh_(?:dis|en)able|rcu_dereference\w*|"
    r"__(?:must_hold|acquires|releases|guarded_by)|synchronize_rcu\w*|rcu_barrier)\s*\("
)
_SILENCER = re.compile(
    r"\b(?:__no_(?:sanitize\w*|kasan\w*|kcsan|kmsan\w*)|__no_sanitize_\w+|__disable_sanitizer_instrumentation|kasan_disable_current|"
    r"kmsan_disable_current|lockdep_off|lockdep_set_novalidate_class|debug_locks_off|kmemleak_ignore|kmemleak_not_leak|data_race|"
    r"(?:KASAN|KCSAN|UBSAN|KMSAN|KCOV)_\w*(?:SANITIZE|INSTRUMENT)\w*)\b"
)
_SANITIZER_CODE = re.compile(
    r"mm/(?:kasan|kmsan|kfence)/|mm/(?:kmemleak|page_poison|page_owner)\.c|kernel/kcsan/|kernel/locking/lockdep|kernel/(?:panic|hung_task|watchdog)\w*\.c|"
    r"lib/(?:ubsan|bug|refcount|list_debug|debugobjects|fault-inject\w*)\.[ch]|lib/Kconfig\.(?:kasan|kcsan|kmsan|ubsan|kfence|debug)|"
    r"include/linux/(?:kasan|kmsan|kfence|kcsan|ubsan|bug|lockdep|refcount|instrumented)\w*[-\w]*\.h|include/asm-generic/bug\.h|"
    r"arch/\w+/(?:include/asm/(?:bug|kasan)\.h|kernel/traps\.c|mm/kasan\w*\.c)|scripts/Makefile\.(?:kasan|kcsan|kmsan|ubsan|kcov)"
)
_KCONFIG = re.compile(r"(?:^|/)Kconfig[^/]*$")
_MAKEFILE = re.compile(r"(?:^|/)(?:Makefile|Kbuild)[^/]*$")
_CONFIG = re.compile(r"(?:^|/)(?:\.config|[^/]*\.config|[^/]*defconfig)$")

_COMMENT = re.compile(r"\s*(?://|/?\*)")
_DECLARATION = re.compile(r"\s+(?!return\b|goto\b|else\b)[A-Za-z_]\w*[\s*][\w\s*,\[\]]*(?:=[^;]*)?;\s*$")
_NEVER = re.compile(r"\s*(?:if\s*\(\s*(?:1|true)\s*\)\s*)?return\b")
_HEAD = re.compile(r"(\w+)\s*\(")


class _Delta(NamedTuple):
    """What a patch does to one file: the texts, and the lines that it takes out and puts in, comments left out."""

    path: str
    before: list[str]
    after: list[str]
    removed: list[str]
    added: list[str]
    added_at: frozenset[int]


def papering_over(change: Change) -> tuple[str, ...]:
    """The signs, each a sentence; none is no proof that the fix is right."""
    deltas = [_delta(path, change.before.get(path), change.after.get(path)) for path in sorted(change.after)]
    return tuple(sign for delta in deltas for look in _LOOKS for sign in look(delta))


def _delta(path: str, before: str | None, after: str | None) -> _Delta:
    old, new = split_lines(before or ""), split_lines(after or "")
    ranges = changed_ranges(old, new)
    removed = [line for i1, i2, _, _ in ranges for line in old[i1:i2] if not _COMMENT.match(line)]
    added_at = frozenset(at for _, _, j1, j2 in ranges for at in range(j1, j2))
    added = [new[at] for at in sorted(added_at) if not _COMMENT.match(new[at])]
    return _Delta(path, old, new, removed, added, added_at)


def _calls(pattern: re.Pattern[str], lines: list[str]) -> Counter[str]:
    return Counter(match[0].rstrip("( \t") for line in lines for match in pattern.finditer(line))


def _assertions(delta: _Delta) -> Iterator[str]:
    for name, count in (_calls(_ASSERT, delta.removed) - _calls(_ASSERT, delta.added)).items():
        yield f"{delta.path}: it takes out {_times(count)} {name}(), which is what notices the fault."


def _locks(delta: _Delta) -> Iterator[str]:
    """A lock changed for another one is a common right fix, so only the totals are compared."""
    removed, added = _calls(_LOCK, delta.removed), _calls(_LOCK, delta.added)
    if removed.total() > added.total():
        names = ", ".join(sorted(removed - added))
        yield f"{delta.path}: it drops locking ({names})."


def _silencers(delta: _Delta) -> Iterator[str]:
    for name in sorted(_calls(_SILENCER, delta.added) - _calls(_SILENCER, delta.removed)):
        yield f"{delta.path}: it adds {name}, which silences a detector."


def _sanitizer_code(delta: _Delta) -> Iterator[str]:
    if _SANITIZER_CODE.match(delta.path):
        yield f"{delta.path}: it edits the code that detects or reports faults."


def _switched_off(delta: _Delta) -> Iterator[str]:
    for pattern, which, look, what in _OFF:
        lines = delta.added if which == "added" else delta.removed
        other = delta.removed if which == "added" else delta.added
        hits = [line.strip() for line in lines if pattern.search(delta.path) and look.match(line) and line not in other]
        if hits:
            yield f"{delta.path}: it {what} (`{hits[0][:80]}`)."


def _deleted(delta: _Delta) -> Iterator[str]:
    if delta.before and not delta.after:
        yield f"{delta.path}: it deletes the whole file."


def _early_returns(delta: _Delta) -> Iterator[str]:
    """A `return` that the patch adds as the first statement of a function, so that nothing of it is done."""
    for at in sorted(delta.added_at):
        if _NEVER.match(delta.after[at]):
            opening = _opening(delta.after, at)
            if opening is not None:
                yield f"{delta.path}: {_function_name(delta.after, opening)} now returns before it does anything."


def _opening(lines: list[str], at: int) -> int | None:
    """The line of the column-0 brace above line `at`, when nothing but declarations and comments lies between."""
    for above in range(at - 1, -1, -1):
        line = lines[above]
        if line.startswith("{"):
            return above
        if line.strip() and not _COMMENT.match(line) and not _DECLARATION.match(line):
            return None
    return None


def _function_name(lines: list[str], opening: int) -> str:
    for line in reversed(lines[max(opening - 8, 0) : opening]):
        if line[:1].isalpha() or line[:1] == "_":
            match = _HEAD.search(line)
            return f"{match[1]}()" if match else "a function"
    return "a function"


def _times(count: int) -> str:
    return "a" if count == 1 else str(count)


_SOURCE = re.compile(r"\.[ch]$")
_OFF: tuple[tuple[re.Pattern[str], str, re.Pattern[str], str], ...] = (
    (_SOURCE, "added", re.compile(r"\s*#\s*if\s+0\b"), "switches code off"),
    (_CONFIG, "added", re.compile(r"# CONFIG_\w+ is not set"), "switches an option off"),
    (_CONFIG, "removed", re.compile(r"CONFIG_\w+=[ym]"), "takes an option out"),
    (
        _KCONFIG,
        "added",
        re.compile(r"\s*(?:depends on\s.*(?:BROKEN|!|\bn\b)|default n\b)"),
        "makes an option unavailable",
    ),
    (_KCONFIG, "removed", re.compile(r"\s*(?:select|imply|default y)\b"), "takes an option out"),
    (
        _MAKEFILE,
        "removed",
        re.compile(r"\s*(?:obj|lib|\w+-objs|[\w-]+)-(?:y|m|\$\(CONFIG_\w+\))\s*[+:]?="),
        "takes code out of the build",
    ),
)
_LOOKS: tuple[Callable[[_Delta], Iterator[str]], ...] = (
    _assertions,
    _locks,
    _early_returns,
    _silencers,
    _sanitizer_code,
    _switched_off,
    _deleted,
)
