"""Where the frames of a crash are in one tree: what the log says, what debug information says, or what bears the name.

Each way is tried in this order of trust, and each answer is held against the tree as it is (`stated`, `rank`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from kernfix.crash.model import Crash, Frame
from kernfix.source.debuginfo import Chain, Symbols, queries_of
from kernfix.source.model import Function, Located, LocatedStack, Location, Stop
from kernfix.source.names import same_function
from kernfix.source.rank import choose, near
from kernfix.source.stated import OTHER_VERSION, Old, relocated, stated
from kernfix.source.texts import Texts
from kernfix.source.tree import Tree

if TYPE_CHECKING:
    from kernfix.source.definitions import Definitions
    from kernfix.source.kbuild import Kbuild

_Frames = dict[Frame, Location]


def locate(crash: Crash, tree: Tree, symbols: Symbols | None = None, stop: Stop = lambda: False) -> Located:
    """The locations of one crash's frames; see `locate_all`."""
    return locate_all((crash,), tree, symbols, stop)[0]


def locate_all(
    crashes: Sequence[Crash], tree: Tree, symbols: Symbols | None = None, stop: Stop = lambda: False
) -> tuple[Located, ...]:
    """The locations of all frames of `crashes`, in order.

    Functions that only their name can find are looked up in the tree's index, or by one walk over the tree where it has none. `stop` is
    asked from time to time; when it says True, what was found so far is the answer.
    """
    texts = Texts(tree)
    at_hand = [_at_hand(crash, texts, symbols) for crash in crashes]
    missing = {
        (frame.holder, crash.arch)
        for crash, (found, _, _) in zip(crashes, at_hand, strict=True)
        for frame in _frames(crash)
        if frame not in found
    }
    definitions, unable = _definitions(tree, missing, stop)
    stopped = ["The search was stopped before its end."] if stop() else []
    return tuple(
        _located(crash, found, definitions.get(crash.arch, {}), texts, old, [*stopped, *problems], unable)
        for crash, (found, old, problems) in zip(crashes, at_hand, strict=True)
    )


def _frames(crash: Crash) -> Iterator[Frame]:
    """The frames of all stacks, and the places where locks were taken."""
    yield from (frame for stack in crash.stacks for frame in stack.frames)
    yield from (lock.frame for lock in crash.locks if lock.frame)


def _located(
    crash: Crash,
    found: _Frames,
    definitions: Definitions,
    texts: Texts,
    old: Old,
    problems: list[str],
    unable: tuple[str, ...],
) -> Located:
    site = _site(crash, found, definitions, texts, old)
    locations = _by_name(crash, found, definitions, site, texts) | found
    problems += unable
    problems += sorted(
        {_missing(frame, texts.tree) for frame in _frames(crash) if frame.reliable and frame not in locations}
    )
    stacks = tuple(LocatedStack(tuple(locations.get(frame) for frame in stack.frames)) for stack in crash.stacks)
    locks = tuple(locations.get(lock.frame) if lock.frame else None for lock in crash.locks)
    return Located(stacks, site, tuple(problems), locks)


def _missing(frame: Frame, tree: Tree) -> str:
    if frame.file and tree.find(frame.file) is None:
        return f"{frame.holder}: neither {frame.file} nor the function is in this tree."
    return f"{frame.holder}: no definition was found; a macro or the assembler may make it."


def _at_hand(crash: Crash, texts: Texts, symbols: Symbols | None) -> tuple[_Frames, Old, list[str]]:
    """What the log and debug information say; where they differ, the one that fits the tree better, and else the log.

    With it, the texts of the kernel that crashed, and why debug information was of no use.
    """
    old = Old(crash, texts.tree)
    found = _by_log(crash, texts, old)
    if symbols is None:
        return found, old, []
    if reason := symbols.refusal(crash):
        return found, old, [f"The debug information is of another kernel and is not used: {reason}."]
    located, problems = _by_symbols(crash, texts, symbols, old)
    if doubt := symbols.doubt(crash):
        problems.append(f"The debug information may be of another build: {doubt}.")
    for frame, location in located.items():
        if frame not in found or location.confidence > found[frame].confidence:
            found[frame] = location
    unused = all(location.how != "debuginfo" for location in found.values())
    if not problems and unused and any(frame.offset is not None and frame not in found for frame in _frames(crash)):
        problems = ["The debug information fits no frame: it is of another kernel than the one that printed this log."]
    return found, old, problems


def _by_log(crash: Crash, texts: Texts, old: Old) -> _Frames:
    """The frames whose file and line the log states, as far as that holds here."""
    found = {}
    for frame in _frames(crash):
        path = texts.find(frame.file) if frame.file and frame.line else None
        if path and frame.line and (location := stated(frame.holder, path, frame.line, "log", texts, old)):
            found[frame] = location
    return found


def _by_symbols(crash: Crash, texts: Texts, symbols: Symbols, old: Old) -> tuple[_Frames, list[str]]:
    """The frames with an offset, through the debug information of the kernel that ran, as far as the tree agrees."""
    queries = queries_of(crash)
    answer = symbols.ask(list(queries.values()))
    located = {frame: _chain(chain, texts, old) for frame, chain in zip(queries, answer.chains, strict=True)}
    return {frame: location for frame, location in located.items() if location}, list(answer.problems)


def _chain(chain: Chain, texts: Texts, old: Old) -> Location | None:
    """The innermost place of an inline chain, inside its callers."""
    places = ((place, texts.find(place.path)) for place in chain)
    found = [stated(place.function, path, place.line, "debuginfo", texts, old) for place, path in places if path]
    known = [location for location in found if location]
    # The wrappers of a system call are all made by one line.
    known = [each for number, each in enumerate(known) if not number or _line(each) != _line(known[number - 1])]
    return replace(known[0], inlined_by=tuple(known[1:])) if known else None


def _line(location: Location) -> tuple[str, int]:
    return location.path, location.line


def _definitions(
    tree: Tree, missing: set[tuple[str, str | None]], stop: Stop
) -> tuple[dict[str | None, Definitions], tuple[str, ...]]:
    """Where the functions are defined that only their name can find; see `definitions.find`."""
    if not missing:
        return {}, ()
    from kernfix.source.definitions import find  # slow to load, and not needed where debug information has it all

    return find(tree, missing, stop)


def _by_name(crash: Crash, found: _Frames, definitions: Definitions, site: Location | None, texts: Texts) -> _Frames:
    """The frames that only their name can find; of several definitions, the one nearest to what else the crash names."""
    if not definitions:
        return {}
    around = near(crash, found, definitions)
    tree = texts.tree
    result = {}
    for frame in _frames(crash):
        if frame in found or not (every := definitions.get(frame.holder)):
            continue
        choice = choose(
            frame, every, crash.arch, around, tree, lambda path, module: module in _kbuild(tree).modules_of(path)
        )
        path, function = choice.definition.path, choice.definition.function
        line, reason = function.start, choice.reason
        if site and site.path == path and site.function == function.name:
            line, reason = site.line, f"{reason} The line is the one that the headline names."
        result[frame] = texts.location(path, line, function, "symbol", choice.confidence, reason)
    return result


@lru_cache(maxsize=2)
def _kbuild(tree: Tree) -> Kbuild:
    """The Makefiles of a tree: reading them takes seconds, and few crashes need them."""
    from kernfix.source.kbuild import read_kbuild  # slow to load, too

    return read_kbuild(tree)


def _site(
    crash: Crash, found: Mapping[Frame, Location], definitions: Definitions, texts: Texts, old: Old
) -> Location | None:
    """The headline's own file and line."""
    path = texts.find(crash.site.file) if crash.site else None
    if crash.site is None or path is None or texts.line(path, crash.site.line) is None:
        return None
    if moved := relocated(path, crash.site.line, "log", texts, old):
        return moved
    line, function = crash.site.line, texts.function(path, crash.site.line)
    names = {crash.function or "", *(frame.holder for frame in _frames(crash))}
    paths = {location.path for location in found.values()} | {
        each.path for name in names for each in definitions.get(name, ())
    }
    confidence, reason = _trust(function, names, path in paths)
    if old.series:
        confidence, reason = min(confidence, OTHER_VERSION), f"{reason} But the kernel was Linux {old.series}."
    return texts.location(path, line, function, "log", confidence, reason)


def _trust(function: Function | None, names: set[str], is_near: bool) -> tuple[float, str]:
    """How far the headline's line is to be trusted, and why."""
    if function and any(same_function(name, function.name) for name in names):
        return 0.95, f"The headline names this line, and {function.name}() is in the trace."
    if function and is_near:
        return (
            0.8,
            f"The headline names this line; {function.name}() is no frame of its own and may be inlined into one.",
        )
    return 0.5, "The headline names this line; no frame of the trace speaks for it, so the tree may be another version."
