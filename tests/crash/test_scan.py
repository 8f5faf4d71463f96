"""Which lines start a crash."""

from __future__ import annotations

import pytest

from kernfix.crash.formats import FAMILIES
from kernfix.crash.lines import LINE_LIMIT
from kernfix.crash.scan import REPLAY, headlines

TAGGED = "[    1.000000][   T1] "


def check(text: str, *expected: tuple[int, str]) -> None:
    """The headlines, as line number and keyword."""
    assert [(headline.line, headline.family.keyword) for headline in headlines(text)] == list(expected)


# --- every keyword ---------------------------------------------------------------------------------------------------------------------

SAMPLES = {
    "BUG:": "BUG: KASAN: use-after-free in frob+0x1/0x2",
    "WARNING:": "WARNING: CPU: 0 PID: 1 at fs/frob.c:1 frob+0x1/0x2",
    "INFO:": "INFO: task frob:1 blocked for more than 143 seconds.",
    "Unable to handle kernel": "Unable to handle kernel paging request at virtual address dead000000000100",
    "general protection fault": "general protection fault: 0000 [#1] SMP",
    "stack segment: ": "stack segment: 0000 [#1] SMP",
    "Kernel panic": "Kernel panic - not syncing: frobs are out",
    "PANIC: double fault": "PANIC: double fault, error_code: 0x0",
    "rust_kernel: panicked": "rust_kernel: panicked at drivers/frob/frob.rs:3:5:",
    "kernel BUG": "kernel BUG at fs/frob.c:12!",
    "Kernel BUG": "Kernel BUG [#1]",
    "BUG kmalloc-": "BUG kmalloc-64 (Not tainted): Object already free",
    "divide error:": "divide error: 0000 [#1] SMP",
    "divide_error:": "divide_error: 0000 [#1] SMP",
    "invalid opcode:": "invalid opcode: 0000 [#1] SMP",
    "int3:": "int3: 0000 [#1] SMP",
    "UBSAN:": "UBSAN: shift-out-of-bounds in fs/frob.c:12:3",
    "Booting the kernel.": "Booting the kernel.",
    "unregister_netdevice: waiting for": "unregister_netdevice: waiting for frob0 to become free. Usage count = 3",
    "VFS: Close: file count is 0": "VFS: Close: file count is 0",
    "VFS: Busy inodes after unmount": "VFS: Busy inodes after unmount of frob0. Self-destruct in 5 seconds.",
    "Internal error:": "Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP",
    "Unhandled fault:": "Unhandled fault: alignment exception (0x001) at 0x8004",
    "Alignment trap:": "Alignment trap: not handling instruction e1a00000 at [<80010000>]",
    "trusty: panic": "trusty: panic (caller 0xffff): no frob",
    "fatal error:": "fatal error: all goroutines are asleep",
    "SYZFAIL:": "SYZFAIL: no frob",
    "SYZFATAL:": "SYZFATAL: no frob",
    "panic:": "panic: no frob",
}


def test_the_samples_are_all_families() -> None:
    assert list(SAMPLES) == [family.keyword for family in FAMILIES]


@pytest.mark.parametrize("keyword", SAMPLES)
def test_every_keyword(keyword: str) -> None:
    line = SAMPLES[keyword]
    check(line, (0, keyword))
    check(f"all is well\n{TAGGED}{line}\nall is well\n", (1, keyword))


@pytest.mark.parametrize("keyword", SAMPLES)
def test_no_torn_keyword_is_known(keyword: str) -> None:
    half = len(keyword) // 2
    check(f"{keyword[:half]}\n{keyword[half:]}")


@pytest.mark.parametrize("part", ["DEBUG is on", "I/O error: frob", "nmi_panic frob", "SYZFAST", "BUGs: none"])
def test_what_keywords_share_is_none(part: str) -> None:
    check(part)
    check(f"{part} INFO: frob", (0, "INFO:"))


@pytest.mark.parametrize("line", ["bug: a", "Warning: a", "info: a", "kernel panic", "Panic: a", "booting the kernel."])
def test_case_matters(line: str) -> None:
    check(line)


# --- one line, several keywords --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "keyword"),
    [
        ("BUG: a WARNING: b", "BUG:"),
        ("WARNING: a BUG: b", "BUG:"),
        ("INFO: a WARNING: b", "WARNING:"),
        ("panic: a SYZFAIL: b", "SYZFAIL:"),
        ("invalid opcode: a general protection fault: b", "general protection fault"),
        ("Kernel panic - not syncing: kernel BUG at fs/frob.c:12!", "Kernel panic"),
        ("Unable to handle kernel paging request: BUG: frob", "BUG:"),
        ("ODEBUG: WARNING: a", "WARNING:"),
        ("rmt_storage:INFO: panic: a", "panic:"),
        ("Internal error: Oops - BUG: 0 [#1]", "BUG:"),
    ],
)
def test_the_upper_keyword_claims_a_line(line: str, keyword: str) -> None:
    check(line, (0, keyword))


# --- false alarms ----------------------------------------------------------------------------------------------------------------------

ALARMS: tuple[tuple[str, str, str], ...] = (
    ("BUG:", "ODEBUG: Out of memory. ODEBUG disabled", "BUG: Out of memory. ODEBUG disabled"),
    ("BUG:", "Boot_DEBUG: frob", "Boot_BUG: frob"),
    ("BUG:", "frob DEBUG: frob", "frob BUG: frob"),
    ("BUG:", "BUG: xlog_status: frob", "BUG: xlog status: frob"),
    ("BUG:", "BUG: no syscalls can create resource frob", "BUG: no syscalls can create a frob"),
    (
        "WARNING:",
        "sshd[12]: WARNING: /etc/ssh/moduli does not exist, using fixed modulus",
        "sshd[12]: WARNING: /etc/ssh/frob does not exist",
    ),
    (
        "WARNING:",
        "WARNING: workqueue cpumask: online intersect > possible intersect",
        "WARNING: workqueue: online > possible",
    ),
    ("WARNING:", "WARNING: The mand mount option has been deprecated and", "WARNING: The frob mount option has been"),
    ("WARNING:", "WARNING: the mand mount option is being deprecated and", "WARNING: the mount option is being"),
    (
        "WARNING:",
        "WARNING: Unsupported flag value(s) of 0x8000000 in DT_FLAGS_1.",
        "WARNING: Unsupported flag 0x8000000 in DT_FLAGS_1.",
    ),
    (
        "WARNING:",
        "Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible",
        "Spectre V2 : WARNING: eBPF is enabled",
    ),
    (
        "WARNING:",
        "WARNING: fbcon: Driver 'frobfb' missed to adjust virtual screen size (0x0 vs. 64x64)",
        "WARNING: Driver 'frobfb' missed to adjust screen size",
    ),
    (
        "WARNING:",
        "MDS CPU bug present: WARNING: See https://example.org/mds.html for mitigation options.",
        "frob: WARNING: See frob.html for options.",
    ),
    ("WARNING:", "x86/cpu: WARNING: CPU_SRSO is off", "x86/cpu: WARNING: CPU_FROB is off"),
    ("WARNING:", "EXT4-fs (loop0): WARNING: frobs are out", "EXT2-fs (loop0): WARNING: frobs are out"),
    ("WARNING:", "WARNING: `frob' uses deprecated v2 capabilities in a way that", "WARNING: `frob' uses v2 frobs"),
    (
        "WARNING:",
        "WARNING: `frob' uses wireless extensions which will stop working",
        "WARNING: `frob' uses wireless frobs",
    ),
    ("WARNING:", "XFS (loop0): WARNING: Reset corrupted AGFL on AG 0.", "XFS: WARNING: Reset corrupted AGFL on AG 0."),
    ("INFO:", "INFO: lockdep is turned off.", "INFO: lockdep is turned on."),
    ("INFO:", "INFO: Stall ended before state dump start", "INFO: Stall went on after state dump start"),
    ("INFO:", "INFO: NMI handler (frob) frobbed", "INFO: frob handler (frob) frobbed"),
    ("INFO:", "perf: INFO: interrupt took too long (3 > 2)", "perf: INFO: interrupt took long (3 > 2)"),
    (
        "INFO:",
        "EXT4-fs (loop0): INFO: recovery required on readonly filesystem",
        "EXT4-fs (loop0): INFO: recovery required on filesystem",
    ),
    ("INFO:", "INFO: sys_frob is not present in /proc/kallsyms", "INFO: sys_frob is not present"),
    ("INFO:", "INFO: no syscalls can create resource frob", "INFO: no syscalls can create a frob"),
    ("INFO:", "rmt_storage:INFO: frob", "frob_storage:INFO: frob"),
    ("INFO:", "FROB_INFO: frob", "FROB INFO: frob"),
    (
        "general protection fault",
        "traps: frob[12] general protection fault ip:7f3c1d2aa740 sp:7ffc0 error:0 in libc.so.6",
        "traps: frob[12] general protection fault in frob",
    ),
    ("panic:", "skb_over_panic: text:ffffffff81000000 len:3", "skb over panic: text:ffffffff81000000 len:3"),
    ("panic:", "xlog_status: panic: frob", "xlog status: panic: frob"),
    ("panic:", "ddb.onpanic: 0 -> 0", "ddb on panic: 0 -> 0"),
    ("panic:", "evtlog_status: panic: frob", "evtlog status: panic: frob"),
    ("Booting the kernel.", "Decompressing Linux... done. Booting the kernel.", "Booting the kernel."),
    ("Booting the kernel.", "Parsing ELF... done. Booting the kernel.", "done. Booting the kernel."),
    (
        "Booting the kernel.",
        "Unknown parameter 'frob' ... Booting the kernel.",
        "Unknown parameter frob ... Booting the kernel.",
    ),
    ("fatal error:", "ALSA: fatal error: frob", "ALAS: fatal error: frob"),
    ("fatal error:", "fatal error: cannot create timer", "fatal error: cannot create frob"),
)
"""The keyword, a line that is a false alarm, and one much like it that is none."""


@pytest.mark.parametrize(("keyword", "alarm", "crash"), ALARMS, ids=[alarm for _, alarm, _ in ALARMS])
def test_false_alarms(keyword: str, alarm: str, crash: str) -> None:
    check(f"{TAGGED}{alarm}\n")
    check(f"{TAGGED}{crash}\n", (0, keyword))
    check(f"{TAGGED}{alarm}\n{TAGGED}{crash}\n{TAGGED}{alarm}\n", (1, keyword))


def test_a_phrase_on_another_line_is_no_false_alarm() -> None:
    check("lockdep is turned off\nINFO: frob\nlockdep is turned off", (1, "INFO:"))


# --- lines that were cut off -----------------------------------------------------------------------------------------------------------

CUT = f"{TAGGED}WARNING: CPU: 0 PID: 1 at fs/fr"
WHOLE = f"{TAGGED}WARNING: CPU: 0 PID: 1 at fs/frob.c:1 frob+0x1/0x2"


@pytest.mark.parametrize("lead", ["", "[    1.000000] ", TAGGED, "<4>[    1.000000] "])
def test_a_cut_copy_is_no_headline(lead: str) -> None:
    check(f"{CUT}\n{lead}{REPLAY}\n{WHOLE}\n", (2, "WARNING:"))


def test_a_copy_that_is_cut_off_twice() -> None:
    check(f"{CUT}\n{REPLAY}\n{CUT}\n{REPLAY}\n{WHOLE}\n", (4, "WARNING:"))


@pytest.mark.parametrize(
    "between",
    [f"all is well\n{REPLAY}", "** replaying previous printk message", "** replaying **", ""],
)
def test_only_the_very_next_line_makes_a_cut_copy(between: str) -> None:
    check(f"{CUT}\n{between}\n{WHOLE}\n", (0, "WARNING:"), (between.count("\n") + 2, "WARNING:"))


def test_a_replayed_line_that_is_the_last() -> None:
    check(f"{CUT}\n{REPLAY}")
    check(f"{CUT}\n", (0, "WARNING:"))


# --- numbers ---------------------------------------------------------------------------------------------------------------------------


def test_one_headline_a_line() -> None:
    check("BUG: BUG: BUG: a\nBUG: b", (0, "BUG:"), (1, "BUG:"))


def test_lines_are_counted_from_0_and_only_line_feeds_end_them() -> None:
    check("\n\r\n\x0b\x0c\u2028\nBUG: a\n\n\nINFO: b", (3, "BUG:"), (6, "INFO:"))


def test_what_is_not_read_of_a_line_starts_nothing() -> None:
    check("x" * LINE_LIMIT + "BUG: a\nBUG: b\n", (1, "BUG:"))
    check("x" * (LINE_LIMIT - len("BUG:")) + "BUG: a\n", (0, "BUG:"))
    check("x" * LINE_LIMIT + "INFO: a BUG: b")


@pytest.mark.parametrize("text", ["", "\n", "all is well", "BUG", "a bug: b", "Kernel\npanic"])
def test_nothing(text: str) -> None:
    check(text)


def test_a_cut_copy_is_known_behind_a_long_prefix() -> None:
    prefix = "Mar  3 10:02:11 lab kernel: [    1.234567][  T330] "
    log = f"{prefix}BUG: fr\n{prefix}** replaying previous printk message **\n{prefix}BUG: frob\n"
    assert [headline.line for headline in headlines(log)] == [2]
