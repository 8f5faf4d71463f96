"""Inlay hints in a log."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lsprotocol import types
from pygls.workspace import PositionCodec

from kernfix import crash
from kernfix.lsp.analysis import Analysis
from kernfix.lsp.features import hints as feature
from kernfix.lsp.text import Text
from kernfix.source import Located, LocatedStack, Location

CLIENTS = ["vscode", "neovim", "minimal"]
RAW = """\
[    1.000001] BUG: kernel NULL pointer dereference, address: 0000000000000000
[    1.000002] RIP: 0010:fox_tail+0x2a/0x60
[    1.000003] Call Trace:
[    1.000004]  <TASK>
[    1.000005]  fox_read+0x4d/0x90 [🦊]
[    1.000006]  ? fox_open+0x4d/0x90
[    1.000007]  do_syscall_64+0x64/0x140
[    1.000008]  </TASK>
"""
SHOWN = {
    0: "drivers/misc/fox.c:15+",
    1: "drivers/misc/fox.c:15+",
    4: "drivers/misc/fox.c:33+",
    5: "drivers/misc/fox.c:22+",
}


async def ask(editor: Any, uri: str, first: int = 0, last: int = 9999) -> list[types.InlayHint]:
    await editor.settled(uri)
    where = types.Range(types.Position(first, 0), types.Position(last, 0))
    params = types.InlayHintParams(text_document=types.TextDocumentIdentifier(uri=uri), range=where)
    return list(await editor.client.text_document_inlay_hint_async(params) or ())


def label(hint: types.InlayHint) -> str:
    return hint.label if isinstance(hint.label, str) else "".join(part.value for part in hint.label)


def shown(hints: list[types.InlayHint]) -> dict[int, str]:
    return {hint.position.line: label(hint) for hint in hints}


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_log_as_kernels_print_it(start: Any, kernel: Path, fox_c: str, name: str) -> None:
    editor = await start(name)
    assert editor.server.capabilities.inlay_hint_provider
    hints = await ask(editor, editor.open(kernel / "console.crash", RAW))
    assert shown(hints) == SHOWN
    end = len(RAW.splitlines()[4].encode("utf-8" if name == "neovim" else "utf-16-le")) // (
        1 if name == "neovim" else 2
    )
    assert [hint.position.character for hint in hints if hint.position.line == 4] == [end]
    assert all(hint.padding_left for hint in hints)
    assert all(isinstance(hint.label, str) for hint in hints) == (name == "minimal")
    if name != "minimal":
        (part,) = hints[1].label
        assert part.location.uri == fox_c
        assert part.location.range.start == types.Position(14, 0)
        assert "definition found by name, somewhere from there on" in part.tooltip.value


async def test_where_the_log_states_it(start: Any, kernel: Path, kasan_log: str) -> None:
    editor = await start()
    assert await ask(editor, editor.open(kernel / "console.crash", kasan_log)) == []


async def test_where_the_line_is_another_here(start: Any, kernel: Path, kasan_log: str) -> None:
    """The buffer that the user sees is what counts."""
    editor = await start()
    source = kernel / "drivers/misc/fox.c"
    uri = editor.open(kernel / "console.crash", kasan_log)
    assert await ask(editor, uri) == []
    editor.open(source, "\n\n" + source.read_text(encoding="utf-8"), language="c")
    found = shown(await ask(editor, uri))
    assert found[10] == "→ drivers/misc/fox.c:37"
    assert found[1] == "→ drivers/misc/fox.c:37"
    assert found[17] == "→ drivers/misc/fox.c:26"


async def test_locks(start: Any, kernel: Path, lock_log: str) -> None:
    editor = await start()
    found = shown(await ask(editor, editor.open(kernel / "console.crash", lock_log)))
    assert found[5] == "drivers/misc/fox.c:22+"
    assert 8 not in found


async def test_only_what_is_asked_for(start: Any, kernel: Path) -> None:
    editor = await start()
    uri = editor.open(kernel / "console.crash", RAW)
    for first, last, lines in [(1, 4, [1, 4]), (2, 3, []), (5, 5, [5]), (99, 100, []), (5, 1, [])]:
        assert sorted(shown(await ask(editor, uri, first, last))) == lines, (first, last)


async def test_a_log_in_mail_with_carriage_returns(start: Any, kernel: Path) -> None:
    editor = await start()
    log = "".join(f"> {line}\r\n" for line in RAW.splitlines())
    hints = await ask(editor, editor.open(kernel / "console.crash", log))
    assert shown(hints) == SHOWN
    assert [hint.position.character for hint in hints if hint.position.line == 1] == [
        len("> [    1.000002] RIP: 0010:fox_tail+0x2a/0x60")
    ]


async def test_no_hints(start: Any, kernel: Path, tmp_path: Path) -> None:
    editor = await start()
    assert await ask(editor, editor.open(tmp_path / "no-tree.crash", RAW)) == []
    assert await ask(editor, editor.open(kernel / "quiet.crash", "hello\n")) == []
    assert await ask(editor, "file:///nowhere") == []


def check_chain(where: Location, expected: str) -> None:
    """The label of the frame `fox_read` when it is at that place."""
    found = crash.parse(
        "[ 1.0] BUG: kernel NULL pointer dereference, address: 0\n[ 1.0] RIP: 0010:fox_read+0x2a/0x60\n"
    )
    located = (Located((LocatedStack((where,)),)),)
    text = Text("\n\n", PositionCodec(types.PositionEncodingKind.Utf16))
    analysis = Analysis("file:///x", text, found.faults, root=Path("/linux"), located=located)
    server = SimpleNamespace(
        places=SimpleNamespace(line=lambda path, location: location.line), address=lambda path: f"file://{path}"
    )
    told = analysis.once(feature._told)[1][0]
    assert "".join(part.value for part in feature._parts(server, analysis, told)) == expected  # type: ignore[arg-type]


def at(where: str, *callers: Location, confidence: float = 0.9) -> Location:
    """``fox_find fox.h:3`` as a location."""
    function, _, place = where.partition(" ")
    path, line = place.split(":")
    return Location(path, int(line), "debuginfo", confidence, "So.", "", function, inlined_by=callers)


def test_inlined_functions_lead_to_their_caller() -> None:
    own, find, get = at("fox_read fox.c:35"), at("fox_find fox.h:3"), at("fox_get fox.h:9")
    check_chain(own, "fox.c:35")
    check_chain(at("fox_find fox.h:3", own), "fox.h:3 fox_find() ← fox.c:35")
    check_chain(at("fox_get fox.h:9", find, own), "fox.h:9 fox_get() ← fox.h:3 fox_find() ← fox.c:35")
    check_chain(at("den fox.h:1", get, find, own), "fox.h:1 den() ← fox.h:9 fox_get() ← … ← fox.c:35")
    check_chain(at("fox_read fox.c:2", own), "fox.c:2 ← fox.c:35")  # a macro's line
    check_chain(at("fox_read fox.c:35", confidence=0.3), "fox.c:35?")
