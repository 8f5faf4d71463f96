"""All that is known of one version of a crash log, as a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from kernfix.lsp.text import Text

if TYPE_CHECKING:
    from kernfix.crash.model import Crash, Frame, Stack, StackKind
    from kernfix.source import Tree
    from kernfix.source.model import Located, Location


T = TypeVar("T")
Key = tuple[str, int]
"""A crash across versions of its log: its title, and which one of that title it is."""


class PlacedFrame(NamedTuple):
    """A frame with its place in the crash and, where it was found, in the tree; `at` is the number of its stack."""

    crash: int
    at: int
    stack: Stack
    number: int
    frame: Frame
    location: Location | None


@dataclass(frozen=True)
class Analysis:
    """Crashes, and where they are in the tree.

    `located` goes with `crashes` one by one; it is empty as long as nothing was located, and `unlocated` then says why in one sentence.
    `root` is the folder of `tree` by the name that the user knows it by: the client's addresses are made from it.
    """

    uri: str
    text: Text
    crashes: tuple[Crash, ...] = ()
    tree: Tree | None = None
    root: Path | None = None
    located: tuple[Located, ...] = ()
    unlocated: str = ""

    def once(self, make: Callable[[Analysis], T]) -> T:
        """What `make` makes of this analysis: made when it is asked for first, and kept as long as the analysis is."""
        if make not in self._made:
            self._made[make] = make(self)
        found: T = self._made[make]
        return found

    @cached_property
    def _made(self) -> dict[Callable[[Analysis], Any], Any]:
        return {}

    @cached_property
    def keys(self) -> tuple[Key, ...]:
        """A key for each crash, in order."""
        return tuple(_keys(self.crashes))

    def index(self, key: Key) -> int | None:
        """The crash of that key."""
        return self.keys.index(key) if key in self.keys else None

    @cached_property
    def frames(self) -> tuple[PlacedFrame, ...]:
        """Every frame of every stack, in log order within a crash."""
        return tuple(placed for frames in self.frames_of for placed in frames)

    @cached_property
    def frames_of(self) -> tuple[tuple[PlacedFrame, ...], ...]:
        """The same for each crash."""
        return tuple(tuple(self._frames(index)) for index in range(len(self.crashes)))

    def _frames(self, index: int) -> Iterator[PlacedFrame]:
        located = self.located[index].stacks if self.located else ()
        for at, stack in enumerate(self.crashes[index].stacks):
            locations = located[at].locations if at < len(located) else ()
            for number, frame in enumerate(stack.frames):
                location = locations[number] if number < len(locations) else None
                yield PlacedFrame(index, at, stack, number, frame, location)

    @cached_property
    def by_line(self) -> dict[int, list[PlacedFrame]]:
        """The frames of each line of the log that has any."""
        found: dict[int, list[PlacedFrame]] = {}
        for placed in self.frames:
            found.setdefault(placed.frame.span.line, []).append(placed)
        return found

    def is_at(self, path: Path) -> bool:
        """Whether something of the log was located in that file."""
        return self.root is not None and any(
            placed.location and self.root / placed.location.path == path for placed in self.frames
        )

    def frame_at(self, line: int, character: int) -> PlacedFrame | None:
        """The frame under a character of the log; anywhere else on a frame's line counts for it too."""
        there = self.by_line.get(line, [])
        under = (placed for placed in there if placed.frame.span.start <= character <= placed.frame.span.end)
        return next(under, there[0] if there else None)

    def headline_at(self, line: int) -> int | None:
        """The crash whose headline is on that line."""
        return next((index for index, crash in enumerate(self.crashes) if crash.headline.line == line), None)

    def crashes_in(self, first: int, last: int) -> list[int]:
        """The crashes that reach into the lines ``[first, last]``."""
        return [
            index for index, crash in enumerate(self.crashes) if crash.start_line <= last and crash.end_line >= first
        ]

    def site(self, crash: int) -> Location | None:
        """Where the crash happened: the headline's own file:line, unless that is in a helper that found out about another's fault."""
        if not self.located:
            return None
        stated, blamed = self.located[crash].site, self.first_location(crash, "crash")
        return blamed if stated is None or (blamed is not None and blamed.path != stated.path) else stated

    def first_location(self, crash: int, kind: StackKind) -> Location | None:
        """Where the first stack of that kind begins in earnest: at the function to blame, else the first that only this bug calls."""
        from kernfix.crash.skips import skip_pattern

        owner = self.crashes[crash]
        stack = owner.stack(kind)
        frames = [placed for placed in self.frames_of[crash] if placed.stack is stack and placed.location]
        blamed = [placed for placed in frames if placed.frame.function == owner.function and kind == "crash"]
        telling = [placed for placed in frames if not skip_pattern().search(placed.frame.function)]
        return next((placed.location for placed in [*blamed, *telling, *frames]), None)


def _keys(crashes: tuple[Crash, ...]) -> Iterator[Key]:
    seen: dict[str, int] = {}
    for crash in crashes:
        seen[crash.title] = seen.get(crash.title, 0) + 1
        yield crash.title, seen[crash.title]
