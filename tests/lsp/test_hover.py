"""What a hover says of the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lsprotocol import types

RIP, CALLER, HEADLINE = 8, 14, 1
"""Lines of the NULL dereference log: the faulting frame, a frame that is not in the tree, the headline."""


def at(uri: str, line: int, character: int) -> dict[str, Any]:
    return {"text_document": types.TextDocumentIdentifier(uri=uri), "position": types.Position(line, character)}


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
