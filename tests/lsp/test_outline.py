"""The outline of a log, and the crashes of a session by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

CLIENTS = ["vscode", "neovim", "minimal"]
STACKS = ["crash stack", "allocation stack", "free stack"]


@pytest.mark.parametrize("name", CLIENTS)
async def test_outline(start: Any, kernel: Path, kasan_log: str, name: str) -> None:
    editor = await start(name)
    uri = editor.open(kernel / "console.crash", kasan_log)
    await editor.settled(uri)
    params = types.DocumentSymbolParams(text_document=types.TextDocumentIdentifier(uri=uri))
    symbols = await editor.client.text_document_document_symbol_async(params)
    if name == "minimal":
        assert all(isinstance(symbol, types.SymbolInformation) for symbol in symbols)
        assert [symbol.name for symbol in symbols if symbol.name.endswith(" stack")] == STACKS
        return
    (crash,) = symbols
    assert crash.name == "KASAN: slab-use-after-free Read in fox_read"
    assert [stack.name for stack in crash.children] == STACKS
    assert [(frame.name, frame.detail) for frame in crash.children[1].children] == [
        ("kasan_save_stack", None),
        ("fox_open", "drivers/misc/fox.c:24"),
        ("do_syscall_64", None),
    ]
    assert [stack.detail for stack in crash.children] == ["repro/57", "task 57", "task 57"]
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


async def outline(editor: Any, uri: str) -> list[types.DocumentSymbol]:
    await editor.settled(uri)
    params = types.DocumentSymbolParams(text_document=types.TextDocumentIdentifier(uri=uri))
    return list(await editor.client.text_document_document_symbol_async(params) or ())


async def test_entries_say_what_is_sure(start: Any, kernel: Path, fox_c: str) -> None:
    """A frame that is there by chance perhaps, one of which only the function is known, and the stack of a panic."""
    log = (
        "[ 1.0] BUG: kernel NULL pointer dereference, address: 0000000000000000\n"
        "[ 1.0] RIP: 0010:fox_tail+0x2a/0x60\n[ 1.0] Call Trace:\n[ 1.0]  <TASK>\n[ 1.0]  ? fox_read+0x4d/0x90\n"
        "[ 1.0]  fox_open+0x4d/0x90\n[ 1.0]  </TASK>\n[ 1.0] Kernel panic - not syncing: Fatal exception\n"
        "[ 1.0] CPU: 0 PID: 57 Comm: repro Not tainted 6.12.0 #1\n[ 1.0] Call Trace:\n[ 1.0]  dump_stack+0x1/0x2\n"
        "[ 1.0]  panic+0x1/0x2\n[ 1.0]  fox_tail+0x2a/0x60\n"
    )
    editor = await start()
    (crash,) = await outline(editor, editor.open(kernel / "console.crash", log))
    first, panic = crash.children
    assert [(frame.name, frame.detail) for frame in first.children] == [
        ("fox_tail", "drivers/misc/fox.c:15+"),
        ("? fox_read", "drivers/misc/fox.c:33+"),
        ("fox_open", "drivers/misc/fox.c:22+"),
    ]
    assert (panic.name, panic.detail) == ("panic stack", "repro/57")
    check_nested(crash)


async def test_no_outline(start: Any, kernel: Path, tmp_path: Path, null_log: str) -> None:
    editor = await start()
    assert await outline(editor, editor.open(kernel / "quiet.crash", "nothing happened\n")) == []
    assert await outline(editor, "file:///nowhere") == []
    (crash,) = await outline(editor, editor.open(tmp_path / "no-tree.crash", null_log))
    assert [frame.detail for frame in crash.children[0].children] == ["drivers/misc/fox.c:19", None, None, None]


async def found(editor: Any, query: str) -> list[tuple[str, str, int, str]]:
    symbols = await editor.client.workspace_symbol_async(types.WorkspaceSymbolParams(query=query))
    return [(each.name, each.location.uri, each.location.range.start.line, each.container_name) for each in symbols]


@pytest.mark.parametrize("name", CLIENTS)
async def test_crashes_by_name(start: Any, kernel: Path, kasan_log: str, null_log: str, name: str) -> None:
    editor = await start(name)
    assert editor.server.capabilities.workspace_symbol_provider
    assert await found(editor, "") == []
    one, two = kernel / "one.crash", kernel / "t\u00e4st & two.crash"
    first, second = editor.open(one, null_log), editor.open(two, kasan_log)
    await editor.settled(first)
    await editor.settled(second)
    null = ("BUG: unable to handle kernel NULL pointer dereference in fox_tail", first, 1, one.name)
    kasan = ("KASAN: slab-use-after-free Read in fox_read", second, 1, two.name)
    for query, expected in [
        ("", [null, kasan]),
        ("kasan", [kasan]),
        ("FOX_READ use-after", [kasan]),
        ("ksnfxrd", [kasan]),
        ("fox", [null, kasan]),
        ("wolf", []),
        ("*.[", []),
    ]:
        assert sorted(await found(editor, query)) == sorted(expected), query
    editor.close(first)
    assert await found(editor, "") == [kasan]
    editor.close(second)  # it has the active crash, which stays until it is dismissed
    assert await found(editor, "") == [kasan]
    await editor.run("kernfix.dismiss", uri=second, crash=0)
    assert await found(editor, "") == []
