"""What all tests share: no network but loopback, and the one real kernel."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class Kernel:
    """The one real kernel that all tests share: the demo's tree, with its bug, config and reproducer."""

    tree: Path
    config: bytes
    reproducer: bytes


@pytest.fixture(scope="session")
def real_kernel() -> Kernel:
    """Prepared once and kept in the user's cache, as the kernels built from it are."""
    from kernfix.case.demo.tree import TARBALL, material, prepare_tree
    from kernfix.runner.app import NEEDED

    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"a real kernel cannot be built and booted here: {', '.join(missing)} missing")
    if not TARBALL.is_file():
        pytest.skip(f"a real kernel cannot be built here: {TARBALL} is missing (package linux-source-6.12)")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kernfix" / "demo"
    tree, _ = prepare_tree(TARBALL, cache, seeded=True)
    return Kernel(tree.root, (material() / "config").read_bytes(), (material() / "repro.c").read_bytes())
