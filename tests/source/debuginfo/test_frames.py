"""Which frames are return addresses."""

from __future__ import annotations

import pytest

from kernfix.crash.model import Crash, Frame, HeldLock, Span, Stack, StackKind
from kernfix.source.debuginfo import Query, queries_of

HEAD = Span(0, 0, 1)


def frame(function: str, offset: int | None = 8, **rest: str) -> Frame:
    return Frame(function, HEAD, offset=offset, size=64, **rest)  # type: ignore[arg-type]


def queries(kind: StackKind, *frames: Frame, type_: str | None = None) -> list[Query]:
    placed = tuple(each._replace(span=Span(number, 0, 1)) for number, each in enumerate(frames))
    return list(queries_of(Crash("title", HEAD, 0, 9, 0, type=type_, stacks=(Stack(kind, placed),))).values())


@pytest.mark.parametrize(
    ("kind", "type_", "frames", "expected"),
    [
        # the trace of an x86 oops: the register, then return addresses
        ("crash", None, (frame("fault", register="RIP"), frame("caller"), frame("upper")), [False, True, True]),
        # arm64 and riscv begin the trace with the place of the fault
        ("crash", None, (frame("fault", register="pc"), frame("fault"), frame("caller")), [False, False, True]),
        ("crash", None, (frame("fault", register="pc"), frame("fault", 12), frame("caller")), [False, True, True]),
        # KFENCE: the trace begins at the fault, and there is no register
        ("crash", "KFENCE-WRITE", (frame("fault"), frame("caller")), [False, True]),
        # the kernel took the trace of itself
        ("crash", None, (frame("dump_stack_lvl"), frame("caller")), [True, True]),
        ("crash", None, (frame("__schedule"), frame("schedule")), [True, True]),
        # the checker's function returns to the first
        ("crash", "KCSAN-DATARACE", (frame("reader"), frame("caller")), [True, True]),
        ("crash", "KMSAN-UNINIT-VALUE", (frame("user"), frame("caller")), [True, True]),
        # not where it crashed
        ("alloc", None, (frame("kasan_save_stack"), frame("kmalloc")), [True, True]),
        ("cpu", None, (frame("spin", register="RIP"), frame("caller")), [False, True]),
    ],
)
def test_returns(kind: StackKind, type_: str | None, frames: tuple[Frame, ...], expected: list[bool]) -> None:
    assert [query.returns for query in queries(kind, *frames, type_=type_)] == expected


def test_what_the_frame_states_is_asked() -> None:
    stated = frame("frob", module="frob_core", build_id="ab" * 20, address="ffffffffc0001234", register="RIP")
    expected = Query("frob", 8, 64, False, "frob_core", "ab" * 20, 0xFFFFFFFFC0001234)
    assert queries("crash", stated) == [expected]


def test_offset_and_address_are_of_the_caller_on_arm() -> None:
    # callee from caller+offset/size: the address printed first is the callee's
    stated = frame("callee", caller="holder", address="80123456")
    assert queries("alloc", stated) == [Query("holder", 8, 64, True)]


def test_frames_without_offset_are_not_asked() -> None:
    assert queries("crash", frame("inlined", None), frame("holder")) == [Query("holder", 8, 64, True)]


def test_where_a_lock_was_taken_is_asked() -> None:
    places = (frame("taker"), frame("by_name", None), None)
    crash = Crash("title", HEAD, 0, 9, 0, locks=tuple(HeldLock("lock", True, place) for place in places))
    assert list(queries_of(crash).values()) == [Query("taker", 8, 64, True)]
