"""Inlay hints: in the log where a frame is in the code, in the code where it is on the stack of the active crash."""

from __future__ import annotations

from lsprotocol import types

from kernfix.lsp.features import onstack
from kernfix.lsp.session import KernfixServer


async def hints(server: KernfixServer, params: types.InlayHintParams) -> list[types.InlayHint]:
    """The hints of a range of a document."""
    log = server.log(params.text_document.uri)
    if log is None:
        return onstack.hints(server, params.text_document.uri, params.range)
    return []
