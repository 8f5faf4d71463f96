"""Where the frames of a crash are in one tree: what the log says, what debug information says, or what bears the name.

Each way is tried in this order of trust, and each answer is held against the tree: a line counts only when it is in the function that the
frame names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from kernfix.crash.model import Crash, Frame
from kernfix.source.debuginfo import Place, Symbols, queries_of
from kernfix.source.definitions import Stop, find_all, search_problem, tier
from kernfix.source.functions import function_at, functions
from kernfix.source.model import Definition, Function, How, Located, LocatedStack, Location
from kernfix.source.names import same_function
from kernfix.source.selector import make_selector
from kernfix.source.tree import Tree

_WORD = re.compile(r"[A-Za-z_]\w\w+")

_Frames = Mapping[Frame, Location]


class _Found(NamedTuple):
    """A definition with how sure it is, and the words for it."""

    definition: Definition
    confidence: float
    reason: str


def locate(crash: Crash, tree: Tree, symbols: Symbols | None = None, stop: Stop = lambda: False) -> Located:
    """The locations of one crash's frames; see `locate_all`."""
    return locate_all((crash,), tree, symbols, stop)[0]


def locate_all(
    crashes: Sequence[Crash], tree: Tree, symbols: Symbols | None = None, stop: Stop = lambda: False
) -> tuple[Located, ...]:
    """The locations of all frames of `crashes`, in order, with one walk over the tree for every function that only its name can find.

    `stop` is asked from time to time; when it says True, what was found so far is the answer.
    """
    finder = _Finder(tree)
    near = [_first_hand(crash, finder, symbols) for crash in crashes]
    missing = {
        (frame.holder, crash.arch)
        for crash, (found, _) in zip(crashes, near, strict=True)
        for frame in _frames(crash)
        if frame not in found
    }
    definitions: dict[str, tuple[Definition, ...]] = {}
    for arch in sorted({arch for _, arch in missing}, key=str):
        definitions |= find_all(tree, {name for name, its in missing if its == arch}, arch, stop)
    stopped = ["The search was stopped before its end."] if stop() else []
    return tuple(
        _located(crash, found, definitions, finder, [*stopped, *problems])
        for crash, (found, problems) in zip(crashes, near, strict=True)
    )


def _frames(crash: Crash) -> Iterator[Frame]:
    return (frame for stack in crash.stacks for frame in stack.frames)


def _located(
    crash: Crash,
    found: dict[Frame, Location],
    definitions: Mapping[str, tuple[Definition, ...]],
    finder: _Finder,
    problems: list[str],
) -> Located:
    site = _site(crash, found, definitions, finder)
    by_name = _by_name(crash, found, definitions, site, finder)
    locations = by_name | found
    if not all(frame in locations for frame in _frames(crash)) and (unable := search_problem()):
        problems.append(unable)
    problems += sorted(
        {_missing(frame, finder.tree) for frame in _frames(crash) if frame.reliable and frame not in locations}
    )
    stacks = tuple(LocatedStack(tuple(locations.get(frame) for frame in stack.frames)) for stack in crash.stacks)
    return Located(stacks, site, tuple(problems))


def _missing(frame: Frame, tree: Tree) -> str:
    if frame.file and tree.find(frame.file) is None:
        return f"{frame.holder}: neither {frame.file} nor the function is in this tree."
    return f"{frame.holder}: no definition was found; a macro or the assembler may make it."


class _Finder:
    """The tree's files with their functions, each read once."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._texts: dict[str, str | None] = {}
        self._functions: dict[str, tuple[Function, ...]] = {}

    def text(self, path: str) -> str:
        if path not in self._texts:
            self._texts[path] = self.tree.read(path)
        return self._texts[path] or ""

    def line(self, path: str, line: int) -> str | None:
        """The text of a 1-based line, None outside the file."""
        lines = self.text(path).split("\n")
        return lines[line - 1] if 1 <= line <= len(lines) else None

    def at(self, path: str, line: int) -> Function | None:
        return function_at(self.text(path), line)

    def named(self, path: str, symbol: str) -> Function | None:
        """The first function of a file that `symbol` can be."""
        if path not in self._functions:
            self._functions[path] = functions(self.text(path))
        return next((item for item in self._functions[path] if same_function(symbol, item.name)), None)

    def location(
        self,
        path: str,
        line: int,
        function: Function | None,
        how: How,
        confidence: float,
        reason: str,
        around: tuple[Location, ...] = (),
    ) -> Location:
        start, end = (function.start, function.end) if function else (None, None)
        selector = make_selector(path, line, function, self.line(path, line) or "")
        name = function.name if function else None
        return Location(path, line, how, round(confidence, 2), reason, selector, name, start, end, around)


def _first_hand(crash: Crash, finder: _Finder, symbols: Symbols | None) -> tuple[dict[Frame, Location], list[str]]:
    """What the log and debug information say; where they differ, the one that fits the tree better, and else the log.

    With it, why debug information was of no use.
    """
    found = _by_log(crash, finder)
    if symbols is None:
        return found, []
    if reason := symbols.refusal(crash):
        return found, [f"The debug information is of another kernel and is not used: {reason}."]
    located, problems = _by_symbols(crash, finder, symbols)
    if near := symbols.doubt(crash):
        problems.append(f"The debug information may be of another build: {near}.")
    for frame, location in located.items():
        if frame not in found or location.confidence > found[frame].confidence:
            found[frame] = location
    unused = all(location.how != "debuginfo" for location in found.values())
    if not problems and unused and any(frame.offset is not None and frame not in found for frame in _frames(crash)):
        problems = ["The debug information fits no frame: it is of another kernel than the one that printed this log."]
    return found, problems


def _by_log(crash: Crash, finder: _Finder) -> dict[Frame, Location]:
    """The frames whose file and line the log states, as far as that holds here."""
    found = {}
    for frame in _frames(crash):
        if frame.file and frame.line and (path := finder.tree.find(frame.file)):
            location = _stated(frame.holder, path, frame.line, "log", "the log", finder)
            if location:
                found[frame] = location
    return found


def _stated(symbol: str, path: str, line: int, how: How, source: str, finder: _Finder) -> Location | None:
    """A place that the log or debug information states, where the tree agrees, or the function's new place in the same file."""
    text, function = finder.line(path, line), finder.at(path, line)
    if function and same_function(symbol, function.name):
        return finder.location(
            path,
            line,
            function,
            how,
            0.95,
            f"{source.capitalize()} states this line, and it is in {function.name}() here.",
        )
    if function is None and text and _makes(text, symbol):
        return finder.location(
            path, line, None, how, 0.7, f"{source.capitalize()} states this line, where a macro makes {symbol}()."
        )
    if path.endswith(".S") and text is not None:
        return finder.location(path, line, None, how, 0.6, f"{source.capitalize()} states this line of assembler code.")
    if moved := finder.named(path, symbol):
        there = (
            f"in {function.name}()"
            if function
            else "outside any function"
            if text is not None
            else "past the file's end"
        )
        reason = (
            f"{source.capitalize()} states line {line}, which is {there} here; this is where {moved.name}() begins now."
        )
        return finder.location(path, moved.start, moved, "relocated", 0.5, reason)
    return None


def _makes(text: str, symbol: str) -> bool:
    """Whether a line outside of functions can be a macro that makes `symbol`: ``SHOW(name)`` makes ``name_show``."""
    return any(mark in text for mark in "(,)") and any(word in symbol for word in _WORD.findall(text))


def _by_symbols(crash: Crash, finder: _Finder, symbols: Symbols) -> tuple[dict[Frame, Location], list[str]]:
    """The frames with an offset, through the debug information of the kernel that ran, as far as the tree agrees."""
    queries = queries_of(crash)
    answer = symbols.ask(list(queries.values()))
    located = {frame: _chain(chain, finder) for frame, chain in zip(queries, answer.chains, strict=True)}
    return {frame: location for frame, location in located.items() if location}, list(answer.problems)


def _chain(chain: Sequence[Place], finder: _Finder) -> Location | None:
    """The innermost place of an inline chain, inside its callers."""
    outward: list[Location] = []
    for place in reversed(chain):
        path = finder.tree.find(place.path)
        location = path and _stated(place.function, path, place.line, "debuginfo", "the debug information", finder)
        if location:
            outward.append(location)
    if not outward:
        return None
    callers, innermost = outward[:-1], outward[-1]
    if not callers:
        return innermost
    values = {name: getattr(innermost, name) for name in Location.__dataclass_fields__}
    return Location(**(values | {"inlined_by": tuple(reversed(callers))}))


def _by_name(
    crash: Crash,
    found: _Frames,
    definitions: Mapping[str, tuple[Definition, ...]],
    site: Location | None,
    finder: _Finder,
) -> dict[Frame, Location]:
    """The frames that only their name can find; of several definitions, the one nearest to what else the crash names."""
    near = _neighbours(crash, found, definitions)
    result = {}
    for frame in _frames(crash):
        if frame in found or not definitions.get(frame.holder):
            continue
        choice = _choose(frame, definitions[frame.holder], crash.arch, near, finder.tree)
        path, function = choice.definition.path, choice.definition.function
        line, reason = function.start, choice.reason
        if site and site.path == path and site.function == function.name:
            line, reason = site.line, f"{reason} The line is the one that the headline names."
        result[frame] = finder.location(path, line, function, "symbol", choice.confidence, reason)
    return result


def _neighbours(crash: Crash, found: _Frames, definitions: Mapping[str, tuple[Definition, ...]]) -> Counter[str]:
    """How often the crash speaks of each file and folder, by the frames that have one place only."""
    sure = [location.path for location in found.values()]
    sure += [each[0].path for frame in _frames(crash) if len(each := definitions.get(frame.holder, ())) == 1]
    sure += [path for path in (crash.guilty_file, crash.site and crash.site.file) if path]
    near = Counter(sure)
    near.update(str(PurePosixPath(path).parent) for path in sure)
    return near


def _choose(frame: Frame, every: Sequence[Definition], arch: str | None, near: Counter[str], tree: Tree) -> _Found:
    """The best of one frame's definitions, which come best first."""
    if len(every) == 1:
        return _Found(every[0], 0.9, f"The only definition of {frame.holder} in the tree.")
    ranked = [each for each in every if tier(tree, each.path, arch) == tier(tree, every[0].path, arch)]
    stated = PurePosixPath(frame.file).name if frame.file else None

    def weight(definition: Definition) -> tuple[bool, int, int]:
        path = PurePosixPath(definition.path)
        return path.name == stated, near[definition.path], near[str(path.parent)]

    best = max(ranked, key=weight)
    if len(ranked) == 1:
        return _Found(best, 0.85, f"The likeliest definition of {frame.holder} in the tree, by its place.")
    if len(set(map(weight, ranked))) == 1:
        return _Found(
            best,
            0.1 + 0.7 / len(ranked),
            f"One of {len(ranked)} definitions of {frame.holder}, none likelier than the others.",
        )
    return _Found(
        best, 0.6, f"One of {len(ranked)} definitions of {frame.holder}, nearest to the crash's other frames."
    )


def _site(
    crash: Crash, found: _Frames, definitions: Mapping[str, tuple[Definition, ...]], finder: _Finder
) -> Location | None:
    """The headline's own file and line."""
    path = finder.tree.find(crash.site.file) if crash.site else None
    if crash.site is None or path is None or finder.line(path, crash.site.line) is None:
        return None
    line, function = crash.site.line, finder.at(path, crash.site.line)
    names = {crash.function or "", *(frame.holder for frame in _frames(crash))}
    paths = {location.path for location in found.values()} | {
        each.path for name in names for each in definitions.get(name, ())
    }
    if function and any(same_function(name, function.name) for name in names):
        confidence, reason = 0.95, f"The headline names this line, and {function.name}() is in the trace."
    elif function and path in paths:
        confidence, reason = (
            0.8,
            f"The headline names this line; {function.name}() is no frame of its own and may be inlined into one.",
        )
    else:
        confidence, reason = (
            0.5,
            "The headline names this line; no frame of the trace speaks for it, so the tree may be another version.",
        )
    return finder.location(path, line, function, "log", confidence, reason)
