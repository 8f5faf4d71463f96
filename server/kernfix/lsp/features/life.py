"""From ``initialized`` on: what the server asks the client to be told of."""

from __future__ import annotations

from lsprotocol import types

from kernfix.lsp.session import KernfixServer


async def initialized(server: KernfixServer, _params: types.InitializedParams) -> None:
    """Ask to be told of changed settings."""
