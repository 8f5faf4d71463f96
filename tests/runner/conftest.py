"""A tree that passes for a kernel's and builds in a moment: one object, and a config that its Makefile completes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 0

vmlinux: kernel/fork.o .config
	@echo '  LD      vmlinux'
	@cat .config kernel/fork.c > $@

%.o: %.c
	@echo '  CC      $@'
	@$(CC) -c -o $@ $<

olddefconfig:
	@! grep UNUSABLE .config
	@cat Kconfig >> .config
"""
TINY = {"Makefile": MAKEFILE, "Kconfig": "# CONFIG_TINY is not set\n", "kernel/fork.c": "int fork = 1;\n"}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The tree, in a folder of its own."""
    missing = [name for name in ("make", "gcc", "setpriv") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"nothing can be built here: {', '.join(missing)} missing")
    root = tmp_path / "linux"
    for name, text in TINY.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root
