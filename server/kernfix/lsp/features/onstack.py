"""What the code knows of the active crash: the lines and functions that are on its stacks."""

from __future__ import annotations

from lsprotocol import types

from kernfix.lsp.session import KernfixServer


def hints(server: KernfixServer, uri: str, within: types.Range) -> list[types.InlayHint]:
    """``← #3 of KASAN: …`` at the end of each line on a stack."""
    return []


def lenses(server: KernfixServer, uri: str) -> list[types.CodeLens]:
    """A lens over each function on a stack."""
    return []
