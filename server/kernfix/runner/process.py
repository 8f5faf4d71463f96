"""Child processes that never outlive what they were started for.

A child leads its own process group, which is killed when the awaiting task is cancelled, when time runs out, or when the child ends and
leaves others behind; the kernel kills it when the runner dies (``PR_SET_PDEATHSIG``, set by `sandbox.wrap`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

LINE_LIMIT = 1 << 16


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

    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    timed_out = False
    try:
        async with asyncio.timeout(seconds):
            await _read_lines(process, take)
            await process.wait()
    except TimeoutError:
        timed_out = True
    finally:
        await kill(process)
    assert process.returncode is not None
    return Finished(process.returncode, timed_out, tuple(tail))


async def kill(process: asyncio.subprocess.Process) -> None:
    """End a child and its whole process group now, and reap it."""
    with contextlib.suppress(ProcessLookupError):  # the group is already empty
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def _read_lines(process: asyncio.subprocess.Process, take: Callable[[str], None]) -> None:
    """Split the output into lines; one longer than the limit is cut into several, so memory stays bounded."""
    assert process.stdout is not None
    rest = b""
    while chunk := await process.stdout.read(1 << 16):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            take(line.decode("utf-8", "replace"))
        if len(rest) > LINE_LIMIT:
            take(rest.decode("utf-8", "replace"))
            rest = b""
    if rest:
        take(rest.decode("utf-8", "replace"))
