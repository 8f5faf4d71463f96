"""Hover on the values of a log: what they are, and what part they have in the instruction at the crash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

CLIENTS = ["vscode", "neovim", "minimal"]
FRAME, CODE, REGISTERS = 8, 9, 11
"""Lines of the NULL dereference log."""


async def hover(editor: Any, uri: str, line: int, character: int) -> str | None:
    found = await editor.client.text_document_hover_async(
        types.HoverParams(text_document=types.TextDocumentIdentifier(uri=uri), position=types.Position(line, character))
    )
    return found and found.contents.value


@pytest.mark.parametrize("name", CLIENTS)
async def test_values_are_explained(start: Any, kernel: Path, null_log: str, name: str) -> None:
    editor = await start(name)
    uri = editor.open(kernel / "console.crash", null_log)
    register = null_log.split("\n")[REGISTERS].index("RAX")
    assert "RAX" in (await hover(editor, uri, REGISTERS, register + 8) or "")
    assert "NULL" in (await hover(editor, uri, REGISTERS, register + 8) or "")
    code = null_log.split("\n")[CODE].index("<8b>")
    assert "rax" in (await hover(editor, uri, CODE, code) or "").lower()


async def test_a_frame_stays_a_frame(start: Any, kernel: Path, null_log: str) -> None:
    editor = await start()
    uri = editor.open(kernel / "console.crash", null_log)
    at = null_log.split("\n")[FRAME].index("fox_tail")
    assert "frame 0 of the crash stack" in (await hover(editor, uri, FRAME, at + 10) or "")
    assert await hover(editor, uri, 0, 3) is None
    assert await hover(editor, uri, 99999, 99999) is None
