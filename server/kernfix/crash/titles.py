"""Canonical titles: two runs of the same bug must give the same words.

Numbers, addresses and names that change from run to run become placeholders. The steps and their order are those of syzkaller's
dashboard, so that a title can be looked up there.
"""

from __future__ import annotations

import re
from functools import lru_cache

TITLE_LIMIT = 120
"""Bytes that a title is made of, those that are left out of it included."""

_STEPS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"syz-executor\.?[0-9]+((?:/|:)[0-9]+)?", "syz-executor"),
        (r"syzkaller[0-9]+((?:/|:)[0-9]+)?", "syzkaller"),
        (r"(?<=[^0-9a-zA-Z])(?:0x)?[0-9a-f]{6,}", "ADDR"),
        (r"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])", "IP"),
        (r"(\.[ch]):[0-9]+(?::[0-9]+)?", r"\1:LINE"),
        (r"([A-Za-z0-9_])\+0x[0-9a-f]+/0x[0-9a-f]+", r"\1"),
        (r"CPU#[0-9]+", "CPU"),
        (r"(?<![A-Za-z0-9_])[0-9]+(?![A-Za-z0-9_])", "NUM"),
        (r"[0-9]{8,}", "NUM"),
    )
)
_CHANGING = re.compile(r"[0-9]|[a-f]{6}|syz")
"""Without any of these, no step has anything to do."""
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
_UNDECODED = re.compile(r"[\udc80-\udcff]")
"""Bytes that are no UTF-8, as `kernfix.crash.decode` leaves them."""

_SYSCALL = (
    "__x64_", "__ia32_", "__arm64_", "__se_sys_", "__do_sys_", "__se_",
    "SyS_", "SYSC_", "compat_SyS_", "compat_SYSC_", "compat_sys_",
    "sys_", "__sys_", "___sys_", "____sys_", "ksys_",
)  # fmt: skip
"""What wraps the entry of a system call. Only one is taken off: the entry of ``__x64_sys_foo`` is ``sys_foo``."""
_SYMBOL = re.compile(r"[\w:$]+(?=\.)")
_SUFFIX = re.compile(r"\.(?:isra|part|constprop|cold|llvm|lto_priv|localalias|clone|ipa_ra|ctor)(?=[.\d]|$).*|\.\d+$")
"""Those of a Rust or C++ name, which may have dots of its own (``{{vtable.shim}}``)."""

_GROUPS = (
    (re.compile(r"^_*smp_call_function"), "smp_call_function"),
    (re.compile(r"^_*synchronize_(?:s?rcu|net|sched)"), "synchronize_rcu"),
)
"""Functions that are many and mean the same when a processor spins or a task waits in them."""


@lru_cache(maxsize=4096)
def normalised(title: str) -> str:
    """A title without what changes from run to run."""
    if _CHANGING.search(title):
        for pattern, replacement in _STEPS:
            title = pattern.sub(replacement, title)
    if not title.isascii():
        title = _UNDECODED.sub("\x7f", title).encode("utf-8", "surrogatepass")[:TITLE_LIMIT].decode("utf-8", "ignore")
    title = _UNPRINTABLE.sub("", title[:TITLE_LIMIT].replace("\t", " "))
    return " ".join(title.split())


@lru_cache(maxsize=8192)
def base_name(function: str) -> str:
    """A symbol without what the compiler hung on it (``.isra.0``, ``.part.3``, ``.cold``)."""
    symbol = _SYMBOL.match(function)
    return symbol[0] if symbol else _SUFFIX.sub("", function)


def plain_names(function: str, *, grouped: bool = True) -> tuple[str, ...]:
    """The names that a system call's entry function goes by, shortest first; just the name for every other function.

    ``__se_sys_foo`` is one of several wrappers of the same call, and which of them the stack shows depends on the build. With `grouped`
    (a task that hangs, a processor that is stuck) a function that stands for a group of them goes by the group's name first.
    """
    if grouped:
        for pattern, group in _GROUPS:
            if pattern.match(function):
                return (group,) if group == function else (group, function)
    names = {function}
    for prefix in _SYSCALL:
        if function.startswith(prefix) and len(function) > len(prefix):
            names.add(function[len(prefix) :])
    return tuple(sorted(names, key=len))
