"""Text from logs and trees for a hover. It is untrusted: nothing of it may become a link, an image or markup."""

from __future__ import annotations

import re

_RUN = re.compile(r"`+")
# An underscore within a word is no markup (CommonMark 0.31, section 6.2), and function names are full of them.
_SPECIAL = re.compile(r"([\\`*{}\[\]<>()#+\-.!|~&:]|(?<!\w)_|_(?!\w))")


def plain(text: str) -> str:
    """`text` as a run of ordinary characters on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """`text` as code within a line."""
    ticks = "`" * (_longest(text) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{' '.join(text.split())}{pad}{ticks}"


def block(text: str, language: str) -> str:
    """`text` as a block of code that it cannot break out of."""
    fence = "`" * max(3, _longest(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _longest(text: str) -> int:
    return max((len(run) for run in _RUN.findall(text)), default=0)
