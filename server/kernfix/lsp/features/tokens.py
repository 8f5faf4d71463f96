"""Semantic tokens of a log."""

from __future__ import annotations

from lsprotocol import types

from kernfix.lsp.session import KernfixServer

LEGEND = types.SemanticTokensLegend(token_types=[], token_modifiers=[])


async def full(server: KernfixServer, params: types.SemanticTokensParams) -> types.SemanticTokens:
    """The tokens of the whole log."""
    return types.SemanticTokens(data=[])


async def of_range(server: KernfixServer, params: types.SemanticTokensRangeParams) -> types.SemanticTokens:
    """The tokens of some of its lines."""
    return types.SemanticTokens(data=[])
