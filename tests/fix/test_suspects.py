"""Which functions are suspected, and why."""

from __future__ import annotations

from kernfix.crash.model import Crash, Frame, Span, Stack, StackKind
from kernfix.fix.suspects import rank_suspects
from kernfix.source.model import Located, LocatedStack, Location

SPAN = Span(0, 0, 1)


def at(path: str, function: str, *inlined_by: Location) -> Location:
    return Location(path, 7, "log", 1.0, "", "", function, 1, 9, inlined_by)


def ranked(
    blamed: str, *stacks: tuple[StackKind, list[Location | None]], site: Location | None = None
) -> list[tuple[str, tuple[str, ...]]]:
    frames = [
        Stack(kind, tuple(Frame(each.function or "" if each else "gone", SPAN) for each in places))
        for kind, places in stacks
    ]
    crash = Crash(f"BUG in {blamed}", SPAN, 0, 1, 0, function=blamed, stacks=tuple(frames))
    located = Located(tuple(LocatedStack(tuple(places)) for _, places in stacks), site)
    return [(suspect.function, suspect.reasons) for suspect in rank_suspects(crash, located)]


def test_the_blamed_function_comes_first_then_its_callers() -> None:
    trace = [at("lib/x.c", "helper"), at("fs/a.c", "guilty"), at("fs/b.c", "caller")]
    assert ranked("guilty", ("crash", [*trace])) == [
        ("guilty", ("the headline blames it",)),
        ("helper", ("in the crash's call trace",)),
        ("caller", ("in the crash's call trace",)),
    ]


def test_reporting_machinery_is_no_suspect() -> None:
    trace = [at("mm/kasan/report.c", "kasan_report"), at("lib/dump_stack.c", "dump_stack"), at("fs/a.c", "guilty")]
    assert [name for name, _ in ranked("guilty", ("crash", [*trace]))] == ["guilty"]


def test_who_freed_and_allocated_is_suspected() -> None:
    found = dict(
        ranked(
            "user",
            ("crash", [at("fs/a.c", "user")]),
            ("alloc", [at("mm/slub.c", "kmalloc"), at("fs/a.c", "maker")]),
            ("free", [at("mm/slub.c", "kfree"), at("fs/a.c", "freer")]),
        )
    )
    assert list(found) == ["user", "freer", "maker"]
    assert found["freer"] == ("freed the object",)
    assert found["maker"] == ("allocated the object",)


def test_evidence_adds_up() -> None:
    found = ranked("user", ("crash", [at("fs/a.c", "user"), at("fs/a.c", "close")]), ("free", [at("fs/a.c", "close")]))
    assert found[1] == ("close", ("in the crash's call trace", "freed the object"))


def test_the_headlines_line_and_inlined_functions_count() -> None:
    inner = at("fs/a.h", "inlined", at("fs/a.c", "outer"))
    assert ranked("outer", ("crash", [inner]), site=at("fs/a.h", "inlined"))[0] == (
        "inlined",
        ("the headline names this line", "in the crash's call trace"),
    )


def test_nothing_located_nobody_suspected() -> None:
    assert ranked("f", ("crash", [None])) == []
    assert rank_suspects(Crash("BUG", SPAN, 0, 1, 0), Located(())) == ()


def test_unreliable_frames_say_nothing() -> None:
    stack = Stack("crash", (Frame("guess", SPAN, reliable=False),))
    crash = Crash("BUG", SPAN, 0, 1, 0, stacks=(stack,))
    assert rank_suspects(crash, Located((LocatedStack((at("fs/a.c", "guess"),)),))) == ()


def test_scores_are_relative_to_the_best() -> None:
    places = tuple(at("fs/a.c", f"f{number}") for number in range(20))
    crash = Crash("BUG", SPAN, 0, 1, 0, stacks=(Stack("crash", tuple(Frame("f", SPAN) for _ in places)),))
    suspects = rank_suspects(crash, Located((LocatedStack(places),)), limit=5)
    assert [suspect.score for suspect in suspects] == [1.0, 0.8, 0.64, 0.512, 0.41]
