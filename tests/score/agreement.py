"""How well crashes are read: what a folder of logs with expected results states, against `kernfix.crash`.

The folder holds ``reports.jsonl``, ``guilty.jsonl``, ``frames.jsonl`` and perhaps ``disasm.jsonl``, in the shape that its README describes.
What is stated there is compared as it is: no case is known by its name.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from kernfix.crash import Crash, Frame, Log, parse
from kernfix.crash.guilty import guilty_file

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "syzkaller"
"""Beside the checkout."""

Case = dict[str, Any]

# --- rows ------------------------------------------------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """One thing that was asked of one case; it is right if `got` is what was wanted. `why` says what can be told of a miss."""

    case: str
    want: object
    got: object
    why: str = ""


class Row(NamedTuple):
    """A figure, in `unit`, and its target (None: for information). `of` says what was counted."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_most: bool = False
    of: str = ""
    misses: tuple[Answer, ...] = ()

    @property
    def reached(self) -> bool:
        """Whether the target is reached; without one there is nothing to miss."""
        if self.target is None:
            return True
        return self.value <= self.target if self.at_most else self.value >= self.target


def share(name: str, target: float | None, answers: Iterable[Answer]) -> Row | None:
    """How many per cent of the answers are right; None where nothing was asked."""
    asked = list(answers)
    if not asked:
        return None
    misses = tuple(answer for answer in asked if answer.want != answer.got)
    right = len(asked) - len(misses)
    return Row(name, 100 * right / len(asked), "%", target, of=f"{right}/{len(asked)}", misses=misses)


# --- the corpus ------------------------------------------------------------------------------------------------------------------------


class Corpus(NamedTuple):
    """The cases of a folder, and by id what the parser makes of the log of each."""

    reports: list[Case]
    guilty: list[Case]
    frames: list[Case]
    texts: dict[str, str]
    logs: dict[str, Log]

    @classmethod
    def read(cls, folder: Path) -> Corpus:
        """Read the folder, and parse every log once."""
        reports, guilty, frames, disasm = (cases(folder / f"{name}.jsonl") for name in FILES)
        texts = {case["id"]: case["log"] for case in (*reports, *guilty)}
        texts |= {case["id"]: case["input"] for case in disasm}
        frames = [case for case in frames if case["id"] in texts]
        return cls(reports, guilty, frames, texts, {name: parse(text) for name, text in texts.items()})

    def first(self, case: Case) -> Crash | None:
        """The first crash that was found."""
        return next(iter(self.logs[case["id"]].crashes), None)

    @property
    def crashing(self) -> Iterator[tuple[Case, Crash | None]]:
        """The reports that hold a crash, with the first that was found.

        A title is null, or for one case of upstream empty, where upstream finds none.
        """
        return ((case, self.first(case)) for case in self.reports if case["title"])

    @property
    def computed(self) -> Iterator[tuple[Case, Case, Crash | None]]:
        """The same with what upstream's parser computes, where that is known."""
        return ((case, case["upstream"], crash) for case, crash in self.crashing if case["upstream"])


FILES = ("reports", "guilty", "frames", "disasm")


def cases(path: Path) -> list[Case]:
    """The lines of a file; none where there is no such file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# --- the fields of a report ------------------------------------------------------------------------------------------------------------


def _executor(crash: Crash) -> dict[str, int] | None:
    return {"proc": crash.executor.proc, "id": crash.executor.id} if crash.executor else None


FIELDS: dict[str, Callable[[Crash], object]] = {
    "title": lambda crash: crash.title,
    "alt_titles": lambda crash: sorted(crash.alt_titles),
    "type": lambda crash: crash.type,
    "corrupted": lambda crash: crash.corrupted is not None,
    "suppressed": lambda crash: crash.suppressed,
    "panicked": lambda crash: crash.panicked,
    "executor": _executor,
}
"""What a case states, and where a crash has it."""


def all_fields(corpus: Corpus) -> Iterator[Answer]:
    """All fields of a crash at once; what differs is told."""
    for case, crash in corpus.crashing:
        if crash is None:
            yield Answer(case["id"], case["title"], None, "no crash found")
            continue
        wrong = [name for name, of in FIELDS.items() if of(crash) != case[name]]
        want, got = {name: case[name] for name in wrong}, {name: FIELDS[name](crash) for name in wrong}
        yield Answer(case["id"], want, got, "; ".join(_reason(name, case, crash) for name in wrong))


def field(name: str) -> Callable[[Corpus], Iterator[Answer]]:
    """One field of a crash."""

    def answers(corpus: Corpus) -> Iterator[Answer]:
        for case, crash in corpus.crashing:
            why = "no crash found" if crash is None else _reason(name, case, crash)
            yield Answer(case["id"], case[name], FIELDS[name](crash) if crash else "no crash", why)

    return answers


def _reason(name: str, case: Case, crash: Crash) -> str:
    """Why a field may differ, as far as the values tell."""
    upstream = case["upstream"] or {"start_pos": crash.start_byte, "corrupted_reason": None}
    if crash.start_byte != upstream["start_pos"]:
        return "another headline begins the report"
    if name == "corrupted":
        want = upstream["corrupted_reason"] or ("corrupted" if case["corrupted"] else "whole")
        return f"upstream says {want}, we {crash.corrupted or 'whole'}"
    if name == "title":
        return _title_reason(case, crash)
    if name == "alt_titles" and crash.title == case["title"]:
        lost, more = set(case[name]) - set(crash.alt_titles), set(crash.alt_titles) - set(case[name])
        return "alternative titles " + " and ".join(word for word, some in (("lost", lost), ("added", more)) if some)
    if name in ("alt_titles", "type") and crash.title != case["title"]:
        return f"{name} follows the title"
    return name


def _title_reason(case: Case, crash: Crash) -> str:
    want, got = case["title"], crash.title
    if " in " not in want or want.rpartition(" in ")[0] != got.rpartition(" in ")[0]:
        return "title of another kind"
    if got.endswith(" in corrupted"):
        return "we blame no function, upstream does"
    if want.endswith(" in corrupted"):
        return "upstream blames no function, we do"
    return "another function is blamed"


def no_crash(corpus: Corpus) -> Iterator[Answer]:
    """Logs that hold no crash yield none."""
    for case in corpus.reports:
        if not case["title"]:
            crash = corpus.first(case)
            yield Answer(case["id"], None, crash.title if crash else None, "a crash where there is none")


def frames_where_given(corpus: Corpus) -> Iterator[Answer]:
    """What follows the last "in" of the title, where upstream's authors state it."""
    for case, crash in corpus.crashing:
        if case["frame"]:
            yield Answer(case["id"], case["frame"], _title_frame(crash))


def frames_as_upstream(corpus: Corpus) -> Iterator[Answer]:
    """The same as upstream's parser has it, for all."""
    return (Answer(case["id"], upstream["frame"], _title_frame(crash)) for case, upstream, crash in corpus.computed)


_IN = re.compile(r".* in (?:<.*>)?([A-Za-z0-9_:]+)")


def _title_frame(crash: Crash | None) -> str | None:
    match = _IN.match(crash.title) if crash else None
    return match[1] if match else None


def blamed(corpus: Corpus) -> Iterator[Answer]:
    """The function to blame is told as the kernel names it, perhaps with a prefix that the title leaves out (``__x64_sys_``)."""
    named = {case["id"]: case["title_func"] for case in corpus.frames}
    for case, upstream, crash in corpus.computed:
        want = upstream["frame"]
        if want and want == named.get(case["id"]):
            got = crash.function if crash else None
            yield Answer(case["id"], want, want if got and got.endswith(want) else got)


# --- where crashes are -----------------------------------------------------------------------------------------------------------------


def _ends(text: str, crashes: Iterable[Crash]) -> list[int]:
    """The byte where the headline's line ends, of each crash."""
    data = text.encode("utf-8", "surrogateescape")
    ends = (data.find(b"\n", crash.start_byte) for crash in crashes)
    return [end if end >= 0 else len(data) for end in ends]


def places_where_given(corpus: Corpus) -> Iterator[Answer]:
    """The bytes where the first headline's line begins and where the last one's ends."""
    for case, crash in corpus.crashing:
        if case["start"] is not None:
            yield Answer(case["id"], (case["start_pos"], case["end_pos"]), _places(corpus, case, crash))


def places_as_upstream(corpus: Corpus) -> Iterator[Answer]:
    """The same as upstream's parser has it, for all."""
    for case, upstream, crash in corpus.computed:
        yield Answer(case["id"], (upstream["start_pos"], upstream["end_pos"]), _places(corpus, case, crash))


def _places(corpus: Corpus, case: Case, crash: Crash | None) -> tuple[int, int] | None:
    if crash is None:
        return None
    data = case["log"].encode("utf-8", "surrogateescape")
    end = data.find(b"\n", corpus.logs[case["id"]].crashes[-1].start_byte)
    return crash.start_byte, end if end >= 0 else len(data)


def successive(corpus: Corpus) -> Iterator[Answer]:
    """Logs in which every crash is found that upstream finds one after the other."""
    for case, upstream, _ in corpus.computed:
        starts = {crash.start_byte for crash in corpus.logs[case["id"]].crashes}
        want = [report["pos"] for report in upstream["reports"]]
        yield Answer(case["id"], want, [pos for pos in want if pos in starts], "a crash is not found")


def successive_titles(corpus: Corpus) -> Iterator[Answer]:
    """The same logs, with the titles that upstream gives them; asked for each crash."""
    for case, upstream, _ in corpus.computed:
        titles = {crash.start_byte: crash.title for crash in corpus.logs[case["id"]].crashes}
        for report in upstream["reports"]:
            if report["title"] is not None:
                yield Answer(f"{case['id']}@{report['pos']}", report["title"], titles.get(report["pos"]))


def no_more_than_upstream(corpus: Corpus) -> Iterator[Answer]:
    """Each crash that we find, upstream finds too."""
    for case, upstream, _ in corpus.computed:
        places = {report["pos"] for report in upstream["reports"]}
        for crash in corpus.logs[case["id"]].crashes:
            yield Answer(f"{case['id']}@{crash.start_byte}", True, crash.start_byte in places, crash.title)


# --- frames ----------------------------------------------------------------------------------------------------------------------------

FrameValues = tuple[object, ...]
"""Line of the log, function, offset, size, file, line, inlined, reliable, caller (32-bit arm)."""
_NAMES = ("line of the log", "function", "offset", "size", "file", "line", "inlined", "reliable", "caller")


def _wanted_frame(frame: Case) -> FrameValues:
    values = (frame.get(name) for name in ("line", "func", "off", "size", "file", "lineno"))
    return (*values, frame.get("inline", False), frame.get("reliable", True), frame.get("caller"))


def _our_frame(frame: Frame) -> FrameValues:
    place = (frame.span.line, frame.function, frame.offset, frame.size, frame.file, frame.line)
    return (*place, frame.inlined, frame.reliable, frame.caller)


def _scored(corpus: Corpus) -> Iterator[tuple[Case, list[Case]]]:
    """The cases whose main stack counts, with its frames."""
    return ((case, case["primary"]["frames"]) for case in corpus.frames if case["agrees"] and case["primary"])


def _our_stack(log: Log, wanted: list[FrameValues]) -> list[FrameValues] | None:
    """Our stack that holds a frame on the line of the first that is wanted: the equal one, else the first."""
    stacks = [stack for crash in log.crashes for stack in crash.stacks]
    holding = [
        [_our_frame(frame) for frame in stack.frames if frame.register is None]
        for stack in stacks
        if any(frame.span.line == wanted[0][0] for frame in stack.frames)
    ]
    return wanted if wanted in holding else next(iter(holding), None)


def main_stacks(corpus: Corpus) -> Iterator[Answer]:
    """Main stacks that are equal, frame by frame and in order; of others, what is not in both is told."""
    for case, frames in _scored(corpus):
        want = [_wanted_frame(frame) for frame in frames]
        got = _our_stack(corpus.logs[case["id"]], want)
        if got is None:
            yield Answer(case["id"], want[0], None, "no stack holds the first frame's line")
            continue
        lost, more = [frame for frame in want if frame not in got], [frame for frame in got if frame not in want]
        same = want == got or bool(lost or more)
        yield Answer(case["id"], lost if same else want, more if same else got, _frames_reason(lost, more))


def _frames_reason(lost: list[FrameValues], more: list[FrameValues]) -> str:
    ours = {frame[0]: frame for frame in more}
    reasons: Counter[str] = Counter()
    for frame in lost:
        mine = ours.pop(frame[0], None)
        if mine is None:
            reasons["frames lost"] += 1
        else:
            different = [name for name, one, other in zip(_NAMES, frame, mine, strict=True) if one != other]
            reasons[f"other {', '.join(different)}"] += 1
    reasons["frames added"] += len(ours)
    return "; ".join(name for name, number in reasons.items() if number) or "other order"


def single_frames(corpus: Corpus) -> Iterator[Answer]:
    """The same, each frame by itself."""
    for case, frames in _scored(corpus):
        want = [_wanted_frame(frame) for frame in frames]
        got = set(_our_stack(corpus.logs[case["id"]], want) or ())
        yield from (Answer(f"{case['id']}:{frame[0]}", frame, frame if frame in got else None) for frame in want)


def _at_line(log: Log) -> dict[int, list[Frame]]:
    """All frames of a log by the line that they are on."""
    frames: dict[int, list[Frame]] = {}
    for frame in (frame for crash in log.crashes for stack in crash.stacks for frame in stack.frames):
        frames.setdefault(frame.span.line, []).append(frame)
    return frames


def fault_frames(corpus: Corpus) -> Iterator[Answer]:
    """The frames of the registers that say where the processor was."""
    for case in corpus.frames:
        ours = _at_line(corpus.logs[case["id"]])
        for frame in case["fault"] if case["agrees"] else ():
            want = tuple(frame.get(name) for name in ("func", "off", "size", "file", "lineno"))
            at = [one for one in ours.get(frame["line"], ()) if one.register]
            got = [(one.function, one.offset, one.size, one.file, one.line) for one in at]
            yield Answer(f"{case['id']}:{frame['line']}", want, want if want in got else next(iter(got), None))


def source_columns(corpus: Corpus) -> Iterator[Answer]:
    """Frames whose span in the log covers the ``file:line`` that is printed for them."""
    return _of_frames(corpus, "col", lambda frame, col: frame.span.start <= col[0] <= col[1] <= frame.span.end)


def modules(corpus: Corpus) -> Iterator[Answer]:
    """Frames whose module is the one that is printed for them."""
    return _of_frames(corpus, "module", lambda frame, module: frame.module == module)


def _of_frames(corpus: Corpus, name: str, right: Callable[[Frame, Any], bool]) -> Iterator[Answer]:
    for case, frames in _scored(corpus):
        ours = _at_line(corpus.logs[case["id"]])
        for frame in frames:
            if name in frame:
                at = ours.get(frame["line"], [])
                found = any(right(one, frame[name]) for one in at)
                yield Answer(f"{case['id']}:{frame['line']}", frame[name], frame[name] if found else None)


# --- the file to blame -----------------------------------------------------------------------------------------------------------------


def guilty_files(corpus: Corpus) -> Iterator[Answer]:
    """The file to blame of a symbolized report; of one that holds no headline, the rule by itself is asked."""
    for case in corpus.guilty:
        crash = corpus.first(case)
        got = crash.guilty_file if crash else guilty_file(case["log"].split("\n"))
        yield Answer(case["id"], case["guilty_file"], got, "another file is blamed" if got else "no file is blamed")


def guilty_files_as_upstream(corpus: Corpus) -> Iterator[Answer]:
    """The same as upstream's parser has it, for all reports."""
    for case, upstream, crash in corpus.computed:
        yield Answer(case["id"], upstream["guilty_file"], crash.guilty_file if crash else None)


# --- what is asked ---------------------------------------------------------------------------------------------------------------------


class Question(NamedTuple):
    """A row of the table: its target in per cent (None: for information), and what answers it."""

    name: str
    target: float | None
    answers: Callable[[Corpus], Iterable[Answer]]


QUESTIONS = (
    Question("all fields of a report", 98, all_fields),
    Question("title", 99, field("title")),
    Question("type", 99.5, field("type")),
    Question("no crash where there is none", 100, no_crash),
    Question("frames of the main stack", 99, main_stacks),
    Question("guilty file", 95, guilty_files),
    Question("all successive crashes", 97, successive),
    Question("  alternative titles", None, field("alt_titles")),
    Question("  corrupted", None, field("corrupted")),
    Question("  suppressed", None, field("suppressed")),
    Question("  panicked", None, field("panicked")),
    Question("  executor", None, field("executor")),
    Question("  frame, where given", None, frames_where_given),
    Question("  frame, as upstream", None, frames_as_upstream),
    Question("  function to blame", None, blamed),
    Question("  start and end, where given", None, places_where_given),
    Question("  start and end, as upstream", None, places_as_upstream),
    Question("  titles of successive crashes", None, successive_titles),
    Question("  our crashes that upstream has too", None, no_more_than_upstream),
    Question("  guilty file, as upstream", None, guilty_files_as_upstream),
    Question("  frames, each by itself", None, single_frames),
    Question("  fault frames", None, fault_frames),
    Question("  columns of source lines", None, source_columns),
    Question("  modules of frames", None, modules),
)
"""Indented rows are for information."""


def asked(question: Question, corpus: Corpus) -> Row | None:
    """The row that answers a question; None where the corpus has no case for it."""
    return share(question.name, question.target, question.answers(corpus))
