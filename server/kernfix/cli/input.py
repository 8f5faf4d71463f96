"""Reading what the user named on the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from kernfix.cli.exits import BadInput

_BLOCK = 1 << 20


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


def read_blocks(name: str) -> Iterator[bytes]:
    """The same piece by piece, as it comes: a log may be larger than memory, or still be written."""
    if name == "-":
        yield from iter(lambda: sys.stdin.buffer.read(_BLOCK), b"")
        return
    try:
        with Path(name).open("rb") as file:
            yield from iter(lambda: file.read(_BLOCK), b"")
    except IsADirectoryError:
        raise BadInput(f"{name} is a folder; name a file.") from None
    except OSError as error:
        raise BadInput(f"cannot read {name}: {error.strerror or error}.") from None
