"""The rows of the table that `make bench-source` prints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Given:
    """What is measured on: a tree, the kernel built from that very tree with debug information, and an older tree."""

    tree: Path
    vmlinux: Path
    older: Path


class Row(NamedTuple):
    """A figure, in `unit`, and its target (None: for information). `of` says what was counted."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_most: bool = False
    of: str = ""

    @property
    def reached(self) -> bool:
        """Whether the target is reached; without one there is nothing to miss."""
        if self.target is None:
            return True
        return self.value <= self.target if self.at_most else self.value >= self.target


def lines(rows: Iterable[Row]) -> Iterable[str]:
    """The rows as text, one a line."""
    for row in rows:
        wanted = "" if row.target is None else f"{'<=' if row.at_most else '>='} {row.target:g}"
        mark = "ok" if row.reached else "MISSED"
        yield f"{row.name:<64} {row.value:>10.3f} {row.unit:<6} {wanted:<10} {mark:<7} {row.of}"
