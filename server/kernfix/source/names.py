"""The names of symbols in a running kernel, and of the functions that they were compiled from."""

from __future__ import annotations

import re

_SYSCALL = re.compile(r"(?:__[a-z0-9]+_(compat_)?sys_|(C_|compat_)?(?:SYSC|SyS)_)(\w+)")
"""Wrappers of a system call (include/linux/syscalls.h), such as ``__x64_sys_read``, ``__do_sys_read``, ``__se_compat_sys_ioctl``, and
before 4.17 ``SyS_read``, ``SYSC_read``, ``C_SYSC_ioctl``, ``compat_SyS_ioctl``.
"""

_PREFIXES = (
    ("____", ""),  # BPF_CALL_x (include/linux/filter.h)
    ("__pfx_", ""),  # padding before a function (scripts/kallsyms.c)
    ("__cfi_", ""),
    ("__exc_", "exc_"),  # DEFINE_IDTENTRY (arch/x86/include/asm/idtentry.h)
    ("noist_exc_", "exc_"),
    ("__sysvec_", "sysvec_"),
)


def definition_names(symbol: str) -> tuple[str, ...]:
    """The names under which the source may define `symbol`; a later one counts only where an earlier one is defined nowhere.

    What the compiler appends (``.isra.0``, ``.part.0``, ``.constprop.0``, ``.cold``, ``.llvm.123``) goes: no C name has a dot in it. System
    calls are called ``sys_read`` and ``compat_sys_read`` here, whatever their wrapper.
    """
    base = symbol.split(".", 1)[0]
    names = [base]
    if match := _SYSCALL.fullmatch(base):
        names.insert(0, f"{'compat_' if match[1] or match[2] else ''}sys_{match[3]}")
    names += [new + base[len(old) :] for old, new in _PREFIXES if base.startswith(old)]
    return tuple(dict.fromkeys(name for name in names if name))


def same_function(symbol: str, defined: str) -> bool:
    """Whether a frame of `symbol` can be in the function that the source defines as `defined`."""
    return defined in definition_names(symbol)
