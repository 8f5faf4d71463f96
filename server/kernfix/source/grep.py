"""Searching the C and assembler files of a tree with grep, in a process that can be stopped."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from typing import IO, NamedTuple

from kernfix.source.model import Stop
from kernfix.source.tree import Tree

_POLL_SECONDS = 0.05
_COMMAND = (
    *("grep", "--recursive", "--line-number", "--with-filename", "--null", "--text", "--no-messages"),
    *("--include=*.[chS]", "--exclude-dir=.git", "--exclude-dir=Documentation", "--exclude-dir=asic_reg"),
)
_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"}


class Hit(NamedTuple):
    """A line that was found: the path in the tree, the 1-based number, the text."""

    path: str
    line: int
    text: str


def grep_problem() -> str | None:
    """Why files cannot be searched on this machine, or None."""
    return None if shutil.which("grep") else "grep is not installed, so functions cannot be found by their names."


def grep(tree: Tree, patterns: str, *options: str, most: int, stop: Stop) -> tuple[list[Hit], bool]:
    """The lines that any of `patterns` (one a line) fits, and whether those are all: not more than `most`, not stopped, grep is there."""
    if grep_problem():
        return [], False
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output:
        given.write(patterns.encode())
        given.seek(0)
        process = subprocess.Popen(
            [*_COMMAND, *options, "--file=-", "--", "."],
            cwd=tree.root,
            stdin=given,
            stdout=output,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT,
        )
        ended = _wait(process, stop)
        output.seek(0)
        hits: list[Hit] = []
        for hit in _hits(output):
            if len(hits) >= most:
                return hits, False
            hits.append(hit)
        return hits, ended


def _wait(process: subprocess.Popen[bytes], stop: Stop) -> bool:
    """Whether the process came to its end by itself; otherwise it was stopped."""
    try:
        while not stop():
            try:
                process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            return True
        return False
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _hits(output: IO[bytes]) -> Iterator[Hit]:
    for raw in output:
        path, separator, rest = raw.decode("utf-8", "surrogateescape").rstrip("\n").partition("\0")
        number, colon, text = rest.partition(":")
        if separator and colon and number.isdigit():
            yield Hit(path.removeprefix("./"), int(number), text)
