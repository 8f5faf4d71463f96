"""The colours of a log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.workspace import PositionCodec

from kernfix import crash
from kernfix.lsp.analysis import Analysis
from kernfix.lsp.features.tokens import LEGEND, TYPES, tokens
from kernfix.lsp.text import Text

CORPUS = Path(__file__).resolve().parents[2] / "../shared/corpus/syzkaller/reports.jsonl"
HEAD = "BUG: KASAN: slab-use-after-free in fox_read+0x4a/0x90"


def analysis(log: str) -> Analysis:
    text = Text(log, PositionCodec(types.PositionEncodingKind.Utf16))
    return Analysis("file:///x", text, crash.parse("\n".join(text.lines)).faults)


def told(found: Analysis, line: int) -> list[tuple[str, str]]:
    """The words of a line that have a colour, and which; a star marks machinery."""
    text = found.text.lines[line]
    there = found.once(tokens).get(line, [])
    return [(text[each.start : each.end], TYPES[each.type] + "*" * each.modifiers) for each in there]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (" fox_open+0x3b/0x80", [("fox_open", "function"), ("+0x3b/0x80", "number")]),
        (" ? fox_open+0x3b/0x80 [fox]", [("? fox_open+0x3b/0x80", "comment")]),
        (" kasan_report+0xce/0x100", [("kasan_report", "function*"), ("+0xce/0x100", "number")]),
        (
            " fox_open+0x3b/0x80 drivers/misc/fox.c:24",
            [("fox_open", "function"), ("+0x3b/0x80", "number"), ("drivers/misc/fox.c:24", "string")],
        ),
        (
            " fox_find drivers/misc/fox.c:12 [inline]",
            [("fox_find", "function"), ("drivers/misc/fox.c:12", "string")],
        ),
        (" fox_open.isra.0+0x3b/0x80", [("fox_open.isra.0", "function"), ("+0x3b/0x80", "number")]),
        (
            " [<ffffffff81d91389>] fox_open+0xc1/0x128",
            [("ffffffff81d91389", "number"), ("fox_open", "function"), ("+0xc1/0x128", "number")],
        ),
    ],
)
def test_frames(line: str, expected: list[tuple[str, str]]) -> None:
    log = f"[ 1.0] {HEAD}\n[ 1.0] Call Trace:\n[ 1.0]  fox_read+0x4a/0x90\n[ 1.0] {line}\n[ 1.0]  hen+0x1/0x2\n"
    assert told(analysis(log), 3) == [("[ 1.0]", "comment"), *expected]


def test_every_kind_of_line(null_log: str) -> None:
    found = analysis(null_log)
    stamp = ("[   12.000001]", "comment")
    for line, expected in [
        (0, []),  # before the crash
        (1, [stamp, ("BUG: kernel NULL pointer dereference, address: 0000000000000000", "keyword")]),
        (
            8,
            [("fox_tail", "function"), ("+0x2a/0x60", "number"), ("drivers/misc/fox.c:19", "string")],
        ),
        (9, [("<8b>", "number")]),
        (
            11,
            [
                (word, kind)
                for name in ("RAX", "RBX", "RCX")
                for word, kind in ((name, "property"), ("0" * 14 + ("10" if name == "RBX" else "00"), "number"))
            ],
        ),
        (12, [("Call Trace:", "macro")]),
        (13, []),
        (15, [("do_syscall_64", "function*"), ("+0x64/0x140", "number")]),
    ]:
        assert [each for each in told(found, line) if line == 1 or each[1] != "comment"] == expected, line


def test_headlines() -> None:
    for headline, expected in [
        (HEAD, [("BUG: KASAN: slab-use-after-free in", "keyword"), ("fox_read", "function"), ("+0x4a/0x90", "number")]),
        (
            "kernel BUG at drivers/misc/fox.c:35!",
            [("kernel BUG at", "keyword"), ("drivers/misc/fox.c:35", "string"), ("!", "keyword")],
        ),
    ]:
        found = analysis(f"{headline}\nCall Trace:\n fox_read+0x4a/0x90\n do_syscall_64+0x64/0x140\n")
        assert told(found, 0) == expected


def test_locks(lock_log: str) -> None:
    found = analysis(lock_log)
    assert told(found, 8)[-3:] == [
        ("fox_read", "function"),
        ("+0x1f/0x90", "number"),
        ("drivers/misc/fox.c:35", "string"),
    ]
    assert ("ffff888003d35aa0", "number") in told(found, 8)


@pytest.mark.parametrize("lead", ["> ", "> > ", "<6>", "den login: "])
def test_what_stands_before_a_line_recedes(null_log: str, lead: str) -> None:
    plain, led = analysis(null_log), analysis("".join(f"{lead}{line}\n" for line in null_log.splitlines()))
    for line in range(1, 20):
        first, *rest = told(led, line)
        assert first == (f"{lead}[   12.{line:06}]", "comment")
        assert rest == told(plain, line)[1:]


def check_apart(found: Analysis) -> None:
    """Tokens have a length, lie in their line, and do not overlap; lines come in order."""
    there = found.once(tokens)
    assert list(there) == sorted(there)
    for line, its in there.items():
        end = 0
        for token in its:
            assert end <= token.start < token.end <= len(found.text.lines[line])
            end = token.end


@pytest.mark.parametrize(
    "log", ["", "\n", "hello\n", "> \n", "\x1b[31mBUG: KASAN: slab-use-after-free in fox+0x1/0x2\x1b[0m\n"]
)
def test_odd_logs(log: str) -> None:
    check_apart(analysis(log))


@pytest.mark.corpus
def test_real_logs() -> None:
    if not CORPUS.exists():
        pytest.skip("the corpus of real logs is not here")
    for row in CORPUS.read_text().splitlines():
        found = analysis(json.loads(row)["log"].encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        check_apart(found)
        assert not found.crashes or found.once(tokens)


def decoded(data: list[int]) -> list[tuple[int, int, int, str]]:
    """Line, start, length and type of each token, from the numbers of the protocol."""
    line = start = 0
    found = []
    for down, right, length, kind, _ in zip(*[iter(data)] * 5, strict=True):
        line, start = line + down, right if down else start + right
        found.append((line, start, length, TYPES[kind]))
    return found


@pytest.mark.parametrize("name", ["vscode", "neovim", "minimal"])
async def test_of_a_client(start: Any, tmp_path: Path, null_log: str, name: str) -> None:
    """Places are in the client's units, behind a fox, too; a range has the tokens of its lines."""
    log = "".join(f"🦊 login: {line}\n" for line in null_log.splitlines())
    editor = await start(name)
    options = editor.server.capabilities.semantic_tokens_provider
    assert (options.full, options.range) == (True, True)
    assert list(options.legend.token_types) == list(LEGEND.token_types)
    uri = editor.open(tmp_path / "console.crash", log)
    document = types.TextDocumentIdentifier(uri=uri)
    whole = await editor.client.text_document_semantic_tokens_full_async(types.SemanticTokensParams(document))
    found = decoded(list(whole.data))
    assert (8, (4 if name == "neovim" else 2) + 33, len("fox_tail"), "function") in found
    assert min(found)[0] == 1
    lines = types.Range(types.Position(8, 3), types.Position(9, 0))
    some = await editor.client.text_document_semantic_tokens_range_async(
        types.SemanticTokensRangeParams(document, lines)
    )
    assert decoded(list(some.data)) == [each for each in found if each[0] in (8, 9)]


async def test_no_tokens(start: Any, tmp_path: Path, null_log: str) -> None:
    editor = await start()
    quiet, note = (
        editor.open(tmp_path / "quiet.crash", "hello\n"),
        editor.open(tmp_path / "note.txt", null_log, language="c"),
    )
    everything = types.Range(types.Position(0, 0), types.Position(9999, 0))
    for uri in (quiet, note, "file:///nowhere"):
        document = types.TextDocumentIdentifier(uri=uri)
        whole = await editor.client.text_document_semantic_tokens_full_async(types.SemanticTokensParams(document))
        some = await editor.client.text_document_semantic_tokens_range_async(
            types.SemanticTokensRangeParams(document, everything)
        )
        assert (list(whole.data), list(some.data)) == ([], [])
