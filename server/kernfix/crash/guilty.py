"""The source file to blame, where the log states source lines."""

from __future__ import annotations

import re

_PATH = re.compile(r"(?<![\w./+-])([\w./+-]+\.[ch]):\d")
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
        if match is None:
            continue
        path = _clean_path(match[1])
        first = first or path
        if guilty is not None and not _is_below(_folder(path), _folder(guilty)):
            continue
        if not (_BORING.match(path) or _LOCK_STATE.search(line)):
            guilty = path
    return guilty or first


def _folder(path: str) -> str:
    return path[: path.rfind("/") + 1]


def _is_below(folder: str, other: str) -> bool:
    return folder != other and folder.startswith(other)


def _clean_path(path: str) -> str:
    if not (path.startswith(".") or "/." in path or "//" in path):
        return path
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return ("/" if path.startswith("/") else "") + "/".join(parts)
