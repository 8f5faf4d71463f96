"""A process that reads files for `kernfix.source.index.pool`: batches come in on standard input, what they define goes out.

Both ends are the same program in the same installation and share a private pipe, so plain values travel marshalled, which costs a tenth
of pickling them. It ends when its input does.
"""

from __future__ import annotations

import gc
import json
import marshal
import os
import signal
import stat
import sys
from typing import IO, Any

from kernfix.source.index.rows import KINDS, Job, Read, Reply, Row
from kernfix.source.index.scan import scan
from kernfix.source.index.walk import settled
from kernfix.source.tree import MAX_FILE

TRIES = 3
SECONDS = 10.0
"""Processor time for one file, after which the kernel ends this process: a text that was made to be slow must not hold up the others."""
NICENESS = 5
"""Whoever is waiting for the index is also typing."""
_NUMBER = {kind: number for number, kind in enumerate(KINDS)}
_json = json.JSONEncoder(separators=(",", ":")).encode


def main() -> None:
    """Answer batches until there are no more."""
    root = sys.argv[1]
    os.nice(NICENESS)
    gc.disable()  # values alone, no cycles
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (jobs := receive(source)) is not None:
        send(sink, tuple(read_all(root, jobs)))


def send(sink: IO[bytes], value: Any) -> None:
    """Write a value with its length before it."""
    body = marshal.dumps(value)
    sink.write(len(body).to_bytes(8, "big") + body)
    sink.flush()


def receive(source: IO[bytes]) -> Any:
    """The next value; None at the end."""
    header = source.read(8)
    size = int.from_bytes(header, "big")
    body = source.read(size) if len(header) == 8 else b""
    return marshal.loads(body) if body and len(body) == size else None


def read_all(root: str, jobs: list[Job]) -> Reply:
    """What the files of a batch say."""
    files: list[Read] = []
    rows: list[Row] = []
    failed: list[tuple[int, str]] = []
    for number, path in jobs:
        try:
            source, size, mtime_ns = _content(f"{root}/{path}")
        except OSError as error:
            failed.append((number, error.strerror or str(error)))
            continue
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # a signal's default action needs no help of the interpreter
        found = scan(source, path)
        signal.setitimer(signal.ITIMER_PROF, 0)
        rows += [(name, number, start, end - start, _NUMBER[kind]) for name, start, end, kind in found.defined]
        uses = _json(found.uses) if found.uses else ""
        makers = _json(found.makers) if found.makers else ""
        files.append((number, size, mtime_ns, uses, makers))
    return Reply(files, rows, failed)


def _content(path: str) -> tuple[bytes, int, int]:
    """The bytes of a file, with the size and the time that it had before and after it was read; OSError when it keeps changing."""
    for _ in range(TRIES):
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            before = os.fstat(file)
            if not stat.S_ISREG(before.st_mode):
                raise OSError(0, "it is no regular file")
            source = _read(file, min(before.st_size, MAX_FILE))
            after = os.fstat(file)
        finally:
            os.close(file)
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns) and len(source) == after.st_size:
            return source, after.st_size, settled(after.st_mtime_ns)
    raise OSError(0, "it changes while it is read")


def _read(file: int, size: int) -> bytes:
    """As many bytes of a file, fewer where it has become shorter."""
    source = os.read(file, size)
    while len(source) < size and (more := os.read(file, size - len(source))):
        source += more
    return source


if __name__ == "__main__":
    main()
