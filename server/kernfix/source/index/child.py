"""Refreshing an index from an event loop, in a process of its own that can be ended at any time.

The child gets the tree's folder as its argument, writes one JSON object a line (``{"phase": …, "done": …, "total": …}``, at last
``{"refreshed": {…}}`` or ``{"problem": "…"}``), and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

from kernfix.source.index.build import Progress, Refreshed, Report, refresh
from kernfix.source.index.worker import NICENESS
from kernfix.source.tree import Tree, open_tree

# ``-P`` keeps the working folder, which may hold anybody's files, off the import path.
COMMAND = (sys.executable, "-P", "-m", "kernfix.source.index.child")
_SECONDS = 0.1
"""Between two lines of the same phase."""
_LINE = 1 << 20


async def refresh_aside(tree: Tree, report: Report) -> tuple[Refreshed | None, str | None]:
    """As `kernfix.source.index.build.refresh`; `report` is called in the loop. Cancelling the task ends the child and its workers."""
    pipe = asyncio.subprocess.PIPE
    try:
        child = await asyncio.create_subprocess_exec(*COMMAND, str(tree.root), stdin=pipe, stdout=pipe, limit=_LINE)
    except OSError as error:
        return None, f"The process that makes the index cannot be started ({error})."
    try:
        assert child.stdout is not None
        async for line in child.stdout:
            said = json.loads(line)
            if "phase" in said:
                report(Progress(**said))
            elif "problem" in said:
                return None, said["problem"]
            else:
                value = said["refreshed"]
                return Refreshed(**{**value, "path": Path(value["path"]), "problems": tuple(value["problems"])}), None
        return None, "The process that makes the index ended unexpectedly."
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def main() -> None:
    """The child."""
    os.nice(NICENESS)
    stopped = threading.Event()
    threading.Thread(target=_listen, args=(stopped,), daemon=True).start()
    tree, problem = open_tree(Path(sys.argv[1]))
    refreshed = None
    if tree is not None:
        refreshed, problem = refresh(tree, _Teller().tell, stopped.is_set)
    _say(
        {"problem": problem} if refreshed is None else {"refreshed": {**asdict(refreshed), "path": str(refreshed.path)}}
    )


def _listen(stopped: threading.Event) -> None:
    """Wait for the end of the input: then nobody waits for the index."""
    sys.stdin.buffer.read()
    stopped.set()


class _Teller:
    """Passes progress on, not too often."""

    def __init__(self) -> None:
        self._phase = ""
        self._next = 0.0

    def tell(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.phase != self._phase or now >= self._next:
            self._phase = progress.phase
            self._next = now + _SECONDS
            _say(progress._asdict())


def _say(value: object) -> None:
    # A parent that is gone takes nothing; that its pipe is closed is seen by `_listen`.
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(value) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
