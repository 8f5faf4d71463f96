"""Jobs and their events: numbered, followed to the end, once per key, and an ended job never changes."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernfix.runner.store import Store
from kernfix.verify.wire import ENDED, Event, JobRequest, JobState, Judgement, Verdict

DIGEST = "0" * 64
REQUEST = JobRequest.model_validate(
    {"base": {"kind": "snapshot", "blob": DIGEST}, "config": DIGEST, "reproducer": {"blob": DIGEST}, "patch": "ü\u2028"}
)
JUDGEMENT = Judgement(verdict=Verdict.HANG, confidence=None, reason="The patched kernel hangs.")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "jobs.sqlite")
    yield store
    store.close()


def add(store: Store, key: str | None = None) -> str:
    return store.add(REQUEST, key)[0].id


def log(text: str) -> Event:
    return Event(id=0, kind="log", text=text)


def test_a_new_job_is_queued_and_keeps_its_request(store: Store) -> None:
    job, is_new = store.add(REQUEST, None)
    assert (job.state, is_new, job.judgement, job.reason, job.stage) == (JobState.QUEUED, True, None, None, None)
    assert store.job(job.id) == job
    assert store.request(job.id) == REQUEST
    assert store.events(job.id, 0) == []
    assert store.job("nobody") is None


def test_a_key_makes_one_job(store: Store) -> None:
    first, _ = store.add(REQUEST, "k")
    again, is_new = store.add(REQUEST, "k")
    assert (again.id, is_new) == (first.id, False)
    assert store.add(REQUEST, "l")[0].id != first.id
    assert store.add(REQUEST, None)[0].id != store.add(REQUEST, None)[0].id


def test_a_key_makes_one_job_from_many_threads(store: Store) -> None:
    ids: list[str] = []
    threads = [threading.Thread(target=lambda: ids.append(add(store, "k"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 20
    assert len(set(ids)) == 1


def test_jobs_newest_first_by_state_and_page(store: Store) -> None:
    ids = [add(store) for _ in range(5)]
    store.move(ids[1], JobState.RUNNING)
    assert [job.id for job in store.jobs()] == ids[::-1]
    assert [job.id for job in store.jobs(JobState.RUNNING)] == [ids[1]]
    assert [job.id for job in store.jobs(JobState.QUEUED, limit=2, offset=1)] == [ids[3], ids[2]]
    assert len(store.jobs(JobState.QUEUED, limit=-1)) == 4
    assert store.jobs(JobState.DONE) == []


def test_events_are_numbered_within_their_job(store: Store) -> None:
    one, two = add(store), add(store)
    for number in range(3):
        store.tell(one, log(f"one {number}"))
        store.tell(two, log(f"two {number}"))
    assert [(event.id, event.text) for event in store.events(two, 0)] == [(1, "two 0"), (2, "two 1"), (3, "two 2")]
    assert [event.id for event in store.events(one, 1)] == [2, 3]
    assert [event.id for event in store.events(one, 1, limit=1)] == [2]
    assert store.events(one, 3) == []


def test_events_from_many_threads_are_numbered_without_a_gap(store: Store) -> None:
    id = add(store)

    def tell() -> None:
        for _ in range(50):
            store.tell(id, log("x"))

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event.id for event in store.events(id, 0)] == list(range(1, 201))


def test_a_stage_is_the_jobs_until_it_moves_on(store: Store) -> None:
    id = add(store)
    store.move(id, JobState.RUNNING)
    store.tell(id, Event(id=0, kind="stage", stage="fetch", text="begin"))
    job = store.job(id)
    assert job is not None
    assert (job.state, job.stage) == (JobState.RUNNING, "fetch")
    store.move(id, JobState.DONE, judgement=JUDGEMENT)
    job = store.job(id)
    assert job is not None
    assert (job.state, job.stage, job.judgement) == (JobState.DONE, None, JUDGEMENT)


@pytest.mark.parametrize("ended", sorted(ENDED))
@pytest.mark.parametrize("then", list(JobState))
def test_an_ended_job_never_changes(store: Store, ended: JobState, then: JobState) -> None:
    id = add(store)
    assert store.move(id, ended, reason="first")
    before, story = store.job(id), store.events(id, 0)
    assert not store.move(id, then, judgement=JUDGEMENT, reason="second")
    assert store.job(id) == before
    assert store.events(id, 0) == story


def test_an_unknown_job_does_not_move(store: Store) -> None:
    assert not store.move("nobody", JobState.DONE)
    assert store.events("nobody", 0) == []


def test_a_move_and_its_event_are_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a reader would wait for ever for the end of a job that has ended."""
    id = add(store)

    def fail(id: str, event: Event) -> None:
        raise sqlite3.OperationalError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(store, "_tell", fail)
        with pytest.raises(sqlite3.OperationalError):
            store.move(id, JobState.DONE, judgement=JUDGEMENT)
    job = store.job(id)
    assert job is not None
    assert job.state is JobState.QUEUED
    assert store.move(id, JobState.DONE, judgement=JUDGEMENT)
    assert [(event.kind, event.job and event.job.judgement) for event in store.events(id, 0)] == [("state", JUDGEMENT)]


def test_all_is_there_after_a_restart_and_after_a_kill(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from kernfix.runner.store import Store; from kernfix.verify.wire import *\n"
        "store = Store(Path(sys.argv[1])); job, _ = store.add(JobRequest.model_validate_json(sys.argv[2]), 'k')\n"
        "store.tell(job.id, Event(id=0, kind='log', text='said')); store.move(job.id, JobState.RUNNING)\n"
        "print(job.id, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "jobs.sqlite"), REQUEST.model_dump_json()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        id = process.stdout.readline().strip()
        process.kill()
    store = Store(tmp_path / "jobs.sqlite")
    job = store.job(id)
    assert job is not None
    assert job.state is JobState.RUNNING
    assert [event.text for event in store.events(id, 0)] == ["said", "running"]
    assert store.add(REQUEST, "k") == (job, False)
    store.close()


# Following.


async def collect(store: Store, id: str, after: int = 0, tick: float | None = None) -> list[Event | None]:
    return [event async for event in store.follow(id, after, poll=0.005, tick=tick)]


def test_following_an_ended_job_tells_all_and_ends(store: Store) -> None:
    id = add(store)
    for number in range(2500):
        store.tell(id, log(str(number)))
    store.move(id, JobState.CANCELLED)
    events = asyncio.run(collect(store, id))
    assert [event.id for event in events if event] == list(range(1, 2502))
    assert asyncio.run(collect(store, id, after=2500)) == events[2500:]
    assert asyncio.run(collect(store, id, after=10**6)) == []


def test_following_waits_for_the_end(store: Store) -> None:
    id = add(store)

    async def follow() -> list[Event | None]:
        following = asyncio.create_task(collect(store, id))
        for text in ("a", "b", "c"):
            await asyncio.sleep(0.02)
            store.tell(id, log(text))
        assert not following.done()
        store.move(id, JobState.DONE, judgement=JUDGEMENT)
        return await asyncio.wait_for(following, 5)

    events = asyncio.run(follow())
    assert [event.text for event in events if event] == ["a", "b", "c", "done"]
    assert events[-1] is not None
    assert events[-1].job == store.job(id)


def test_silence_is_told_so_that_a_reader_knows_that_we_live(store: Store) -> None:
    id = add(store)

    async def follow() -> list[Event | None]:
        following = asyncio.create_task(collect(store, id, tick=0.05))
        await asyncio.sleep(0.3)
        store.move(id, JobState.CANCELLED)
        return await asyncio.wait_for(following, 5)

    events = asyncio.run(follow())
    assert 2 <= events.count(None) <= 6
    assert events[-1] is not None


def test_following_nobody_ends(store: Store) -> None:
    assert asyncio.run(asyncio.wait_for(collect(store, "nobody"), 5)) == []
