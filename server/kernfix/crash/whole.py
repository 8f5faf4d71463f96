"""What a log says that holds for every crash in it."""

from __future__ import annotations

from kernfix.crash.rules import rx

PANIC = "Kernel panic - not syncing"
_DISCONNECTED = "serialport: VM disconnected."

_SUPPRESSED = (
    ("fatal error:", rx(r"fatal error: .*(?:out of memory|cannot allocate memory|newosproc|unexpected signal during runtime execution)")),
    ("panic:", rx(r"panic: (?:.*(?:cannot allocate memory|failed to (?:start executor|create temp dir)|pthread_create)"
            r"|executor .* failed to start)")),
    ("SIGBUS", rx(r"signal SIGBUS: bus error|SYZFAIL: SIGBUS")),
    ("Kill", rx(r"(?:ut of memory: Kill(?:ed)?|Killed) process \d+ \((?:syz-exec|sshd)"
            r"|lowmemorykiller: Kill(?:ing|ed)? '(?:syz-exec|sshd)")),
    ("INIT: PANIC", rx(r"INIT: PANIC: segmentation violation!")),
    ("stack smashing", rx(r"\*\*\* stack smashing detected \*\*\*: terminated")),
)  # fmt: skip
"""Failures of the machine or the fuzzer that make a crash not worth reporting: a literal that the pattern holds, and the pattern."""


class Whole:
    """What has been seen of a log so far, of which it does not matter where it stood."""

    def __init__(self) -> None:
        self.suppressed = False
        """It shows a failure of the machine or the fuzzer."""
        self.disconnected = False
        """The console was lost."""
        self.arch: str | None = None
        """What it ran on, once a crash has told."""
        self.last_panic = -1
        """The line where the kernel last panicked, or -1."""

    def see(self, text: str, first: int) -> None:
        """Take the next lines of the log; `first` is the number of the first."""
        for hint, pattern in () if self.suppressed else _SUPPRESSED:
            if hint in text and pattern.search(text):
                self.suppressed = True
                break
        self.disconnected |= _DISCONNECTED in text
        at = text.rfind(PANIC)
        if at >= 0:
            self.last_panic = first + text.count("\n", 0, at)
