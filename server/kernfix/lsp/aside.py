"""Running a coroutine where its blocking steps hold up nobody: on an event loop of its own, in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def aside(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of the coroutine that `make` makes. Cancelling the caller cancels it there, and waits until it has cleaned up."""
    stopped = threading.Event()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None
        running.append((asyncio.get_running_loop(), task))
        if stopped.is_set():
            raise asyncio.CancelledError
        return await make()

    work = asyncio.ensure_future(asyncio.to_thread(lambda: asyncio.run(main())))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stopped.set()
        for loop, task in running:
            with contextlib.suppress(
                RuntimeError
            ):  # the loop was closed in this very moment: nothing is left to cancel
                loop.call_soon_threadsafe(task.cancel)
        await asyncio.wait({work})
        raise
