"""Which value is under a character of a line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernfix.crash.explain import is_code, value_at, values_in


def check(line: str, *expected: str) -> None:
    """`expected` are ``name=digits``, or ``digits`` of a value without a name."""
    found = values_in(line)
    assert [f"{its.name}={its.digits}" if its.name else its.digits for its in found] == list(expected)
    for its in found:
        assert line[its.start : its.end].endswith((its.digits, its.digits + ")", " [#"))
        assert its.value == int(its.digits, 16)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # x86
        ("[    4.1] RAX: dffffc0000000000 RBX: ffff888004c51a00", ["RAX=dffffc0000000000", "RBX=ffff888004c51a00"]),
        ("R13: 0000000000000003 R14: 0000000000000000", ["R13=0000000000000003", "R14=0000000000000000"]),
        ("RSP: 0018:ffffc9000056fd68 EFLAGS: 00010246", ["RSP=ffffc9000056fd68", "EFLAGS=00010246"]),
        ("FS:  00007f3c1d2aa740(0000) GS:ffff88806ce00000(0000)", ["FS=00007f3c1d2aa740", "GS=ffff88806ce00000"]),
        ("CS:  0010 DS: 0000 ES: 0000 CR0: 0000000080050033", ["CR0=0000000080050033"]),
        ("RIP: 0010:0x0", ["RIP=0x0"]),
        ("RIP: 0010:[<ffffffff812345ab>] fox+0x1b/0x20", ["RIP=ffffffff812345ab"]),
        ("EAX: c2f1a400 EBX: c2e81000", ["EAX=c2f1a400", "EBX=c2e81000"]),
        ("#PF: error_code(0x0002) - not-present page", ["error_code=0x0002"]),
        ("Oops: Oops: 0002 [#1] PREEMPT SMP", ["error_code=0002"]),
        # headlines
        ("BUG: kernel NULL pointer dereference, address: 0000002c", ["address=0000002c"]),
        ("BUG: unable to handle page fault for address: ffffed1024d1b000", ["address=ffffed1024d1b000"]),
        ("general protection fault, probably for non-canonical address 0xdffffc0000000003: 0000 [#1]", ["address=0xdffffc0000000003"]),
        ("KASAN: null-ptr-deref in range [0x0000000000000018-0x000000000000001f]",
         ["address=0x0000000000000018", "address=0x000000000000001f"]),
        ("Unable to handle kernel paging request at virtual address dead000000000108", ["address=dead000000000108"]),
        ("Read of size 8 at addr ffff888012345678 by task fox/12", ["address=ffff888012345678"]),
        ("list_del corruption. prev->next should be ffff8880aabbccdd, but was dead000000000122", ["ffff8880aabbccdd", "dead000000000122"]),
        # arm64, arm, riscv, powerpc, mips
        ("x2 : dead000000000122 x1 : dead000000000100", ["x2=dead000000000122", "x1=dead000000000100"]),
        ("pc : [<80534a10>]    lr : [<805349f4>]    psr: 20000013", ["pc=80534a10", "lr=805349f4", "psr=20000013"]),
        ("s11: 0000000000000000 t3 : 0000000000000001", ["s11=0000000000000000", "t3=0000000000000001"]),
        ("status: 0000000200000120 badaddr: 0000000000000018", ["status=0000000200000120", "badaddr=0000000000000018"]),
        ("CFAR: c00800000a5202b0 DAR: 0000000000000010", ["CFAR=c00800000a5202b0", "DAR=0000000000000010"]),
        ("GPR04: 0000000000000001 c000000012e0fc40", ["GPR04=0000000000000001", "GPR05=c000000012e0fc40"]),
        ("$ 4   : 82b1c400 0000466f", ["$4=82b1c400", "$5=0000466f"]),
        # none
        ("fox+0x1a2b3c4d/0x4000000 [vixen]", []),
        ("Code: 48 89 df e8 <48> 8b 38", []),
        ("CPU: 1 UID: 0 PID: 12345678 Comm: fox 6.12.0 #12345678", []),
        ("---[ end trace 0000000000000000 ]---", []),
        ("commit deadbeefdeadbeefdeadbeefdeadbeefdeadbeef", []),
        ("read of size 0x40", []),
        ("", []),
    ],
)  # fmt: skip
def test_values_of_a_line(line: str, expected: list[str]) -> None:
    check(line, *expected)


def test_the_name_belongs_to_the_value() -> None:
    line = "🦊 RAX: dffffc0000000000 RBX: ffff888004c51a00"
    for character, name in ((2, "RAX"), (5, "RAX"), (22, "RAX"), (23, "RAX"), (24, "RBX"), (len(line), "RBX")):
        found = value_at(line, character)
        assert found is not None
        assert found.name == name, character
    assert value_at(line, 0) is None
    assert value_at(line, 999) is None
    assert value_at(line, -1) is None


def test_registers_are_told_from_other_names() -> None:
    assert [its.is_register for its in values_in("RAX: dffffc0000000000 GPR04: 0000000000000001")] == [True, True]
    assert [its.is_register for its in values_in("at addr ffff888012345678, ffff888012345679")] == [False, False]


def test_lines_of_code() -> None:
    assert is_code("[    1.0] Code: 48 89 <48> 8b")
    assert is_code("Krnl Code: 000003ff801a42ce: a7840019")
    assert not is_code("Mode: Code:")


@given(st.text(alphabet="RAX: 0x9abcdef[]<>()-$GPRrange error_codeOops#\t\x1b🦊", max_size=200), st.integers(-5, 300))
def test_never_raises(line: str, character: int) -> None:
    found = value_at(line, character)
    if found:
        assert 0 <= found.start <= character <= found.end <= len(line)
