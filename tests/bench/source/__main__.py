"""Prints the table of ``make bench-source``: ``python tests/bench/source TREE VMLINUX OLDER``.

TREE is a kernel tree, VMLINUX the kernel that was built from that very tree with debug information, OLDER the tree of an older version.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import accuracy
import indexing
import relocation
import server
import symbols
from rows import Given, Row, lines

TOOLS = ("ctags", "nm", "addr2line", "llvm-symbolizer", "git")
PARTS: dict[str, Callable[[Given], Iterator[Row]]] = {
    "accuracy": accuracy.rows,
    "indexing": indexing.rows,
    "relocation": relocation.rows,
    "server": server.rows,
    "symbols": symbols.rows,
}


def main() -> int:
    """Print the rows as they come; 1 if one is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", type=Path)
    parser.add_argument("vmlinux", type=Path)
    parser.add_argument("older", type=Path)
    parser.add_argument("--only", choices=PARTS, action="append", help="one part of the table")
    args = parser.parse_args()
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        parser.error(f"to be compared with, install {', '.join(missing)} (universal-ctags, binutils, llvm, git)")
    given = Given(args.tree, args.vmlinux, args.older)
    missed = 0
    for name in args.only or PARTS:
        for row in PARTS[name](given):
            missed += not row.reached
            print(*lines([row]), flush=True)
    print(f"{missed} missed" if missed else "every row reached")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
