"""Child processes that never outlive what they were started for.

A child leads its own process group, which is killed when the awaiting task is cancelled, when time runs out, or when the child has ended
and left others behind; the kernel kills it when the runner dies (``PR_SET_PDEATHSIG``, set by `sandbox.wrap`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

LINE_LIMIT = 1 << 16
LAST_WORDS_SECONDS = 1
"""How long output is waited for that the child wrote but that was not read yet when it ended."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a child ended: its exit code (negative: the signal), whether time ran out, and the last lines it printed."""

    code: int
    timed_out: bool
    tail: tuple[str, ...]


async def run(
    argv: Sequence[str],
    *,
    seconds: float,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> Finished:
    """Run a child to its end with no standard input, its output (both streams) given line by line."""
    tail: deque[str] = deque(maxlen=50)

    def take(line: str) -> None:
        tail.append(line)
        on_line(line)

    async with _pipe() as (output, write_end):
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=cwd,
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            os.close(write_end)
        timed_out = await _follow(process, asyncio.create_task(_read_lines(output, take)), seconds)
    assert process.returncode is not None
    return Finished(process.returncode, timed_out, tuple(tail))


async def _follow(process: asyncio.subprocess.Process, reading: asyncio.Task[None], seconds: float) -> bool:
    """Wait for the child, not longer than that, then end what is left of its group; gives whether time ran out."""
    ending = asyncio.create_task(process.wait())
    timed_out = False
    try:
        async with asyncio.timeout(seconds):
            await asyncio.wait({reading, ending}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()  # raises what taking a line raised
            await ending
    except TimeoutError:
        timed_out = True
    finally:
        await kill(process)
        await asyncio.wait({reading}, timeout=LAST_WORDS_SECONDS)
        reading.cancel()
    if reading.done():
        reading.result()
    return timed_out


async def kill(process: asyncio.subprocess.Process) -> None:
    """End a child and its whole process group now, and reap it."""
    with contextlib.suppress(ProcessLookupError):  # the group is already empty
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


@contextlib.asynccontextmanager
async def _pipe() -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
    """A pipe for a child's output: the reader and the end to give away, which the caller closes.

    It is not left to asyncio, which takes a child for ended only when its pipes are, and others that it started may hold them open.
    """
    read_end, write_end = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", 0)
    )
    try:
        yield reader, write_end
    finally:
        transport.close()


async def _read_lines(output: asyncio.StreamReader, take: Callable[[str], None]) -> None:
    """Split the output into lines; one longer than the limit is cut into several, so memory stays bounded."""
    rest = b""
    while chunk := await output.read(1 << 16):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            take(line.decode("utf-8", "replace"))
        if len(rest) > LINE_LIMIT:
            take(rest.decode("utf-8", "replace"))
            rest = b""
    if rest:
        take(rest.decode("utf-8", "replace"))
