"""Text that others wrote, made fit to be shown and sent: no terminal control, no hidden or reordering characters, bounded."""

from __future__ import annotations

import re

_ANSI = re.compile(r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|[@-Z\\-_])")
_HIDDEN = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and newline
    "\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"  # soft hyphen, zero width, bidirectional controls
    "\ud800-\udfff"  # bytes that were not UTF-8
    "\U000e0000-\U000e007f"  # tag characters: invisible copies of ASCII
    "]"
)


def clean(text: str, limit: int) -> str:
    """The text without escape sequences, control, bidirectional and invisible characters, cut to `limit` characters."""
    text = _HIDDEN.sub("", _ANSI.sub("", text.replace("\r\n", "\n")))
    return text if len(text) <= limit else text[:limit] + " […]"


def clean_line(text: str, limit: int = 300) -> str:
    """The same on one line: for messages."""
    return " ".join(clean(text, limit).split())
