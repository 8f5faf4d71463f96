"""Details of a report that a fix can be built on.

Each row of the table is one message of the kernel: the words that its line begins with, and what it says. A line costs one look-up, so
that reading the facts takes time in proportion to the report, and little of it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from kernfix.crash.model import Executor, SourceLine

_SITE = re.compile(r"(?<![\w./+-])([\w./+-]{1,200}\.(?:[chS]|rs)):(\d{1,7})(?!\d)(?::(\d{1,5}))?")
_HEADLINE_LIMIT = 1024
_EXECUTOR = re.compile(r" Comm: syz\.(\d{1,9})\.(\d{1,9}) ")

_ADDRESS = r"(?P<address>(?:0x)?[0-9a-f]{1,16}\b|\(null\))"
_SIZE = r"(?P<access_size>\d{1,9})"
_OPERATION = (
    r"\n(?P<operation>-?\w{1,48} [-+*/] -?\w{1,48}) cannot be represented in type '(?P<value_type>[^'\n]{1,200})'"
)
_KFENCE = r"kfence-#(?P<kfence>\d{1,9})"
_FORTIFIED = (
    "memchr", "memchr_inv", "memcmp", "memcpy", "memmove", "memscan", "memset", "strcat", "strcpy", "strlcat", "strlcpy", "strlen",
    "strncat", "strncpy", "strnlen", "strscpy", "strscpy_pad",
)  # fmt: skip


class _Row(NamedTuple):
    """The words that a line begins with, and the pattern of that line, which may go on to the next one."""

    words: str
    pattern: str


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """On first use: a log has few of the messages."""
    return re.compile(pattern)


_ROWS = tuple(
    _Row(words, pattern)
    for words, pattern in (
        # KASAN: mm/kasan/report.c, report_generic.c, and mm/kasan/report.c:kasan_non_canonical_hook()
        ("Read of size ", rf"(?P<access>Read) of size {_SIZE} (?:at addr {_ADDRESS}|by )"),
        ("Write of size ", rf"(?P<access>Write) of size {_SIZE} (?:at addr {_ADDRESS}|by )"),
        ("Read at addr ", rf"(?P<access>Read) at addr {_ADDRESS}"),
        ("Write at addr ", rf"(?P<access>Write) at addr {_ADDRESS}"),
        ("Free of addr ", rf"Free of addr {_ADDRESS}"),
        (
            "KASAN: ",
            r"KASAN: (?:maybe )?(?P<kind>null-ptr-deref|user-memory-access|wild-memory-access) "
            r"in range \[(?P<range>0x[0-9a-f]{1,16}-0x[0-9a-f]{1,16})\]",
        ),
        (" which belongs to the cache ", r" which belongs to the cache (?P<cache>\S{1,80}) of size (?P<cache_size>\d{1,9})"),
        ("Object at ", r"Object at \w{1,18}, in cache (?P<cache>\S{1,80}) size: (?P<cache_size>\d{1,9})"),
        (
            "The buggy address is located ",
            r"The buggy address is located (?:(?P<inside>\d{1,9}) bytes inside|(?P<right>\d{1,9}) bytes to the right"
            r"|(?P<left>\d{1,9}) bytes to the left) of\s{1,3}(?:(?:freed|allocated) )?(?P<object_size>\d{1,9})-byte region",
        ),
        ("The buggy address belongs to the variable:", r"[^\n]{1,60}\n (?P<variable>[A-Za-z_][\w.$]{0,200})\+0x"),
        ("This frame has 1 object:", r"[^\n]{1,60}\n \[\d{1,9}, \d{1,9}\) '(?P<variable>[^'\n]{1,200})'"),
        ("this frame has 1 object:", r"[^\n]{1,60}\n \[\d{1,9}, \d{1,9}\) '(?P<variable>[^'\n]{1,200})'"),
        # KFENCE: mm/kfence/report.c
        (
            "Out-of-bounds ",
            rf"Out-of-bounds (?P<access>read|write) at {_ADDRESS} "
            rf"\((?:(?P<left>\d{{1,9}})B left|(?P<right>\d{{1,9}})B right) of {_KFENCE}\)",
        ),
        ("Use-after-free ", rf"Use-after-free (?P<access>read|write) at {_ADDRESS} \(in {_KFENCE}\)"),
        ("Corrupted memory at ", rf"Corrupted memory at {_ADDRESS} [^\n]{{0,200}}\(in {_KFENCE}\)"),
        ("Invalid free of ", rf"Invalid free of {_ADDRESS} \(in {_KFENCE}\)"),
        ("Invalid read at ", rf"Invalid (?P<access>read) at {_ADDRESS}"),
        ("Invalid write at ", rf"Invalid (?P<access>write) at {_ADDRESS}"),
        ("kfence-#", rf"{_KFENCE}(?::| \[) ?\w{{1,18}}-\w{{1,18}}, size=(?P<object_size>\d{{1,9}}), cache=(?P<cache>[^\s\],]{{1,80}})"),
        # KMSAN: mm/kmsan/report.c
        ("Byte ", r"Byte (?P<uninit_bytes>\d{1,9} of \d{1,9}) is uninitialized"),
        ("Bytes ", r"Bytes (?P<uninit_bytes>\d{1,9}-\d{1,9} of \d{1,9}) are uninitialized"),
        ("Memory access of size ", rf"Memory access of size {_SIZE} starts at {_ADDRESS}"),
        ("Local variable ", r"Local variable (?:description: )?-*(?P<variable>[\w.]{1,200})(?:@[\w.]{1,200})?(?: created at:|$)"),
        # KCSAN: kernel/kcsan/report.c
        ("read to ", rf"(?P<access>read) to {_ADDRESS} of {_SIZE} bytes by "),
        ("write to ", rf"(?P<access>write) to {_ADDRESS} of {_SIZE} bytes by "),
        ("read-write to ", rf"(?P<access>read-write) to {_ADDRESS} of {_SIZE} bytes by "),
        ("read (marked) to ", rf"(?P<access>read) \(marked\) to {_ADDRESS} of {_SIZE} bytes by "),
        ("write (marked) to ", rf"(?P<access>write) \(marked\) to {_ADDRESS} of {_SIZE} bytes by "),
        (
            "race at unknown origin, with ",
            rf"race at unknown origin, with (?:(?P<access>read|write|read-write)|assert no (?:writes|accesses))(?: \(\w{{1,20}}\))? "
            rf"to {_ADDRESS} of {_SIZE} bytes by ",
        ),
        ("value changed: ", r"value changed: (?P<value>0x[0-9a-f]{1,16} -> 0x[0-9a-f]{1,16})"),
        # UBSAN: lib/ubsan.c
        ("UBSAN: ", rf"UBSAN: (?P<kind>[A-Za-z-]{{1,60}}(?: behaviour)?) in (?:\S{{1,300}}{_OPERATION})?"),
        ("index ", r"index (?P<index>-?\w{1,40}) is out of range for type '(?P<array>[^'\n]{1,200})'"),
        ("shift exponent ", r"shift exponent (?P<index>-?\w{1,40}) "),
        ("left shift of ", r"left shift of (?:negative value )?(?P<value>-?\w{1,40})(?: by (?P<index>\w{1,40}) places)?"),
        ("load of value ", r"load of value (?P<value>-?\w{1,40}) is not a valid value for type '(?P<value_type>[^'\n]{1,200})'"),
        ("signed integer overflow:", rf"signed integer overflow:{_OPERATION}"),
        ("unsigned integer overflow:", rf"unsigned integer overflow:{_OPERATION}"),
        # lib/refcount.c, lib/list_debug.c, lib/debugobjects.c, mm/usercopy.c, lib/string_helpers.c
        ("refcount_t: ", r"refcount_t: (?P<kind>[^.\n]{1,100})"),
        ("list_add ", r"(?P<list>list_add (?:corruption|double add)\b[^\n]{0,200})"),
        ("list_del ", r"(?P<list>list_del corruption\b[^\n]{0,200})"),
        (
            "ODEBUG: ",
            r"ODEBUG: (?P<kind>[a-z_ ]{1,60}) \(active state \d{1,9}\) (?:object: \w{1,18} )?object type: (?P<object_type>\w{1,60})"
            r"(?: hint: +(?P<hint>[A-Za-z_][\w.]{0,200}))?",
        ),
        *(
            (words, rf"{re.escape(words)}(?P<access>exposure|overwrite) attempt detected (?:from|to) "
             rf"(?:SL.B object '(?P<cache>[^'\n]{{1,80}})'|[^(\n]{{1,80}}) \(offset (?P<region_offset>\d{{1,9}}), size {_SIZE}\)")
            for words in ("usercopy: Kernel memory ", "Bad or missing usercopy whitelist? Kernel memory ")
        ),
        *(
            (f"{name}: detected buffer overflow: ", rf"[^\n]{{1,60}}: {_SIZE} byte (?P<access>read|write) of buffer "
             r"size (?P<object_size>\d{1,9})")
            for name in _FORTIFIED
        ),
        *(
            (f"{name}: detected field-spanning write ", rf'[^\n]{{1,60}} \(size {_SIZE}\) of single field "(?P<variable>[^"\n]{{1,200}})" '
             r"[^(\n]{0,300}\(size (?P<object_size>\d{1,9})\)")
            for name in _FORTIFIED
        ),
        # page faults: arch/*/mm/fault.c
        (
            "BUG: unable to handle ",
            r"BUG: unable to handle (?:kernel )?(?:page fault for address:|paging request at|NULL pointer dereference at)"
            rf"\s{{1,12}}{_ADDRESS}",
        ),
        ("BUG: kernel NULL pointer dereference", rf"BUG: kernel NULL pointer dereference, address: {_ADDRESS}"),
        ("#PF: supervisor ", r"#PF: supervisor (?P<access>read|write) access"),
        ("general protection fault", r"general protection fault[^\n]{0,80} non-canonical address " + _ADDRESS),
        (
            "Unable to handle kernel ",
            rf"Unable to handle kernel [^\n]{{1,60}} at virtual address {_ADDRESS}(?: when (?P<access>read|write|execute))?",
        ),
        ("  CM = ", r"  CM = \d, WnR = (?P<access>[01])"),
        ("BUG: Unable to handle kernel ", rf"BUG: Unable to handle kernel data access (?:on (?P<access>read|write) )?at {_ADDRESS}"),
        ("BUG: Kernel NULL pointer dereference", rf"BUG: Kernel NULL pointer dereference (?:on (?P<access>read|write) )?at {_ADDRESS}"),
        ("Failing address: ", rf"Failing address: {_ADDRESS}"),
        # kernel/hung_task.c, kernel/watchdog.c, kernel/workqueue.c, kernel/rcu/tree_stall.h
        ("INFO: task ", r"INFO: task [^\n]{1,80} (?:blocked|can't die) for more than (?P<seconds>\d{1,9}) seconds"),
        (
            "INFO: task ",
            r"INFO: task [^\n]{1,80} is blocked on an? (?P<blocked_on>[\w-]{1,40}),? likely (?:last )?(?:owned|held) by "
            r"(?:task )?(?P<owner>[^\n]{1,40}:\d{1,10})",
        ),
        ("BUG: soft lockup ", r"BUG: soft lockup [^\n]{0,40} stuck for (?P<seconds>\d{1,9})s!"),
        ("BUG: workqueue lockup ", r"BUG: workqueue lockup [^\n]{0,200} stuck for (?P<seconds>\d{1,9})s!"),
        *(
            (words, rf"{re.escape(words)}[^\n]{{0,40}}?\bt=(?P<jiffies>\d{{1,9}}) jiffies")
            for words in ("(detected by ", "\t(detected by ", "rcu: \t(detected by ")
        ),
        *((words, rf"{re.escape(words)}(?P<jiffies>\d{{1,9}}) jiffies") for words in (" (t=", "\t(t=", "rcu: \t(t=")),
        # mm/kmemleak.c, kernel/sched/core.c
        ("unreferenced object ", rf"unreferenced object {_ADDRESS} \(size (?P<object_size>\d{{1,9}})\)"),
        ("in_atomic(): ", r"in_atomic\(\): (?P<in_atomic>\d{1,9}), irqs_disabled\(\): (?P<irqs_disabled>\d{1,9})"),
    )
)  # fmt: skip

_KEY = 4
"""Characters of a line by which the table is entered; no row has fewer words."""
_HEADLINE_WORDS = ("BUG: ", "INFO: ", "UBSAN: ", "Unable to handle ", "general protection fault", "(detected by ")
"""Words that a headline may have something else in front of: who logged it, a login prompt."""


def _index() -> dict[str, tuple[_Row, ...]]:
    rows = defaultdict(list)
    for row in _ROWS:
        rows[row.words[:_KEY]].append(row)
    return {key: tuple(its) for key, its in rows.items()}


_BY_KEY = _index()
_ACCESS = {"exposure": "Read", "overwrite": "Write", "0": "Read", "1": "Write"}
"""Other words for what an access does: of mm/usercopy.c, and the bit that arm64 prints."""


def facts_of(before: list[str], bodies: list[str], text: str) -> dict[str, str]:
    """The facts of a report and of the lines right `before` it, by name; the first mention of each counts.

    `bodies` are the kernel's own words of each line, the headline first; `text` is the same, joined by line feeds.

    The names: ``kind`` (what a report of UBSAN, refcount, ODEBUG or KASAN calls it), ``access`` (``Read``, ``Write``, ``Read-write``,
    ``Execute``), ``access_size`` and ``object_size`` and ``cache_size`` (bytes), ``address``, ``range`` (of the dereference), ``cache``
    and ``region_offset`` (of the access in the object, in bytes from the object's begin: negative before it), ``kfence`` (number of the
    object), ``variable`` (that was overrun or left uninitialised), ``uninit_bytes``, ``value``, ``value_type``, ``operation``, ``index``
    and ``array`` (UBSAN; the index of a shift is its exponent), ``list`` (what list debugging says), ``object_type`` and ``hint``
    (ODEBUG), ``seconds`` and ``jiffies`` (of a hang), ``blocked_on`` and ``owner`` (of a hung task), ``in_atomic`` and
    ``irqs_disabled``. Numbers are decimal, addresses as printed.
    """
    facts: dict[str, str] = {}
    headline = bodies[0][:_HEADLINE_LIMIT]
    for found in (*_of_headline(headline, text), *_of_lines(bodies), *_of_lines(before)):
        for name, value in found.groupdict().items():
            if value:
                facts.setdefault(name, value)
    if "access" in facts:
        facts["access"] = _ACCESS.get(facts["access"]) or facts["access"].capitalize()
    return _placed(facts)


def _of_headline(headline: str, text: str) -> Iterator[re.Match[str]]:
    """What the text says from a word of its headline on."""
    for word in _HEADLINE_WORDS:
        at = headline.find(word)
        for words, pattern in _BY_KEY[word[:_KEY]] if at > 0 else ():
            if found := text.startswith(words, at) and _compiled(pattern).match(text, at):
                yield found


def _of_lines(lines: list[str]) -> Iterator[re.Match[str]]:
    for number in [number for number, line in enumerate(lines) if line[:_KEY] in _BY_KEY]:
        line = lines[number]
        for words, pattern in _BY_KEY[line[:_KEY]]:
            if line.startswith(words) and (found := _compiled(pattern).match("\n".join(lines[number : number + 2]))):
                yield found


def _placed(facts: dict[str, str]) -> dict[str, str]:
    """With the place of the access as one number, however the report words it."""
    inside, left, right = facts.pop("inside", None), facts.pop("left", None), facts.pop("right", None)
    if left:
        inside = str(-int(left))
    elif right and "object_size" in facts:
        inside = str(int(facts["object_size"]) + int(right))
    return {**facts, "region_offset": inside} if inside else facts


def site_of(headline: str) -> SourceLine | None:
    """The source line that a headline names."""
    named = ".c:" in headline or ".h:" in headline or ".S:" in headline or ".rs:" in headline
    match = _SITE.search(headline) if named else None
    return SourceLine(match[1], int(match[2]), int(match[3]) if match[3] else None) if match else None


def executor_of(text: str) -> Executor | None:
    """The syzkaller process that ran the program, from ``Comm: syz.PROC.ID``."""
    match = _EXECUTOR.search(text) if " Comm: syz." in text else None
    return Executor(int(match[1]), int(match[2])) if match else None
