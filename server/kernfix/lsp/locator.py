"""Finding code in a process of its own, because a cold search keeps a core busy for seconds and tree-sitter holds the interpreter lock.

The child (`kernfix.lsp.worker`) keeps what it has read of a tree for the next question. It answers one question at a time; to cancel one
is to end the child, and the next question starts another. It ends by itself when its standard input closes.
"""

from __future__ import annotations

import asyncio
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernfix.crash.model import Crash
    from kernfix.source import Tree
    from kernfix.source.model import Located

# ``-P`` keeps the working folder, which may hold anybody's files, off the import path.
COMMAND = (sys.executable, "-P", "-m", "kernfix.lsp.worker")
HEADER = 8


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
    """The parent's side of the child."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None

    async def ask(self, question: Question) -> Answer:
        """Wait for the turn, then for the answer. Cancelling the task stops the search."""
        async with self._turn:
            try:
                return await self._exchange(question)
            except (OSError, EOFError, asyncio.IncompleteReadError):
                self.stop()
                return Answer(
                    problem="The process that searches the tree ended unexpectedly; its message is in the server's log."
                )
            except asyncio.CancelledError:
                self.stop()
                raise

    async def _exchange(self, question: Question) -> Answer:
        if self._child is None or self._child.returncode is not None:
            pipe = asyncio.subprocess.PIPE
            self._child = await asyncio.create_subprocess_exec(*COMMAND, stdin=pipe, stdout=pipe)
        reader, writer = self._child.stdout, self._child.stdin
        assert reader is not None
        assert writer is not None
        body = pickle.dumps(question)
        writer.write(len(body).to_bytes(HEADER, "big") + body)
        await writer.drain()
        size = int.from_bytes(await reader.readexactly(HEADER), "big")
        answer = pickle.loads(await reader.readexactly(size))
        assert isinstance(answer, Answer)
        return answer

    def stop(self) -> None:
        """End the child, whatever it is doing."""
        if self._child is not None and self._child.returncode is None:
            self._child.kill()
        self._child = None
