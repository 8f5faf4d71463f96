"""Jobs, their events and their states, in one SQLite file.

The queue makes the *work* durable; this makes what clients see durable: a job and its story are there after a restart, and a reader
that lost its connection goes on from the last event it saw.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from kernfix.verify.wire import ENDED, Event, Job, JobRequest, JobState, Judgement

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY, key TEXT UNIQUE, state TEXT NOT NULL, stage TEXT, created REAL NOT NULL, updated REAL NOT NULL,
  request TEXT NOT NULL, judgement TEXT, reason TEXT
);
CREATE TABLE IF NOT EXISTS events (job TEXT NOT NULL, id INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (job, id)) WITHOUT ROWID;
"""
ENDED_SQL = "(" + ",".join(f"'{state}'" for state in sorted(ENDED)) + ")"


class Store:
    """All methods are quick and may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")  # with WAL a power cut may cost the last events, never the file
        self._db.executescript(SCHEMA)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def add(self, request: JobRequest, key: str | None) -> tuple[Job, bool]:
        """Store a new job; with a known idempotency `key` give the job it made before, and False."""
        now, id = time.time(), secrets.token_hex(8)
        with self._lock:
            if key and (row := self._db.execute("SELECT id FROM jobs WHERE key=?", (key,)).fetchone()):
                return self._job(row[0]), False
            self._db.execute(
                "INSERT INTO jobs VALUES (?,?,?,NULL,?,?,?,NULL,NULL)",
                (id, key, JobState.QUEUED, now, now, request.model_dump_json()),
            )
            return self._job(id), True

    def request(self, id: str) -> JobRequest:
        """What was asked for."""
        with self._lock:
            return JobRequest.model_validate_json(
                self._db.execute("SELECT request FROM jobs WHERE id=?", (id,)).fetchone()[0]
            )

    def job(self, id: str) -> Job | None:
        """The job as it stands, or None."""
        with self._lock:
            known = self._db.execute("SELECT 1 FROM jobs WHERE id=?", (id,)).fetchone()
            return self._job(id) if known else None

    def jobs(self, state: JobState | None = None, limit: int = 100, offset: int = 0) -> list[Job]:
        """Jobs, newest first."""
        where, values = ("WHERE state=?", [state]) if state else ("", [])
        query = f"SELECT id FROM jobs {where} ORDER BY created DESC, id LIMIT ? OFFSET ?"
        with self._lock:
            return [self._job(row[0]) for row in self._db.execute(query, (*values, limit, offset)).fetchall()]

    def move(self, id: str, state: JobState, judgement: Judgement | None = None, reason: str | None = None) -> bool:
        """Set a job's state and tell it; an ended job stays as it is, and False says so."""
        document = judgement.model_dump_json() if judgement else None
        # Both or neither: a reader waits for the event that says that the job has ended.
        with self._lock, self._transaction():
            changed = self._db.execute(
                f"UPDATE jobs SET state=?, stage=NULL, judgement=?, reason=?, updated=? WHERE id=? AND state NOT IN {ENDED_SQL}",
                (state, document, reason, time.time(), id),
            ).rowcount
            if changed:
                self._tell(id, Event(id=0, kind="state", text=state, job=self._job(id)))
        return bool(changed)

    def tell(self, id: str, event: Event) -> None:
        """Append an event; its number is given here. A stage event also becomes the job's present stage."""
        with self._lock, self._transaction():
            if event.kind == "stage":
                self._db.execute("UPDATE jobs SET stage=?, updated=? WHERE id=?", (event.stage, time.time(), id))
            self._tell(id, event)

    def events(self, id: str, after: int, limit: int = 1000) -> list[Event]:
        """The events with a number above `after`, in order."""
        query = "SELECT event FROM events WHERE job=? AND id>? ORDER BY id LIMIT ?"
        with self._lock:
            rows = self._db.execute(query, (id, after, limit)).fetchall()
        return [Event.model_validate_json(row[0]) for row in rows]

    async def follow(
        self, id: str, after: int, poll: float = 0.1, tick: float | None = None
    ) -> AsyncIterator[Event | None]:
        """All events after a number, as they come, until the job has ended; None after every `tick` seconds without one."""
        told = time.monotonic()
        while True:
            ended = (job := self.job(id)) is None or job.state in ENDED
            for event in self.events(id, after):
                after, told = event.id, time.monotonic()
                yield event
            if ended and not self.events(id, after, 1):
                return
            if tick is not None and time.monotonic() - told > tick:
                told = time.monotonic()
                yield None
            await asyncio.sleep(poll)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:  # commits, or takes all back
            yield

    def _job(self, id: str) -> Job:
        query = "SELECT id, state, created, updated, stage, judgement, reason FROM jobs WHERE id=?"
        id, state, created, updated, stage, document, reason = self._db.execute(query, (id,)).fetchone()
        judgement = Judgement.model_validate_json(document) if document else None
        return Job(
            id=id,
            state=JobState(state),
            created=created,
            updated=updated,
            stage=stage,
            judgement=judgement,
            reason=reason,
        )

    def _tell(self, id: str, event: Event) -> None:
        number = self._db.execute("SELECT COALESCE(MAX(id), 0) + 1 FROM events WHERE job=?", (id,)).fetchone()[0]
        document = event.model_copy(update={"id": number}).model_dump_json()
        self._db.execute("INSERT INTO events VALUES (?,?,?)", (id, number, document))
