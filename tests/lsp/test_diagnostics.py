"""Marks on the log and on the code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

CLIENTS = ["vscode", "neovim", "minimal"]


def words(text: str, mark: types.Diagnostic, units: str) -> str:
    """The text that a mark covers, its columns counted as the client does."""
    line = text.split("\n")[mark.range.start.line].encode(units)
    width = 2 if units == "utf-16-le" else 1
    return line[mark.range.start.character * width : mark.range.end.character * width].decode(units)


@pytest.mark.parametrize("name", CLIENTS)
async def test_headline_is_marked_with_title_type_and_sites(
    start: Any, kernel: Path, kasan_log: str, fox_c: str, name: str
) -> None:
    editor = await start(name)
    uri = editor.open(kernel / "console.crash", kasan_log)
    await editor.settled(uri)
    (mark,) = await editor.marks(uri, 1)
    assert mark.message == "KASAN: slab-use-after-free Read in fox_read"
    assert mark.severity == types.DiagnosticSeverity.Error
    assert (mark.code, mark.source) == ("KASAN-USE-AFTER-FREE-READ", "kernfix")
    related = {
        info.message: (info.location.uri, info.location.range.start.line) for info in mark.related_information or ()
    }
    assert related == {"crashed here": (fox_c, 34), "allocated here": (fox_c, 23), "freed here": (fox_c, 29)}


async def test_code_is_marked_until_the_crash_is_dismissed(
    start: Any, kernel: Path, kasan_log: str, fox_c: str
) -> None:
    editor = await start()
    uri = editor.open(kernel / "console.crash", kasan_log)
    marks = await editor.marks(fox_c, 3)
    seen = {(mark.range.start.line, mark.message.rsplit(": ", 1)[1], mark.severity) for mark in marks}
    error, information = types.DiagnosticSeverity.Error, types.DiagnosticSeverity.Information
    assert seen == {(34, "crashed here", error), (23, "allocated here", information), (29, "freed here", information)}
    editor.close(uri)
    await editor.client.text_document_hover_async(
        types.HoverParams(text_document=types.TextDocumentIdentifier(uri=uri), position=types.Position(0, 0))
    )
    assert len(editor.client.diagnostics[fox_c]) == 3
    await editor.run("kernfix.dismiss", uri=uri)
    await editor.marks(fox_c, 0)
    await editor.marks(uri, 0)


async def test_two_logs_share_a_file(start: Any, kernel: Path, kasan_log: str, null_log: str, fox_c: str) -> None:
    editor = await start()
    one = editor.open(kernel / "one.crash", kasan_log)
    editor.open(kernel / "two.crash", null_log)
    await editor.marks(fox_c, 4)
    editor.close(one)
    (left,) = await editor.marks(fox_c, 1)
    assert "NULL pointer" in left.message


@pytest.mark.parametrize(("name", "units"), [("vscode", "utf-16-le"), ("neovim", "utf-8"), ("minimal", "utf-16-le")])
async def test_columns_are_the_clients(
    start: Any, kernel: Path, null_log: str, fox_c: str, name: str, units: str
) -> None:
    log = "".join(f"Nov 22 10:00:00 höhle🦊 kernel: {line}\n" for line in null_log.splitlines())
    editor = await start(name)
    uri = editor.open(kernel / "console.crash", log)
    await editor.settled(uri)
    (mark,) = await editor.marks(uri, 1)
    assert words(log, mark, units).startswith("BUG: kernel NULL pointer dereference, address")
    (site,) = await editor.marks(fox_c, 1)
    source = (kernel / "drivers/misc/fox.c").read_text(encoding="utf-8")
    assert words(source, site, units) == "return /* 🦊 */ fox->tail;"
    link = next(link for link in await editor.links(uri) if "fox.c" in (link.target or ""))
    covered = types.Diagnostic(range=link.range, message="")
    assert words(log, covered, units) == "fox_tail+0x2a/0x60 drivers/misc/fox.c:19"


@pytest.mark.parametrize("name", ["vscode", "neovim"])
async def test_incremental_changes(start: Any, kernel: Path, null_log: str, name: str) -> None:
    """Lines are inserted and removed before and in the crash, with characters of every width and odd line ends around."""
    editor = await start(name)
    uri = editor.open(kernel / "console.crash", "🦊\x0c\u2028\x85 one line\r\n" + null_log)
    (mark,) = await editor.marks(uri, 1)
    assert mark.range.start.line == 2
    fox = 2 if name == "vscode" else 4  # units of one fox
    whole = types.Range(types.Position(0, fox), types.Position(1, 0))
    editor.change(
        uri,
        2,
        types.TextDocumentContentChangePartial(range=whole, text="\nmore\n"),
        types.TextDocumentContentChangePartial(
            range=types.Range(types.Position(1, 4), types.Position(1, 4)), text="\rx"
        ),
    )
    await editor.until(
        lambda: editor.client.diagnostics[uri] and editor.client.diagnostics[uri][0].range.start.line == 4
    )
    editor.change(uri, 3, types.TextDocumentContentChangeWholeDocument(text="nothing here\n"))
    await editor.marks(uri, 0)


async def test_saved_code_is_located_again(start: Any, kernel: Path, fox_c: str) -> None:
    log = (
        "[ 1.0] BUG: kernel NULL pointer dereference, address: 0000000000000000\n[ 1.0] RIP: 0010:fox_tail+0x2a/0x60\n"
    )
    editor = await start()
    source = kernel / "drivers/misc/fox.c"
    uri = editor.open(kernel / "console.crash", log)
    (mark,) = await editor.marks(fox_c, 1)
    assert mark.range.start.line == 14
    source.write_text("/* one more line */\n" + source.read_text(encoding="utf-8"), encoding="utf-8")
    saved = types.DidSaveTextDocumentParams(text_document=types.TextDocumentIdentifier(uri=fox_c))
    editor.client.text_document_did_save(saved)
    await editor.until(lambda: [m.range.start.line for m in editor.client.diagnostics[fox_c]] == [15])
    assert len(await editor.links(uri)) == 1


async def test_fast_typing_ends_in_the_last_state(start: Any, kernel: Path, null_log: str) -> None:
    editor = await start()
    uri = editor.open(kernel / "console.crash", null_log)
    for version in range(2, 12):
        editor.change(uri, version, types.TextDocumentContentChangeWholeDocument(text="\n" * version + null_log))
    await editor.until(lambda: any(m.range.start.line == 12 for m in editor.client.diagnostics.get(uri, ())))


async def test_logs_without_a_crash(start: Any, kernel: Path) -> None:
    editor = await start()
    texts = ["", "\n", "no crash at all\n", "\x00\x01\x02\r\r\r", "\ud800 \udc00\ud800\n"]
    for number, text in enumerate(texts):
        uri = editor.open(kernel / f"{number}.crash", text)
        assert await editor.links(uri) == []
        assert await editor.actions(uri, 0) == []
        await editor.marks(uri, 0)


async def test_a_torn_headline(start: Any, kernel: Path) -> None:
    editor = await start()
    uri = editor.open(kernel / "console.crash", "\ud800 BUG: KASAN: ")
    (mark,) = await editor.marks(uri, 1)
    assert "damaged" in mark.message


async def test_a_crash_without_a_tree_is_still_marked(start: Any, tmp_path: Path, null_log: str) -> None:
    editor = await start()
    uri = editor.open(tmp_path / "console.crash", null_log)
    (mark,) = await editor.marks(uri, 1)
    assert not mark.related_information
    assert editor.messages() == []


async def test_an_untitled_log(start: Any, kernel: Path, null_log: str, fox_c: str) -> None:
    editor = await start(folders=(kernel,))
    item = types.TextDocumentItem(uri="untitled:Untitled-1", language_id="kernel-crash", version=1, text=null_log)
    editor.client.text_document_did_open(types.DidOpenTextDocumentParams(text_document=item))
    await editor.marks("untitled:Untitled-1", 1)
    await editor.marks(fox_c, 1)


async def test_other_languages_are_left_alone(start: Any, kernel: Path, null_log: str) -> None:
    editor = await start()
    other = editor.open(kernel / "mail.txt", null_log, language="plaintext")
    log = editor.open(kernel / "console.crash", null_log)
    await editor.marks(log, 1)
    assert other not in editor.client.diagnostics
    assert await editor.links(other) == []
