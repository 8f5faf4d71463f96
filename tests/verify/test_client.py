"""The runner's client against a real HTTP server on loopback, which behaves well, badly, or not as a runner at all."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kernfix.verify import client as client_module
from kernfix.verify.client import RunnerClient, RunnerError, RunnerRefused, RunnerUnreachable
from kernfix.verify.wire import Event, Job, JobRequest, JobState

TOKEN = "secret-token"
DATA = b"CONFIG_KASAN=y\n"
DIGEST = hashlib.sha256(DATA).hexdigest()
REQUEST = JobRequest.model_validate(
    {"base": {"kind": "snapshot", "blob": DIGEST}, "config": DIGEST, "reproducer": {"blob": DIGEST}}
)
QUEUED = Job(id="j1", state=JobState.QUEUED, created=1, updated=1)
DONE = Job(id="j1", state=JobState.CANCELLED, created=1, updated=2)
Answer = tuple[int, str | bytes]


class Runner(ThreadingHTTPServer):
    """Answers by a table of ``(method, path)``; what it was asked is in `asked`. A list gives one answer for each time."""

    daemon_threads = True
    request_queue_size = 50

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[tuple[str, str], Answer | list[Answer]] = {}
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, method: str, path: str) -> Answer:
        answer = self.answers.get((method, path), (404, '{"detail":"Not Found"}'))
        return answer.pop(0) if isinstance(answer, list) else answer


class _Handler(BaseHTTPRequestHandler):
    server: Runner
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self._body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, headers, body))
        status, content = self.server.answer(self.command, self.path)
        content = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        self.send_header("Content-Type", "text/event-stream" if self.path.endswith("events") else "application/json")
        cut = self.path.endswith("events")
        if not cut:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.close_connection = cut

    do_PUT = do_POST = do_HEAD = do_GET

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def runner() -> Iterator[Runner]:
    server = Runner()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "RETRY_SECONDS", 0.001)


Call = Callable[[RunnerClient], Awaitable[Any]]


def call(url: str, work: Call, token: str | None = TOKEN) -> Any:
    async def talk() -> Any:
        async with RunnerClient(url, token) as client:
            return await work(client)

    return asyncio.run(talk())


def check_error(error: type[RunnerError], url: str, work: Call, *saying: str, token: str | None = TOKEN) -> None:
    with pytest.raises(error) as raised:
        call(url, work, token)
    text = str(raised.value)
    for words in saying:
        assert words in text
    assert "\n" not in text
    assert "secret" not in text, "a token never stands in an error"


def sse(*events: Event) -> str:
    return "".join(f"id: {event.id}\nevent: {event.kind}\ndata: {event.model_dump_json()}\n\n" for event in events)


STORY = [
    Event(id=1, kind="stage", stage="fetch", text="begin"),
    Event(id=2, kind="log", text="what Unicode takes for line ends: \x0b \x0c \x1c \x85 \u2028 \u2029 and \r"),
    Event(id=3, kind="state", text="cancelled", job=DONE),
]


async def collect(client: RunnerClient) -> list[Event]:
    return [event async for event in client.events("j1")]


# What the user named is not there, or is no runner.


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    check_error(RunnerUnreachable, url, lambda client: client.job("j1"), url, "kernfix runner serve")
    check_error(RunnerUnreachable, url, collect, "went away")


@pytest.mark.parametrize("url", ["127.0.0.1:8470", "localhost", "ftp://127.0.0.1", "http://\x00", ""])
def test_no_address(url: str) -> None:
    check_error(RunnerUnreachable, url, lambda client: client.put_bytes(DATA))


@pytest.mark.parametrize(
    "answer", [(200, "<html>welcome</html>"), (200, "{}"), (200, b"\xff\xfe"), (202, '{"id":"j1","state":"flying"}')]
)
def test_something_else_listens(runner: Runner, answer: Answer) -> None:
    runner.answers = {
        ("POST", "/v1/jobs"): answer,
        ("GET", "/v1/jobs/j1"): answer,
        ("GET", "/v1/jobs/j1/artifacts"): answer,
        ("POST", "/v1/jobs/j1/cancel"): answer,
    }
    calls: list[Call] = [
        lambda client: client.submit(REQUEST, "k"),
        lambda client: client.job("j1"),
        lambda client: client.artifacts("j1"),
        lambda client: client.cancel("j1"),
    ]
    for work in calls:
        check_error(RunnerRefused, runner.url, work, runner.url, "address")


def test_a_stream_of_something_else(runner: Runner) -> None:
    runner.answers = {("GET", "/v1/jobs/j1/events"): (200, 'data: {"price": 3}\n\n')}
    check_error(RunnerRefused, runner.url, collect, runner.url, "address")


# It answers, and says no.


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((401, '{"detail":"a valid bearer token is needed"}'), ("KERNFIX_RUNNER_TOKEN", "kernfix runner token")),
        ((409, '{"detail":"no worker can run this: busybox missing"}'), ("409", "busybox missing")),
        ((422, '{"detail":[{"loc":["body","runs"],"msg":"too many"}]}'), ("422", "body.runs: too many")),
        ((422, '{"detail":[{},{"loc":[0]}]}'), ("422",)),
        ((500, "Internal Server Error"), ("500", "Internal Server Error")),
        ((502, "[1]"), ("502", "Bad Gateway")),
        ((503, b"\xff"), ("503",)),
        ((307, ""), ("307",)),
    ],
)
def test_refusals(runner: Runner, answer: Answer, says: tuple[str, ...]) -> None:
    runner.answers = {("POST", "/v1/jobs"): answer, ("GET", "/v1/jobs/j1/events"): answer}
    check_error(RunnerRefused, runner.url, lambda client: client.submit(REQUEST, "k"), *says)
    check_error(RunnerRefused, runner.url, collect, *says)


@pytest.mark.parametrize("token", ["secret token", "secret\ntoken", "secret-tökén", "secret\x7f", " "])
def test_a_token_that_cannot_be_one_is_refused_unsent(runner: Runner, token: str) -> None:
    check_error(RunnerRefused, runner.url, lambda client: client.job("j1"), "KERNFIX_RUNNER_TOKEN", token=token)
    assert runner.asked == []


@pytest.mark.parametrize(
    ("token", "header"), [("abc", "Bearer abc"), ("abc\n", "Bearer abc"), (None, None), ("", None)]
)
def test_how_the_token_is_sent(runner: Runner, token: str | None, header: str | None) -> None:
    runner.answers = {("GET", "/v1/jobs/j1"): (200, QUEUED.model_dump_json())}
    assert call(runner.url, lambda client: client.job("j1"), token) == QUEUED
    assert runner.asked[0][2].get("authorization") == header


def test_the_token_is_not_sent_through_a_proxy_of_the_environment(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    runner.answers = {("GET", "/v1/jobs/j1"): (200, QUEUED.model_dump_json())}
    assert call(runner.url, lambda client: client.job("j1")) == QUEUED


# Uploads and jobs.


def test_a_blob_is_sent_once(runner: Runner, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(DATA)
    path = f"/v1/blobs/{DIGEST}"
    runner.answers = {("HEAD", path): [(404, ""), (404, ""), (200, "")], ("PUT", path): (201, "")}
    assert call(runner.url, lambda client: client.put_bytes(DATA)) == DIGEST
    assert call(runner.url, lambda client: client.put_file(tmp_path / "file")) == DIGEST
    assert call(runner.url, lambda client: client.put_bytes(DATA)) == DIGEST
    assert [body for method, _, _, body in runner.asked if method == "PUT"] == [DATA, DATA]


def test_a_refused_blob(runner: Runner) -> None:
    runner.answers = {("PUT", f"/v1/blobs/{DIGEST}"): (422, '{"detail":"the content\'s SHA-256 is another"}')}
    check_error(RunnerRefused, runner.url, lambda client: client.put_bytes(DATA), "SHA-256")


def test_submit_sends_the_key_and_the_request(runner: Runner) -> None:
    runner.answers = {("POST", "/v1/jobs"): (202, QUEUED.model_dump_json())}
    assert call(runner.url, lambda client: client.submit(REQUEST, "key-1")) == QUEUED
    [(_, _, headers, body)] = runner.asked
    assert headers["idempotency-key"] == "key-1"
    assert json.loads(body) == REQUEST.model_dump(mode="json")


def test_an_artifact_is_bytes(runner: Runner) -> None:
    runner.answers = {("GET", "/v1/jobs/j1/artifacts/console.log"): (200, b"\x00\xff")}
    assert call(runner.url, lambda client: client.artifact("j1", "console.log")) == b"\x00\xff"


# Events.


def events_after(runner: Runner) -> list[str]:
    return [headers["last-event-id"] for _, path, headers, _ in runner.asked if path.endswith("events")]


def test_events_to_the_last(runner: Runner) -> None:
    runner.answers = {("GET", "/v1/jobs/j1/events"): [(200, ": alive\n\n" + sse(*STORY))]}
    assert call(runner.url, collect) == STORY
    assert events_after(runner) == ["0"]


@pytest.mark.parametrize("kept", [0, 5, 40])
def test_a_cut_connection_is_taken_up_after_the_last_whole_event(runner: Runner, kept: int) -> None:
    """The first connection is cut inside the second event, the next one says only that it lives, the last gives the rest."""
    cut = sse(STORY[0]) + sse(STORY[1])[:kept]
    runner.answers = {("GET", "/v1/jobs/j1/events"): [(200, cut), (200, ": alive\n\n"), (200, sse(*STORY[1:]))]}
    assert call(runner.url, collect) == STORY
    assert events_after(runner) == ["0", "1", "1"]


def test_a_stream_that_never_ends_the_story_is_given_up(runner: Runner) -> None:
    runner.answers = {("GET", "/v1/jobs/j1/events"): (200, "")}
    check_error(RunnerUnreachable, runner.url, collect, "went away", "too early")
    assert len(events_after(runner)) == client_module.RETRIES + 1


def test_progress_between_failures_begins_the_count_again(runner: Runner) -> None:
    logs = [Event(id=number, kind="log", text="x") for number in range(1, 20)]
    end = Event(id=20, kind="state", job=DONE)
    runner.answers = {("GET", "/v1/jobs/j1/events"): [(200, sse(event)) for event in (*logs, end)]}
    assert call(runner.url, collect) == [*logs, end]
