"""Symbols of Rust and C++ as their programmers wrote them."""

from __future__ import annotations


def demangled(symbol: str) -> str | None:
    """The name behind a mangled symbol, without parameters; None for a symbol that is not mangled."""
    return None
