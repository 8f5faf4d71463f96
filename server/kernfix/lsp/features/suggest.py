"""``kernfix.suggest``: candidates for a crash. A model is asked only after the user agreed to what is sent, and where to."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from kernfix.lsp.aside import aside
from kernfix.lsp.features import commands
from kernfix.lsp.progress import working
from kernfix.lsp.session import KernfixServer

if TYPE_CHECKING:
    from kernfix.fix.llm.settings import LLMSettings
    from kernfix.fix.model import Candidate, Proposals
    from kernfix.lsp.settings import Settings

COMMAND = "kernfix.suggest"
SEND = "Send"
KEEP = "Use templates only"


async def suggest(server: KernfixServer, params: types.ExecuteCommandParams) -> Any:
    """The candidates as ``kernfix fix --json`` prints them; those that passed their checks become code actions."""
    from kernfix.case import fix

    target = await commands.target(server, COMMAND, params.arguments)
    settings = await server.settings(target.log.uri)
    async with working(server, "Suggesting fixes", params.work_done_token) as report:
        llm = await _endpoint(server, settings, target)
        provider = "templates" if llm is None else settings.provider
        located = target.analysis.located[target.index] if target.analysis.located else None
        loop = asyncio.get_running_loop()

        def tell(candidate: Candidate) -> None:
            loop.call_soon_threadsafe(report, candidate.draft.hypothesis)

        proposals = await aside(
            lambda: fix.suggest(target.crash, target.tree, located, provider=provider, llm=llm, on_candidate=tell)
        )
    target.log.candidates[target.key] = proposals.candidates
    _conclude(server, proposals)
    return {"candidates": [fix.to_json(candidate) for candidate in proposals.candidates]}


def _conclude(server: KernfixServer, proposals: Proposals) -> None:
    """Tell the user what came of it: candidates that failed a check are not offered, and problems are not hidden."""
    passed = sum(candidate.ok for candidate in proposals.candidates)
    for problem in proposals.problems:
        server.say(problem, types.MessageType.Warning)
    if passed:
        fixes = "fix is" if passed == 1 else "fixes are"
        server.say(f"{passed} proposed {fixes} among the code actions of the crash now.")
    else:
        tried = f" {len(proposals.candidates)} did not pass the checks." if proposals.candidates else ""
        server.say(f"No fix was found.{tried}", types.MessageType.Warning)


async def _endpoint(server: KernfixServer, settings: Settings, target: commands.Target) -> LLMSettings | None:
    """The model to ask, when one is configured, wanted, and agreed to."""
    from kernfix.fix.llm.settings import load_settings

    if settings.provider == "templates":
        return None
    named = settings.llm
    # An endpoint of the settings gets the key that the settings name, and never the one of the environment's endpoint.
    key = (os.environ.get(named.api_key_env or "") or " ") if named.base_url else ""
    llm, reason = load_settings(base_url=named.base_url or "", model=named.model or "", api_key=key)
    if llm is None:
        if settings.provider or named.base_url:
            server.say(f"No model is asked: {reason}", types.MessageType.Warning)
        return None
    return llm if await _agreed(server, target, llm) else None


async def _agreed(server: KernfixServer, target: commands.Target, llm: LLMSettings) -> bool:
    """Whether the user lets the crash and its code go to that host; asked once for each tree and host in a session."""
    place = (str(target.root), llm.host)
    if place not in server.consents:
        question = types.ShowMessageRequestParams(
            type=types.MessageType.Warning,
            message=f"kernfix: Send this crash and source excerpts to {llm.host} (model {llm.model})?",
            actions=[types.MessageActionItem(title=SEND), types.MessageActionItem(title=KEEP)],
        )
        try:
            answer = await server.window_show_message_request_async(question)
        except JsonRpcException:
            answer = None
        if answer is None:  # dismissed: no for now, and asked again next time
            return False
        server.consents[place] = answer.title == SEND
    return server.consents[place]
