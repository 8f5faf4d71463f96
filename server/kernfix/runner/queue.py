"""The durable job queue: a small port, and DBOS behind it.

DBOS Transact keeps each job as a workflow of steps in an SQLite file (the same code runs on PostgreSQL when many hosts share a queue). A
killed runner takes its jobs up again at the first step that had not finished. DBOS is one instance a process, and this module is the
only one that knows it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from dbos import DBOS, SetWorkflowID

from kernfix.runner.job import Json, Step

PROTOCOL = "1"
"""Version of the steps' names and results. Recovery takes up only jobs of the same version; a change of either raises it."""

Execute = Callable[[str, Step], Awaitable[None]]


class Queue(Protocol):
    """What the service needs of a queue. A job is taken up once, in the order of submission, and again after a crash."""

    async def submit(self, id: str) -> None:
        """Take a job in; one that is known is left as it is."""
        ...

    async def cancel(self, id: str) -> None:
        """Stop a job: within about a second its running step is cancelled, and no other begins."""
        ...


class DbosQueue:
    """Jobs as DBOS workflows. `execute` works on one job, given its id and the durable `Step`."""

    def __init__(self, database: Path, execute: Execute, at_once: int = 1) -> None:
        logging.getLogger("dbos").setLevel(logging.ERROR)
        DBOS(
            config={
                "name": "kernfix-runner",
                "system_database_url": f"sqlite:///{database}",
                "application_version": PROTOCOL,
                "executor_id": "local",
                "log_level": "ERROR",
                "notification_listener_polling_interval_sec": 0.1,
            }
        )

        @DBOS.workflow(name="job")
        async def workflow(id: str) -> None:
            await execute(id, _durable_step)

        self._workflow = workflow
        self._at_once = at_once

    async def launch(self) -> None:
        """Open the database, and take up what a killed runner left."""
        await asyncio.to_thread(DBOS.launch)
        await DBOS.register_queue_async("jobs", worker_concurrency=self._at_once, polling_interval_sec=0.1)

    def close(self) -> None:
        """Let go of the database; unfinished jobs stay for the next start."""
        DBOS.destroy()

    async def submit(self, id: str) -> None:
        """Take a job in."""
        with SetWorkflowID(id):
            await DBOS.enqueue_workflow_async("jobs", self._workflow, id)

    async def cancel(self, id: str) -> None:
        """Stop a job."""
        await DBOS.cancel_workflow_async(id)


async def _durable_step(name: str, work: Callable[[], Awaitable[Json]]) -> Json:
    async def step() -> Json:
        return await work()

    return await DBOS.run_step_async({"name": name, "preemptible": True}, step)
