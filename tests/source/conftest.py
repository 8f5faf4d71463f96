"""A small tree of C that has the kernel's idioms, written for these tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kernfix.source import Tree, open_tree

MAKEFILE = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 4\nEXTRAVERSION = -rc1\nNAME = Test\n"

RING_C = """\
// SPDX-License-Identifier: MIT
#include "ring.h"

static DEFINE_MUTEX(ring_mutex);

/* Puts one value; the caller holds the lock. */
int ring_put(struct ring *r, int v)
{
	if (r->full)
		return -EAGAIN;
	r->slot[r->head] = v;
	return 0;
}
EXPORT_SYMBOL(ring_put)

static __always_inline struct ring * __must_check
ring_of(struct file *file)
{
	return file->private_data;
}

SYSCALL_DEFINE3(ring_write, int, fd, const int __user *, from,
		unsigned int, count)
{
	struct ring *r = ring_of(fget(fd));

	return ring_put(r, *from);
}

DEFINE_SHOW_ATTRIBUTE(ring_stats);
"""

FILES = {
    "Makefile": MAKEFILE,
    "Kconfig": "mainmenu\n",
    "kernel/ring.c": RING_C,
    "include/ring.h": "#pragma once\nint ring_put(struct ring *r, int v);\nstatic inline int ring_stub(void)\n{\n\treturn 0;\n}\n",
    "drivers/foo/main.c": "int foo_start(void)\n{\n\treturn ring_stub();\n}\n\nstatic void report(void)\n{\n}\n",
    "drivers/bar/main.c": "static void report(void)\n{\n\tbar();\n}\n\nint bar_start(void)\n{\n\treport();\n}\n",
    "arch/x86/kernel/idle.c": "void cpu_idle(void)\n{\n}\n",
    "arch/arm64/kernel/idle.c": "void cpu_idle(void)\n{\n}\n",
    "arch/x86/entry/entry.S": "SYM_CODE_START(entry_call)\n\tcall x\n\tret\nSYM_CODE_END(entry_call)\n",
    "tools/ring/ring.c": "int ring_put(struct ring *r, int v)\n{\n\treturn 0;\n}\n",
}


@pytest.fixture
def make_tree(tmp_path: Path) -> Callable[..., Tree]:
    """Writes a tree, with `extra` files on top, and opens it."""

    def make(extra: dict[str, str | bytes] | None = None) -> Tree:
        for name, text in {**FILES, **(extra or {})}.items():
            file = tmp_path / "linux" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        tree, problem = open_tree(tmp_path / "linux")
        assert tree is not None, problem
        return tree

    return make


@pytest.fixture
def tree(make_tree: Callable[..., Tree]) -> Tree:
    return make_tree()
