"""A log and a tree to located crashes and their JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernfix.case import locate as case_locate
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


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "linux"
    (folder / "kernel").mkdir(parents=True)
    (folder / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\n")
    (folder / "Kconfig").write_text("")
    (folder / "kernel/ring.c").write_text(RING)
    return folder


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


def test_bad_modules(tree: Path) -> None:
    found, problem = locate_log(Log(()), tree, modules=tree)
    assert found is None
    assert "name its vmlinux, too" in str(problem)
    found, problem = locate_log(Log(()), tree, tree / "vmlinux", tree / "none")
    assert found is None
    assert "none is not a folder" in str(problem)


def test_modules_are_looked_for_in_their_folder(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(case_locate, "open_symbols", lambda *paths: (asked.append(paths), (None, "Enough."))[1])
    assert locate_log(Log(()), tree, tree / "vmlinux", tree / "kernel") == (None, "Enough.")
    assert asked == [(tree / "vmlinux", tree / "kernel")]


SECRET = "int {0}(void)\n{{\n\tint secret_of_another;\n\treturn secret_of_another;\n}}\n"
HOSTILE = """\
[    3.100000] ------------[ cut here ]------------
[    3.100001] WARNING: CPU: 0 PID: 42 at {0}:3 leak_fn+0x13/0x80 {0}:3
[    3.100003] CPU: 0 UID: 0 PID: 42 Comm: repro Not tainted 6.12.4 #1
[    3.100004] RIP: 0010:leak_fn+0x13/0x80 {0}:3
[    3.100006] Call Trace:
[    3.100007]  <TASK>
[    3.100008]  leak_fn {0}:3 [inline]
[    3.100009]  leak_fn+0x40/0xa0 {0}:3
[    3.100010]  </TASK>
[    3.100011] ---[ end trace 0000000000000000 ]---
"""


def places(document: object) -> Iterator[dict[str, Any]]:
    """Every location in a JSON document."""
    if isinstance(document, dict):
        if "selector" in document:
            yield document
        document = list(document.values())
    if isinstance(document, list):
        for part in document:
            yield from places(part)


@pytest.mark.parametrize("name", ["leak_fn", "ring_put"])
@pytest.mark.parametrize(
    "path",
    [
        "../secret.c",
        "../../../../../../../../etc/passwd",
        "/etc/passwd",
        "{outside}/secret.c",
        "kernel/../../secret.c",
        "./../secret.c",
        "kernel/link.c",
        "kernel/absolute.c",
        "out/secret.c",
        "kernel/loop/secret.c",
        "kernel/dangling.c",
        "kernel",
        "/build/../../secret.c",
    ],
)
def test_no_path_of_a_log_leads_out_of_the_tree(tmp_path: Path, tree: Path, path: str, name: str) -> None:
    (tmp_path / "secret.c").write_text(SECRET.format(name))
    (tree / "kernel/link.c").symlink_to("../../secret.c")
    (tree / "kernel/absolute.c").symlink_to(tmp_path / "secret.c")
    (tree / "kernel/dangling.c").symlink_to("nowhere.c")
    (tree / "kernel/loop").symlink_to("loop")
    (tree / "out").symlink_to("..")
    log = HOSTILE.replace("leak_fn", name).format(path.format(outside=tmp_path))
    document = located_json(located(tree, log))
    assert document
    assert len(document[0]["stacks"][0]["frames"]) >= 2
    found = {place["path"] for place in places(document)}
    assert found == ({"kernel/ring.c"} if name == "ring_put" else set())
    assert "secret_of_another" not in json.dumps(document)
