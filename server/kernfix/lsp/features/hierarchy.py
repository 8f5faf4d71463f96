"""Call hierarchy that is the crash stack: callers from the trace first, then from the tree."""

from __future__ import annotations

from lsprotocol import types

from kernfix.lsp.session import KernfixServer


async def prepare(
    server: KernfixServer, params: types.CallHierarchyPrepareParams
) -> list[types.CallHierarchyItem] | None:
    """The frame or function under the cursor."""
    return None


async def incoming(
    server: KernfixServer, params: types.CallHierarchyIncomingCallsParams
) -> list[types.CallHierarchyIncomingCall]:
    """Who called it."""
    return []


async def outgoing(
    server: KernfixServer, params: types.CallHierarchyOutgoingCallsParams
) -> list[types.CallHierarchyOutgoingCall]:
    """What it called."""
    return []
