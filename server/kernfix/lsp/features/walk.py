"""Walking the active crash: commands that show the next frame, the previous one, or where memory was allocated and freed."""

from __future__ import annotations

from typing import Any

from lsprotocol import types

from kernfix.lsp.features import commands
from kernfix.lsp.session import KernfixServer

NEXT = "kernfix.nextFrame"
PREVIOUS = "kernfix.previousFrame"
GO_TO = "kernfix.goTo"
ACTIVATE = "kernfix.activate"
DISMISS = "kernfix.dismiss"


async def next_frame(server: KernfixServer, params: types.ExecuteCommandParams) -> Any:
    """One frame further out."""


async def previous_frame(server: KernfixServer, params: types.ExecuteCommandParams) -> Any:
    """One frame further in."""


async def go_to(server: KernfixServer, params: types.ExecuteCommandParams) -> Any:
    """The line of the crash, of the allocation, or of the free."""


async def activate(server: KernfixServer, params: types.ExecuteCommandParams) -> Any:
    """Turn to another crash."""
    log, index = await commands.crash(server, ACTIVATE, params.arguments)
    server.crashes.activate(log, index)


async def dismiss(server: KernfixServer, params: types.ExecuteCommandParams) -> Any:
    """Be done with a crash; without an argument, with the active one."""
    log, index = await commands.crash(server, DISMISS, params.arguments)
    server.crashes.dismiss(log, index)
