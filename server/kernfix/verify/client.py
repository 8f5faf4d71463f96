"""The runner's HTTP client: the only module of this room that opens a connection.

Errors, all with one sentence for the user::

    RunnerError
    ├── RunnerUnreachable   no runner answers there
    └── RunnerRefused       it answered, and said no
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import httpx
from pydantic import ValidationError

from kernfix.verify.wire import ENDED, Artifacts, Event, Job, JobRequest, Wire

CHUNK = 1 << 20
RETRIES = 5
"""How often in a row a lost event stream is asked for again."""
RETRY_SECONDS = 0.2
"""Half of the wait before the first time; each further one is twice as long, up to 5 s."""

Message = TypeVar("Message", bound=Wire)


class RunnerError(Exception):
    """The runner cannot do what was asked; the text is one sentence for the user."""


class RunnerUnreachable(RunnerError):
    """No runner answers at this address."""


class RunnerRefused(RunnerError):
    """The runner answered with an error."""


class RunnerClient:
    """Talks to one runner. Redirects and proxies of the environment are not followed: the token goes to the named host alone."""

    def __init__(self, url: str, token: str | None = None, transport: httpx.AsyncBaseTransport | None = None) -> None:
        headers = {"Authorization": f"Bearer {_checked(token)}"} if token else {}
        timeout = httpx.Timeout(30.0, connect=5.0)
        try:
            self._http = httpx.AsyncClient(
                base_url=url, headers=headers, timeout=timeout, transport=transport, trust_env=False
            )
        except httpx.InvalidURL as error:
            raise RunnerUnreachable(
                f"{url!r} is not a runner's address: {error}. Name one such as http://host:8470."
            ) from None
        self._url = url

    async def __aenter__(self) -> RunnerClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def put_bytes(self, data: bytes) -> str:
        """Upload a blob unless the runner has it; gives its SHA-256."""
        digest = hashlib.sha256(data).hexdigest()
        if not await self._has(digest):
            await self._call("PUT", f"/v1/blobs/{digest}", content=data)
        return digest

    async def put_file(self, path: Path) -> str:
        """Upload a file of any size as a blob unless the runner has it; gives its SHA-256."""
        digest = await asyncio.to_thread(_hash_file, path)
        if not await self._has(digest):
            await self._call("PUT", f"/v1/blobs/{digest}", content=_chunks(path), seconds=600.0)
        return digest

    async def submit(self, request: JobRequest, key: str) -> Job:
        """Submit a job; the same idempotency `key` never starts a second one."""
        body = request.model_dump_json()
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        return _read(Job, await self._call("POST", "/v1/jobs", content=body, headers=headers))

    async def job(self, id: str) -> Job:
        """The job as it stands."""
        return _read(Job, await self._call("GET", f"/v1/jobs/{id}"))

    async def cancel(self, id: str) -> Job:
        """Stop the job and kill its children."""
        return _read(Job, await self._call("POST", f"/v1/jobs/{id}/cancel"))

    async def artifacts(self, id: str) -> Artifacts:
        """What the job left behind."""
        return _read(Artifacts, await self._call("GET", f"/v1/jobs/{id}/artifacts"))

    async def artifact(self, id: str, name: str) -> bytes:
        """The content of one artifact."""
        return (await self._call("GET", f"/v1/jobs/{id}/artifacts/{name}")).content

    async def events(self, id: str) -> AsyncIterator[Event]:
        """The job's events from the first to the last; a lost connection is taken up again where it broke."""
        last, failures = 0, 0
        while failures <= RETRIES:
            why = "it ended the job's events too early"
            try:
                async with aclosing(self._stream(id, last)) as stream:
                    async for event in stream:
                        failures = 0
                        if event is None:
                            continue
                        last = event.id
                        yield event
                        if event.kind == "state" and event.job and event.job.state in ENDED:
                            return
            except (httpx.TransportError, httpx.StreamError) as error:
                why = _say(error)
            failures += 1
            await asyncio.sleep(min(RETRY_SECONDS * 2**failures, 5))
        raise RunnerUnreachable(f"the runner at {self._url} went away: {why}.")

    async def _stream(self, id: str, last: int) -> AsyncGenerator[Event | None, None]:
        """Events after number `last`, and None for each other line, which only says that the connection lives."""
        headers = {"Last-Event-ID": str(last), "Accept": "text/event-stream"}
        async with self._http.stream("GET", f"/v1/jobs/{id}/events", headers=headers) as response:
            if response.status_code != 200:
                await response.aread()
                raise _refused(response)
            rest = b""
            async for chunk in response.aiter_bytes():
                *lines, rest = (rest + chunk).split(b"\n")  # here only: texts may hold what Unicode calls a line's end
                for line in lines:
                    yield _parsed(Event, line[5:], self._url) if line.startswith(b"data:") else None

    async def _has(self, digest: str) -> bool:
        return (await self._call("HEAD", f"/v1/blobs/{digest}", missing_ok=True)).status_code == 200

    async def _call(
        self,
        method: str,
        path: str,
        *,
        content: bytes | str | AsyncIterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
        seconds: float | None = None,
        missing_ok: bool = False,
    ) -> httpx.Response:
        extra = {} if seconds is None else {"timeout": seconds}
        try:
            response = await self._http.request(method, path, content=content, headers=headers, **extra)  # type: ignore[arg-type]
        except (httpx.TransportError, httpx.UnsupportedProtocol) as error:
            raise RunnerUnreachable(
                f"no runner answers at {self._url} ({_say(error)}); start one with `kernfix runner serve`, or leave --runner"
                " out to use an embedded one."
            ) from None
        if response.is_success or (missing_ok and response.status_code == 404):
            return response
        raise _refused(response)


def _refused(response: httpx.Response) -> RunnerRefused:
    if response.status_code == 401:
        return RunnerRefused(
            "the runner refused the token; set KERNFIX_RUNNER_TOKEN to one made by `kernfix runner token`."
        )
    try:
        detail = json.loads(response.content).get("detail", "")
    except (ValueError, AttributeError):
        detail = ""
    if isinstance(detail, list):
        detail = "; ".join(
            f"{'.'.join(str(part) for part in item.get('loc', ()))}: {item.get('msg', '')}" for item in detail
        )
    return RunnerRefused(f"the runner answered {response.status_code}: {detail or response.reason_phrase}")


def _checked(token: str) -> str:
    """The token without white space around it; it is never repeated in an error's text."""
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise RunnerRefused("KERNFIX_RUNNER_TOKEN holds no token; set it to one made by `kernfix runner token`.")
    return token


def _read(kind: type[Message], response: httpx.Response) -> Message:
    return _parsed(kind, response.content, str(response.url.copy_with(path="/", query=None)))


def _parsed(kind: type[Message], document: bytes, url: str) -> Message:
    try:
        return kind.model_validate_json(document)
    except ValidationError:
        raise RunnerRefused(
            f"{url} does not answer as a kernfix runner of this version does; is the address right?"
        ) from None


def _say(error: Exception) -> str:
    return str(error) or type(error).__name__


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
