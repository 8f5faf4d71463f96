"""The runner's process: opens the state, starts the queue and the HTTP server, and goes when it is told to.

The embedded runner is the same process started by an editor or a command for itself: on a free loopback port, with a token of its own
that it tells only its parent, and it ends when its parent does.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from kernfix.runner.app import Service, create_app
from kernfix.runner.blobs import Blobs
from kernfix.runner.faults import BadRequest
from kernfix.runner.guest.accel import Accelerator
from kernfix.runner.job import Step, Work, sentence, verify
from kernfix.runner.queue import DbosQueue
from kernfix.runner.state import State
from kernfix.runner.store import Store
from kernfix.runner.tokens import Tokens
from kernfix.verify.wire import ENDED, JobState, Judgement, Verdict

log = logging.getLogger("kernfix.runner")

MAKING_SECONDS = 3600
"""A folder of jobs without its lock is younger than that while it is being made."""


class CannotStart(Exception):
    """The runner cannot serve here: its port is taken, or another one works on this state folder."""


def serve(state: State, host: str, port: int, *, embedded: bool) -> None:
    """Serve until a signal ends the process, or, embedded, until standard input ends. Prints one JSON line when it is ready."""
    with _alone(state), _listener(host, port) as listener:
        store, tokens, accel = Store(state.jobs / "jobs.sqlite"), Tokens(state.tokens), Accelerator()

        async def execute(id: str, step: Step) -> None:
            await _execute(id, step, state, store, accel)

        queue = DbosQueue(state.jobs / "queue.sqlite", execute)
        service = Service(state, store, Blobs(state.blobs), tokens, queue, local_trees=embedded)
        ready = {"url": f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"}
        if embedded:
            ready["token"] = tokens.create_once()
            threading.Thread(target=_end_with_parent, args=(state,), daemon=True).start()

        @contextlib.asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            await queue.launch()
            # Taken in by a runner that was killed before it queued them; oldest first.
            for job in reversed(store.jobs(JobState.QUEUED, limit=-1)):
                await queue.submit(job.id)
            sys.stdout.write(json.dumps(ready) + "\n")
            sys.stdout.flush()
            yield
            # Straight out: children die with this process, and no step lives to take their death for a result.
            os._exit(0)

        config = uvicorn.Config(
            create_app(service, lifespan),
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=1,  # a reader of events would stay until its job ends
        )
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except SystemExit:  # how it says that `lifespan` failed, of which the log has the whole story
            raise CannotStart(f"the queue in {state.jobs} does not work; name another folder with --state") from None


def _listener(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise CannotStart(f"cannot listen on {host}:{port}: {str(error.strerror).partition(' (')[0]}") from None


async def _execute(id: str, step: Step, state: State, store: Store, accel: Accelerator) -> None:
    """Work on one job, from its request to its judgement."""
    job = store.job(id)
    if job is None or job.state in ENDED:
        return
    store.move(id, JobState.RUNNING)
    work = Work(id, store.request(id), state, accel, step, lambda event: store.tell(id, event))
    try:
        judgement = await verify(work)
    except BadRequest as bad:
        store.move(id, JobState.REJECTED, reason=sentence(bad))
        return
    except Exception as error:
        # The rim of the job: an error of ours must end it with a reason, not leave it running for ever.
        if store.job(id).state not in ENDED:  # type: ignore[union-attr]
            log.exception("job %s", id)
            reason = f"The runner failed in a way that it should not: {type(error).__name__}: {error}"
            store.move(
                id, JobState.DONE, judgement=Judgement(verdict=Verdict.RUNNER_ERROR, confidence=None, reason=reason)
            )
        raise
    store.move(id, JobState.DONE, judgement=judgement)


@contextlib.contextmanager
def _alone(state: State) -> Iterator[None]:
    """Hold the jobs folder: two runners on one queue would do each job twice."""
    with (state.jobs / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(f"another runner works in {state.jobs}; name another folder with --state") from None
        yield


def embedded_state(cache: Path) -> State:
    """A state with a jobs folder of its own; those of embedded runners that were killed are removed."""
    home = cache / "embedded"
    home.mkdir(parents=True, exist_ok=True)
    for old in filter(_is_dead, home.iterdir()):
        shutil.rmtree(old, ignore_errors=True)  # another runner may be at it too
    return State.at(cache, Path(tempfile.mkdtemp(dir=home)))


def _is_dead(folder: Path) -> bool:
    """Whether nobody works in a folder of jobs any more."""
    try:
        with (folder / "lock").open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    except FileNotFoundError:  # being made by another runner at this moment, or left half removed
        with contextlib.suppress(FileNotFoundError):
            return time.time() - folder.stat().st_mtime > MAKING_SECONDS
        return False


def _end_with_parent(state: State) -> None:
    """Wait for the end of standard input, which comes when the parent is gone, however it went."""
    sys.stdin.buffer.read()
    shutil.rmtree(state.jobs, ignore_errors=True)
    os._exit(0)
