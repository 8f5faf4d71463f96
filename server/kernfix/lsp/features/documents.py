"""Opening, changing and closing documents. Only crash logs do anything; of other documents the server keeps the text."""

from __future__ import annotations

from urllib.parse import unquote

from lsprotocol import types

from kernfix.lsp.addresses import path_of
from kernfix.lsp.logs import DEBOUNCE_SECONDS, OpenLog, locate_again
from kernfix.lsp.session import LANGUAGE, KernfixServer


def did_open(server: KernfixServer, params: types.DidOpenTextDocumentParams) -> None:
    """Start on a crash log."""
    uri = params.text_document.uri
    document = server.document(uri)
    if document is None or document.language_id != LANGUAGE:
        return
    log = server.logs.setdefault(unquote(uri), OpenLog(server, uri))
    log.closed = False
    log.update(document.text)


def did_change(server: KernfixServer, params: types.DidChangeTextDocumentParams) -> None:
    """Start over when the typing stops."""
    log, document = server.log(params.text_document.uri), server.document(params.text_document.uri)
    if log and document:
        log.update(document.text, DEBOUNCE_SECONDS)


def did_save(server: KernfixServer, params: types.DidSaveTextDocumentParams) -> None:
    """Code that a crash is in may have moved: locate again, and bring the index up to date. A saved log is what it was before."""
    path = path_of(params.text_document.uri)
    if path:
        server.indexer.saved(path)
        locate_again(server, lambda log: log.analysis is not None and log.analysis.is_at(path))


def did_close(server: KernfixServer, params: types.DidCloseTextDocumentParams) -> None:
    """Forget a crash log and take its marks back, unless it has the active crash."""
    log = server.log(params.text_document.uri)
    if log:
        log.close()


def did_change_configuration(server: KernfixServer, params: types.DidChangeConfigurationParams) -> None:
    """Another tree may have been set. Clients that cannot be asked for their settings send them along."""
    if not server.can("workspace.configuration") and isinstance(params.settings, dict):
        server.options = params.settings.get("kernfix", server.options)
    locate_again(server)


def did_change_folders(server: KernfixServer, _params: types.DidChangeWorkspaceFoldersParams) -> None:
    """Another folder may be a kernel tree."""
    locate_again(server)
