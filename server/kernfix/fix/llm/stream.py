"""A chat completion's bytes to its text, tolerant of what servers really send: pure, no I/O.

Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html. Seen in the field and accepted here: comment lines,
`choices` empty or null, null `content`, `reasoning_content`, no usage, no ``[DONE]``, one plain JSON body though a stream was asked for.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from kernfix.fix.llm.errors import Broken, Truncated
from kernfix.fix.llm.untrusted import clean_line


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    delta: _Message | None = None
    message: _Message | None = None
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(BaseModel):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    model: str | None = None
    error: Any = None


class Completion:
    """Collects one answer: `feed` the bytes as they come, then `finish`.

    `started` tells whether any text of the answer has come: from then on, a retry would show the user two answers.
    """

    def __init__(self) -> None:
        self.text: list[str] = []
        self.model: str | None = None
        self.prompt_tokens: int | None = None
        self.completion_tokens: int | None = None
        self._finish_reason: str | None = None
        self._chunks = 0
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._line: list[str] = []
        self._whole_body: bool | None = None

    @property
    def started(self) -> bool:
        """Whether text of the answer has come."""
        return bool(self.text)

    def feed(self, data: bytes) -> bool:
        """Take some bytes; True when they held an event. Raises `LLMError` for an error that the server put into the stream."""
        alive = False
        for line in self._lines(self._decoder.decode(data)):
            if line.startswith("data:"):
                alive = True
                self._event(line.removeprefix("data:").strip())
        return alive

    def finish(self) -> str:
        """The whole text, once the body has ended. Raises `LLMError` when the answer is not complete."""
        rest = "".join(self._line) + self._decoder.decode(b"", final=True)
        if self._whole_body:
            self._event(rest)
        elif rest.startswith("data:"):
            self._event(rest.removeprefix("data:").strip())
        if not self._chunks:
            raise Broken(
                "the endpoint answered with something other than a chat completion; is KERNFIX_LLM_BASE_URL right?"
            )
        if self._finish_reason == "length":
            raise Truncated(
                "the model's answer was truncated at its length limit; ask for less, or raise the limit of the endpoint."
            )
        if self._finish_reason is None:
            raise Broken("the model's answer was cut off before its end.")
        return "".join(self.text)

    def _lines(self, text: str) -> Iterator[str]:
        """Complete lines; what follows the last line break waits. A body that begins with a brace is JSON, not a stream."""
        if self._whole_body is None and text.strip():
            self._whole_body = text.lstrip().startswith("{")
        if self._whole_body:
            self._line.append(text)
            return
        head, *more = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._line.append(head)
        for part in more:
            yield "".join(self._line)
            self._line = [part]

    def _event(self, data: str) -> None:
        if not data or data == "[DONE]":
            return
        try:
            chunk = _Chunk.model_validate_json(data)
        except ValidationError:
            raise Broken("the endpoint's answer is not a chat completion.") from None
        if chunk.error:
            raise Broken(f"the endpoint reported an error in its answer: {error_message(chunk.error)}")
        self._take(chunk)

    def _take(self, chunk: _Chunk) -> None:
        self._chunks += 1
        self.model = self.model or chunk.model
        if chunk.usage:
            self.prompt_tokens = chunk.usage.prompt_tokens
            self.completion_tokens = chunk.usage.completion_tokens
        for choice in chunk.choices or ():
            message = choice.delta or choice.message
            if message and message.content:
                self.text.append(message.content)
            self._finish_reason = choice.finish_reason or self._finish_reason


def error_message(error: object) -> str:
    """What an ``error`` member says, as one short line: an object with `message`, or a bare string."""
    message = error.get("message") if isinstance(error, dict) else error
    return clean_line(str(message)) if message else "no reason given"
