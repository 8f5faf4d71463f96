"""Title, alternative titles and blame of one report."""

from __future__ import annotations

import pytest

from kernfix.crash import parse
from kernfix.crash.corruption import BROKEN_FORMAT, HALF_MATCHED, NO_FRAMES
from kernfix.crash.naming import Named, named
from kernfix.crash.report import reports
from kernfix.crash.stretch import Cutter

TRACE = "Call Trace:\n frob+0x1/0x2\n nob+0x3/0x4\n hob+0x5/0x6\n tob+0x7/0x8\n"
SIZE = "Read of size 8 at addr ffff888000000000 by task frob/1\n"
KASAN = "BUG: KASAN: use-after-free in frob+0x1/0x2\n"


def name(text: str) -> Named:
    cutter = Cutter()
    return named(next(one for each in (*cutter.feed(text), *cutter.finish()) for one in reports(each)))


def check(text: str, title: str, *alts: str, function: str | None = None, corrupted: str | None = None) -> None:
    found = name(text)
    assert (found.title, found.alt_titles, found.function, found.corrupted) == (title, alts, function, corrupted)


def test_a_row_fits() -> None:
    check(KASAN + SIZE + TRACE, "KASAN: use-after-free Read in frob", "bad-access in frob", function="frob")
    assert name(KASAN + SIZE + TRACE).kind is not None


def test_a_title_without_a_function_blames_none() -> None:
    check("BUG: Bad page map in process frob\n" + TRACE, "BUG: Bad page map")
    check("VFS: Close: file count is 0\n", "VFS: Close: file count is zero (use-after-free)")


def test_what_is_in_the_way_of_the_headline() -> None:
    check("rcu: frob: BUG: Bad rss-counter state mm:12\n", "BUG: Bad rss-counter state")


# --- half a row ------------------------------------------------------------------------------------------------------------------------


def test_a_body_that_is_missing() -> None:
    check(
        "WARNING: possible circular locking dependency detected\n" + TRACE,
        "WARNING: possible circular locking dependency detected",
        corrupted=HALF_MATCHED,
    )


def test_a_body_above_the_headline_does_not_count() -> None:
    text = "is trying to acquire lock\nWARNING: possible circular locking dependency detected\n"
    check(text, "WARNING: possible circular locking dependency detected", corrupted=HALF_MATCHED)


def test_the_first_line_that_a_row_fits_is_named() -> None:
    text = "BUG: frob is odd\nBUG: Bad rss-counter state mm:12\n"
    check(text, "BUG: frob is odd")  # the next headline ends what the first is told from
    tagged = "".join(f"[    1.000000][   T1] {line}\n" for line in text.splitlines())
    check(tagged, "BUG: Bad rss-counter state")


def test_a_row_marked_as_broken() -> None:
    check("BUG:\n" + TRACE, "BUG: corrupted", corrupted=BROKEN_FORMAT)
    check(
        "Kernel panic - not syncing: Fatal exception\n" + TRACE,
        "kernel panic: Fatal exception",
        corrupted=BROKEN_FORMAT,
    )
    check("BUG: KASAN: frob went mad\n" + TRACE, "KASAN: frob went mad", corrupted=BROKEN_FORMAT)


# --- no function -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("kernel BUG at fs/frob.c:12!\n", "kernel BUG in corrupted"),
        ("divide error: 0000 [#1] SMP\n" + TRACE, "divide error in corrupted"),
        ("INFO: task frob:1 blocked for more than 143 seconds.\n", "INFO: task hung in corrupted"),
        ("BUG: soft lockup - CPU#0 stuck for 22s! [frob:1]\n" + TRACE, "BUG: soft lockup in corrupted"),
        ("kernel BUG at fs/frob.c:12!\nCall Trace:\n should_fail+0x1/0x2\n frob+0x1/0x2\n", "kernel BUG in corrupted"),
    ],
)
def test_no_function(text: str, title: str) -> None:
    found = name(text)
    assert (found.title, found.function, found.corrupted) == (title, None, NO_FRAMES)
    assert all(alt.endswith(" in corrupted") for alt in found.alt_titles)


# --- no row ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("BUG: frobs went missing at 12\n", "BUG: frobs went missing at NUM"),
        ("frob0: INFO: 3 frobs are out\n", "INFO: NUM frobs are out"),
        ("x WARNING: ffff888000000000 is odd  now\t\n", "WARNING: ADDR is odd now"),
        ("general protection fault\n", "general protection fault"),
    ],
)
def test_the_headline_is_the_title(text: str, title: str) -> None:
    check(text, title)
    (crash,) = parse(text).crashes
    assert (crash.title, crash.type if title[:4] in ("BUG:", "INFO") else None) == (title, None)
    assert crash.problems[0] == "no known kind of crash begins like this: the headline itself is the title"


def test_a_row_that_fits_is_no_problem() -> None:
    (crash,) = parse(KASAN + SIZE + TRACE).crashes
    assert crash.problems == ()


# --- alternative titles ----------------------------------------------------------------------------------------------------------------


def stack_of(function: str) -> str:
    return f"kernel BUG at fs/frob.c:12!\nRIP: 0010:{function}+0x1/0x2\n{TRACE}"


@pytest.mark.parametrize(
    ("function", "titles"),
    [
        ("frob", ["frob"]),
        ("__x64_sys_frob", ["sys_frob", "__x64_sys_frob"]),
        ("__arm64_sys_frob", ["sys_frob", "__arm64_sys_frob"]),
        ("__se_sys_frob", ["frob", "__se_sys_frob", "sys_frob"]),
        ("__do_sys_frob", ["frob", "__do_sys_frob"]),
        ("SyS_frob", ["frob", "SyS_frob"]),
        ("ksys_frob", ["frob", "ksys_frob"]),
        ("__sys_frob", ["frob", "__sys_frob"]),
        ("sysfrob", ["sysfrob"]),
        ("frob_sys_", ["frob_sys_"]),
    ],
)
def test_system_calls_have_many_names(function: str, titles: list[str]) -> None:
    first, *others = [f"kernel BUG in {title}" for title in titles]
    check(stack_of(function), first, *others, function=function)


def test_every_form_of_a_title_has_every_name() -> None:
    text = f"Oops: general protection fault: 0000 [#1]\nRIP: 0010:__x64_sys_frob+0x1/0x2\n{TRACE}"
    check(
        text,
        "general protection fault in sys_frob",
        "bad-access in __x64_sys_frob",
        "bad-access in sys_frob",
        "general protection fault in __x64_sys_frob",
        function="__x64_sys_frob",
    )


def test_what_a_log_says_is_no_format() -> None:
    check("BUG: {F} {} {x}\n", "BUG: {F} {} {x}")
    check("BUG: KCSAN: {F} {}\n", "KCSAN: {F} {}")
    check("Kernel panic - not syncing: {} {F}\n" + TRACE, "kernel panic: {} {F}")
