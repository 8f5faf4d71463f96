"""The stacks of a report: what each tells, which one is the crash's, and who was in it."""

from __future__ import annotations

from typing import Any

import pytest

from kernfix.crash import parse
from kernfix.crash.model import Stack
from kernfix.crash.report import Part, reports
from kernfix.crash.stacks import end_of, stacks_of
from kernfix.crash.stretch import Cutter

TRACE = "Call Trace:\n frob+0x1/0x2\n nob+0x3/0x4\n hob+0x5/0x6\n"


def part_of(text: str) -> Part:
    cutter = Cutter()
    return next(one for each in (*cutter.feed(text), *cutter.finish()) for one in reports(each)).part


def stacks(text: str, blamed: str | None = None) -> tuple[Stack, ...]:
    return stacks_of(part_of(text), blamed)


def check(text: str, *expected: tuple[str, str], blamed: str | None = None) -> None:
    """The kind and the functions of each stack."""
    found = [(stack.kind, " ".join(frame.function for frame in stack.frames)) for stack in stacks(text, blamed)]
    assert found == list(expected)


def check_about(text: str, number: int, **fields: Any) -> None:
    """What is known of one stack beside its frames."""
    stack = stacks(text)[number]
    assert {name: getattr(stack, name) for name in fields} == fields


# --- kinds -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("heading", ["Call Trace:", "Call trace:", "Backtrace:", "[<0000000000abcdef>] Call Trace:"])
def test_the_trace(heading: str) -> None:
    check(f"BUG: a\n{heading}\n f+0x1/0x2\n g+0x1/0x2\n", ("crash", "f g"))


def test_kasan() -> None:
    text = (
        "BUG: KASAN: slab-use-after-free in frob+0x1/0x2\n"
        + TRACE
        + "\nAllocated by task 12:\n a+0x1/0x2\n b+0x1/0x2\n\nFreed by task 13:\n c+0x1/0x2\n\n"
        "Last potentially related work creation:\n d+0x1/0x2\n\nThe buggy address belongs to the object at ffff\n"
        "page last allocated via order 0\n e+0x1/0x2\npage last free pid 3\n f+0x1/0x2\n"
    )
    check(
        text,
        ("crash", "frob nob hob"),
        ("alloc", "a b"),
        ("free", "c"),
        ("other", "d"),
        ("alloc", "e"),
        ("free", "f"),
    )
    check_about(text, 1, pid=12, label="Allocated by task 12:")
    check_about(text, 2, pid=13, label="Freed by task 13:")
    check_about(text, 5, pid=3, label="page last free pid 3")


def test_kmsan_chain() -> None:
    check(
        "BUG: KMSAN: uninit-value in frob+0x1/0x2\n frob+0x1/0x2\n nob+0x3/0x4\n hob+0x3/0x4\n\n"
        "Uninit was stored to memory at:\n a+0x1/0x2\n b+0x1/0x2\n\nUninit was created at:\n c+0x1/0x2\n\n"
        "Local variable x created at:\n d+0x1/0x2\n",
        ("crash", "frob nob hob"),
        ("origin", "a b"),
        ("origin", "c"),
        ("origin", "d"),
    )


def test_race() -> None:
    text = (
        "BUG: KCSAN: data-race in frob / nob\n\nwrite to 0xffff888000000000 of 8 bytes by task 12 on cpu 1:\n"
        " frob+0x1/0x2\n hob+0x1/0x2\n\nread to 0xffff888000000000 of 8 bytes by interrupt on cpu 0:\n nob+0x1/0x2\n"
    )
    check(text, ("crash", "frob hob"), ("race", "nob"))
    check(text, ("race", "frob hob"), ("crash", "nob"), blamed="nob")
    check_about(text, 0, pid=12)
    check_about(text, 1, pid=None)


def test_lock_chain() -> None:
    check(
        "WARNING: possible circular locking dependency detected\n\n-> #1 (&a){+.+.}-{3:3}:\n a+0x1/0x2\n b+0x1/0x2\n"
        "-> #0 (&b){+.+.}-{3:3}:\n c+0x1/0x2\n\nstack backtrace:\nCPU: 0 PID: 1\n" + TRACE,
        ("lock", "a b"),
        ("lock", "c"),
        ("crash", "frob nob hob"),
    )


def test_leak() -> None:
    text = (
        'BUG: memory leak\nunreferenced object 0xffff888000000000 (size 64):\n  comm "frob", pid 12, jiffies 4294\n'
        "  backtrace (crc 1a2b3c4d):\n    [<ffffffff81234567>] frob+0x1/0x2\n    [<ffffffff81234568>] nob+0x1/0x2\n"
    )
    check(text, ("crash", "frob nob"))
    check_about(text, 0, task="frob", pid=12, label="backtrace (crc 1a2b3c4d):")


def test_without_heading() -> None:
    check("BUG: a\n f+0x1/0x2\n g+0x1/0x2\n h+0x1/0x2\n", ("crash", "f g h"))
    # fewer only say where something was
    check("BUG: a\n f+0x1/0x2\n\nFreed by task 3:\n g+0x1/0x2\n", ("other", "f"), ("free", "g"))
    check(f"BUG: a\n f+0x1/0x2\n{TRACE}", ("other", "f"), ("crash", "frob nob hob"))


@pytest.mark.parametrize(
    "text", ["BUG: a\n", "BUG: a\nCall Trace:\n", "BUG: a\nCall Trace:\n\nFreed by task 3:\nnothing\n"]
)
def test_none(text: str) -> None:
    check(text)


# --- where the program counter was -----------------------------------------------------------------------------------------------------


def test_the_program_counter_is_the_first_frame() -> None:
    text = (
        "BUG: a\nRIP: 0010:f+0x1/0x2\nRSP: 0018:ffffc9000056fd68 EFLAGS: 00010246\nCall Trace:\n <TASK>\n g+0x1/0x2\n"
    )
    check(text, ("crash", "f g"))
    assert [frame.register for frame in stacks(text)[0].frames] == ["RIP", None]


def test_a_trace_that_already_begins_there() -> None:
    text = "BUG: a\npc : f+0x1/0x2\nlr : g+0x3/0x4\nCall trace:\n f+0x1/0x2\n g+0x3/0x4\n"
    check(text, ("crash", "f g"))
    assert [frame.register for frame in stacks(text)[0].frames] == [None, None]
    check(text.replace("Call trace:\n f+0x1/0x2", "Call trace:\n f+0x7/0x2"), ("crash", "f f g"))
    check(text.replace("Call trace:\n", "Call trace:\n ? x+0x1/0x2\n"), ("crash", "x f g"))


def test_a_dump_alone_is_the_stack() -> None:
    text = "BUG: a\nCPU: 0 UID: 0 PID: 12 Comm: frob Not tainted 6.12.0 #1\nRIP: 0010:f+0x1/0x2\n"
    check(text, ("crash", "f"))
    check_about(text, 0, task="frob", pid=12, label=None)


def test_a_dump_that_is_printed_again() -> None:
    check(
        f"BUG: a\nRIP: 0010:f+0x1/0x2\n{TRACE}---[ end trace 0000000000000000 ]---\nRIP: 0010:f+0x1/0x2\n",
        ("crash", "f frob nob hob"),
    )


def test_user_space_is_no_frame() -> None:
    check(f"BUG: a\n{TRACE}RIP: 0033:0x7f3c1d2aa740\nCode: 48 89\nRSP: 002b:0\n", ("crash", "frob nob hob"))


CODE = "Code: 48 89 df e8 <48> 8b\nRSP: 0018:ffffc9000056fd68 EFLAGS: 00010246\n"


def test_what_was_interrupted_has_a_stack_of_its_own() -> None:
    text = f"BUG: a\nCall Trace:\n <IRQ>\n f+0x1/0x2\n g+0x1/0x2\n </IRQ>\n <TASK>\nRIP: 0010:h+0x1/0x2\n{CODE} i+0x1/0x2\n j+0x1/0x2\n"
    check(text, ("crash", "f g"), ("other", "h i j"))
    check(text, ("other", "f g"), ("crash", "h i j"), blamed="i")


def test_a_dump_without_code_is_in_the_trace() -> None:
    check("BUG: a\nCall Trace:\n f+0x1/0x2\n g+0x1/0x2\nRIP: 0010:h+0x1/0x2\n i+0x1/0x2\n", ("crash", "f g h i"))


# --- which one is the crash's ----------------------------------------------------------------------------------------------------------


TWO = "BUG: a\nCall Trace:\n f+0x1/0x2\n g+0x1/0x2\nCall Trace:\n f+0x1/0x2\n ? i+0x1/0x2\n h.isra.0+0x1/0x2\n"


@pytest.mark.parametrize(
    ("blamed", "first", "second"),
    [
        (None, "crash", "other"),
        ("f", "crash", "other"),
        ("g", "crash", "other"),
        ("h", "other", "crash"),
        ("i", "crash", "other"),
        ("nobody", "crash", "other"),
    ],
)
def test_the_stack_that_holds_the_blamed_function(blamed: str | None, first: str, second: str) -> None:
    check(TWO, (first, "f g"), (second, "f i h.isra.0"), blamed=blamed)


def test_a_caller_on_arm_is_held_too() -> None:
    check(
        "BUG: a\nBacktrace:\n f from g+0x1/0x2\nBacktrace:\n h from i+0x1/0x2\n",
        ("other", "f"),
        ("crash", "h"),
        blamed="i",
    )


def test_what_only_explains_is_never_the_crash() -> None:
    check(f"BUG: a\n{TRACE}\nFreed by task 3:\n f+0x1/0x2\n", ("crash", "frob nob hob"), ("free", "f"), blamed="f")
    check("BUG: a\n\nFreed by task 3:\n f+0x1/0x2\n", ("free", "f"), blamed="f")


# --- other processors ------------------------------------------------------------------------------------------------------------------

STALL = (
    "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:\nSending NMI from CPU 0 to CPUs 1:\nNMI backtrace for cpu 1\n"
    "CPU: 1 UID: 0 PID: 13 Comm: nob Not tainted 6.12.0 #1\nRIP: 0010:f+0x1/0x2\nCall Trace:\n g+0x1/0x2\n"
)


def test_cpu_stacks() -> None:
    check(f"BUG: a\n{TRACE}{STALL[STALL.index('NMI') :]}", ("crash", "frob nob hob"), ("cpu", "f g"))
    check(
        f"INFO: a\n{TRACE}Sending NMI from CPU 0 to CPUs 1:\nNMI backtrace for cpu 1\n f+0x1/0x2\n",
        ("crash", "frob nob hob"),
        ("cpu", "f"),
    )


def test_a_stack_of_another_processor_is_the_crash_where_there_is_no_other() -> None:
    check(STALL, ("crash", "f g"))
    check_about(STALL, 0, cpu=1, task="nob", pid=13, label="Call Trace:")


def test_cpu_stacks_of_other_contexts() -> None:
    own, other = "[    1.000000][   C0] ", "[    1.000000][   C1] "
    lines = [
        f"{own}INFO: rcu_sched self-detected stall on CPU",
        f"{own}Call Trace:",
        f"{own} a+0x1/0x2",
        f"{own}Sending NMI from CPU 0 to CPUs 1:",
        f"{other}NMI backtrace for cpu 1",
        f"{own} lost+0x1/0x2",
        f"{other}RIP: 0010:f+0x1/0x2",
        f"{other}Call Trace:",
        f"{own}noise",
        f"{other} g+0x1/0x2",
    ]
    found = stacks("\n".join(lines))
    assert [(stack.kind, stack.cpu, [frame.function for frame in stack.frames]) for stack in found] == [
        ("crash", None, ["a", "lost"]),
        ("cpu", 1, ["f", "g"]),
    ]


# --- labels and tasks ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "task", "pid"),
    [
        ("CPU: 0 UID: 0 PID: 12 Comm: frob Not tainted 6.12.0 #1", "frob", 12),
        ("CPU: 0 PID: 12 Comm: kworker/0:1 Tainted: G W 5.4.0 #1", "kworker/0:1", 12),
        ("task:frob            state:D stack:0     pid:12    tgid:12    ppid:2", "frob", 12),
        ('  comm "frob nob", pid 12, jiffies 4294', "frob nob", 12),
        ("all is well: PID: 12", None, None),
        ("task: nobody", None, None),
    ],
)
def test_task(line: str, task: str | None, pid: int | None) -> None:
    check_about(f"BUG: a\n{line}\n{TRACE}", 0, task=task, pid=pid, label="Call Trace:", cpu=None)
    check_about(f"BUG: a\nCall Trace:\n{line}\n f+0x1/0x2\n", 0, task=task, pid=pid)


def test_a_label_is_cut() -> None:
    (only,) = stacks("BUG: a\nCall Trace: " + "x" * 500 + "\n f+0x1/0x2\n")
    assert only.label is not None
    assert len(only.label) == 200


# --- where a stack ends ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end",
    [
        "=====",
        "Modules linked in: frob",
        "Kernel panic - not syncing: frob",
        "The buggy address",
        "x\n" * 10,
    ],
)
def test_what_ends_a_stack(end: str) -> None:
    check(f"BUG: a\nCall Trace:\n f+0x1/0x2\n{end}\n g+0x1/0x2\n", ("crash", "f"))


@pytest.mark.parametrize(
    "between", ["", " <TASK>", " </IRQ>", "x", "x\n" * 8 + "x", "Code: 48", "R10: 0000000000000000", " ? g+0x1/0x2"]
)
def test_what_does_not(between: str) -> None:
    last = stacks(f"BUG: a\nCall Trace:\n f+0x1/0x2\n{between}\n h+0x1/0x2\n")[0].frames[-1]
    assert last.function == "h"


@pytest.mark.parametrize(
    ("below", "line"),
    [
        ("", 4),
        ("\nnoise\n", 4),
        ("noise\n---[ end trace 0 ]---\nnoise\n", 6),
        ("RAX: 0000000000000000\nnoise\n", 5),
        ("noise\nKernel panic - not syncing: Fatal exception\nKernel Offset: disabled\nnoise\n", 7),
    ],
)
def test_end_of_report(below: str, line: int) -> None:
    part = part_of(f"BUG: a\n{TRACE}{below}")
    assert end_of(part, stacks_of(part, None)) == line


def test_end_of_a_report_without_stacks() -> None:
    part = part_of("noise\nBUG: a\nnoise\n")
    assert end_of(part, ()) == 1


def test_the_end_of_a_trace_ends_the_stack() -> None:
    (crash,) = parse("BUG: a\nCall Trace:\n f+0x1/0x2\n---[ end trace 0 ]---\n g+0x1/0x2\n").crashes
    assert [[frame.function for frame in stack.frames] for stack in crash.stacks] == [["f"]]
