"""A small kernel tree, logs that fit it, a client of a real server process, and what the server talks to."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from lsprotocol.converters import get_converter
from pytest_lsp import ClientServerConfig, LanguageClient

from kernfix.source.index.store import index_path
from kernfix.verify import wire

FOX_C = """\
// Our own driver; the crash log below is written to fit it.
struct fox {
	int tail;
};

static struct fox *den[16];

struct fox *fox_find(int id)
{
	if (id > 15)
		return NULL;
	return den[id];
}

int fox_tail(int id)
{
	struct fox *fox = fox_find(id);

	return /* 🦊 */ fox->tail;
}

struct fox *fox_open(int id)
{
	den[id] = kmalloc(sizeof(struct fox), GFP_KERNEL);
	return den[id];
}

void fox_release(int id)
{
	kfree(den[id]);
}

int fox_read(int id)
{
	return den[id]->tail;
}
"""

NULL_LOG = """\
[   11.000001] 🦊 hello
[   12.000001] BUG: kernel NULL pointer dereference, address: 0000000000000000
[   12.000002] #PF: supervisor read access in kernel mode
[   12.000003] #PF: error_code(0x0000) - not-present page
[   12.000004] PGD 0 P4D 0
[   12.000005] Oops: Oops: 0000 [#1] PREEMPT SMP
[   12.000006] CPU: 0 UID: 0 PID: 57 Comm: repro Not tainted 6.12.0 #1
[   12.000007] Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2 04/01/2014
[   12.000008] RIP: 0010:fox_tail+0x2a/0x60 drivers/misc/fox.c:19
[   12.000009] Code: 48 8b 05 00 00 00 00 <8b> 00 c3
[   12.000010] RSP: 0018:ffffc90000123e58 EFLAGS: 00010246
[   12.000011] RAX: 0000000000000000 RBX: 0000000000000010 RCX: 0000000000000000
[   12.000012] Call Trace:
[   12.000013]  <TASK>
[   12.000014]  fox_ioctl+0x4d/0x90
[   12.000015]  do_syscall_64+0x64/0x140
[   12.000016]  entry_SYSCALL_64_after_hwframe+0x76/0x7e
[   12.000017]  </TASK>
[   12.000018] Modules linked in:
[   12.000019] CR2: 0000000000000000
[   12.000020] ---[ end trace 0000000000000000 ]---
"""

KASAN_LOG = """\
[   22.000001] ==================================================================
[   22.000002] BUG: KASAN: slab-use-after-free in fox_read+0x4a/0x90 drivers/misc/fox.c:35
[   22.000003] Read of size 4 at addr ffff888007a3c008 by task repro/57
[   22.000004]
[   22.000005] CPU: 0 UID: 0 PID: 57 Comm: repro Not tainted 6.12.0 #1
[   22.000006] Call Trace:
[   22.000007]  <TASK>
[   22.000008]  dump_stack_lvl+0x53/0x70
[   22.000009]  print_report+0xce/0x660
[   22.000010]  kasan_report+0xce/0x100
[   22.000011]  fox_read+0x4a/0x90 drivers/misc/fox.c:35
[   22.000012]  do_syscall_64+0x64/0x140
[   22.000013]  entry_SYSCALL_64_after_hwframe+0x76/0x7e
[   22.000014]  </TASK>
[   22.000015]
[   22.000016] Allocated by task 57:
[   22.000017]  kasan_save_stack+0x33/0x60
[   22.000018]  fox_open+0x3b/0x80 drivers/misc/fox.c:24
[   22.000019]  do_syscall_64+0x64/0x140
[   22.000020]
[   22.000021] Freed by task 57:
[   22.000022]  kasan_save_stack+0x33/0x60
[   22.000023]  kfree+0xb9/0x1c0
[   22.000024]  fox_release+0x2e/0x50 drivers/misc/fox.c:30
[   22.000025]  do_syscall_64+0x64/0x140
[   22.000026]
[   22.000027] The buggy address belongs to the object at ffff888007a3c008
[   22.000028]  which belongs to the cache kmalloc-8 of size 8
[   22.000029] ==================================================================
"""

LOCK_LOG = """\
[   32.000001] ======================================================
[   32.000002] WARNING: possible circular locking dependency detected
[   32.000003] 6.12.0 #1 Not tainted
[   32.000004] ------------------------------------------------------
[   32.000005] repro/57 is trying to acquire lock:
[   32.000006] ffff888003d359a0 (&fox->lock){+.+.}-{3:3}, at: fox_open+0x3f/0x80
[   32.000007]
[   32.000008] but task is already holding lock:
[   32.000009] ffff888003d35aa0 (&den->lock){+.+.}-{3:3}, at: fox_read+0x1f/0x90 drivers/misc/fox.c:35
[   32.000010]
[   32.000011] which lock already depends on the new lock.
[   32.000012] stack backtrace:
[   32.000013] Call Trace:
[   32.000014]  <TASK>
[   32.000015]  fox_open+0x3f/0x80
[   32.000016]  fox_read+0x1f/0x90
[   32.000017]  </TASK>
"""

COMMAND = [sys.executable, "-m", "kernfix", "lsp"]
PATIENCE = 30.0
"""Seconds that a test waits for something that must come."""

REFRESH = (
    types.WORKSPACE_CODE_LENS_REFRESH,
    types.WORKSPACE_INLAY_HINT_REFRESH,
    types.WORKSPACE_SEMANTIC_TOKENS_REFRESH,
)
"""What the server may ask a client to ask for anew."""


class Editor:
    """A client with the wishes of a test: opens documents, waits for marks, applies edits as an editor would."""

    def __init__(self, client: LanguageClient) -> None:
        self.client = client
        self.server: types.InitializeResult
        self.answers: list[str | None] = []
        self.questions: list[str] = []

        self.refreshed: list[str] = []
        for method in REFRESH:
            client.feature(method)(self._take_refresh(method))

        @client.feature(types.WINDOW_SHOW_MESSAGE_REQUEST)
        def ask(params: types.ShowMessageRequestParams) -> types.MessageActionItem | None:
            self.questions.append(params.message)
            title = self.answers.pop(0) if self.answers else None
            return types.MessageActionItem(title=title) if title else None

    def _take_refresh(self, method: str) -> Callable[[None], None]:
        def refreshed(_: None) -> None:
            self.refreshed.append(method)

        return refreshed

    def open(self, path: Path, text: str, language: str = "kernel-crash") -> str:
        """Open a document that need not be on disk; gives its address."""
        uri = path.as_uri()
        item = types.TextDocumentItem(uri=uri, language_id=language, version=1, text=text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(text_document=item))
        return uri

    def change(self, uri: str, version: int, *changes: types.TextDocumentContentChangeEvent) -> None:
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                text_document=types.VersionedTextDocumentIdentifier(uri=uri, version=version), content_changes=changes
            )
        )

    def close(self, uri: str) -> None:
        document = types.TextDocumentIdentifier(uri=uri)
        self.client.text_document_did_close(types.DidCloseTextDocumentParams(text_document=document))

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until the condition holds; gives its value."""
        async with asyncio.timeout(PATIENCE):
            while not (value := condition()):  # noqa: ASYNC110 - what is waited for happens in another process
                await asyncio.sleep(0.02)
        return value

    async def marks(self, uri: str, count: int) -> list[types.Diagnostic]:
        """The diagnostics of a document once there are so many."""
        await self.until(lambda: len(self.client.diagnostics.get(uri, ())) == count and uri in self.client.diagnostics)
        return list(self.client.diagnostics[uri])

    async def settled(self, uri: str) -> None:
        """Wait until the search in the tree is over: links wait for it."""
        await self.links(uri)

    async def links(self, uri: str) -> list[types.DocumentLink]:
        document = types.TextDocumentIdentifier(uri=uri)
        found = await self.client.text_document_document_link_async(types.DocumentLinkParams(text_document=document))
        return list(found or ())

    async def actions(self, uri: str, line: int, only: list[str] | None = None) -> list[types.CodeAction]:
        found = await self.client.text_document_code_action_async(
            types.CodeActionParams(
                text_document=types.TextDocumentIdentifier(uri=uri),
                range=types.Range(types.Position(line, 0), types.Position(line, 0)),
                context=types.CodeActionContext(diagnostics=[], only=only),
            )
        )
        return [action for action in found or () if isinstance(action, types.CodeAction)]

    async def run(self, command: str, **argument: Any) -> Any:
        """Run a command with one object as its argument; the answer as plain JSON values."""
        params = types.ExecuteCommandParams(command=command, arguments=[argument])
        return plain(await self.client.workspace_execute_command_async(params))

    def messages(self) -> list[str]:
        return [message.message for message in self.client.messages]


def plain(value: Any) -> Any:
    """What pygls made of JSON objects without a type, back as dicts and lists."""
    if hasattr(value, "_asdict"):
        return {key: plain(item) for key, item in value._asdict().items()}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def capabilities(name: str) -> types.ClientCapabilities:
    """What a client can do, as its own ``initialize`` said it; the minimal client says nothing."""
    if name == "minimal":
        return types.ClientCapabilities()
    recorded = json.loads((Path(__file__).parent / "clients" / f"{name}.json").read_text())
    return get_converter().structure(recorded["capabilities"], types.ClientCapabilities)


Start = Callable[..., Awaitable[Editor]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder: one of this test, unless a real kernel is kept in it."""
    folder = tmp_path / "cache"
    if not request.node.get_closest_marker("kernel"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture
def children() -> Callable[[int, str], list[int]]:
    """The processes that a process has started from that module."""

    def find(pid: int, module: str) -> list[int]:
        started = (path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children"))
        return [int(child) for children in started for child in children if module in _command_of(int(child))]

    return find


def _command_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a server process: ``await start("neovim", kernfix={…settings…}, options={…}, folders=[…])``.

    Without `index` it leaves trees without one: what it shows of that work depends on how fast the machine is.
    """
    clients: list[LanguageClient] = []

    async def begin(
        name: str = "vscode",
        kernfix: dict[str, Any] | None = None,
        options: Any = None,
        folders: tuple[Path, ...] = (),
        env: dict[str, str] | None = None,
        index: bool = False,
    ) -> Editor:
        config = ClientServerConfig(server_command=COMMAND, server_env={**os.environ, **(env or {})})
        client = await config.start()
        assert isinstance(client, LanguageClient)
        clients.append(client)
        client.set_configuration({"kernfix": {**({} if index else {"index": False}), **(kernfix or {})}})
        tell_actions_from_commands(client)
        editor = Editor(client)
        editor.server = await client.initialize_session(
            types.InitializeParams(
                capabilities=capabilities(name),
                initialization_options=options,
                workspace_folders=[types.WorkspaceFolder(uri=path.as_uri(), name=path.name) for path in folders],
            )
        )
        return editor

    yield begin
    for client in clients:
        await client.shutdown_session()
        await client.stop()


def tell_actions_from_commands(client: LanguageClient) -> None:
    """lsprotocol 2025.0.0 takes a code action that has a command for a bare command, and loses the rest of it."""
    converter = client.protocol._converter

    def either(value: Any, _: Any) -> types.Command | types.CodeAction:
        kind = types.Command if isinstance(value.get("command"), str) else types.CodeAction
        return converter.structure(value, kind)

    converter.register_structure_hook(types.Command | types.CodeAction, either)


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """A folder that is a kernel tree as far as kernfix can tell, with one driver."""
    root = tmp_path / "linux"
    files = {
        "Makefile": "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\nEXTRAVERSION =\n",
        "Kconfig": 'mainmenu "Test"\n',
        "kernel/fork.c": "int fork_init(void)\n{\n\treturn 0;\n}\n",
        "drivers/misc/fox.c": FOX_C,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def made(kernel: Path) -> Path:
    """Where the tree's index is kept."""
    return index_path(kernel.resolve())


@pytest.fixture
def hold(made: Path) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """Keeps the index from being made, as another builder would."""

    @contextlib.contextmanager
    def holding() -> Iterator[None]:
        made.parent.mkdir(parents=True, exist_ok=True)
        with made.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    return holding


@pytest.fixture
def fox_c(kernel: Path) -> str:
    """The address of the driver's source."""
    return (kernel / "drivers/misc/fox.c").as_uri()


@pytest.fixture
def null_log() -> str:
    return NULL_LOG


@pytest.fixture
def kasan_log() -> str:
    return KASAN_LOG


@pytest.fixture
def lock_log() -> str:
    return LOCK_LOG


@pytest.fixture
def scripted() -> Iterator[Callable[..., Any]]:
    """Starts a chat-completions endpoint that does what its steps say; see ``tests/fix/scripted_llm.py``."""
    path = Path(__file__).parents[1] / "fix" / "scripted_llm.py"
    spec = importlib.util.spec_from_file_location("scripted_llm_for_lsp", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with contextlib.ExitStack() as stack:

        def begin(*script: dict[str, Any]) -> Any:
            return stack.enter_context(serving(module.ScriptedLLM(list(script))))

        yield begin


@pytest.fixture
def runner() -> Iterator[FakeRunner]:
    """A runner that accepts every job and answers with `judgement`, or runs until it is cancelled when that is None."""
    with serving(FakeRunner()) as server:
        yield server


@contextlib.contextmanager
def serving(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


class FakeRunner(ThreadingHTTPServer):
    """The calls of ``/v1`` that a verification makes. It judges nothing: this is for what the editor does with a judgement."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _RunnerHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.blobs: dict[str, bytes] = {}
        self.jobs: list[wire.JobRequest] = []
        self.tokens: set[str | None] = set()
        self.judgement: wire.Judgement | None = None
        self.following = threading.Event()
        self.cancelled = threading.Event()

    def job(self, state: wire.JobState) -> wire.Job:
        return wire.Job(id="1", state=state, created=0.0, updated=0.0, judgement=self.judgement)

    def events(self) -> Iterator[wire.Event]:
        yield wire.Event(id=1, kind="stage", stage="build")
        yield wire.Event(id=2, kind="progress", stage="build", done=3, total=7)
        self.following.set()
        if self.judgement is None:
            self.cancelled.wait(PATIENCE)
            yield wire.Event(id=3, kind="state", job=self.job(wire.JobState.CANCELLED))
        else:
            yield wire.Event(id=3, kind="state", job=self.job(wire.JobState.DONE))


class _RunnerHandler(BaseHTTPRequestHandler):
    server: FakeRunner

    def do_HEAD(self) -> None:
        self._answer(200 if self.path.rsplit("/", 1)[1] in self.server.blobs else 404)

    def do_PUT(self) -> None:
        body, digest = self._body(), self.path.rsplit("/", 1)[1]
        if hashlib.sha256(body).hexdigest() != digest:
            return self._answer(422)
        self.server.blobs[digest] = body
        return self._answer(201)

    def do_POST(self) -> None:
        self.server.tokens.add(self.headers.get("Authorization"))
        if self.path.endswith("/cancel"):
            self.server.cancelled.set()
            return self._answer(200, self.server.job(wire.JobState.CANCELLED))
        self.server.jobs.append(wire.JobRequest.model_validate_json(self._body()))
        return self._answer(202, self.server.job(wire.JobState.QUEUED))

    def do_GET(self) -> None:
        if not self.path.endswith("/events"):
            return self._answer(200, self.server.job(wire.JobState.DONE))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for event in self.server.events():
            self.wfile.write(f"id: {event.id}\ndata: {event.model_dump_json()}\n\n".encode())
            self.wfile.flush()
        return None

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: int, document: wire.Wire | None = None) -> None:
        body = document.model_dump_json().encode() if document else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass
