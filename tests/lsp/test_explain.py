"""Values and code of a log, explained for a hover."""

from __future__ import annotations

import sys

import pytest
from lsprotocol import types
from pygls.workspace import PositionCodec

from kernfix import crash
from kernfix.lsp.analysis import Analysis
from kernfix.lsp.features.explain import explain_at
from kernfix.lsp.text import Text

GPF = """\
[    4.100000] general protection fault, probably for non-canonical address 0xdffffc0000000003: 0000 [#1] PREEMPT SMP KASAN
[    4.100100] KASAN: null-ptr-deref in range [0x0000000000000018-0x000000000000001f]
[    4.100200] CPU: 0 UID: 0 PID: 7 Comm: fox Not tainted 6.12.0 #1
[    4.100300] RIP: 0010:fox_tail+0x1f/0x40
[    4.100400] Code: 53 48 8d 7b 18 48 89 f8 48 c1 e8 03 <80> 3c 10 00 75 04
[    4.100500] RSP: 0018:ffffc9000056fd68 EFLAGS: 00010246
[    4.100600] RAX: 0000000000000003 RBX: 0000000000000000 RCX: ffff888004c51a00
[    4.100700] RDX: dffffc0000000000 RSI: ffff888004c51a00 RDI: 0000000000000018
[    4.100800] Call Trace:
[    4.100900]  fox_read+0x10/0x20
[    4.101000]  do_syscall_64+0x5f/0x110
[    4.101100] RIP: 0033:0x7f0102030405
[    4.101200] Code: 0f 05 48 89 c3 <48> 3d 01 f0 ff ff
[    4.101300] RAX: ffffffffffffffda RBX: 6b6b6b6b6b6b6b6b RCX: 00007f0102030405
[    4.101400] ---[ end trace 0000000000000000 ]---
"""


def analysis(log: str) -> Analysis:
    return Analysis("file:///x", Text(log, PositionCodec(types.PositionEncodingKind.Utf16)), crash.parse(log).faults)


def check(log: str, at: str, *words: str, occurrence: int = 0, no: str = "") -> list[str]:
    """The hover at that text of the log has these words, and its span is the text's begin."""
    found = analysis(log)
    lines = [number for number, line in enumerate(found.text.lines) if at in line]
    line = lines[occurrence]
    character = found.text.lines[line].index(at)
    answer = explain_at(found, line, character)
    assert answer is not None, at
    span, parts = answer
    assert (span.line, span.start) == (line, character)
    told = "\n".join(parts).replace("\\", "")
    for word in words:
        assert word in told, (word, told)
    assert not no or no not in told, told
    return parts


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("0xdffffc0000000003", ["**`address`**", "the KASAN shadow of 0x18–0x1f: offset 0x18 of a NULL pointer"]),
        ("0x0000000000000018-", ["- offset 0x18 of a NULL pointer"]),
        ("RSP: 0018", ["**`RSP`** `0xffffc9000056fd68`", "on the kernel stack"]),
        ("EFLAGS", ["flags: PF ZF IF RF"]),
        (
            "RBX: 0000",
            ["- NULL", "RBX is the pointer whose member at offset 0x18 is to be accessed", "`cmpb $0, (%rax, %rdx)`:"],
        ),
        ("RCX: ffff8880", ["direct mapping", "also in RSI"]),
        ("RDX", ["KASAN_SHADOW_OFFSET in the KASAN check", "The access is to RDI = 0x18 = RBX+0x18: RBX is NULL."]),
    ],
)
def test_values(at: str, words: list[str]) -> None:
    check(GPF, at, *words)


def test_code() -> None:
    parts = check(GPF, "Code:", "Code at `fox_tail+0x1f`, where the processor faulted", "The access is to RDI = 0x18")
    listing = next(part for part in parts if part.startswith("```asm"))
    assert [line for line in listing.splitlines() if line.startswith(">")] == ["> +0x1f  cmpb $0, (%rax, %rdx)"]
    assert "  +0x14  leaq 0x18(%rbx), %rdi" in listing
    assert "  +0x23  jne 0x29" in listing


def test_the_registers_of_a_program_are_not_those_of_the_crash() -> None:
    check(GPF, "RBX: 6b6b", "POISON_FREE", "not the crash's own register", no="pointer whose member")
    parts = check(GPF.replace("c3 <48>", "<48>"), "Code:", "cmpq", occurrence=1, no="fox_tail")
    assert not any("NULL" in part for part in parts)


@pytest.mark.parametrize(
    ("line", "character"),
    [(2, 30), (9, 18), (14, 34), (0, 3), (99, 0), (-1, 0), (5, 9999), (len(GPF.splitlines()), 0)],
)
def test_nothing_to_explain(line: int, character: int) -> None:
    assert explain_at(analysis(GPF), line, character) is None


def test_a_log_without_a_crash() -> None:
    check("Linux: list is dead000000000100 here\n", "dead", "LIST\\_POISON1".replace("\\", ""))
    assert explain_at(analysis("Code: 48 <48> 8b 43 18\n"), 0, 3) is None


def test_code_without_capstone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "capstone", None)
    check(GPF, "Code:", "Install kernfix[symbols] to see the instruction.")
    check(GPF, "RBX: 0000", "NULL", no="Install")


def test_code_that_is_cut() -> None:
    check(GPF.replace("<80> 3c 10 00 75 04", "").replace("53 48 8d", "53 48 8d"), "Code:", "it is cut off")


def test_text_of_the_log_is_no_markup() -> None:
    """Eight bytes of a register as text may spell anything."""
    hostile = int.from_bytes(b"](//x.y)", "little")
    found = analysis(GPF.replace("RCX: ffff888004c51a00", f"RCX: {hostile:016x}"))
    line = next(number for number, line in enumerate(found.text.lines) if f"{hostile:016x}" in line)
    answer = explain_at(found, line, found.text.lines[line].index("RCX"))
    assert answer is not None
    assert "\\]\\(//x\\.y\\)" in "\n".join(answer[1])
    backtick = int.from_bytes(b"`<b>*_*`", "little")
    found = analysis(GPF.replace("RCX: ffff888004c51a00", f"RCX: {backtick:016x}"))
    answer = explain_at(found, line, found.text.lines[line].index("RCX"))
    assert answer is not None
    assert "<b>" not in "\n".join(answer[1]).replace("`<b>*_*`", "")
