"""The crashes of a session: which one is active, and at which of its frames the user is.

The newest log's first crash is the active one until the user turns to another. It stays so when its document is closed, with its marks in
the code, until it is dismissed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernfix.lsp.analysis import Analysis, Key
    from kernfix.lsp.logs import OpenLog
    from kernfix.lsp.session import KernfixServer


@dataclass(frozen=True)
class Active:
    """The active crash in the newest analysis of its log. `stack` and `number` are the frame that the user is at, if he is at one."""

    log: OpenLog
    analysis: Analysis
    index: int
    stack: int | None = None
    number: int | None = None


class Crashes:
    """Which crash is active. A crash is known by its log and its key, which hold across versions of the log."""

    def __init__(self, server: KernfixServer) -> None:
        self._server = server
        self._log: OpenLog | None = None
        self._key: Key | None = None
        self._frame: tuple[int, int] | None = None

    def active(self) -> Active | None:
        """The active crash, unless its log has it no more."""
        log = self._log
        if log is None or log.analysis is None or self._key is None:
            return None
        index = log.analysis.index(self._key)
        if index is None:
            return None
        stack, number = self._frame or (None, None)
        return Active(log, log.analysis, index, stack, number)

    def holds(self, log: OpenLog) -> bool:
        """Whether the active crash is in that log."""
        return self._log is log

    def activate(self, log: OpenLog, index: int, frame: tuple[int, int] | None = None) -> None:
        """Turn to a crash, and to a frame of it: the numbers of its stack and in that."""
        assert log.analysis is not None
        key = log.analysis.keys[index]
        before, same = self._log, self._log is log and self._key == key
        self._log, self._key, self._frame = log, key, frame or (self._frame if same else None)
        log.dismissed.discard(key)
        if not same:
            if before is not None and before is not log:
                self._leave(before)
            log.publish()

    def arrived(self, log: OpenLog) -> None:
        """A log has been read for the first time: its first crash is what the user looks at, unless he opened another log after it."""
        newer = self._log is not None and self._log.opened > log.opened
        if log.analysis and log.analysis.crashes and not newer:
            self.activate(log, 0)
        else:
            log.publish()

    def dismiss(self, log: OpenLog, index: int) -> None:
        """The user is done with a crash: its marks go, and where it was the active one, none is."""
        assert log.analysis is not None
        key = log.analysis.keys[index]
        log.dismissed.add(key)
        if self._log is log and self._key == key:
            self._log, self._key, self._frame = None, None, None
            self._leave(log)
        log.publish()

    def _leave(self, log: OpenLog) -> None:
        """A closed log is kept for its active crash alone."""
        if log.closed:
            log.forget()
