"""Words of logs, makefiles, guests and runners on the user's terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """One line of text from elsewhere, safe for a terminal: no control characters, nothing that cannot be encoded; tabs are spaces."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text.replace("\t", " "))
