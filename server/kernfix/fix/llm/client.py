"""Asks an OpenAI-compatible endpoint for one answer. The only module of `fix` that opens a connection.

Capability before trust: requests go to the one origin that the user set, no redirect is followed, no proxy or netrc of the environment is
used, and the answer is text of bounded size.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any

import httpx

from kernfix.fix.llm.errors import Broken, LLMError, Overloaded, Refused, Unreachable
from kernfix.fix.llm.settings import LLMSettings
from kernfix.fix.llm.stream import Completion, error_message
from kernfix.fix.llm.untrusted import clean_line
from kernfix.fix.model import Usage

Message = Mapping[str, str]

_RETRIED = {408, 409, 429}
_FORMATS = ("json_schema", "json_object", "none")
"""From the strictest form that an endpoint may accept to the plainest request there is."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, counts and bytes that bound one request. `first_token` None: 300 s on this machine, 60 s elsewhere."""

    connect: float = 5.0
    first_token: float | None = None
    idle: float = 60.0
    total: float = 600.0
    retries: int = 2
    backoff: float = 0.5
    retry_after: float = 60.0
    answer_bytes: int = 1 << 20


_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer: its text, the model that wrote it and what it cost."""

    text: str
    model: str
    usage: Usage


class ChatClient:
    """One endpoint for as long as the ``async with`` lasts; requests may run at the same time.

    Cancelling the task that awaits `ask` closes the stream, which stops servers that watch for it.
    """

    def __init__(self, settings: LLMSettings, limits: Limits = _LIMITS) -> None:
        self._settings = settings
        self._limits = limits
        self._first_token = limits.first_token or (300.0 if settings.is_loopback else 60.0)
        self._format = 0
        headers = {"Accept": "text/event-stream, application/json", "Accept-Encoding": "identity"}
        if settings.api_key:
            headers["Authorization"] = f"Bearer {settings.api_key.get_secret_value()}"
        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(None, connect=limits.connect),
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> ChatClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def ask(
        self,
        messages: Sequence[Message],
        schema: Mapping[str, Any],
        *,
        temperature: float = 0.0,
        seed: int | None = None,
    ) -> Reply:
        """One answer to `messages`, held to the JSON `schema` as far as the endpoint can. Raises `LLMError`.

        What form the endpoint refused is remembered, so it is asked in that form only once.
        """
        start = time.monotonic()
        try:
            async with asyncio.timeout(self._limits.total):
                completion = await self._down_the_formats(messages, schema, temperature, seed)
        except TimeoutError:
            raise Unreachable(f"the model did not answer within {self._limits.total:g} seconds.") from None
        except LLMError as error:
            error.args = (self._without_key(str(error)),)  # an endpoint may quote the key that it was sent
            raise
        usage = Usage(completion.prompt_tokens, completion.completion_tokens, round(time.monotonic() - start, 3))
        return Reply("".join(completion.text), completion.model or self._settings.model, usage)

    async def _down_the_formats(
        self, messages: Sequence[Message], schema: Mapping[str, Any], temperature: float, seed: int | None
    ) -> Completion:
        """Ask in the strictest form, then in plainer ones while the endpoint calls the request itself bad."""
        for rung in range(self._format, len(_FORMATS)):
            body = _body(_FORMATS[rung], self._settings.model, messages, schema, temperature, seed)
            try:
                completion = await self._with_retries(body)
            except Refused as error:
                if error.status not in (400, 422) or rung == len(_FORMATS) - 1:
                    raise
            else:
                self._format = max(self._format, rung)
                return completion
        raise AssertionError("the last form either answers or raises")

    async def _with_retries(self, body: bytes) -> Completion:
        for attempt in range(self._limits.retries + 1):
            completion = Completion()
            try:
                await self._once(body, completion)
                return completion
            except (Overloaded, httpx.TransportError) as error:
                wait = self._wait(attempt, error)
                if wait is None or completion.started:
                    raise self._told(error) from None
            await asyncio.sleep(wait)
        raise AssertionError("the last attempt either answers or raises")

    def _wait(self, attempt: int, error: Exception) -> float | None:
        """Seconds until the next attempt, or None when there is none: the endpoint's own word, else doubling with jitter."""
        if attempt == self._limits.retries:
            return None
        asked = error.retry_after if isinstance(error, Overloaded) else None
        if asked is not None:
            return asked if asked <= self._limits.retry_after else None
        return float(self._limits.backoff * 2**attempt * random.uniform(0.75, 1.25))

    def _told(self, error: Exception) -> LLMError:
        if isinstance(error, LLMError):
            return error
        where = self._settings.base_url
        return Unreachable(
            f"the model endpoint {where} cannot be reached ({clean_line(str(error)) or type(error).__name__})."
        )

    async def _once(self, body: bytes, completion: Completion) -> None:
        """One HTTP request. Fills `completion`, and raises `LLMError` or `httpx.TransportError`."""
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(self._first_token) as deadline:
                url = self._settings.base_url + "/chat/completions"
                headers = {"Content-Type": "application/json"}
                async with self._http.stream("POST", url, content=body, headers=headers) as response:
                    await self._check_status(response)
                    received = 0
                    async for data in response.aiter_raw():
                        received += len(data)
                        if received > self._limits.answer_bytes:
                            raise Broken(f"the endpoint sent more than {self._limits.answer_bytes} bytes; given up.")
                        if completion.feed(data):
                            deadline.reschedule(clock() + self._limits.idle)
            completion.finish()
        except TimeoutError:
            silent = self._limits.idle if completion.started else self._first_token
            raise Unreachable(f"the model was silent for {silent:g} seconds.") from None

    async def _check_status(self, response: httpx.Response) -> None:
        status = response.status_code
        if status == 200:
            return
        if 300 <= status < 400:
            target = clean_line(response.headers.get("location", "elsewhere"))
            raise Refused(
                f"the endpoint redirects to {target}, which is not followed; set KERNFIX_LLM_BASE_URL if you trust it.",
                status,
            )
        message = f"the model endpoint answered {status}: {await _reason(response)}"
        if status in _RETRIED or status >= 500:
            raise Overloaded(message, _retry_after(response.headers))
        if status in (401, 403):
            message += " (check KERNFIX_LLM_API_KEY)"
        raise Refused(message, status)

    def _without_key(self, text: str) -> str:
        key = self._settings.api_key
        return text.replace(key.get_secret_value(), "***") if key else text


def _body(
    form: str, model: str, messages: Sequence[Message], schema: Mapping[str, Any], temperature: float, seed: int | None
) -> bytes:
    """The request. The plainest form leaves out all that some endpoint is known to refuse, the temperature among it."""
    request: dict[str, Any] = {"model": model, "messages": list(messages), "stream": True}
    if form != "none":
        request |= {"temperature": temperature, "stream_options": {"include_usage": True}}
        request |= {} if seed is None else {"seed": seed}
    if form == "json_schema":
        request["response_format"] = {"type": form, "json_schema": {"name": "fix", "strict": True, "schema": schema}}
    elif form == "json_object":
        request["response_format"] = {"type": form}
    return json.dumps(request).encode()


async def _reason(response: httpx.Response) -> str:
    """What an error body says, from its first 64 KiB: the OpenAI error object, or the plain text."""
    body = bytearray()
    async for data in response.aiter_raw():
        body += data
        if len(body) > 1 << 16:
            break
    text = body.decode("utf-8", "replace")
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return clean_line(text) or response.reason_phrase or "no reason given"
    return error_message(parsed.get("error", parsed) if isinstance(parsed, dict) else parsed)


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds that the endpoint asks to wait: ``Retry-After-Ms``, or ``Retry-After`` as seconds or date (RFC 9110, 10.2.3)."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if value.isdecimal():
            return float(value[:9]) * unit
    try:
        when = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
