"""How long work is shown: one line that is redrawn on a terminal, plain lines elsewhere; always on standard error."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType

from kernfix.cli.terminal import printable
from kernfix.verify.wire import Event

LABELS = {
    "fetch": "copying the tree",
    "apply": "applying the patch",
    "build:baseline": "building the base",
    "build:patched": "building the patched tree",
    "reproduce:baseline": "running the reproducer on the base",
    "reproduce:patched": "running the reproducer on the patched kernel",
}
BAR = 24


class Progress:
    """Draws a job's events. `objects` is how many objects a full build compiles, if that is known."""

    def __init__(self, objects: int | None = None) -> None:
        self._objects = objects
        self._tty = sys.stderr.isatty()
        self._began = time.monotonic()
        self._drawn = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def say(self, text: str) -> None:
        """A line that stays; or several, of which each is made safe for a terminal."""
        self._clear()
        print("\n".join(map(printable, text.split("\n"))), file=sys.stderr, flush=True)

    def event(self, event: Event) -> None:
        """Show one event of a job."""
        label = LABELS.get(event.stage or "", event.stage or "")
        if event.kind == "stage" and event.text == "begin":
            self._began = time.monotonic()
            if not self._tty and event.stage in ("fetch", "build:baseline", "build:patched"):
                self.say(f"  {label} …")
        elif event.kind == "stage":
            self.say(f"  {label}: {event.text.removeprefix('end ')}")
        elif event.kind in ("run", "log"):
            self.say(f"  {event.text}")
        elif event.kind == "progress":
            self._draw(label, event)

    def _draw(self, label: str, event: Event) -> None:
        now = time.monotonic()
        if not self._tty or now - self._drawn < 0.1 or event.done is None:
            return
        self._drawn = now
        total = event.total or (self._objects if event.stage == "build:baseline" else None)
        seconds = int(now - self._began)
        if total:
            filled = min(BAR, event.done * BAR // total)
            bar = f"[{'#' * filled}{'.' * (BAR - filled)}] {event.done}/{total}"
        else:
            bar = f"{event.done}"
        text = printable(f"  {label} {bar} {seconds // 60}:{seconds % 60:02d} {event.text}")
        print("\r\033[K" + text[: shutil.get_terminal_size().columns - 1], end="", file=sys.stderr, flush=True)

    def _clear(self) -> None:
        if self._tty:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
