"""Symbols of a running kernel and the functions behind them."""

from __future__ import annotations

import pytest

from kernfix.source import definition_names, same_function


@pytest.mark.parametrize(
    ("symbol", "first"),
    [
        ("vfs_read", "vfs_read"),
        ("ring_put.isra.0", "ring_put"),
        ("ring_put.part.0.constprop.3", "ring_put"),
        ("ring_put.cold", "ring_put"),
        ("ring_put.llvm.123456", "ring_put"),
        ("__x64_sys_read", "sys_read"),
        ("__se_sys_read", "sys_read"),
        ("__do_sys_read", "sys_read"),
        ("__arm64_sys_read", "sys_read"),
        ("__ia32_compat_sys_ioctl", "compat_sys_ioctl"),
        ("__do_compat_sys_ioctl.isra.0", "compat_sys_ioctl"),
        ("SyS_read", "sys_read"),
        ("SYSC_read", "sys_read"),
        ("C_SYSC_ioctl", "compat_sys_ioctl"),
        ("compat_SyS_ioctl", "compat_sys_ioctl"),
        ("SySTEM_read", "SySTEM_read"),
        ("__sys_sendto", "__sys_sendto"),
    ],
)
def test_first_name(symbol: str, first: str) -> None:
    assert definition_names(symbol)[0] == first


@pytest.mark.parametrize(
    ("symbol", "defined"),
    [
        ("____bpf_get", "bpf_get"),
        ("__sysvec_reschedule", "sysvec_reschedule"),
        ("noist_exc_debug", "exc_debug"),
        ("__pfx_ring_put", "ring_put"),
    ],
)
def test_other_names(symbol: str, defined: str) -> None:
    assert same_function(symbol, defined)


@pytest.mark.parametrize(
    ("symbol", "defined"),
    [("ring_put", "ring_puts"), ("sys_read", "read"), ("__x64_sys_read", "read"), ("", "x"), (".cold", "x")],
)
def test_different(symbol: str, defined: str) -> None:
    assert not same_function(symbol, defined)
