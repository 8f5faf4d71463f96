"""Code lenses: what can be done about a crash, over its headline and over the functions on its stack."""

from __future__ import annotations

from lsprotocol import types

from kernfix.lsp.features import onstack
from kernfix.lsp.session import KernfixServer


async def lenses(server: KernfixServer, params: types.CodeLensParams) -> list[types.CodeLens]:
    """The lenses of a document."""
    log = server.log(params.text_document.uri)
    if log is None:
        return onstack.lenses(server, params.text_document.uri)
    return []
