"""One line of asking: a question, an answer, and one more round when the answer does not fit the tree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from kernfix.fix.llm.answer import read_answer
from kernfix.fix.llm.client import ChatClient, Message, Reply
from kernfix.fix.llm.errors import LLMError
from kernfix.fix.llm.prompt import Prompt, repair_messages
from kernfix.fix.llm.settings import LLMSettings
from kernfix.fix.model import Draft, Usage

Complaint = Callable[[Draft], str | None]
"""What keeps a draft from being used, as a sentence that can be put to the model; None when nothing does."""

_TEMPERATURE = 0.7
"""Of all requests but the first, which is asked for the likeliest answer."""


async def ask_for_drafts(
    settings: LLMSettings, prompt: Prompt, n: int, complaint: Complaint
) -> AsyncIterator[Draft | str]:
    """`n` requests side by side: the drafts as they come, and a sentence for each request that gave none.

    A draft that `complaint` still rejects after the second round is given all the same: it says what was tried.
    """
    async with ChatClient(settings) as client:
        tasks = [asyncio.create_task(_one(client, prompt, number, complaint)) for number in range(n)]
        try:
            for done in asyncio.as_completed(tasks):
                yield await done
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _one(client: ChatClient, prompt: Prompt, number: int, complaint: Complaint) -> Draft | str:
    try:
        reply, draft = await _round(client, prompt, prompt.messages, number)
        problem = draft if isinstance(draft, str) else complaint(draft)
        if problem is None:
            return draft
        again, second = await _round(client, prompt, repair_messages(prompt, reply.text, problem), number)
    except LLMError as error:
        return str(error)
    return second if isinstance(second, str) else replace(second, usage=_sum(reply.usage, again.usage))


async def _round(
    client: ChatClient, prompt: Prompt, messages: Sequence[Message], number: int
) -> tuple[Reply, Draft | str]:
    temperature = _TEMPERATURE if number else 0.0
    reply = await client.ask(messages, prompt.schema, temperature=temperature, seed=number)
    return reply, read_answer(reply.text, prompt.files, reply.model, reply.usage)


def _sum(first: Usage, second: Usage) -> Usage:
    """Unknown stays unknown."""
    return Usage(
        _add(first.prompt_tokens, second.prompt_tokens),
        _add(first.completion_tokens, second.completion_tokens),
        round((first.seconds or 0.0) + (second.seconds or 0.0), 3),
    )


def _add(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second
