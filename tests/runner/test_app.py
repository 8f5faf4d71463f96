"""The HTTP side of the runner: every route, with and without the token, and what is refused before it costs anything."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kernfix import __version__
from kernfix.runner import app as module
from kernfix.runner.app import Service, create_app
from kernfix.runner.blobs import Blobs
from kernfix.runner.state import State
from kernfix.runner.store import Store
from kernfix.runner.tokens import Tokens
from kernfix.verify.wire import Event, Job, JobState, Judgement, Verdict

CONFIG, SOURCE, TREE = b"CONFIG_KASAN=y\n", b"int main(void) { return 0; }\n", b"a tree"
FIXED = Judgement(verdict=Verdict.FIXED, confidence=0.95, reason="The crash is gone.")
ABSENT = "0" * 64


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Told:
    """A queue that only notes what it is told."""

    submitted: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    async def submit(self, id: str) -> None:
        self.submitted.append(id)

    async def cancel(self, id: str) -> None:
        self.cancelled.append(id)


@dataclass
class Runner:
    """The application with all that is behind it, and a client that has the token."""

    app: FastAPI
    service: Service
    queue: Told
    http: httpx.AsyncClient
    token: str

    def blob(self, data: bytes) -> str:
        return self.service.blobs.put(data)

    def request(self, **changes: Any) -> dict[str, Any]:
        """A job that can be done, as JSON."""
        base = {
            "base": {"kind": "snapshot", "blob": self.blob(TREE)},
            "config": self.blob(CONFIG),
            "reproducer": {"kind": "c", "blob": self.blob(SOURCE)},
        }
        return {**base, **changes}

    async def submit(self, **changes: Any) -> Job:
        answer = await self.http.post("/v1/jobs", json=self.request(**changes))
        assert answer.status_code == 202, answer.text
        return Job.model_validate(answer.json())


def client(app: FastAPI, token: str | None) -> httpx.AsyncClient:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://runner", headers=headers)


@pytest.fixture
async def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runner]:
    monkeypatch.setattr(module.shutil, "which", lambda name: f"/usr/bin/{name}")
    state, queue = State.at(tmp_path / "state"), Told()
    store, tokens = Store(state.jobs / "jobs.sqlite"), Tokens(state.tokens)
    service = Service(state, store, Blobs(state.blobs), tokens, queue)
    token, app = tokens.create("tests"), create_app(service)
    async with client(app, token) as http:
        yield Runner(app, service, queue, http, token)
    store.close()


def check_error(answer: httpx.Response, status: int, *saying: str) -> None:
    assert answer.status_code == status, answer.text
    for words in saying:
        assert words in answer.text
    assert "Traceback" not in answer.text


# The token.

OPEN = {"/healthz"}


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path that the application states of itself, with a value for each parameter."""
    paths = app.openapi()["paths"]
    return [(method.upper(), re.sub(r"\{.*?\}", ABSENT, path)) for path, all in paths.items() for method in all]


async def test_the_list_of_routes_is_the_contract(runner: Runner) -> None:
    document = (await runner.http.get("/openapi.json")).json()
    assert {f"{method.upper()} {path}" for path, all in document["paths"].items() for method in all} == {
        "GET /healthz",
        "POST /v1/jobs",
        "GET /v1/jobs",
        "GET /v1/jobs/{id}",
        "POST /v1/jobs/{id}/cancel",
        "GET /v1/jobs/{id}/events",
        "GET /v1/jobs/{id}/artifacts",
        "GET /v1/jobs/{id}/artifacts/{name}",
        "PUT /v1/blobs/{digest}",
        "HEAD /v1/blobs/{digest}",
        "GET /v1/workers",
    }
    assert document["info"]["version"] == __version__


WRONG = (None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x", "Bearer caf\xe9")


async def test_no_route_but_the_health_answers_without_the_token(runner: Runner) -> None:
    async with client(runner.app, None) as stranger:
        for header, (method, path) in itertools.product(WRONG, routes(runner.app)):
            headers = {} if header is None else {"Authorization": header.format(token=runner.token).encode("latin-1")}
            answer = await stranger.request(method, path, headers=headers)
            assert answer.status_code == (200 if path in OPEN else 401), (header, method, path)
            if path not in OPEN:
                assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert runner.queue == Told()


async def test_every_route_answers_with_the_token(runner: Runner) -> None:
    for method, path in routes(runner.app):
        answer = await runner.http.request(method, path)
        assert answer.status_code in (200, 404, 422), (method, path)


async def test_what_a_stranger_sends_is_not_looked_at(runner: Runner) -> None:
    async with client(runner.app, "wrong") as stranger:
        assert (await stranger.put(f"/v1/blobs/{sha(b'x')}", content=b"x")).status_code == 401
        assert (await stranger.post("/v1/jobs", content=b"{")).status_code == 401
    assert not runner.service.blobs.has(sha(b"x"))


async def test_of_a_strangers_body_nothing_is_read(runner: Runner) -> None:
    """Else anybody could fill the memory."""
    taken = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield b" " * 1000

    headers = {"Content-Type": "application/json"}
    for path in ("/v1/jobs", "/v1/nothing", f"/v1/jobs/{ABSENT}/cancel"):
        async with client(runner.app, None) as stranger:
            assert (await stranger.post(path, content=body(), headers=headers)).status_code == 401
    assert taken == 0


async def test_a_token_made_while_it_runs_is_taken(runner: Runner) -> None:
    new = Tokens(runner.service.state.tokens).create("late")
    async with client(runner.app, new) as late:
        assert (await late.get("/v1/jobs")).status_code == 200
    assert (await runner.http.get("/v1/jobs")).status_code == 200


# Submitting.


async def test_submit(runner: Runner) -> None:
    job = await runner.submit(titles=["A"], patch="--- a/x\n")
    assert job.state is JobState.QUEUED
    assert runner.queue.submitted == [job.id]
    assert (await runner.http.get(f"/v1/jobs/{job.id}")).json() == job.model_dump(mode="json")
    assert runner.service.store.request(job.id).titles == ("A",)


NONSENSE: list[tuple[dict[str, Any], str]] = [
    ({"config": "CONFIG_KASAN=y"}, "config"),
    ({"config": ABSENT.upper().replace("0", "A")}, "config"),
    ({"config": None}, "config"),
    ({"base": {"kind": "snapshot", "blob": "../../etc/passwd"}}, "blob"),
    ({"base": {"kind": "git"}}, "base"),
    ({"base": {"kind": "local", "path": "/tree", "commit": "HEAD"}}, "commit"),
    ({"reproducer": {"kind": "syz", "blob": ABSENT}}, "kind"),
    ({"runs": 0}, "runs"),
    ({"runs": 1001}, "runs"),
    ({"confidence": 1}, "confidence"),
    ({"arch": "mips"}, "arch"),
    ({"limits": {"memory_mib": 1}}, "memory_mib"),
    ({"limits": {"build_secs": 1}}, "build_secs"),
    ({"pacth": ""}, "pacth"),
]


async def test_a_request_that_makes_no_sense_is_refused_by_field(runner: Runner) -> None:
    for changes, field_ in NONSENSE:
        answer = await runner.http.post("/v1/jobs", json=runner.request(**changes))
        check_error(answer, 422)
        assert any(field_ in problem["loc"] for problem in answer.json()["detail"]), changes
    assert runner.queue.submitted == []


NO_REQUESTS = [
    b"",
    b"{",
    b"[]",
    b"\xff",
    b'{"confidence": NaN}',
    b'{"confidence": 1e999}',
    b'{"patch": "\\ud800"}',
    b'{"cmdline": {"\\udfff": 1}}',
    b"[" * 100_000,
]


async def test_a_body_that_is_no_request(runner: Runner) -> None:
    for body in NO_REQUESTS:
        answer = await runner.http.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422), (body[:99], answer.text)
        assert answer.json()["detail"]


async def test_a_refusal_does_not_send_the_request_back(runner: Runner) -> None:
    answer = await runner.http.post("/v1/jobs", json=runner.request(patch="a secret line\n", runs=0, extra="x" * 9999))
    check_error(answer, 422, "runs")
    assert "a secret line" not in answer.text
    assert len(answer.content) < 2000


@pytest.mark.parametrize("field", ["config", "base", "reproducer"])
async def test_blobs_must_be_there(runner: Runner, field: str) -> None:
    absent: dict[str, Any] = {
        "config": ABSENT,
        "base": {"kind": "snapshot", "blob": ABSENT},
        "reproducer": {"kind": "c", "blob": ABSENT},
    }
    answer = await runner.http.post("/v1/jobs", json=runner.request(**{field: absent[field]}))
    check_error(answer, 422, f"{field}: there is no blob {ABSENT}; upload it first")
    assert (runner.queue.submitted, runner.service.store.jobs()) == ([], [])


async def test_folders_of_the_machine_are_for_the_embedded_runner(runner: Runner) -> None:
    request = runner.request(base={"kind": "local", "path": "/usr/src/linux"})
    check_error(await runner.http.post("/v1/jobs", json=request), 422, "base: this runner takes uploaded trees only")
    assert runner.queue.submitted == []
    async with client(create_app(replace(runner.service, local_trees=True)), runner.token) as embedded:
        assert (await embedded.post("/v1/jobs", json=request)).status_code == 202
    assert len(runner.queue.submitted) == 1


async def test_a_machine_that_could_never_run_it_says_so(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda name: None if name.startswith(("qemu", "busy")) else name)
    answer = await runner.http.post("/v1/jobs", json=runner.request())
    check_error(answer, 409, "qemu-system-x86_64, busybox missing", "packages qemu-system-x86 busybox-static")
    assert (runner.queue.submitted, runner.service.store.jobs()) == ([], [])
    [worker] = (await runner.http.get("/v1/workers")).json()
    assert worker["missing"] == ["qemu-system-x86_64", "busybox"]


async def test_workers(runner: Runner) -> None:
    [worker] = (await runner.http.get("/v1/workers")).json()
    assert worker == {"id": "local", "arch": ["x86_64"], "missing": [], "sandboxed": worker["sandboxed"]}
    assert isinstance(worker["sandboxed"], bool)


async def test_the_same_key_is_the_same_job(runner: Runner) -> None:
    key = {"Idempotency-Key": "k1"}
    spelt_out = runner.request(arch="x86_64", runs=None, cmdline="")
    answers = [await runner.http.post("/v1/jobs", json=each, headers=key) for each in (runner.request(), spelt_out)]
    assert [answer.status_code for answer in answers] == [202, 202]
    [id] = {answer.json()["id"] for answer in answers}
    assert runner.queue.submitted == [id]
    other = await runner.http.post("/v1/jobs", json=runner.request(runs=3), headers=key)
    check_error(other, 422, "Idempotency-Key belongs to another request")
    assert runner.queue.submitted == [id]
    assert runner.service.store.request(id).runs is None


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": ""}])
async def test_without_a_key_each_is_a_job_of_its_own(runner: Runner, headers: dict[str, str]) -> None:
    answers = [await runner.http.post("/v1/jobs", json=runner.request(), headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert len(set(runner.queue.submitted)) == 2


# What is known of jobs.


async def test_the_list_is_newest_first_and_filtered(runner: Runner) -> None:
    ids = [(await runner.submit(runs=number)).id for number in (1, 2, 3)]
    runner.service.store.move(ids[1], JobState.CANCELLED)

    async def listed(query: str) -> list[str]:
        return [job["id"] for job in (await runner.http.get(f"/v1/jobs?{query}")).json()]

    assert await listed("") == ids[::-1]
    assert await listed("state=queued") == [ids[2], ids[0]]
    assert await listed("state=done") == []
    assert await listed("limit=1&offset=1") == [ids[1]]
    assert await listed("offset=99") == []


async def test_a_list_that_cannot_be_given(runner: Runner) -> None:
    for query in ("limit=0", "limit=-1", "limit=1001", "offset=-1", f"offset={2**70}", "state=lost"):
        check_error(await runner.http.get(f"/v1/jobs?{query}"), 422, query.partition("=")[0])


async def test_a_job_that_is_not_there(runner: Runner) -> None:
    calls = ("GET {id}", "POST {id}/cancel", "GET {id}/events", "GET {id}/artifacts", "GET {id}/artifacts/x")
    for call, id in itertools.product(calls, ("nothere", "%2e%2e", "a'--", "%00", "x" * 300)):
        method, path = call.format(id=id).split(" ")
        check_error(await runner.http.request(method, f"/v1/jobs/{path}"), 404)
    assert list((runner.service.state.jobs / "artifacts").glob("*")) == []


async def test_cancel(runner: Runner) -> None:
    job = await runner.submit()
    runner.service.store.move(job.id, JobState.RUNNING)
    answer = await runner.http.post(f"/v1/jobs/{job.id}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert runner.queue.cancelled == [job.id]


@pytest.mark.parametrize("state", [JobState.DONE, JobState.REJECTED, JobState.CANCELLED])
async def test_cancel_changes_nothing_of_an_ended_job(runner: Runner, state: JobState) -> None:
    job = await runner.submit()
    runner.service.store.move(job.id, state, judgement=FIXED if state is JobState.DONE else None, reason="why")
    before = (await runner.http.get(f"/v1/jobs/{job.id}")).json()
    answer = await runner.http.post(f"/v1/jobs/{job.id}/cancel")
    assert (answer.status_code, answer.json()) == (200, before)
    assert runner.queue.cancelled == []


# Events.


def read(text: str) -> list[tuple[int, str, Event]]:
    """The events of a stream: number, kind and document of each."""
    found = []
    for part in text.split("\n\n"):
        if part and not part.startswith(":"):
            fields = dict(line.split(": ", 1) for line in part.split("\n"))
            found.append((int(fields["id"]), fields["event"], Event.model_validate_json(fields["data"])))
    return found


def say(text: str) -> Event:
    return Event(id=0, kind="log", text=text)


async def test_events_from_the_first_to_the_end(runner: Runner) -> None:
    job, store = await runner.submit(), runner.service.store
    reading = asyncio.create_task(runner.http.get(f"/v1/jobs/{job.id}/events"))
    store.tell(job.id, Event(id=0, kind="stage", stage="fetch", text="begin"))
    await asyncio.sleep(0.15)
    store.tell(job.id, say("two\nlines, and a \u2028 third"))
    assert not reading.done()
    store.move(job.id, JobState.DONE, judgement=FIXED)
    answer = await asyncio.wait_for(reading, 5)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    events = read(answer.text)
    assert [(number, kind, event.id) for number, kind, event in events] == [
        (1, "stage", 1),
        (2, "log", 2),
        (3, "state", 3),
    ]
    assert events[1][2].text == "two\nlines, and a \u2028 third"
    assert events[2][2].job is not None
    assert events[2][2].job.judgement == FIXED


async def test_a_reader_goes_on_from_the_last_event_that_it_saw(runner: Runner) -> None:
    job, store = await runner.submit(), runner.service.store
    for text in ("a", "b"):
        store.tell(job.id, say(text))
    store.move(job.id, JobState.CANCELLED)
    for last, numbers in ((None, [1, 2, 3]), ("0", [1, 2, 3]), ("2", [3]), ("3", []), ("99", [])):
        headers = {} if last is None else {"Last-Event-ID": last}
        answer = await asyncio.wait_for(runner.http.get(f"/v1/jobs/{job.id}/events", headers=headers), 5)
        assert [number for number, _, _ in read(answer.text)] == numbers, last


async def test_a_last_event_that_is_no_number(runner: Runner) -> None:
    job = await runner.submit()
    runner.service.store.move(job.id, JobState.CANCELLED)
    for last in ("x", "-1", "1.5", str(2**70)):
        answer = await runner.http.get(f"/v1/jobs/{job.id}/events", headers={"Last-Event-ID": last})
        check_error(answer, 422, "last-event-id")


async def test_a_silent_job_shows_that_the_connection_lives(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEEP_ALIVE_SECONDS", 0.05)
    job = await runner.submit()
    reading = asyncio.create_task(runner.http.get(f"/v1/jobs/{job.id}/events"))
    await asyncio.sleep(0.4)
    runner.service.store.move(job.id, JobState.CANCELLED)
    answer = await asyncio.wait_for(reading, 5)
    assert answer.text.startswith(": ")
    assert [number for number, _, _ in read(answer.text)] == [1]


# Artifacts.


async def test_artifacts(runner: Runner) -> None:
    job = await runner.submit()
    folder = runner.service.state.artifacts(job.id)
    assert (await runner.http.get(f"/v1/jobs/{job.id}/artifacts")).json() == {"artifacts": []}
    (folder / "console-baseline-1.log").write_bytes(b"[ 0.0] \xff\n")
    (folder / "build.log").write_bytes(b"")
    listed = (await runner.http.get(f"/v1/jobs/{job.id}/artifacts")).json()["artifacts"]
    assert listed == [
        {"name": "build.log", "size": 0, "sha256": sha(b"")},
        {"name": "console-baseline-1.log", "size": 9, "sha256": sha(b"[ 0.0] \xff\n")},
    ]
    answer = await runner.http.get(f"/v1/jobs/{job.id}/artifacts/console-baseline-1.log")
    assert (answer.status_code, answer.content) == (200, b"[ 0.0] \xff\n")
    assert answer.headers["Content-Type"] == "application/octet-stream"


async def test_only_the_jobs_own_files_are_artifacts(runner: Runner) -> None:
    job = await runner.submit()
    (runner.service.state.artifacts(job.id) / "out").mkdir()
    for name in ("none", "%2e%2e", "..%2f..%2fjobs.sqlite", "%2fetc%2fpasswd", "%00", "%2e", "x" * 300, "out"):
        check_error(await runner.http.get(f"/v1/jobs/{job.id}/artifacts/{name}"), 404)


# Blobs.


async def test_blobs(runner: Runner) -> None:
    path = f"/v1/blobs/{sha(b'content')}"
    assert (await runner.http.head(path)).status_code == 404
    for _ in range(2):
        assert (await runner.http.put(path, content=b"content")).status_code == 201
    assert (await runner.http.head(path)).status_code == 200
    assert runner.service.blobs.read(sha(b"content")) == b"content"


async def test_a_wrong_hash_is_refused_and_nothing_kept(runner: Runner) -> None:
    answer = await runner.http.put(f"/v1/blobs/{ABSENT}", content=b"content")
    check_error(answer, 422, sha(b"content"), ABSENT)
    assert [path for path in runner.service.state.blobs.rglob("*") if path.is_file()] == []


async def test_an_upload_that_breaks_off_leaves_nothing(runner: Runner) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b"con"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await runner.http.put(f"/v1/blobs/{sha(b'content')}", content=half())
    assert [path for path in runner.service.state.blobs.rglob("*") if path.is_file()] == []


async def test_a_name_that_is_no_hash(runner: Runner) -> None:
    for method, digest in itertools.product(
        ("PUT", "HEAD"), ("x", "a" * 63, "A" * 64, "g" * 64, "a" * 65, "%2e%2e", "é" * 64)
    ):
        assert (await runner.http.request(method, f"/v1/blobs/{digest}", content=b"")).status_code == 422, digest
    assert list(runner.service.state.blobs.iterdir()) == []


async def test_methods_and_paths_that_are_not_there(runner: Runner) -> None:
    assert (await runner.http.delete("/v1/jobs")).status_code == 405
    assert (await runner.http.get("/v1/secrets")).status_code == 404
