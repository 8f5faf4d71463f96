"""Turning to a crash, and being done with it."""

from __future__ import annotations

from typing import Any

from lsprotocol import types

from kernfix.lsp.features import commands
from kernfix.lsp.session import KernfixServer

ACTIVATE = "kernfix.activate"
DISMISS = "kernfix.dismiss"


async def activate(server: KernfixServer, params: types.ExecuteCommandParams) -> Any:
    """Turn to another crash."""
    log, index = await commands.crash(server, ACTIVATE, params.arguments)
    server.crashes.activate(log, index)


async def dismiss(server: KernfixServer, params: types.ExecuteCommandParams) -> Any:
    """Be done with a crash; without an argument, with the active one."""
    log, index = await commands.crash(server, DISMISS, params.arguments)
    server.crashes.dismiss(log, index)
