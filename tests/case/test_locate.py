"""A log and a tree to located crashes and their JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernfix.case.locate import LocatedLog, locate_log, located_json
from kernfix.crash import Log, parse

LOG = """\
[    3.100000] BUG: kernel NULL pointer dereference, address: 0000000000000008
[    3.100001] #PF: supervisor read access in kernel mode
[    3.100002] Oops: 0000 [#1] PREEMPT SMP
[    3.100003] CPU: 0 UID: 0 PID: 42 Comm: repro Not tainted 6.12.4 #1
[    3.100004] RIP: 0010:ring_put+0x13/0x80 kernel/ring.c:5
[    3.100005] RAX: 0000000000000000 RBX: ffff888001234500 RCX: 0000000000000000
[    3.100006] Call Trace:
[    3.100007]  <TASK>
[    3.100008]  ring_ioctl+0x40/0xa0
[    3.100009]  nowhere_at_all+0x1/0x20
[    3.100010]  </TASK>
[    3.100011] ---[ end trace 0000000000000000 ]---
"""
RING = """\
int ring_put(struct ring *r)
{
	if (!r->open)
		return 0;
	return r->next->count;
}

long ring_ioctl(struct file *file)
{
	return ring_put(file->private_data);
}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "kernel").mkdir()
    (tmp_path / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\n")
    (tmp_path / "Kconfig").write_text("")
    (tmp_path / "kernel/ring.c").write_text(RING)
    return tmp_path


def located(tree: Path, text: str = LOG) -> LocatedLog:
    found, problem = locate_log(parse(text), tree)
    assert found is not None, problem
    return found


def test_locations(tree: Path) -> None:
    (crash,) = located(tree).crashes
    (stack,) = crash.stacks
    assert [(each.path, each.line, each.how) if each else None for each in stack.locations] == [
        ("kernel/ring.c", 5, "log"),
        ("kernel/ring.c", 8, "symbol"),
        None,
    ]


def test_json(tree: Path) -> None:
    (crash,) = json.loads(json.dumps(located_json(located(tree))))
    frames = crash["stacks"][0]["frames"]
    assert [frame["function"] for frame in frames] == ["ring_put", "ring_ioctl", "nowhere_at_all"]
    first = frames[0]["location"]
    assert (first["path"], first["line"], first["function_start"], first["function_end"]) == ("kernel/ring.c", 5, 1, 6)
    assert (first["how"], first["inlined_by"]) == ("log", [])
    assert 0.9 <= first["confidence"] <= 1
    assert first["selector"].startswith("kernel/ring.c#ring_put+4~")
    assert frames[2]["location"] is None
    assert any("nowhere_at_all" in problem for problem in crash["problems"])


def test_no_crash(tree: Path) -> None:
    assert located_json(located(tree, "all is well\n")) == []


def test_stop(tree: Path) -> None:
    found, _ = locate_log(parse(LOG), tree, stop=lambda: True)
    assert found is not None
    assert any("stopped" in problem for problem in found.crashes[0].problems)


def test_bad_tree_and_bad_vmlinux(tree: Path) -> None:
    found, problem = locate_log(Log(()), tree / "kernel")
    assert found is None
    assert "not a kernel tree" in str(problem)
    found, problem = locate_log(Log(()), tree, tree / "vmlinux")
    assert found is None
    assert "vmlinux cannot be read" in str(problem)
