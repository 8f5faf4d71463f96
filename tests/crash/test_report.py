"""Which lines belong to which crash, and which crash only follows from another."""

from __future__ import annotations

import pytest

from kernfix.crash import parse, report
from kernfix.crash.report import Report, reports
from kernfix.crash.stretch import Cutter, Stretch

KASAN = "BUG: KASAN: use-after-free in frob+0x1/0x2\nRead of size 8 at addr ffff888000000000 by task frob/1\n"
TRACE = "Call Trace:\n frob+0x1/0x2\n nob+0x3/0x4\n hob+0x5/0x6\n"
WARNING = "WARNING: CPU: 0 PID: 1 at fs/nob.c:1 nob+0x3/0x4\n"
END = "---[ end trace 0000000000000000 ]---\n"


def cut(text: str) -> list[Report]:
    cutter = Cutter()
    return [one for each in (*cutter.feed(text), *cutter.finish()) for one in reports(each)]


def tagged(text: str, tag: str = "[    1.000000][   T1] ") -> str:
    return "".join(f"{tag}{line}\n" for line in text.splitlines())


def check_lines(text: str, *expected: list[int]) -> None:
    """The line numbers of each report."""
    assert [[*each.part.lines.numbers] for each in cut(text)] == list(expected)


def check_roots(text: str, *expected: int | None) -> None:
    """What each report follows from, whether the log has caller tags, only times, or neither."""
    for lead in ("", "[    1.000000] ", "[    1.000000][   T1] "):
        assert [each.root for each in cut(tagged(text, lead))] == list(expected), lead
        assert [crash.consequence_of for crash in parse(tagged(text, lead)).crashes] == list(expected), lead


# --- which lines -----------------------------------------------------------------------------------------------------------------------


def test_from_the_headline_to_the_end() -> None:
    check_lines("noise\nBUG: a\nb\nc", [1, 2, 3])


def test_to_the_next_crash() -> None:
    check_lines(tagged(f"noise\n{KASAN}{TRACE}noise\n{WARNING}{TRACE}"), [*range(1, 8)], [*range(8, 13)])


def test_two_crashes_untangled() -> None:
    one, other = "[    1.000000][   T1] ", "[    1.000000][   C1] "
    text = f"{one}BUG: a\n{other}noise\n{other}WARNING: b\n{one}a1\n{other}b1\n[    1.000000] untagged\n{one}a2\n{other}b2\n"
    check_lines(text, [0, 3, 6], [2, 4, 7])


def test_two_crashes_untangled_by_time_alone() -> None:
    check_lines(
        "[    1.000000] BUG: a\nplain\n[    1.000000] a1\n[    2.000000][   T1] x\n[    1.500000] a2", [0, 2, 4]
    )


def test_nothing_tells_lines_apart_that_have_no_tag() -> None:
    check_lines("BUG: a\nx\nBUG: b\ny", [0, 1], [2, 3])


def test_untangled_crashes_have_their_own_names_and_stacks() -> None:
    other_trace = "Call Trace:\n nob+0x3/0x4\n hob+0x5/0x6\n tob+0x7/0x8\n"
    one = tagged(f"{KASAN}{TRACE}").splitlines()
    other = tagged(f"{WARNING}{other_trace}", "[    1.000000][   C2] ").splitlines()
    mixed = [line for pair in zip(one, [*other, ""], strict=True) for line in pair]
    crashes = parse("\n".join(mixed)).crashes
    assert [crash.title for crash in crashes] == ["KASAN: use-after-free Read in frob", "WARNING in nob"]
    assert [[len(stack.frames) for stack in crash.stacks] for crash in crashes] == [[3], [3]]
    lines = [{frame.span.line for stack in crash.stacks for frame in stack.frames} for crash in crashes]
    assert lines[0].isdisjoint(lines[1])
    assert [crash.consequence_of for crash in crashes] == [None, None]


def test_the_lines_above(monkeypatch: pytest.MonkeyPatch) -> None:
    text = tagged("a\nb\nc\nd") + "[    1.000000][   T2] other\n" + tagged("WARNING: x\ny")
    (only,) = cut(text)
    assert only.before == ["b", "c", "d"]
    (first,) = cut("WARNING: x")
    assert first.before == []


def test_a_report_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "REPORT_LIMIT", 10)
    check_lines("BUG: a\n" + "x\n" * 30, [*range(10)])


def test_no_headlines_no_reports() -> None:
    assert list(reports(Stretch(5, 0, ["a", "b"], []))) == []


# --- other processors ------------------------------------------------------------------------------------------------------------------

STALL = tagged("rcu: INFO: rcu_sched self-detected stall on CPU\n", "[    1.000000][   C0] ")
ASKED = tagged("Sending NMI from CPU 0 to CPUs 1:", "[    1.000000][   C0] ")
ANSWER = tagged("NMI backtrace for cpu 1\nRIP: 0010:nob+0x3/0x4", "[    1.000000][   C1] ")
OF_A_TASK = "[    1.000000][   T7] noise\n"


def test_other_processors_answer() -> None:
    check_lines(STALL + OF_A_TASK + ASKED + ANSWER + OF_A_TASK, [0, 2, 3, 4])


@pytest.mark.parametrize("text", [STALL + ANSWER + OF_A_TASK, STALL + ANSWER])
def test_who_was_not_asked_does_not_answer(text: str) -> None:
    check_lines(text, [0])


def test_what_they_said_before_is_no_answer() -> None:
    check_lines(STALL + ANSWER + ASKED + ANSWER, [0, 3, 4, 5])


def test_without_caller_tags_they_answer_anyway() -> None:
    plain = "".join((STALL, ASKED, ANSWER)).replace("[   C0]", "").replace("[   C1]", "")
    check_lines(plain, [0, 1, 2, 3])


# --- what title and blame are told from ------------------------------------------------------------------------------------------------


def check_words(text: str, *expected: str, far: bool = False) -> None:
    assert cut(text)[0].words()[far].bodies == list(expected)


def test_unreliable_frames_are_dropped_but_from_a_report_that_was_cut_out() -> None:
    text = "BUG: a\n f+0x1/0x2\n ? g+0x1/0x2\nDisabling lock debugging due to kernel taint\nb"
    check_words(text, *text.split("\n"))
    check_words(tagged(text), "BUG: a", " f+0x1/0x2", "b")
    check_words(tagged(text, "[    1.000000] "), "BUG: a", " f+0x1/0x2", "b")


@pytest.mark.parametrize("lead", ["", "[    1.000000] "])
@pytest.mark.parametrize(
    "other",
    [
        "WARNING: b",
        "warn: vmalloc: allocation failure: 12 bytes",
        "FAULT_INJECTION: forcing a failure.",
        "FAULT_FLAG_ALLOW_RETRY missing 70",
    ],
)
def test_another_report_ends_what_is_told_without_a_caller_tag(other: str, lead: str) -> None:
    text = tagged(f"BUG: a\nx\n{other}\ny", lead).rstrip("\n")
    check_words(text, "BUG: a", "x")
    check_words(tagged(f"BUG: a\nx\n{other}\ny").rstrip("\n"), "BUG: a", "x", other, "y")


@pytest.mark.parametrize(
    "inside",
    [
        "invalid opcode: 0000 [#1]",
        "Kernel panic - not syncing: frob",
        "unregister_netdevice: waiting for frob0 to become free",
        "PANIC: double fault, error_code: 0x0",
        "Internal error: Oops: 0 [#1]",
    ],
)
def test_some_headlines_end_nothing(inside: str) -> None:
    check_words(f"BUG: a\nx\n{inside}\ny", "BUG: a", "x", inside, "y")


@pytest.mark.parametrize(
    ("headline", "kept"),
    [("BUG: a", 21), ("BUG: a", 22), ("BUG: KMSAN: a", 15), ("BUG: KMSAN: a", 16)],
)
@pytest.mark.parametrize(
    "cut_by", ["Kernel panic - not syncing: frob", "WARNING: possible circular locking dependency detected"]
)
def test_a_panic_cuts_a_long_report_off(headline: str, kept: int, cut_by: str) -> None:
    """22 lines (16 of KMSAN), the headline among them, are not yet long."""
    long = kept in (22, 16)
    text = tagged(f"{headline}\n" + "x\n" * kept + f"{cut_by}\ny").rstrip("\n")
    rest = [] if long else [cut_by, "y"]
    check_words(text, headline, *["x"] * kept, *rest)


def test_what_reliable_leaves_out() -> None:
    (only,) = cut("BUG: a\n f+0x1/0x2\n ? g+0x1/0x2\nb")
    assert only.reliable() == ["BUG: a", " f+0x1/0x2", "b"]


# --- consequences ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (KASAN + TRACE, "Kernel panic - not syncing: panic_on_warn set ...\n"),
        (KASAN + TRACE, "Kernel panic - not syncing: KASAN: panic_on_warn set ...\n"),
        (WARNING + TRACE + END, "Kernel panic - not syncing: kernel: panic_on_warn set ...\n"),
        ("Oops: general protection fault: 0000 [#1] SMP\n" + TRACE + END, "Kernel panic - not syncing: Fatal exception\n"),
        (
            "BUG: kernel NULL pointer dereference, address: 0000000000000008\n" + TRACE + END,
            "Kernel panic - not syncing: Fatal exception in interrupt\n",
        ),
        (
            "INFO: task frob:1 blocked for more than 143 seconds.\n" + TRACE,
            "Kernel panic - not syncing: hung_task: blocked tasks\n",
        ),
        ("watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [frob:1]\n" + TRACE, "Kernel panic - not syncing: softlockup: hung tasks\n"),
        ("UBSAN: shift-out-of-bounds in fs/frob.c:1:2\n" + TRACE, "Kernel panic - not syncing: UBSAN: panic_on_warn set ...\n"),
        # the trap behind a BUG()
        ("kernel BUG at fs/frob.c:12!\n", "invalid opcode: 0000 [#1] SMP\nRIP: 0010:frob+0x1/0x2\n" + TRACE),
        ("kernel BUG at fs/frob.c:12!\n", "Internal error: Oops - BUG: 00000000f2000800 [#1] SMP\n" + TRACE),
        ("BUG: kernel NULL pointer dereference, address: 0000000000000008\n", "Internal error: Oops: 5 [#1] SMP ARM\n" + TRACE),
        ("Unable to handle kernel paging request at virtual address dead000000000100\n", "Internal error: Oops: 0 [#1]\n" + TRACE),
        # details of a slab report
        ("BUG: frobs overwritten\n", "INFO: Allocated in frob+0x1/0x2 age=3 cpu=0 pid=12\n" + TRACE),
    ],
)  # fmt: skip
def test_what_follows_from_a_crash(first: str, then: str) -> None:
    check_roots(first + then, None, 0)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (WARNING + TRACE + END, WARNING + TRACE),
        (WARNING + TRACE + END, "kernel BUG at fs/frob.c:12!\n" + TRACE),
        (KASAN + TRACE, WARNING + TRACE),
        (WARNING + TRACE + END, "invalid opcode: 0000 [#1] SMP\nRIP: 0010:frob+0x1/0x2\n" + TRACE),
        (KASAN + TRACE, "general protection fault: 0000 [#1]\n" + TRACE),
        (WARNING + TRACE + END, "Kernel panic - not syncing: frobs are out\n" + TRACE),
        (KASAN + TRACE, "unregister_netdevice: waiting for frob0 to become free. Usage count = 3\n"),
        (KASAN + TRACE, "INFO: task frob:1 blocked for more than 143 seconds.\n" + TRACE),
        (WARNING + TRACE, "INFO: Allocated in frob+0x1/0x2 age=3 cpu=0 pid=12\n"),
    ],
)
def test_what_does_not(first: str, then: str) -> None:
    check_roots(first + then, None, None)


def test_a_panic_alone_follows_from_nothing() -> None:
    check_roots("Kernel panic - not syncing: Fatal exception\n" + TRACE, None)
    check_roots("all is well\nKernel panic - not syncing: panic_on_warn set ...\n", None)


def test_a_chain_has_one_root() -> None:
    text = (
        "kernel BUG at fs/frob.c:12!\ninvalid opcode: 0000 [#1] SMP\nRIP: 0010:frob+0x1/0x2\n"
        + TRACE
        + END
        + "Kernel panic - not syncing: Fatal exception\n"
    )
    check_roots(text, None, 0, 0)


def test_two_independent_warnings_and_the_panic_of_the_second() -> None:
    check_roots(
        WARNING + TRACE + END + WARNING + TRACE + END + "Kernel panic - not syncing: kernel: panic_on_warn set ...\n",
        None,
        None,
        1,
    )


def test_the_panic_is_said_by_somebody_else() -> None:
    text = tagged(KASAN + TRACE) + tagged("Kernel panic - not syncing: panic_on_warn set ...", "[    2.000000][   C1] ")
    assert [crash.consequence_of for crash in parse(text).crashes] == [None, 0]


def test_the_lines_of_a_consequence_are_the_crashs_too() -> None:
    text = tagged("kernel BUG at fs/frob.c:12!\ninvalid opcode: 0000 [#1] SMP\n" + TRACE)
    check_lines(text, [*range(6)], [*range(1, 6)])
    bug, trap = parse(text).crashes
    assert [frame.function for frame in bug.stacks[0].frames] == ["frob", "nob", "hob"]
    assert (bug.machine, trap.machine) == (type(bug.machine)(), type(bug.machine)())


def test_consequences_are_numbered_through_a_log_that_is_read_in_parts() -> None:
    far = "[    9.000000][   T9] noise\n" * 25_000
    crashes = parse(
        tagged(KASAN + TRACE) + far + tagged(WARNING + TRACE + "Kernel panic - not syncing: panic_on_warn set")
    ).crashes
    assert [crash.consequence_of for crash in crashes] == [None, None, 1]


def test_a_headline_made_several_by_a_symbolizer() -> None:
    text = (
        "BUG: KASAN: use-after-free in nob fs/nob.h:3 [inline]\n"
        "BUG: KASAN: use-after-free in frob+0x1/0x2 fs/frob.c:12\n"
        "Read of size 8 at addr ffff888000000000 by task frob/1\n" + TRACE
    )
    check_roots(text, None, 0)


def test_the_details_of_a_slab_report_are_no_crashes_of_their_own() -> None:
    lines = (
        "BUG kmalloc-64 (Not tainted): Redzone overwritten",
        "INFO: 0xffff888000000000-0xffff888000000003. First byte 0xbb instead of 0xcc",
        "INFO: Allocated in frob+0x1/0x2 age=1 cpu=0 pid=1",
        "INFO: Slab 0xffffea0000000000 objects=21 used=2",
        "INFO: Object 0xffff888000000000 @offset=0 fp=0x0000000000000000",
    )
    crashes = parse("".join(f"[    1.000000] {line}\n" for line in lines)).crashes
    assert [crash.consequence_of for crash in crashes] == [None, 0, 0, 0, 0]
