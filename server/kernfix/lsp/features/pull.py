"""Diagnostics for clients that ask for them."""

from __future__ import annotations

from lsprotocol import types

from kernfix.lsp.session import KernfixServer


async def document(
    server: KernfixServer, params: types.DocumentDiagnosticParams
) -> types.RelatedFullDocumentDiagnosticReport:
    """The diagnostics of one document."""
    return types.RelatedFullDocumentDiagnosticReport(items=[])
