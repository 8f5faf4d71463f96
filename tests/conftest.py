"""Every test runs offline: only loopback and local sockets can be connected to."""

from __future__ import annotations

import ipaddress
import socket

import pytest


def _is_local(address: object) -> bool:
    if not isinstance(address, tuple):
        return True  # a Unix socket's path
    host = address[0]
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut the network off: a connection to anything but this machine fails at once, by name."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if not _is_local(address):
            raise OSError(f"this test tried to reach {address!r}; tests are offline")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("KERNFIX_LLM_BASE_URL", "KERNFIX_LLM_MODEL", "KERNFIX_LLM_API_KEY"):
        monkeypatch.delenv(name, raising=False)
