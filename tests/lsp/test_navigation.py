"""From the log into the code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

CLIENTS = ["vscode", "neovim", "minimal"]
RIP, CALLER, HEADLINE = 8, 14, 1
"""Lines of the NULL dereference log: the faulting frame, a frame that is not in the tree, the headline."""


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
    assert links[0].tooltip == ("drivers/misc/fox.c:19" if name == "vscode" else None)


def words(log: str, link: types.DocumentLink) -> str:
    """What of the log is the link; the lines that these tests look at are ASCII."""
    return log.split("\n")[link.range.start.line][link.range.start.character : link.range.end.character]


async def test_links_of_a_headline_an_allocation_and_a_free(
    start: Any, kernel: Path, kasan_log: str, fox_c: str
) -> None:
    editor = await start()
    uri = editor.open(kernel / "console.crash", kasan_log)
    links = await editor.links(uri)
    assert [(link.range.start.line, words(kasan_log, link), link.target) for link in links] == [
        (1, "fox_read+0x4a/0x90", f"{fox_c}#L35"),
        (1, "drivers/misc/fox.c:35", f"{fox_c}#L35"),
        (10, "fox_read+0x4a/0x90 drivers/misc/fox.c:35", f"{fox_c}#L35"),
        (17, "fox_open+0x3b/0x80 drivers/misc/fox.c:24", f"{fox_c}#L24"),
        (23, "fox_release+0x2e/0x50 drivers/misc/fox.c:30", f"{fox_c}#L30"),
    ]


@pytest.mark.parametrize("name", CLIENTS)
async def test_where_locks_were_taken(start: Any, kernel: Path, lock_log: str, fox_c: str, name: str) -> None:
    editor = await start(name)
    uri = editor.open(kernel / "console.crash", lock_log)
    links = {(link.range.start.line, words(lock_log, link)): link.target for link in await editor.links(uri)}
    assert links[5, "fox_open+0x3f/0x80"] == f"{fox_c}#L22"
    assert links[8, "fox_read+0x1f/0x90 drivers/misc/fox.c:35"] == f"{fox_c}#L35"
    for line, character, expected in [(5, 68, 21), (5, 0, 21), (8, 70, 34), (7, 3, None)]:
        found = await editor.client.text_document_definition_async(types.DefinitionParams(**at(uri, line, character)))
        assert (found.range.start.line if isinstance(found, types.Location) else None) == expected, (line, character)


@pytest.mark.parametrize("change", ["> ", "\r\n", "🦊"])
async def test_logs_in_mail_with_other_line_ends_and_of_any_characters(
    start: Any, kernel: Path, kasan_log: str, change: str
) -> None:
    """Links lie on the same words, however the lines begin and end."""
    log = kasan_log.replace("\n", "\r\n") if change == "\r\n" else kasan_log.replace("[   22", f"{change}[   22")
    log = log.replace("🦊[", "🦊 login: [")
    editor = await start()
    plain = await editor.links(editor.open(kernel / "plain.crash", kasan_log))
    links = await editor.links(editor.open(kernel / "console.crash", log))
    lead = {"> ": 2, "\r\n": 0, "🦊": 10}[change]  # a fox is two units of UTF-16
    moved = [(place.line, place.character + lead) for link in plain for place in (link.range.start, link.range.end)]
    assert [(place.line, place.character) for link in links for place in (link.range.start, link.range.end)] == moved
    assert len(links) == 5


async def test_links_go_to_the_lines_of_the_buffer(start: Any, kernel: Path, null_log: str, fox_c: str) -> None:
    editor = await start()
    source = kernel / "drivers/misc/fox.c"
    editor.open(source, "/* two\n lines */\n" + source.read_text(encoding="utf-8"), language="c")
    uri = editor.open(kernel / "console.crash", null_log)
    assert [link.target for link in await editor.links(uri)] == [f"{fox_c}#L21"]


async def test_documents_that_are_no_log(start: Any, kernel: Path, null_log: str) -> None:
    editor = await start()
    note = editor.open(kernel / "note.txt", null_log, language="plaintext")
    for uri in (note, "file:///nowhere", "untitled:x", "no address at all"):
        assert await editor.links(uri) == []
        found = await editor.client.text_document_definition_async(types.DefinitionParams(**at(uri, 0, 0)))
        assert not found


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
