"""The stream to the client, bad input on it, and how the server ends."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from lsprotocol import types

SEARCH, INDEX = "kernfix.lsp.worker", "kernfix.source.index.child"
NOISY = """
import os, subprocess, sys
from kernfix.lsp import server
from kernfix.lsp.features import hover
quiet = hover.hover
async def noisy(server: server.KernfixServer, params: server.types.HoverParams):
    print("stray print")
    sys.__stdout__.write("stray write\\n")
    sys.__stdout__.flush()
    os.write(1, b"stray bytes\\n")
    subprocess.run(["sh", "-c", "echo stray child; cat"], check=True)
    return await quiet(server, params)
server.ENTRY_POINTS = tuple((m, noisy if m == "textDocument/hover" else h, o) for m, h, o in server.ENTRY_POINTS)
server.serve()
"""


def frame(document: dict[str, Any]) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", **document}).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def call(number: int, method: str, params: Any = None) -> bytes:
    return frame({"id": number, "method": method, "params": params})


def tell(method: str, params: Any = None) -> bytes:
    return frame({"method": method, "params": params})


def read_strictly(stream: BinaryIO) -> Iterator[dict[str, Any]]:
    """The messages of a stream, with nothing between them that the protocol does not allow: as VS Code's client reads it."""
    while True:
        headers = {}
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, colon, value = line.partition(b": ")
            assert colon, f"not a header: {line!r}"
            assert line.endswith(b"\r\n"), f"not a header: {line!r}"
            assert name in (b"Content-Length", b"Content-Type"), f"not a header: {line!r}"
            headers[name] = value.strip()
        if not line:
            assert not headers
            return
        yield json.loads(stream.read(int(headers[b"Content-Length"])))


def talk(command: list[str], *messages: bytes) -> tuple[list[dict[str, Any]], str]:
    """Send all, wait for the end; gives the server's messages and its standard error."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(b"".join(messages))
        process.stdin.flush()
        answers = list(read_strictly(process.stdout))
        errors = process.stderr.read().decode()
    return answers, errors


def begin() -> bytes:
    return call(1, "initialize", {"capabilities": {}, "processId": None, "rootUri": None}) + tell("initialized", {})


def end(number: int = 99) -> bytes:
    return call(number, "shutdown") + tell("exit")


def test_nothing_strays_into_the_stream(tmp_path: Path, null_log: str) -> None:
    """Prints, raw writes to descriptor 1 and children that inherit it, which may not eat the client's input either."""
    uri = (tmp_path / "console.crash").as_uri()
    item = {"uri": uri, "languageId": "kernel-crash", "version": 1, "text": null_log}
    place = {"textDocument": {"uri": uri}, "position": {"line": 1, "character": 20}}
    answers, errors = talk(
        [sys.executable, "-c", NOISY],
        begin(),
        tell("textDocument/didOpen", {"textDocument": item}),
        call(2, "textDocument/documentLink", {"textDocument": {"uri": uri}}),
        call(3, "textDocument/hover", place),
        call(4, "textDocument/hover", place),
        end(),
    )
    assert {1, 2, 99} <= {answer.get("id") for answer in answers}
    for stray in ("stray print", "stray write", "stray bytes", "stray child"):
        assert stray in errors


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'"x"', b"\xff\xfe", b'{"jsonrpc": "2.0"}', b'{"jsonrpc": "2.0", "id": 7, "method": "no/such"}'],
)
def test_bad_messages_do_not_end_the_server(body: bytes) -> None:
    bad = b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    answers, _ = talk([sys.executable, "-m", "kernfix", "lsp"], begin(), bad, end())
    assert any(answer.get("id") == 99 and "error" not in answer for answer in answers)


def test_stdio_may_be_asked_for() -> None:
    answers, errors = talk([sys.executable, "-m", "kernfix", "lsp", "--stdio"], begin(), end())
    assert [answer.get("id") for answer in answers] == [1, 99]
    assert errors == ""


def test_malformed_parameters_are_answered(null_log: str) -> None:
    answers, _ = talk(
        [sys.executable, "-m", "kernfix", "lsp"],
        begin(),
        call(2, "workspace/executeCommand", {"command": "kernfix.suggest", "arguments": {"uri": 1}}),
        call(
            3,
            "textDocument/hover",
            {"textDocument": {"uri": "file:///nowhere"}, "position": {"line": 0, "character": 0}},
        ),
        tell(
            "textDocument/didChange", {"textDocument": {"uri": "file:///nowhere", "version": 2}, "contentChanges": []}
        ),
        tell("textDocument/didClose", {"textDocument": {"uri": "file:///nowhere"}}),
        tell("$/cancelRequest", {"id": 77}),
        tell("window/workDoneProgress/cancel", {"token": "nobody's"}),
        end(),
    )
    by_id = {answer["id"]: answer for answer in answers if "id" in answer}
    assert by_id[3]["result"] is None
    assert "error" not in by_id[99]


def searching(root: Path, log: str) -> subprocess.Popen[bytes]:
    """A server that has searched the tree for a log."""
    process = subprocess.Popen([sys.executable, "-m", "kernfix", "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    item = {"uri": (root / "x.crash").as_uri(), "languageId": "kernel-crash", "version": 1, "text": log}
    process.stdin.write(begin() + tell("textDocument/didOpen", {"textDocument": item}))
    process.stdin.write(call(2, "textDocument/documentLink", {"textDocument": {"uri": item["uri"]}}))
    process.stdin.flush()
    assert any(message.get("id") == 2 for message in read_strictly(process.stdout))
    return process


@pytest.mark.parametrize("how", ["closed", "killed", "shut down"])
def test_its_children_end_with_the_server_and_the_server_with_its_client(
    kernel: Path, null_log: str, hold: Any, children: Any, how: str
) -> None:
    with hold():
        process = searching(kernel, null_log)
        deadline = time.monotonic() + 20
        while not (index := children(process.pid, INDEX)):
            assert time.monotonic() < deadline
        (search,) = children(process.pid, SEARCH)
        if how == "killed":
            process.kill()
        if how == "shut down":  # the work that nobody waits for ends before the server does
            assert process.stdin
            process.stdin.write(call(99, "shutdown"))
            process.stdin.flush()
            wait_until_gone(*index)
        process.communicate(timeout=20)
        wait_until_gone(search)
        wait_until_gone(*index)


def wait_until_gone(pid: int) -> None:
    """Ended, whether its parent has noticed yet or not."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} is still there")


async def test_a_dead_search_process_is_replaced(start: Any, kernel: Path, null_log: str, children: Any) -> None:
    editor = await start()
    uri = editor.open(kernel / "console.crash", null_log)
    assert len(await editor.links(uri)) == 1
    (child,) = children(editor.client._server.pid, SEARCH)
    os.kill(child, 9)
    wait_until_gone(child)
    again = editor.open(kernel / "again.crash", null_log)
    assert len(await editor.links(again)) == 1


async def test_closing_a_log_stops_its_search(start: Any, kernel: Path, null_log: str) -> None:
    editor = await start()
    uri = editor.open(kernel / "console.crash", null_log)
    editor.close(uri)
    again = editor.open(kernel / "again.crash", null_log)
    assert len(await editor.links(again)) == 1
    assert not editor.client.diagnostics.get(uri)


async def test_requests_on_a_log_that_is_closed_meanwhile(start: Any, kernel: Path, null_log: str) -> None:
    editor = await start()
    uri = editor.open(kernel / "console.crash", null_log)
    links = asyncio.ensure_future(editor.links(uri))
    await asyncio.sleep(0)
    editor.close(uri)
    async with asyncio.timeout(20):
        assert isinstance(await links, list)
    hover = types.HoverParams(text_document=types.TextDocumentIdentifier(uri=uri), position=types.Position(1, 1))
    assert await editor.client.text_document_hover_async(hover) is None
