"""Exit codes of every verb, and the one way to fail."""

from __future__ import annotations

GOOD = 0
"""Done, and the answer is good."""
NO = 1
"""Done, and the answer is no: no crash found, not fixed."""
USAGE = 2
"""The command line makes no sense (argparse's own code)."""
BAD_INPUT = 3
"""A file or tree that was named cannot be used."""
INFRASTRUCTURE = 4
"""The runner, QEMU, the tool chain or the model endpoint failed."""
CANCELLED = 130
"""Ctrl-C, as shells count it."""


class Failure(Exception):
    """One clear sentence for the user, with what to do next; never a traceback."""

    code = INFRASTRUCTURE


class BadInput(Failure):
    """What the user named cannot be used."""

    code = BAD_INPUT


class Unavailable(Failure):
    """Something that the work needs is missing or broken."""

    code = INFRASTRUCTURE
