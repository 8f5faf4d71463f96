"""Canonical titles and crash classes."""

from __future__ import annotations

import pytest

from kernfix.crash import same_crash
from kernfix.crash.titles import base_name, normalised, plain_names


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        ("BUG: Bad thing at ffff88004ec29b58 now", "BUG: Bad thing at ADDR now"),
        ("BUG: frob 0xdeadbeef, (123456) x_abcdef0", "BUG: frob ADDR, (ADDR) x_ADDR"),
        ("BUG: abc12 xdeadbeef 12345", "BUG: abc12 xdeadbeef NUM"),  # letters before, or too short
        ("panic: file.c:77: 12 left", "panic: file.c:LINE: NUM left"),
        ("panic: frob.h:7", "panic: frob.h:LINE"),
        ("INFO: f+0x1a/0x2b0 on CPU#3", "INFO: f on CPU"),
        ("INFO: f.part.12+0x1a/0x2b0", "INFO: f.part.NUM"),
        ("WARNING: from 10.0.2.15 to 7", "WARNING: from IP to NUM"),
        ("BUG: 1.2.3.4.5", "BUG: NUM.NUM.NUM.NUM.NUM"),
        ("BUG: syz-executor.3 and mac80211_x4", "BUG: syz-executor and mac80211_x4"),
        ("BUG: syz-executor12/3456 still", "BUG: syz-executor still"),
        ("BUG: syz-executor:12 and syzkaller123:45", "BUG: syz-executor:NUM and syzkaller"),
        ("BUG: a,1,2,3 loop4 [5] 6", "BUG: a,NUM,NUM,NUM loop4 [NUM] NUM"),
        ("BUG: age=12 pid=-7", "BUG: age=NUM pid=-NUM"),
        ("BUG: x12345678901234567890", "BUG: xNUM"),
        ("a\tb \x07 c\u00e9  d ", "a b c d"),
        ("x" * 500, "x" * 120),
        ("\u00e9" * 40 + "x" * 500, "x" * 40),  # what is dropped has been read: two bytes each
        ("\udc80" * 40 + "x" * 500, "x" * 80),
        (" " * 40 + "x" * 500, "x" * 80),
        ("\ud800x", "x"),
        ("", ""),
    ],
)
def test_normalised(raw: str, title: str) -> None:
    assert normalised(raw) == title
    assert normalised(title) == title


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("frob", "frob"),
        ("frob.isra.0", "frob"),
        ("frob.part.12", "frob"),
        ("frob.constprop.0.isra.3", "frob"),
        ("frob.cold", "frob"),
        ("frob.cold.17", "frob"),
        ("frob.llvm.1234567890", "frob"),
        ("frob.cfi_jt", "frob"),
        ("frob.__key", "frob"),
        ("__key.1", "__key"),
        ("kernel::frob::Frob::new.llvm.123", "kernel::frob::Frob::new"),
        ("<kernel::frob::Frob as core::ops::Drop>::drop", "<kernel::frob::Frob as core::ops::Drop>::drop"),
        ("<kernel::frob::Frob as core::ops::Drop>::drop.llvm.123", "<kernel::frob::Frob as core::ops::Drop>::drop"),
        ("core::ops::FnOnce::call_once{{vtable.shim}}", "core::ops::FnOnce::call_once{{vtable.shim}}"),
        ("", ""),
        (".frob", ".frob"),  # an entry point of 64-bit powerpc
    ],
)
def test_base_name(symbol: str, name: str) -> None:
    assert base_name(symbol) == name


@pytest.mark.parametrize(
    ("function", "names"),
    [
        ("frob", ("frob",)),
        ("__x64_sys_frob", ("sys_frob", "__x64_sys_frob")),
        ("__ia32_sys_frob", ("sys_frob", "__ia32_sys_frob")),
        ("__arm64_sys_frob", ("sys_frob", "__arm64_sys_frob")),
        ("__ia32_compat_sys_frob", ("compat_sys_frob", "__ia32_compat_sys_frob")),
        ("__se_sys_frob", ("frob", "sys_frob", "__se_sys_frob")),
        ("__do_sys_frob", ("frob", "__do_sys_frob")),
        ("SyS_frob", ("frob", "SyS_frob")),
        ("SYSC_frob", ("frob", "SYSC_frob")),
        ("compat_SyS_frob", ("frob", "compat_SyS_frob")),
        ("compat_sys_frob", ("frob", "compat_sys_frob")),
        ("sys_frob", ("frob", "sys_frob")),
        ("__sys_frob", ("frob", "__sys_frob")),
        ("___sys_frob", ("frob", "___sys_frob")),
        ("____sys_frob", ("frob", "____sys_frob")),
        ("ksys_frob", ("frob", "ksys_frob")),
        ("compat_frob", ("compat_frob",)),
        ("do_sys_frob", ("do_sys_frob",)),
        ("frob_sys_frob", ("frob_sys_frob",)),
        ("sys_", ("sys_",)),
        ("rtnl_lock", ("rtnl_lock",)),
        ("synchronize_rcu", ("synchronize_rcu",)),
        ("__synchronize_srcu", ("synchronize_rcu", "__synchronize_srcu")),
        ("synchronize_net", ("synchronize_rcu", "synchronize_net")),
        ("smp_call_function_many_cond", ("smp_call_function", "smp_call_function_many_cond")),
        ("generic_smp_call_function_interrupt", ("generic_smp_call_function_interrupt",)),
    ],
)
def test_plain_names(function: str, names: tuple[str, ...]) -> None:
    assert plain_names(function) == names


@pytest.mark.parametrize("function", ["synchronize_rcu_expedited", "smp_call_function_single"])
def test_a_function_that_fails_itself_stands_for_no_group(function: str) -> None:
    assert plain_names(function, grouped=False) == (function,)


def test_same_crash() -> None:
    assert same_crash({"A", "B"}, {"B", "C"})
    assert not same_crash({"A"}, {"B"})
    assert not same_crash({"A"}, ())
