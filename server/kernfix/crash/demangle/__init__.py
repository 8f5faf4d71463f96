"""Symbols of Rust and C++ as their programmers wrote them.

Three manglings are read: Rust's v0 (RFC 2603, `v0`), the one Rust had before (`legacy`), and that of the Itanium C++ ABI, section 5.1
(`itanium`), from which the second borrows its frame. Symbols come out of logs, so that any of them may be made up: reading one never
raises, takes time linear in its length, and yields a short text of printable characters.
"""

from __future__ import annotations

import re

from kernfix.crash.demangle.cursor import NAME_LIMIT, Unreadable
from kernfix.crash.demangle.itanium import itanium_name
from kernfix.crash.demangle.legacy import legacy_name
from kernfix.crash.demangle.v0 import v0_name

_PREFIXES = ("_R", "_Z", "__R", "__Z")

_SYMBOL_LIMIT = 4096
"""Characters of a symbol; the kernel keeps no name of more than 512 (``KSYM_NAME_LEN``)."""

_SUFFIX = re.compile(r"(?:\.[\w.$@]+)?", re.ASCII)
_THIN_LTO = re.compile(r"\.llvm\.[0-9A-F@]+(?=\.|$)")


def demangled(symbol: str) -> str | None:
    """The name behind a mangled symbol, or None for a symbol that is not mangled or cannot be read.

    Rust names are without the hashes of crates and instances, as ``rustc-demangle`` prints them in its alternate form; C++ names are
    without parameters and return types. What the compiler hung on the symbol (``.cold``) stays, but for the number that link time
    optimisation tells copies apart by (``.llvm.1234``). A name of more than 1,000 characters is cut and ends in an ellipsis.
    """
    if not symbol.startswith(_PREFIXES) or len(symbol) > _SYMBOL_LIMIT:
        return None
    try:
        name, suffix = _read(symbol.lstrip("_"))
    except Unreadable:
        return None
    if not _SUFFIX.fullmatch(suffix):
        return None
    shown = name + _THIN_LTO.sub("", suffix)
    return shown if len(shown) <= NAME_LIMIT else shown[: NAME_LIMIT - 1] + "…"


def _read(mangled: str) -> tuple[str, str]:
    if mangled.startswith("R"):
        return v0_name(mangled[1:])
    if mangled.startswith("ZN"):
        try:
            return legacy_name(mangled[2:])
        except Unreadable:
            pass
    return itanium_name(mangled[1:])
