"""Finding code in a process of its own, because a cold search keeps a core busy for seconds and tree-sitter holds the interpreter lock.

The child (`kernfix.lsp.worker`) keeps what it has read of a tree for the next question, and answers one question at a time. A question
that nobody waits for any more may still be answered for a moment, since most are and ending the child loses what it knows; then the
child is killed, and the next question starts another. It ends by itself when its standard input closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from kernfix.crash.model import Crash
    from kernfix.source import Tree
    from kernfix.source.model import Located

# ``-P`` keeps the working folder, which may hold anybody's files, off the import path.
COMMAND = (sys.executable, "-P", "-m", "kernfix.lsp.worker")
HEADER = 8
BROKEN = "The process that searches the tree ended unexpectedly; its message is in the server's log."
DRAIN_SECONDS = 1.0
"""How long the child may go on with a question that was cancelled."""


@dataclass(frozen=True, slots=True)
class Question:
    """Where are these crashes in the tree? `vmlinux` is an absolute path; it gives exact lines where it fits the log."""

    crashes: tuple[Crash, ...]
    tree: Tree
    vmlinux: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One `Located` a crash; `problem` is one sentence about what could not be used, or about why there is no answer at all."""

    located: tuple[Located, ...] = ()
    problem: str = ""


class Locator:
    """The parent's side of the child, on the event loop."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._child: _Child | None = None

    def start(self) -> None:
        """Have the child ready for the first question: it takes a moment to load what it needs."""
        if self._child is None or self._child.ended:
            self.stop()
            self._child = _Child()

    async def ask(self, question: Question) -> Answer:
        """Wait for the turn, then for the answer. Cancelling the task stops the search, if it is not over in a moment."""
        await self._turn.acquire()
        self.start()
        child = self._child
        assert child is not None
        answer = child.ask(question)
        answer.add_done_callback(lambda _: self._turn.release())
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_later(DRAIN_SECONDS, child.kill_unless, answer)
            raise

    def stop(self) -> None:
        """End the child, whatever it is doing."""
        if self._child is not None:
            self._child.kill()


class _Asked:
    """A question, and the loop that waits for its answer."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self._loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Answer] = self._loop.create_future()

    def tell(self, answer: Answer) -> None:
        """From another thread: here it is."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server is leaving, and nobody waits
            self._loop.call_soon_threadsafe(self.answer.set_result, answer)


class _Child:
    """One process with the thread that talks to it.

    A daemon thread, because nothing may keep this process when its client leaves: neither a search nor the start of one, which
    asyncio waits for when its loop ends.
    """

    def __init__(self) -> None:
        self._killed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._questions: SimpleQueue[_Asked | None] = SimpleQueue()
        threading.Thread(target=self._run, name="locator", daemon=True).start()

    @property
    def ended(self) -> bool:
        """Whether it can answer nothing any more."""
        return self._killed or (self._process is not None and self._process.poll() is not None)

    def ask(self, question: Question) -> asyncio.Future[Answer]:
        """The answer to come. One question at a time."""
        asked = _Asked(question)
        self._questions.put(asked)
        return asked.answer

    def kill(self) -> None:
        """End it now, or as soon as it has started."""
        with self._lock:
            self._killed = True
            if self._process is not None:
                self._process.kill()
        self._questions.put(None)

    def kill_unless(self, answer: asyncio.Future[Answer]) -> None:
        """End it if that answer has not come."""
        if not answer.done():
            self.kill()

    def _run(self) -> None:
        self._start()
        while asked := self._questions.get():
            try:
                answer = self._exchange(asked.question)
            except (OSError, EOFError):
                self.kill()
                answer = Answer(problem=BROKEN)
            asked.tell(answer)
        if self._process is not None:
            with self._process:  # closes the pipes, and takes leave of it
                self._process.kill()

    def _start(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            if not self._killed:
                self._process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _exchange(self, question: Question) -> Answer:
        if self._process is None:
            raise EOFError
        source, sink = self._process.stdout, self._process.stdin
        assert source is not None
        assert sink is not None
        body = pickle.dumps(question)
        sink.write(len(body).to_bytes(HEADER, "big") + body)
        sink.flush()
        size = int.from_bytes(_read(source, HEADER), "big")
        answer = pickle.loads(_read(source, size))
        assert isinstance(answer, Answer)
        return answer


def _read(source: IO[bytes], size: int) -> bytes:
    body = source.read(size)
    if len(body) < size:
        raise EOFError
    return body
