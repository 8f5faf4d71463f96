"""``kernfix.index``: bring the index of a tree up to date now, whether it is kept or was cancelled."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from lsprotocol import types

from kernfix.lsp import tree
from kernfix.lsp.session import KernfixServer, Refused

COMMAND = "kernfix.index"


async def index(server: KernfixServer, params: types.ExecuteCommandParams) -> Any:
    """What the index has then, as ``kernfix index --json`` says it.

    The tree is that of the document that ``{"uri": …}`` names; without an argument it is that of an open log, or of the workspace.
    """
    given = params.arguments[0] if params.arguments else {"uri": next((log.uri for log in server.logs.values()), "")}
    if not isinstance(given, dict) or not isinstance(given.get("uri"), str):
        raise Refused(f'{COMMAND} takes one object: {{"uri": of a document of the tree}}; or nothing.')
    settings = await server.settings(given["uri"])
    found = await asyncio.to_thread(tree.find, settings, given["uri"], server.folders())
    if found.tree is None:
        raise Refused(found.problem or tree.NO_TREE)
    refreshed, problem = await server.indexer.refresh(found.tree, params.work_done_token)
    if refreshed is None:
        raise Refused(problem or f"There is no index of {found.root}.")
    server.say(
        f"The index of Linux {found.tree.version} has {refreshed.names:,} definitions in {refreshed.files:,} files."
    )
    return {**asdict(refreshed), "path": str(refreshed.path)}
