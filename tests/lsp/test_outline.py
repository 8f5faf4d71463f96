"""The outline of a log, and the crashes of a session by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

CLIENTS = ["vscode", "neovim", "minimal"]
STACKS = ["crash stack", "alloc stack", "free stack"]


@pytest.mark.parametrize("name", CLIENTS)
async def test_outline(start: Any, kernel: Path, kasan_log: str, name: str) -> None:
    editor = await start(name)
    uri = editor.open(kernel / "console.crash", kasan_log)
    params = types.DocumentSymbolParams(text_document=types.TextDocumentIdentifier(uri=uri))
    symbols = await editor.client.text_document_document_symbol_async(params)
    if name == "minimal":
        assert all(isinstance(symbol, types.SymbolInformation) for symbol in symbols)
        assert [symbol.name for symbol in symbols if symbol.name.endswith(" stack")] == STACKS
        return
    (crash,) = symbols
    assert crash.name == "KASAN: slab-use-after-free Read in fox_read"
    assert [stack.name for stack in crash.children] == STACKS
    assert [frame.name for frame in crash.children[1].children] == ["kasan_save_stack", "fox_open", "do_syscall_64"]
    check_nested(crash)


def check_nested(symbol: types.DocumentSymbol) -> None:
    """The protocol's rules: the selection lies in the range, children lie in their parent."""

    def key(position: types.Position) -> tuple[int, int]:
        return position.line, position.character

    assert key(symbol.range.start) <= key(symbol.selection_range.start)
    assert key(symbol.selection_range.end) <= key(symbol.range.end)
    for child in symbol.children or ():
        assert key(symbol.range.start) <= key(child.range.start)
        assert key(child.range.end) <= key(symbol.range.end)
        check_nested(child)
