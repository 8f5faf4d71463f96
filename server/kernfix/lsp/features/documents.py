"""Opening, changing and closing documents. Only crash logs do anything; of other documents the server keeps the text."""

from __future__ import annotations

from urllib.parse import unquote

from lsprotocol import types

from kernfix.lsp.logs import DEBOUNCE_SECONDS, OpenLog
from kernfix.lsp.session import LANGUAGE, KernfixServer


def did_open(server: KernfixServer, params: types.DidOpenTextDocumentParams) -> None:
    """Start on a crash log."""
    uri = params.text_document.uri
    document = server.document(uri)
    if document is None or document.language_id != LANGUAGE:
        return
    log = server.logs.setdefault(unquote(uri), OpenLog(server, uri))
    log.update(document.text)


def did_change(server: KernfixServer, params: types.DidChangeTextDocumentParams) -> None:
    """Start over when the typing stops."""
    log, document = server.log(params.text_document.uri), server.document(params.text_document.uri)
    if log and document:
        log.update(document.text, DEBOUNCE_SECONDS)


def did_save(server: KernfixServer, params: types.DidSaveTextDocumentParams) -> None:
    """A saved source file may have moved the code: locate again. A saved log is what it was before."""
    if server.log(params.text_document.uri) is None:
        _again(server)


def did_close(server: KernfixServer, params: types.DidCloseTextDocumentParams) -> None:
    """Forget a crash log and take its marks back."""
    log = server.logs.pop(unquote(params.text_document.uri), None)
    if log:
        log.close()


def did_change_configuration(server: KernfixServer, params: types.DidChangeConfigurationParams) -> None:
    """Another tree may have been set. Clients that cannot be asked for their settings send them along."""
    if not server.can("workspace.configuration") and isinstance(params.settings, dict):
        server.options = params.settings.get("kernfix", server.options)
    _again(server)


def did_change_folders(server: KernfixServer, _params: types.DidChangeWorkspaceFoldersParams) -> None:
    """Another folder may be a kernel tree."""
    _again(server)


def _again(server: KernfixServer) -> None:
    for uri, log in server.logs.items():
        if document := server.document(uri):
            log.update(document.text, DEBOUNCE_SECONDS)
