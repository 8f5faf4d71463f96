"""The same function in all stacks of a log."""

from __future__ import annotations

from lsprotocol import types

from kernfix.lsp.session import KernfixServer


async def highlights(server: KernfixServer, params: types.DocumentHighlightParams) -> list[types.DocumentHighlight]:
    """The places of the function under the cursor."""
    return []
