"""Every entry point of the language server, and its start.

Nothing heavy may be imported here or by what is imported here: an editor waits for the answer to ``initialize``. Parsers, tree-sitter
and pydantic come with the first document.
"""

from __future__ import annotations

import logging

from lsprotocol import types

from kernfix.lsp import session, stdio
from kernfix.lsp.features import (
    actions,
    documents,
    folding,
    hints,
    hover,
    index,
    navigation,
    outline,
    suggest,
    tokens,
    verify,
    walk,
)
from kernfix.lsp.session import KernfixServer, Refused

ENTRY_POINTS = (
    (types.INITIALIZE, session.use_own_documents, None),
    (types.SHUTDOWN, session.shutdown, None),
    (types.TEXT_DOCUMENT_DID_OPEN, documents.did_open, None),
    (types.TEXT_DOCUMENT_DID_CHANGE, documents.did_change, None),
    (types.TEXT_DOCUMENT_DID_SAVE, documents.did_save, None),
    (types.TEXT_DOCUMENT_DID_CLOSE, documents.did_close, None),
    (types.WORKSPACE_DID_CHANGE_CONFIGURATION, documents.did_change_configuration, None),
    (types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS, documents.did_change_folders, None),
    (types.TEXT_DOCUMENT_DOCUMENT_LINK, navigation.links, None),
    (types.TEXT_DOCUMENT_DEFINITION, navigation.definition, None),
    (types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, outline.symbols, None),
    (types.WORKSPACE_SYMBOL, outline.crashes, None),
    (types.TEXT_DOCUMENT_HOVER, hover.hover, None),
    (types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, tokens.full, tokens.LEGEND),
    (types.TEXT_DOCUMENT_SEMANTIC_TOKENS_RANGE, tokens.of_range, tokens.LEGEND),
    (types.TEXT_DOCUMENT_INLAY_HINT, hints.hints, None),
    (types.TEXT_DOCUMENT_FOLDING_RANGE, folding.ranges, None),
    (
        types.TEXT_DOCUMENT_CODE_ACTION,
        actions.code_actions,
        types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix]),
    ),
)
COMMANDS = (
    (suggest.COMMAND, suggest.suggest),
    (verify.COMMAND, verify.verify),
    (index.COMMAND, index.index),
    (walk.ACTIVATE, walk.activate),
    (walk.DISMISS, walk.dismiss),
)


def create() -> KernfixServer:
    """A server with all its entry points."""
    server = KernfixServer()
    for method, handler, options in ENTRY_POINTS:
        server.feature(method, options)(handler)
    for name, command in COMMANDS:
        server.command(name)(command)
    return server


def serve() -> bool:
    """Serve one client on standard input and output until it leaves; whether it has said so first, as the protocol wants it."""
    protocol_in, protocol_out = stdio.take()
    logging.basicConfig(level=logging.WARNING, format="kernfix lsp: %(message)s")
    logging.getLogger("pygls.protocol.json_rpc").addFilter(_is_ours_to_mend)
    server = create()
    try:
        server.start_io(protocol_in, protocol_out)
    finally:
        server.close()
    return server.was_shut_down


def _is_ours_to_mend(record: logging.LogRecord) -> bool:
    """A refusal is an answer to the user, not a fault: pygls would log it with a traceback."""
    return not (record.exc_info and isinstance(record.exc_info[1], Refused))
