"""What debug information is asked and answers: values only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Query(NamedTuple):
    """``function+offset/size`` of a report; `returns` for an entry of a call trace, which is where the call returns to.

    `module` is the loadable module that the function is in, `build_id` the module's where the report states it. `address` is what the
    report prints beside the symbol: a kernel may be moved by whole pages when it starts, so it counts within a page only.
    """

    function: str
    offset: int
    size: int | None = None
    returns: bool = False
    module: str | None = None
    build_id: str | None = None
    address: int | None = None


class Place(NamedTuple):
    """A source line as the debug information states it: the path as the compiler saw it, 1-based line, the (inlined) function."""

    path: str
    line: int
    column: int | None
    function: str


Chain = tuple[Place, ...]
"""What one address is, the innermost inlined function first; empty when nothing is known."""

Reader = Callable[[Sequence[int]], list[Chain]]
"""Gives the chain of each of some addresses; raises `ReaderFailed`."""


class ReaderFailed(Exception):
    """The program that reads debug information did not work; its text is one sentence that says so."""


class Answer(NamedTuple):
    """A chain for each query, and one sentence for each thing that stood in the way of an answer."""

    chains: list[Chain]
    problems: tuple[str, ...] = ()
