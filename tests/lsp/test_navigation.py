"""From the log into the code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

CLIENTS = ["vscode", "neovim", "minimal"]
RIP, CALLER, HEADLINE = 8, 14, 1
"""Lines of the NULL dereference log: the faulting frame, a frame that is not in the tree, the headline."""

STACKS = ["crash stack", "alloc stack", "free stack"]


def at(uri: str, line: int, character: int) -> dict[str, Any]:
    return {"text_document": types.TextDocumentIdentifier(uri=uri), "position": types.Position(line, character)}


async def test_capabilities(start: Any) -> None:
    editor = await start()
    can = editor.server.capabilities
    assert can.text_document_sync.change == types.TextDocumentSyncKind.Incremental
    assert can.text_document_sync.open_close
    assert can.text_document_sync.save
    assert can.definition_provider
    assert can.hover_provider
    assert can.document_symbol_provider
    assert can.document_link_provider
    assert list(can.code_action_provider.code_action_kinds) == [types.CodeActionKind.QuickFix]
    assert {"kernfix.suggest", "kernfix.verify", "kernfix.index"} <= set(can.execute_command_provider.commands)
    assert editor.server.server_info.name == "kernfix"


@pytest.mark.parametrize(("name", "encoding"), [("vscode", "utf-16"), ("neovim", "utf-8"), ("minimal", "utf-16")])
async def test_position_encoding_is_the_clients_first(start: Any, name: str, encoding: str) -> None:
    editor = await start(name)
    assert editor.server.capabilities.position_encoding == encoding


@pytest.mark.parametrize("name", CLIENTS)
async def test_links_of_located_frames(start: Any, kernel: Path, null_log: str, fox_c: str, name: str) -> None:
    editor = await start(name)
    uri = editor.open(kernel / "console.crash", null_log)
    links = await editor.links(uri)
    assert [(link.range.start.line, link.target) for link in links] == [(RIP, f"{fox_c}#L19")]


@pytest.mark.parametrize("name", CLIENTS)
async def test_definition_of_a_frame(start: Any, kernel: Path, null_log: str, fox_c: str, name: str) -> None:
    editor = await start(name)
    uri = editor.open(kernel / "console.crash", null_log)
    found = await editor.client.text_document_definition_async(types.DefinitionParams(**at(uri, RIP, 30)))
    assert isinstance(found, types.Location)
    assert (found.uri, found.range.start) == (fox_c, types.Position(18, 1))


async def test_definition_elsewhere(start: Any, kernel: Path, null_log: str) -> None:
    editor = await start()
    uri = editor.open(kernel / "console.crash", null_log)
    for line, character, expected in [
        (RIP, 0, 18),  # anywhere on the frame's line
        (RIP, 9999, 18),
        (HEADLINE, 20, 18),
        (CALLER, 20, None),
        (0, 0, None),
        (99999, 0, None),
        (99999, 99999, None),
    ]:
        found = await editor.client.text_document_definition_async(types.DefinitionParams(**at(uri, line, character)))
        assert (found.range.start.line if isinstance(found, types.Location) else None) == expected, (line, character)


async def test_frames_found_by_name(start: Any, kernel: Path, fox_c: str) -> None:
    """A log without file and line, as kernels print it."""
    log = (
        "[ 1.0] BUG: kernel NULL pointer dereference, address: 0000000000000000\n"
        "[ 1.0] RIP: 0010:fox_tail+0x2a/0x60\n[ 1.0] Call Trace:\n[ 1.0]  <TASK>\n[ 1.0]  fox_read+0x4d/0x90\n"
        "[ 1.0]  ? fox_open+0x4d/0x90\n[ 1.0]  </TASK>\n"
    )
    editor = await start()
    uri = editor.open(kernel / "console.crash", log)
    assert sorted((link.range.start.line, link.target) for link in await editor.links(uri)) == [
        (1, f"{fox_c}#L15"),
        (4, f"{fox_c}#L33"),
        (5, f"{fox_c}#L22"),
    ]


async def test_hover_on_a_frame(start: Any, kernel: Path, null_log: str) -> None:
    editor = await start()
    uri = editor.open(kernel / "console.crash", null_log)
    await editor.settled(uri)
    hover = await editor.client.text_document_hover_async(types.HoverParams(**at(uri, RIP, 30)))
    value = hover.contents.value
    assert "`fox_tail+0x2a/0x60`" in value
    assert "`drivers/misc/fox.c:19`" in value
    assert "% sure" in value
    assert ">    19 \treturn /* 🦊 */ fox->tail;" in value.split("```c\n")[1]
    assert hover.range == types.Range(types.Position(RIP, 25), types.Position(RIP, 65))


async def test_hover_on_a_frame_that_is_not_in_the_tree(start: Any, kernel: Path, null_log: str) -> None:
    editor = await start()
    uri = editor.open(kernel / "console.crash", null_log)
    await editor.settled(uri)
    hover = await editor.client.text_document_hover_async(types.HoverParams(**at(uri, CALLER, 20)))
    assert "was not found in the kernel tree" in hover.contents.value


async def test_hover_without_a_tree_says_what_to_do(start: Any, tmp_path: Path, null_log: str) -> None:
    editor = await start()
    uri = editor.open(tmp_path / "console.crash", null_log)
    await editor.settled(uri)
    hover = await editor.client.text_document_hover_async(types.HoverParams(**at(uri, RIP, 30)))
    assert "kernfix\\.tree" in hover.contents.value


async def test_hover_on_a_headline(start: Any, kernel: Path, null_log: str) -> None:
    editor = await start()
    uri = editor.open(kernel / "console.crash", null_log)
    hover = await editor.client.text_document_hover_async(types.HoverParams(**at(uri, HEADLINE, 20)))
    assert "NULL pointer dereference in fox_tail" in hover.contents.value
    assert "`NULL-POINTER-DEREFERENCE`" in hover.contents.value


async def test_hover_shows_no_markup_of_the_log(start: Any, kernel: Path) -> None:
    """A log is written by whoever crashed the kernel: it must not put links or images into the editor."""
    log = "[ 1.0] kernel BUG at drivers/[x](command:evil).c:1!\n[ 1.0] RIP: 0010:fox_tail+0x2a/0x60\n"
    (kernel / "drivers/misc/fox.c").write_text("int fox_tail(int id)\n{\n\treturn 1; /* ``` ![x](http://x) */\n}\n")
    editor = await start()
    uri = editor.open(kernel / "console.crash", log)
    await editor.settled(uri)
    for line in (0, 1):
        hover = await editor.client.text_document_hover_async(types.HoverParams(**at(uri, line, 20)))
        outside = "".join(hover.contents.value.split("````")[::2])
        assert "](" not in outside


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


async def test_unsaved_source_is_what_counts_for_columns(start: Any, kernel: Path, null_log: str, fox_c: str) -> None:
    editor = await start()
    source = kernel / "drivers/misc/fox.c"
    editor.open(source, source.read_text(encoding="utf-8").replace("\treturn /* 🦊 */", "\t\t\treturn"), language="c")
    uri = editor.open(kernel / "console.crash", null_log)
    found = await editor.client.text_document_definition_async(types.DefinitionParams(**at(uri, RIP, 30)))
    assert found.range.start == types.Position(18, 3)


async def test_a_tree_seen_through_a_link_keeps_its_name(start: Any, kernel: Path, null_log: str) -> None:
    link = kernel.parent / "länk to it"
    link.symlink_to(kernel)
    editor = await start(folders=(link,))
    uri = editor.open(link / "console.crash", null_log)
    (found,) = await editor.links(uri)
    assert found.target == (link / "drivers/misc/fox.c").as_uri() + "#L19"
