"""Canonical titles and crash classes."""

from __future__ import annotations

import pytest

from kernfix.crash import same_crash
from kernfix.crash.classes import type_of
from kernfix.crash.titles import base_name, normalised, plain_names


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        ("BUG: Bad thing at ffff88004ec29b58 now", "BUG: Bad thing at ADDR now"),
        ("panic: file.c:77: 12 left", "panic: file.c:LINE: NUM left"),
        ("INFO: f+0x1a/0x2b0 on CPU#3", "INFO: f on CPU"),
        ("WARNING: from 10.0.2.15 to 7", "WARNING: from IP to NUM"),
        ("BUG: syz-executor.3 and mac80211_x4", "BUG: syz-executor and mac80211_x4"),
        ("a\tb \x07 c\u00e9  d ", "a b c d"),
        ("x" * 500, "x" * 120),
    ],
)
def test_normalised(raw: str, title: str) -> None:
    assert normalised(raw) == title


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("frob", "frob"),
        ("frob.isra.0", "frob"),
        ("frob.part.12", "frob"),
        ("frob.constprop.0.isra.3", "frob"),
        ("frob.cold", "frob"),
        ("__key.1", "__key"),
    ],
)
def test_base_name(symbol: str, name: str) -> None:
    assert base_name(symbol) == name


@pytest.mark.parametrize(
    ("function", "names"),
    [
        ("frob", ("frob",)),
        ("__x64_sys_frob", ("sys_frob", "__x64_sys_frob")),
        ("__se_sys_frob", ("frob", "sys_frob", "__se_sys_frob")),
        ("sys_", ("sys_",)),
        ("__synchronize_srcu", ("synchronize_rcu", "__synchronize_srcu")),
    ],
)
def test_plain_names(function: str, names: tuple[str, ...]) -> None:
    assert plain_names(function) == names


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("KASAN: slab-use-after-free Read in f", "KASAN-USE-AFTER-FREE-READ"),
        ("KASAN: use-after-free Write in f", "KASAN-USE-AFTER-FREE-WRITE"),
        ("KASAN: null-ptr-deref Write in f", "KASAN-NULL-POINTER-DEREFERENCE-WRITE"),
        ("KASAN: stack-out-of-bounds in f", "KASAN-READ"),
        ("KASAN: invalid-free in f", "KASAN-INVALID-FREE"),
        ("KASAN: something new in f", "KASAN-UNKNOWN"),
        ("UBSAN: array-index-out-of-bounds in f", "MEMORY_SAFETY_UBSAN"),
        ("UBSAN: shift-out-of-bounds in f", "UBSAN"),
        ("WARNING: refcount bug in f", "REFCOUNT_WARNING"),
        ("WARNING: suspicious RCU usage in f", "LOCKDEP"),
        ("WARNING in f", "WARNING"),
        ("kernel BUG in f", "BUG"),
        ("BUG: corrupted list in f", "MEMORY_SAFETY_BUG"),
        ("INFO: task hung in f", "HANG"),
        ("divide error in f", "DoS"),
        ("BUG: workqueue lockup", None),
        ("anything else", None),
    ],
)
def test_type(title: str, name: str | None) -> None:
    assert type_of(title) == name


def test_same_crash() -> None:
    assert same_crash({"A", "B"}, {"B", "C"})
    assert not same_crash({"A"}, {"B"})
    assert not same_crash({"A"}, ())
