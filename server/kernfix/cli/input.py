"""Reading what the user named on the command line."""

from __future__ import annotations

import sys
from pathlib import Path

from kernfix.cli.exits import BadInput


def read_bytes(name: str) -> bytes:
    """The content of a file, or of standard input for ``-``."""
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except IsADirectoryError:
        raise BadInput(f"{name} is a folder; name a file.") from None
    except OSError as error:
        raise BadInput(f"cannot read {name}: {error.strerror or error}.") from None
