"""Addresses of source lines that survive edits."""

from __future__ import annotations

import hashlib

from kernfix.source.model import Function


def make_selector(path: str, line: int, function: Function | None, text: str) -> str:
    """``path#symbol+offset~hash`` of 1-based `line`, whose text is `text`: the hash is the first 8 hexadecimal digits of the SHA-256 of
    the text without surrounding blanks, the offset is in lines from the function's first, or from the file's when there is none.
    """
    digest = hashlib.sha256(text.strip().encode("utf-8", "surrogateescape")).hexdigest()[:8]
    symbol, offset = (function.name, line - function.start) if function else ("", line - 1)
    return f"{path}#{symbol}+{offset}~{digest}"
