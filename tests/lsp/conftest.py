"""A small kernel tree, a log that fits it, and a client of a real server process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

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

COMMAND = [sys.executable, "-m", "kernfix", "lsp"]
PATIENCE = 30.0
"""Seconds that a test waits for something that must come."""


class Editor:
    """A client with the wishes of a test: opens documents, waits for marks, applies edits as an editor would."""

    def __init__(self, client: LanguageClient) -> None:
        self.client = client
        self.answers: list[str | None] = []
        self.questions: list[str] = []

        @client.feature(types.WINDOW_SHOW_MESSAGE_REQUEST)
        def ask(params: types.ShowMessageRequestParams) -> types.MessageActionItem | None:
            self.questions.append(params.message)
            title = self.answers.pop(0) if self.answers else None
            return types.MessageActionItem(title=title) if title else None

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
            while not (value := condition()):
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
    """What a client can do: as recorded, and corrected to what newer versions of it say."""
    if name == "minimal":
        return types.ClientCapabilities()
    found = client_capabilities("neovim@v0.11.0" if name == "neovim" else "visual_studio_code")
    assert found.workspace
    assert found.workspace.workspace_edit
    found.workspace.workspace_edit.document_changes = True
    if name == "vscode":
        found.general = types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind.Utf16])
    return found


Start = Callable[..., Awaitable[Editor]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a server process: ``await start("neovim", kernfix={…settings…}, options={…}, folders=[…])``."""
    clients: list[LanguageClient] = []

    async def begin(
        name: str = "vscode",
        kernfix: dict[str, Any] | None = None,
        options: Any = None,
        folders: tuple[Path, ...] = (),
        env: dict[str, str] | None = None,
    ) -> Editor:
        import os

        config = ClientServerConfig(server_command=COMMAND, server_env={**os.environ, **(env or {})})
        client = await config.start()
        assert isinstance(client, LanguageClient)
        clients.append(client)
        client.set_configuration({"kernfix": kernfix or {}})
        editor = Editor(client)
        await client.initialize_session(
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


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """A folder that is a kernel tree as far as kernfix can tell, with one driver."""
    root = tmp_path / "linux"
    files = {
        "Makefile": "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\nEXTRAVERSION =\n",
        "Kconfig": "mainmenu \"Test\"\n",
        "kernel/fork.c": "int fork_init(void)\n{\n\treturn 0;\n}\n",
        "drivers/misc/fox.c": FOX_C,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


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
