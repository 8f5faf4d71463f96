"""What of a log is noise: folded, a reader sees the crash."""

from __future__ import annotations

from lsprotocol import types

from kernfix.lsp.session import KernfixServer


async def ranges(server: KernfixServer, params: types.FoldingRangeParams) -> list[types.FoldingRange]:
    """The stretches to fold."""
    return []
