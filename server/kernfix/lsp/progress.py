"""Work-done progress with a cancel button; silent for clients that have none."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from kernfix.lsp.session import ANSWER_SECONDS, KernfixServer

INTERVAL_SECONDS = 0.1
"""Reports that follow each other faster are dropped: nobody reads them."""


class Report(Protocol):
    """Shows one line about where the work stands, and how many percent of it are done; a percentage that is left out stays as it was."""

    def __call__(self, message: str, percentage: int | None = None) -> None:
        """Show it."""


@asynccontextmanager
async def working(
    server: KernfixServer, title: str, token: types.ProgressToken | None, percentage: int | None = None
) -> AsyncIterator[Report]:
    """Show `title` for as long as the block runs. When the user cancels, the task that runs it is cancelled.

    `token` is the one that the client sent along with its request, if it did; otherwise the client is asked for one. Percentages are shown
    only if there is one to begin with.
    """
    if token is None:
        token = await _create(server)
    if token is None:
        yield unseen
        return
    progress = server.work_done_progress
    progress.begin(token, types.WorkDoneProgressBegin(title=title, cancellable=True, percentage=percentage))
    task = asyncio.current_task()
    assert task is not None
    progress.tokens[token].add_done_callback(lambda cancelled: task.cancel() if cancelled.cancelled() else None)
    last = 0.0

    def report(message: str, percentage: int | None = None) -> None:
        nonlocal last
        if token in progress.tokens and time.monotonic() - last >= INTERVAL_SECONDS:  # nothing may follow the end
            last = time.monotonic()
            progress.report(
                token, types.WorkDoneProgressReport(message=message, cancellable=True, percentage=percentage)
            )

    try:
        yield report
    finally:
        progress.end(token, types.WorkDoneProgressEnd())
        progress.tokens.pop(token, None)


def unseen(message: str, percentage: int | None = None) -> None:
    """A `Report` that nobody looks at."""


async def _create(server: KernfixServer) -> types.ProgressToken | None:
    if not server.can("window.work_done_progress"):
        return None
    token = str(uuid.uuid4())
    try:
        await asyncio.wait_for(server.work_done_progress.create_async(token), ANSWER_SECONDS)
    except (JsonRpcException, TimeoutError):
        return None
    return token
