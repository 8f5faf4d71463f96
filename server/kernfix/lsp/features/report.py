"""``kernfix.report``: a crash as a bug report."""

from __future__ import annotations

from typing import Any

from lsprotocol import types

from kernfix.lsp.session import KernfixServer

COMMAND = "kernfix.report"


async def report(server: KernfixServer, params: types.ExecuteCommandParams) -> Any:
    """The text of the report."""
