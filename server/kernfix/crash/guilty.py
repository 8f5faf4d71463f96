"""Whom to blame: the function of the title, and the source file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kernfix.crash.rules import Kind, Look
from kernfix.crash.skips import skip_pattern
from kernfix.crash.titles import base_name

STACK_START = re.compile(
    r"Call [Tt]race|Backtrace:|(?<!stack )backtrace(?: \(crc \w+\))?:"
    r"|^\s*(?:Allocated|Freed)(?: by task \d+)?:|(?:allocated|freed) by task \d+ on cpu"
    r"|Uninit was (?:stored to memory|created) at|^Local variable|badaddr: \w+ cause:"
)

_FRAME = re.compile(
    r"^[ \t>]*(?:\[<?[0-9a-f]{8,16}>?\] *){0,2}(?:\(\w+\) *)?(?:\? )?"
    r"(?:\(?([A-Za-z_][\w:]*)(?:\.\w[\w.]*)?\)? from (?:\[<?[0-9a-f]{8,16}>?\] )?\(?)?"
    r"([A-Za-z_][\w:]*)(?:\.[A-Za-z][\w.]*)?(?:\+0x[0-9a-f]+/| \([\w./+-]+:\d)"
)


def frame_functions(line: str) -> tuple[str, ...]:
    """The functions of a line that is an entry of a stack (arm prints callee and caller), else nothing."""
    match = _FRAME.match(line)
    return tuple(name for name in match.groups() if name) if match else ()


def _injected(line: str) -> bool:
    """Whether the stack is that of a fault injected for testing: it comes without a headline, in the middle of another report."""
    return "should_fail" in line and any(name.startswith("should_fail") for name in frame_functions(line))


def blamed_function(kind: Kind, lines: list[str]) -> str | None:
    """The function to blame in a report, or None where none can be named; `lines` begin with the headline."""
    skip = skip_pattern(kind.skip)
    for look in kind.looks:
        candidates = _candidates(look, lines, skip)
        if candidates is None:
            return None
        chosen = (kind.pick(candidates) if kind.pick else candidates[0]) if candidates else None
        if chosen:
            return chosen
    return None


def _candidates(look: Look, lines: list[str], skip: re.Pattern[str]) -> list[str] | None:
    """The functions that a look passes, innermost first; None when an injected fault makes the stack worthless."""
    found: list[str] = []
    for line, names in _passed(look, lines):
        if not found and _injected(line):
            return None
        found += [base_name(name) for name in names if not skip.search(base_name(name))]
    return found


def _passed(look: Look, lines: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every line on the way of a look, with the functions that are read from it; the way ends at a pattern that nothing fits."""
    at = 0
    for step in look:
        pattern = step if isinstance(step, re.Pattern) else None
        while at < len(lines) and (pattern or not STACK_START.search(lines[at])):
            line = lines[at]
            at += 1
            match = pattern.search(line) if pattern else None
            if pattern is None:
                yield line, frame_functions(line)
            elif match is None:
                yield line, ()
            else:
                yield line, tuple(group for group in match.groups() if group)[:1]
                break


_PATH = re.compile(r"([\w./+-]{1,200}\.[ch]):\d+")
_LOCK_STATE = re.compile(r"(?:hard|soft)irqs last (?:en|dis)abled|, at: |^\s*#\d+:|Register [rx]\d+ information")
_BORING = re.compile(
    r".*\.h$|^lib/|^virt/lib/|^mm/(?:kasan|kmsan|kfence)/|^kernel/(?:locking|rcu|sched|time/timer|printk)|^trusty/|^mm/percpu"
    r"|^mm/(?:slab|slub|slab_common|filemap|folio-compat|truncate|memory|vmalloc|page_alloc|mempool|util)\.c$"
    r"|^kernel/(?:kcov|panic|printk|softirq|kthread|stacktrace|workqueue)\.c$|^net/core/(?:dev|sock|skbuff)\.c$|^fs/proc/generic\.c$"
    r"|^drivers/usb/core/urb\.c$|^arch/.*(?:/traps|/unwind|mm/fault|mm/physaddr|/stacktrace|/apic/apic|lib/crc)"
    r"|^arch/arm64/kernel/(?:entry|process)"
)


def guilty_file(lines: list[str], after: re.Pattern[str] | None = None) -> str | None:
    """The source file to blame, where the log states source lines; else None.

    The first file on the way down that is not plumbing; a later file in a folder below that file's own folder is preferred to it
    (the file system rather than the VFS).
    Where `after` is found, the lines below it are tried first.
    """
    at = next((no + 1 for no, line in enumerate(lines) if after.search(line)), None) if after else None
    return (_guilty_file(lines[at:]) if at else None) or _guilty_file(lines)


def _guilty_file(lines: list[str]) -> str | None:
    first: str | None = None
    guilty: str | None = None
    for line in lines:
        match = _PATH.search(line) if ".c:" in line or ".h:" in line else None
        if match is None or _LOCK_STATE.search(line):
            continue
        path = _clean_path(match[1])
        first = first or path
        if _BORING.match(path):
            continue
        if guilty is None or (_folder(path) != _folder(guilty) and _folder(path).startswith(_folder(guilty))):
            guilty = path
    return guilty or first


def _folder(path: str) -> str:
    return path[: path.rfind("/") + 1]


def _clean_path(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return ("/" if path.startswith("/") else "") + "/".join(parts)
