"""The two pipes to the client belong to the protocol alone.

A stray byte on standard output loses the stream for VS Code's client for good, so whatever else runs in this process, or is started by
it, must find standard error where it looks for standard output, and nothing where it looks for standard input.
"""

from __future__ import annotations

import os
import sys
from typing import BinaryIO


def take() -> tuple[BinaryIO, BinaryIO]:
    """The real standard input and output, moved to descriptors that no child inherits; 0 and 1 are diverted for everyone else."""
    sys.stdout.flush()
    protocol_in = os.fdopen(os.dup(0), "rb")
    protocol_out = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return protocol_in, protocol_out
