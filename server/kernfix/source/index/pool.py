"""The processes that read files: each gets batches until there are none left.

A worker that dies costs nothing but time: its batch is halved and tried again, until the one file that kills it is alone.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from queue import Empty, Queue
from types import TracebackType

from kernfix.source.index.rows import Job, Reply
from kernfix.source.index.worker import receive, send

# ``-P`` keeps the working folder, which may hold anybody's files, off the import path.
COMMAND = (sys.executable, "-P", "-m", "kernfix.source.index.worker")
MOST = 8
POLL_SECONDS = 0.05
_AHEAD = 4
"""Replies that wait to be taken; more would only fill memory."""


def workers_for(batches: int) -> int:
    """How many processes are worth starting."""
    return max(1, min(batches, len(os.sched_getaffinity(0)), MOST))


class NoWorkers(Exception):
    """No process can be started; the sentence says why."""


class Pool:
    """Workers on the tree at `root`; leaving the context ends them, whatever they are doing."""

    def __init__(self, root: str, batches: list[list[Job]]) -> None:
        self._root = root
        self._batches = deque(batches)
        self._replies: Queue[Reply | None] = Queue(_AHEAD)
        self._children: set[subprocess.Popen[bytes]] = set()
        self._failure: OSError | None = None
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._drive, daemon=True) for _ in range(workers_for(len(batches)))]

    def __enter__(self) -> Pool:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._over.set()
            for child in self._children:
                child.kill()
        while any(thread.is_alive() for thread in self._threads):
            with contextlib.suppress(Empty):
                self._replies.get(timeout=POLL_SECONDS)

    def replies(self, stop: Callable[[], bool]) -> Iterator[Reply]:
        """What the workers answer, in any order, until all is answered or `stop` says so. Raises `NoWorkers`."""
        working = len(self._threads)
        while working and not stop():
            try:
                reply = self._replies.get(timeout=POLL_SECONDS)
            except Empty:
                continue
            if reply is None:
                working -= 1
            else:
                yield reply
        if self._failure:
            raise NoWorkers(f"The processes that read the tree cannot be started ({self._failure}).")

    def _drive(self) -> None:
        """A thread for each worker: it waits for its answers."""
        try:
            while not self._over.is_set() and self._batches:
                self._employ()
        except OSError as error:  # no process can be started
            self._failure = error
        finally:
            self._replies.put(None)

    def _employ(self) -> None:
        """Give batches to one new worker until there are none, or it dies."""
        pipe = subprocess.PIPE
        with self._lock:
            if self._over.is_set():
                return
            # A group of its own: Ctrl-C is for the parent, which ends its children.
            child = subprocess.Popen([*COMMAND, self._root], stdin=pipe, stdout=pipe, process_group=0)
            self._children.add(child)
        with contextlib.suppress(BrokenPipeError), child:
            while not self._over.is_set() and (batch := self._next()):
                reply = _ask(child, batch)
                if reply is None:
                    self._halve(batch)
                    break
                self._replies.put(reply)
        with self._lock:
            self._children.discard(child)

    def _next(self) -> list[Job]:
        try:
            return self._batches.popleft()
        except IndexError:
            return []

    def _halve(self, batch: list[Job]) -> None:
        if len(batch) == 1:
            self._replies.put(
                Reply([], [], [(batch[0][0], "the process that read it was ended, perhaps because it took too long")])
            )
        else:
            self._batches.extend((batch[: len(batch) // 2], batch[len(batch) // 2 :]))


def _ask(child: subprocess.Popen[bytes], batch: list[Job]) -> Reply | None:
    """A worker's answer, None when it has died."""
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        send(child.stdin, batch)
    except BrokenPipeError:
        return None
    reply = receive(child.stdout)
    return reply and Reply(*reply)
