"""The server with the state of one editing session. Nothing of it outlives the server object, and nothing is global."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lsprotocol import types
from pygls.capabilities import get_capability
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol
from pygls.protocol.language_server import lsp_method
from pygls.workspace import Workspace

from kernfix import __version__
from kernfix.lsp.addresses import address_of, path_of
from kernfix.lsp.crashes import Crashes
from kernfix.lsp.places import Places
from kernfix.lsp.published import Published
from kernfix.lsp.text import Document, Text

if TYPE_CHECKING:
    from kernfix.lsp.indexer import Indexer
    from kernfix.lsp.locator import Locator
    from kernfix.lsp.logs import OpenLog
    from kernfix.lsp.settings import Settings

LANGUAGE = "kernel-crash"
"""The language id of a crash log."""
ANSWER_SECONDS = 10.0
"""How long a client may take to answer what it can answer without its user."""
MAX_SOURCE_BYTES = 32 << 20


class Refused(JsonRpcException):
    """A request cannot be done, for a reason that the user can do something about: one sentence, and no traceback."""

    CODE = types.LSPErrorCodes.RequestFailed.value


class Protocol(LanguageServerProtocol):
    """pygls' protocol, with commands as coroutines: then ``$/cancelRequest`` reaches them, and they see the client's progress token."""

    @lsp_method(types.WORKSPACE_EXECUTE_COMMAND)
    async def lsp_workspace__execute_command(self, params: types.ExecuteCommandParams) -> Any:  # type: ignore[override]
        """Run a registered command; its handler gets the whole params."""
        handler = self.fm.commands.get(params.command)
        if handler is None:
            raise Refused(f"kernfix has no command {params.command!r}.")
        return await handler(params)

    def send_request_async(self, method: str, params: Any | None = None, msg_id: int | str | None = None) -> Any:
        """Ask the client. Who waits for the answer may be cancelled, but the answer comes all the same and must find its place."""
        return asyncio.shield(super().send_request_async(method, params, msg_id))


class KernfixServer(LanguageServer):
    """Open logs, what was published, what the user agreed to. Documents that are not crash logs are only known by their text."""

    protocol: Protocol

    def __init__(self) -> None:
        super().__init__("kernfix", __version__, protocol_cls=Protocol)
        self.logs: dict[str, OpenLog] = {}
        self.crashes = Crashes(self)
        self.places = Places(self)
        self.published = Published(self.text_document_publish_diagnostics)
        self.options: object = None
        self.consents: dict[tuple[str, str], bool] = {}
        self._locator: Locator | None = None
        self._indexer: Indexer | None = None
        self._said: set[str] = set()

    @property
    def locator(self) -> Locator:
        """The process that finds code, started on first use."""
        if self._locator is None:
            from kernfix.lsp.locator import Locator

            self._locator = Locator()
        return self._locator

    @property
    def indexer(self) -> Indexer:
        """What keeps the indexes of trees."""
        if self._indexer is None:
            from kernfix.lsp.indexer import Indexer

            self._indexer = Indexer(self)
        return self._indexer

    def can(self, capability: str) -> bool:
        """Whether the client has a capability, such as ``window.work_done_progress``."""
        return bool(get_capability(self.client_capabilities, capability, False))

    @property
    def was_shut_down(self) -> bool:
        """Whether the client has ended the session in due form."""
        return self.protocol._shutdown

    def close(self) -> None:
        """End what was started."""
        if self._locator is not None:
            self._locator.stop()

    def log(self, uri: str) -> OpenLog | None:
        """The open crash log of that address, however it is percent-encoded."""
        return self.logs.get(unquote(uri))

    def document(self, uri: str) -> Document | None:
        """The open document of that address."""
        found = self.workspace.text_documents.get(unquote(uri))
        return found if isinstance(found, Document) else None

    def source(self, path: Path) -> Text | None:
        """The text of a source file as the user sees it: the open buffer, else the file; None when it cannot be read as text."""
        if open_document := self.document(self.address(path)):
            return open_document.text
        try:
            if path.stat().st_size > MAX_SOURCE_BYTES:
                return None
            return Text(path.read_bytes().decode("utf-8", "replace"), self.workspace.position_codec)
        except OSError:
            return None

    def folders(self) -> list[Path]:
        """The workspace folders on this machine, or the root of a client that knows no folders."""
        return [path for path in map(path_of, self._roots()) if path]

    def _roots(self) -> list[str]:
        return [folder.uri for folder in self.workspace.folders.values()] or [self.workspace.root_uri or ""]

    def address(self, path: Path) -> str:
        """The address of an absolute path as the client calls it."""
        return address_of(path, self._roots())

    async def settings(self, uri: str) -> Settings:
        """The settings that hold for a document: asked anew each time, so that a change takes effect at once."""
        from kernfix.lsp import settings

        layers = [self.options]
        if self.can("workspace.configuration"):
            item = types.ConfigurationItem(scope_uri=uri, section=settings.SECTION)
            layers += await self._ask(self.workspace_configuration_async(types.ConfigurationParams(items=[item]))) or []
        found, problems = settings.read(*layers)
        for problem in problems:
            self.say_once(problem, types.MessageType.Warning)
        return found

    async def _ask(self, request: Any) -> Any:
        """The client's answer, or None when it has none."""
        try:
            return await asyncio.wait_for(request, ANSWER_SECONDS)
        except (JsonRpcException, TimeoutError):
            return None

    def refresh(self) -> None:
        """Have the client ask anew for what it shows of crashes in documents, as far as it can be told to."""
        for feature, capability, ask in (
            (types.TEXT_DOCUMENT_INLAY_HINT, "inlay_hint", self.workspace_inlay_hint_refresh),
            (types.TEXT_DOCUMENT_CODE_LENS, "code_lens", self.workspace_code_lens_refresh),
            (types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, "semantic_tokens", self.workspace_semantic_tokens_refresh),
        ):
            if feature in self.protocol.fm.features and self.can(f"workspace.{capability}.refresh_support"):
                ask(None)

    def say(self, message: str, kind: types.MessageType = types.MessageType.Info) -> None:
        """Show the user a message."""
        self.window_show_message(types.ShowMessageParams(type=kind, message=f"kernfix: {message}"))

    def say_once(self, message: str, kind: types.MessageType) -> None:
        """Show the user a message unless this session has shown it already."""
        if message not in self._said:
            self._said.add(message)
            self.say(message, kind)

    def note_once(self, message: str) -> None:
        """Write a warning to the client's log, where it disturbs nobody, unless this session has told it already."""
        if message not in self._said:
            self._said.add(message)
            self.window_log_message(
                types.LogMessageParams(type=types.MessageType.Warning, message=f"kernfix: {message}")
            )


def shutdown(server: KernfixServer, _params: None) -> None:
    """End the work that nobody waits for as long as the client can still be told so."""
    if server._indexer is not None:
        server._indexer.stop()


def use_own_documents(server: KernfixServer, params: types.InitializeParams) -> None:
    """Replace pygls' workspace, which was made a moment ago and is empty, by one with our documents; keep the client's options."""
    old = server.workspace
    server.protocol._workspace = _Workspace(
        old.root_uri, types.TextDocumentSyncKind.Incremental, list(old.folders.values()), old.position_encoding
    )
    server.options = params.initialization_options


class _Workspace(Workspace):
    def _create_text_document(
        self, doc_uri: str, source: str | None = None, version: int | None = None, language_id: str | None = None
    ) -> Document:
        return Document(doc_uri, source, version, language_id, position_codec=self.position_codec)
