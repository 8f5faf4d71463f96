"""Warm trees: a patch goes in and comes out again, whatever happens in between, and nothing outside is ever touched."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kernfix.runner.faults import BadRequest, RunnerFault
from kernfix.runner.trees import WarmTree

FORK, SCRIPT = "kernel/fork.c", "scripts/gen.sh"


@pytest.fixture
def tree(tmp_path: Path) -> WarmTree:
    tree = WarmTree(tmp_path / "warm")
    for name, text in {
        "Makefile": "all:\n",
        FORK: "int fork;\n",
        SCRIPT: "#!/bin/sh\n",
        "lib/vmlinux.lds.S": "S",
    }.items():
        (tree.source / name).parent.mkdir(parents=True, exist_ok=True)
        (tree.source / name).write_text(text)
        os.utime(tree.source / name, (1, 1))
    (tree.source / SCRIPT).chmod(0o755)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    return tree


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its content and permissions."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode & 0o777) for path in files}


def mend(tree: WarmTree) -> None:
    async def lock() -> None:
        async with tree.locked():
            pass

    asyncio.run(lock())


CHANGES: dict[str, Mapping[str, str | None]] = {
    "changed": {FORK: "int spoon;\n"},
    "created": {"kernel/new/deep.c": "int deep;\n"},
    "deleted": {SCRIPT: None},
    "bytes that are no UTF-8": {FORK: "caf\udce9\n"},
    "several": {FORK: "1", "Makefile": "2", "new.c": "3", SCRIPT: None},
    "none": {},
}


@pytest.mark.parametrize("after", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("fails", [False, True])
def test_a_patch_goes_in_and_out(tree: WarmTree, after: Mapping[str, str | None], fails: bool) -> None:
    before = state(tree.source)

    def work() -> None:
        with tree.patched(after):
            for path, text in after.items():
                assert tree.read(path) == text
            if fails:
                raise KeyboardInterrupt

    if fails:
        with pytest.raises(KeyboardInterrupt):
            work()
    else:
        work()
    assert state(tree.source) == before
    assert not (tree.folder / "journal").exists()


def test_make_sees_the_change_in_both_directions(tree: WarmTree) -> None:
    times = [(tree.source / FORK).stat().st_mtime_ns]
    with tree.patched({FORK: "int spoon;\n"}):
        times.append((tree.source / FORK).stat().st_mtime_ns)
        time.sleep(0.01)
    times.append((tree.source / FORK).stat().st_mtime_ns)
    assert times == sorted(set(times))


# A process that is killed.

HOLDER = """
import asyncio, json, sys, time
from pathlib import Path
from kernfix.runner.trees import WarmTree
tree = WarmTree(Path(sys.argv[1]))
async def hold():
    async with tree.locked():
        with tree.patched(json.loads(sys.argv[2])):
            tree.begin_build()
            time.sleep(0.02)
            (tree.source / "kernel/fork.o").write_text("half")
            (tree.source / "vmlinux").write_text("half")
            print("holding", flush=True)
            sys.stdin.read()
            tree.end_build()
asyncio.run(hold())
"""


def holder(tree: WarmTree, after: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(tree.folder), after]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "holding\n"
    return process


def end(process: subprocess.Popen[str], how: Callable[[], object]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    how()
    process.wait(10)
    process.stdin.close()
    process.stdout.close()


@pytest.mark.parametrize(
    "after",
    [
        '{"kernel/fork.c": "int spoon;\\n"}',
        '{"kernel/new.c": "int deep;\\n", "scripts/gen.sh": null, "lib/vmlinux.lds.S": "T"}',
    ],
)
def test_a_killed_holder_leaves_nothing_to_the_next(tree: WarmTree, after: str) -> None:
    (tree.source / "kernel/old.o").write_text("whole")
    os.utime(tree.source / "kernel/old.o", (2, 2))
    before = state(tree.source)
    process = holder(tree, after)
    assert state(tree.source) != before
    end(process, process.kill)
    assert (tree.folder / "journal").exists()
    mend(tree)
    assert state(tree.source) == before
    mend(tree)
    assert state(tree.source) == before


def test_killed_again_while_mending(tree: WarmTree, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state(tree.source)
    process = holder(tree, '{"kernel/fork.c": "1", "Makefile": "2", "new.c": "3"}')
    end(process, process.kill)
    replace, calls = Path.replace, 0

    def die_at_the_second(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise SystemExit
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", die_at_the_second)
        with pytest.raises(SystemExit):
            mend(tree)
    assert (tree.folder / "journal").exists()
    mend(tree)
    assert {name: each for name, each in state(tree.source).items() if "partial" not in name} == before


def test_a_build_that_ended_keeps_its_objects(tree: WarmTree) -> None:
    process = holder(tree, "{}")
    assert process.stdin is not None
    end(process, process.stdin.close)
    mend(tree)
    assert (tree.source / "kernel/fork.o").read_text() == "half"


def test_sources_with_names_like_outputs_are_kept(tree: WarmTree) -> None:
    """A patched linker script is rolled back with a new time stamp: it must not pass for what the cut-off build wrote."""
    tree.begin_build()
    with tree.patched({"lib/vmlinux.lds.S": "T"}):
        pass
    mend(tree)
    assert tree.read("lib/vmlinux.lds.S") == "S"


def test_two_holders_wait_for_each_other(tree: WarmTree) -> None:
    process = holder(tree, '{"kernel/fork.c": "int spoon;\\n"}')

    async def wait() -> str | None:
        async with tree.locked():
            return tree.read(FORK)

    async def both() -> str | None:
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.5)
        assert not waiting.done()
        assert process.stdin is not None
        process.stdin.close()
        return await asyncio.wait_for(waiting, 10)

    assert asyncio.run(both()) == "int fork;\n"
    end(process, lambda: None)


def test_two_tasks_of_one_process_wait_for_each_other(tree: WarmTree) -> None:
    order: list[str] = []

    async def hold(name: str) -> None:
        async with tree.locked():
            order.append(name)
            await asyncio.sleep(0.1)
            order.append(name)

    async def both() -> None:
        await asyncio.gather(hold("a"), hold("b"))

    asyncio.run(both())
    assert order in (["a", "a", "b", "b"], ["b", "b", "a", "a"])


# What leads out.


@pytest.mark.parametrize(
    "path",
    [
        "../outside/secret",
        "/etc/passwd",
        "link",
        "linked/secret",
        "linked/new",
        "loop/x",
        "kernel",
        FORK + "/x",
        "x" * 300,
        "a\0b",
    ],
)
def test_paths_that_lead_out_or_are_no_file(tree: WarmTree, tmp_path: Path, path: str) -> None:
    (tree.source / "link").symlink_to(tmp_path / "outside/secret")
    (tree.source / "linked").symlink_to(tmp_path / "outside")
    (tree.source / "loop").symlink_to("loop")
    before = state(tmp_path)
    with pytest.raises(BadRequest, match="leads out"):
        tree.patched({path: "x"}).__enter__()
    with pytest.raises(BadRequest, match="leads out"):
        tree.read(path)
    with pytest.raises(BadRequest, match="leads out"):
        tree.take(path, tmp_path / "taken")
    assert {name: each for name, each in state(tmp_path).items() if "journal" not in name} == before


def test_a_link_in_the_place_of_the_partial_file_is_not_followed(tree: WarmTree, tmp_path: Path) -> None:
    (tree.source / (FORK + ".kernfix-partial")).symlink_to(tmp_path / "outside/secret")
    (tree.source / ".config.kernfix-partial").symlink_to(tmp_path / "outside/secret")
    with tree.patched({FORK: "int spoon;\n"}):
        tree.put(".config", b"CONFIG_X=y\n")
    assert (tmp_path / "outside/secret").read_text() == "secret"


def test_a_folder_that_became_a_link_is_not_rolled_back_through(tree: WarmTree, tmp_path: Path) -> None:
    """A hostile build may turn a folder that the patch touches into a link to the runner's own files."""
    (tmp_path / "outside/fork.c").write_text("precious")

    def build() -> None:
        with tree.patched({FORK: "int spoon;\n"}):
            (tree.source / "kernel").rename(tree.source / "was")
            (tree.source / "kernel").symlink_to(tmp_path / "outside")

    with pytest.raises(BadRequest, match="leads out"):
        build()
    assert (tmp_path / "outside/fork.c").read_text() == "precious"
    mend(tree)
    assert not tree.filled, "such a tree is fetched anew"
    with pytest.raises(RunnerFault, match="removed"):
        tree.require()


def test_what_a_build_made_is_taken_and_what_it_did_not_is_said(tree: WarmTree, tmp_path: Path) -> None:
    (tree.source / "vmlinux").write_text("image")
    assert tree.take("vmlinux", tmp_path / "kernel")
    assert (tmp_path / "kernel").read_text() == "image"
    assert not tree.take("bzImage", tmp_path / "kernel2")


# Removal.


def test_an_unused_tree_is_removed_and_one_in_use_is_not(tree: WarmTree) -> None:
    process = holder(tree, "{}")
    tree.remove_unused()
    assert tree.filled
    end(process, process.kill)
    tree.remove_unused()
    assert not tree.filled
    mend(tree)


def test_looking_whether_a_tree_is_used_is_no_use(tree: WarmTree) -> None:
    mend(tree)
    os.utime(tree.folder / "lock", (5, 5))
    tree.remove_unused()
    assert tree.last_used() == 5
