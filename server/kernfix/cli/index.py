"""``kernfix index``: make or refresh the index of a tree."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from kernfix.cli.exits import GOOD, BadInput, Unavailable
from kernfix.cli.terminal import printable
from kernfix.source.index.build import Progress, Refreshed, refresh
from kernfix.source.tree import open_tree

BAR = 24


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--tree", type=Path, required=True, help="the kernel tree; it is only read")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args: argparse.Namespace) -> int:
    """Bring the index up to date and say what it has."""
    tree, problem = open_tree(args.tree)
    if tree is None:
        raise BadInput(problem or f"{args.tree} cannot be used.")
    bar = _Bar()
    try:
        refreshed, problem = refresh(tree, bar.show)
    finally:
        bar.clear()
    if refreshed is None:
        raise Unavailable(problem or f"There is no index of {args.tree}.")
    if args.json:
        print(json.dumps({"schema": "kernfix.index/1", **asdict(refreshed), "path": str(refreshed.path)}))
    else:
        print("\n".join(lines(refreshed)))
    return GOOD


def lines(refreshed: Refreshed) -> Iterator[str]:
    """The result for people."""
    changes = f"{refreshed.changed:,} read, {refreshed.removed:,} gone"
    yield (
        f"{refreshed.names:,} definitions in {refreshed.files:,} files ({changes}), {refreshed.bytes / 1e6:.1f} MB, "
        f"{refreshed.seconds:.1f} s"
    )
    for problem in refreshed.problems:
        yield f"note: {printable(problem)}"


class _Bar:
    """One line on a terminal, drawn again and again; nothing elsewhere."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._began = time.monotonic()

    def show(self, progress: Progress) -> None:
        seconds = int(time.monotonic() - self._began)
        text = f"{progress.words} … {seconds // 60}:{seconds % 60:02d}"
        if progress.total:
            filled = progress.done * BAR // progress.total
            text = f"[{'#' * filled}{'.' * (BAR - filled)}] {progress.done:,}/{progress.total:,} {text}"
        self._draw(text[: shutil.get_terminal_size().columns - 1])

    def clear(self) -> None:
        self._draw("")

    def _draw(self, text: str) -> None:
        if self._shown:
            print("\r\033[K" + text, end="", file=sys.stderr, flush=True)
