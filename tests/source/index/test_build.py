"""Making and refreshing an index, and what can go wrong."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kernfix.source import Tree, open_tree
from kernfix.source.index import pool, worker
from kernfix.source.index.build import CANCELLED, Progress, Refreshed, refresh
from kernfix.source.index.child import refresh_aside
from kernfix.source.index.lookup import open_index
from kernfix.source.index.store import discard, index_path, locked

OLD = 1_600_000_000
"""A time in seconds that is long past, so that it proves that a file did not change."""
FILES = {
    "Makefile": "VERSION = 6\nPATCHLEVEL = 12\n",
    "Kconfig": "",
    "kernel/ring.c": '#include "ring.h"\nint ring_put(int v)\n{\n\treturn v;\n}\nMAKE_GET(ring);\n',
    "kernel/other.c": "int other(void)\n{\n\treturn 1;\n}\n",
    "include/ring.h": "#define MAKE_GET(name) \\\nint name##_get(void) \\\n{ \\\n\treturn 1; \\\n}\n",
    "arch/x86/entry.S": "SYM_CODE_START(entry_call)\n\tret\nSYM_CODE_END(entry_call)\n",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    for name, text in FILES.items():
        write(tmp_path / "linux" / name, text)
    settle(tmp_path / "linux")
    tree, problem = open_tree(tmp_path / "linux")
    assert tree is not None, problem
    return tree


def write(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def settle(root: Path) -> None:
    """Make everything old."""
    for folder, _, files in os.walk(root):
        for name in (".", *files):
            os.utime(Path(folder, name), (OLD, OLD), follow_symlinks=False)


def made(tree: Tree, **arguments: object) -> Refreshed:
    refreshed, problem = refresh(tree, **arguments)  # type: ignore[arg-type]
    assert refreshed is not None, problem
    return refreshed


def places(tree: Tree, *names: str) -> dict[str, list[tuple[str, int, int]]]:
    index, problem = open_index(tree)
    assert index is not None, problem
    with index:
        found = index.definitions(names)
    assert index.problem is None
    return {name: [(each.path, each.function.start, each.function.end) for each in found[name]] for name in names}


def test_everything_is_found(tree: Tree) -> None:
    refreshed = made(tree)
    assert (refreshed.files, refreshed.changed, refreshed.removed, refreshed.problems) == (4, 4, 0, ())
    assert refreshed.bytes == refreshed.path.stat().st_size
    assert places(tree, "ring_put", "other", "entry_call", "ring_get", "nothing") == {
        "ring_put": [("kernel/ring.c", 2, 5)],
        "other": [("kernel/other.c", 1, 4)],
        "entry_call": [("arch/x86/entry.S", 1, 3)],
        "ring_get": [("kernel/ring.c", 6, 6)],
        "nothing": [],
    }


def test_nothing_is_written_in_the_tree(tree: Tree, cache: Path) -> None:
    before = sorted(tree.root.rglob("*"))
    made(tree)
    assert sorted(tree.root.rglob("*")) == before
    assert index_path(tree.root).is_relative_to(cache / "kernfix" / "index")


def test_no_change_reads_nothing(tree: Tree) -> None:
    first = made(tree)
    seen: list[Progress] = []
    again = made(tree, report=seen.append)
    assert (again.files, again.names, again.changed, again.removed) == (4, first.names, 0, 0)
    assert "reading" not in {each.phase for each in seen}


def test_a_file_that_changed_in_place(tree: Tree) -> None:
    made(tree)
    write(tree.root / "kernel/other.c", "\nint other(void)\n{\n}\nint another(void)\n{\n}\n")
    assert made(tree).changed == 1
    assert places(tree, "other", "another", "ring_put") == {
        "other": [("kernel/other.c", 2, 4)],
        "another": [("kernel/other.c", 5, 7)],
        "ring_put": [("kernel/ring.c", 2, 5)],
    }


def test_same_size_and_just_now(tree: Tree) -> None:
    """A change within the clock's grain of the last look is seen, though neither size nor time tell of it."""
    path = tree.root / "kernel/other.c"
    write(path, "int abc(void)\n{\n}\n")
    made(tree)
    stamp = path.stat()
    write(path, "int xyz(void)\n{\n}\n")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    made(tree)
    assert places(tree, "abc", "xyz") == {"abc": [], "xyz": [("kernel/other.c", 1, 3)]}


def test_files_and_folders_that_come_and_go(tree: Tree) -> None:
    made(tree)
    (tree.root / "kernel/other.c").unlink()
    (tree.root / "arch/x86/entry.S").unlink()
    (tree.root / "arch/x86").rmdir()
    write(tree.root / "fs/new/new.c", "int fresh(void)\n{\n}\n")
    refreshed = made(tree)
    assert (refreshed.files, refreshed.changed, refreshed.removed) == (3, 1, 2)
    found = places(tree, "other", "entry_call", "fresh")
    assert found == {"other": [], "entry_call": [], "fresh": [("fs/new/new.c", 1, 3)]}


def test_a_macro_that_changed_changes_what_others_make_of_it(tree: Tree) -> None:
    made(tree)
    write(
        tree.root / "include/ring.h", "#define MAKE_GET(name) \\\nint name##_take(void) \\\n{ \\\n\treturn 1; \\\n}\n"
    )
    assert made(tree).changed == 1
    assert places(tree, "ring_get", "ring_take") == {"ring_get": [], "ring_take": [("kernel/ring.c", 6, 6)]}


def test_a_macro_of_another_source_file_is_no_match_for_ones_own(tree: Tree) -> None:
    write(tree.root / "kernel/a.c", "#define OP(n) \\\nint n##_a(void) \\\n{ \\\n}\n\nOP(x);\n")
    write(tree.root / "kernel/b.c", "#define OP(n) \\\nint n##_b(void) \\\n{ \\\n}\n\nOP(y);\n")
    made(tree)
    found = places(tree, "x_a", "x_b", "y_a", "y_b")
    assert {name: [path for path, _, _ in each] for name, each in found.items()} == {
        "x_a": ["kernel/a.c"],
        "x_b": [],
        "y_a": [],
        "y_b": ["kernel/b.c"],
    }


def content(path: Path) -> set[tuple[object, ...]]:
    """All definitions, without the numbers that files happen to have."""
    with sqlite3.connect(path) as db:
        found = db.execute("select path, name, start, more, kind from defined join file on id = file").fetchall()
        assert len(found) == db.execute("select count(*) from defined").fetchone()[0], "each belongs to a file"
    db.close()
    return set(found)


def test_refreshing_leads_where_building_anew_does(tree: Tree) -> None:
    choose = random.Random(4)
    names = [f"{folder}/{name}" for folder in ("kernel", "fs/a", "fs/b") for name in ("one.c", "two.c", "macro.h")]
    for _ in range(6):
        for name in choose.sample(names, 4):
            macro = f"#define MAKE_{choose.choice('AB')}(n) \\\nint n##_{choose.choice('xyz')}(void) \\\n{{ \\\n}}\n\n"
            use = f"MAKE_{choose.choice('AB')}(made_{choose.randrange(9)});\n"
            if choose.random() < 0.3:
                (tree.root / name).unlink(missing_ok=True)
            else:
                write(
                    tree.root / name, choose.choice([macro, ""]) + f"int f{choose.randrange(9)}(void)\n{{\n}}\n" + use
                )
        refreshed = made(tree)
        found = content(refreshed.path)
        discard(refreshed.path)
        again = made(tree)
        assert content(again.path) == found
        assert again.names == refreshed.names == len(found)


def test_two_trees_do_not_meet(tree: Tree, tmp_path: Path) -> None:
    for name, text in FILES.items():
        write(tmp_path / "elsewhere/linux" / name, text.replace("ring_put", "ring_push"))
    other, _ = open_tree(tmp_path / "elsewhere/linux")
    assert other is not None
    made(tree)
    made(other)
    assert [bool(places(each, "ring_push")["ring_push"]) for each in (tree, other)] == [False, True]


def test_links_are_not_followed(tree: Tree, tmp_path: Path) -> None:
    write(tmp_path / "outside/secret.c", "int secret(void)\n{\n}\n")
    (tree.root / "out").symlink_to(tmp_path / "outside")
    (tree.root / "out.c").symlink_to(tmp_path / "outside/secret.c")
    (tree.root / "kernel/loop").symlink_to(tree.root)
    (tree.root / "kernel/self.c").symlink_to("self.c")
    (tree.root / "kernel/again.c").symlink_to("other.c")
    refreshed = made(tree)
    assert (refreshed.files, refreshed.problems) == (4, ())
    assert places(tree, "secret", "other") == {"secret": [], "other": [("kernel/other.c", 1, 4)]}


def test_a_folder_that_became_a_link(tree: Tree, tmp_path: Path) -> None:
    made(tree)
    write(tmp_path / "outside/other.c", "int secret(void)\n{\n}\n")
    (tree.root / "kernel").rename(tmp_path / "gone")
    (tree.root / "kernel").symlink_to(tmp_path / "outside")
    assert made(tree).removed == 2
    assert places(tree, "secret", "other") == {"secret": [], "other": []}


@pytest.mark.parametrize("name", [".git", ".pc"])
def test_hidden_folders_are_left_out(tree: Tree, name: str) -> None:
    write(tree.root / name / "copy.c", "int copy(void)\n{\n}\n")
    made(tree)
    assert places(tree, "copy") == {"copy": []}


@pytest.mark.parametrize(
    "text",
    [b"", b"\0" * 100, b"int caf\xe9(void)\n{\n}\n", b"{" * 5000, b"int f(", b"/*", bytes(range(256)) * 20],
    ids=["empty", "zeros", "latin1", "braces", "cut", "comment", "bytes"],
)
def test_odd_content_disturbs_nothing_else(tree: Tree, text: bytes) -> None:
    write(tree.root / "kernel/odd.c", text)
    assert made(tree).problems == ()
    assert places(tree, "other")["other"]


def test_a_name_that_is_not_utf8(tree: Tree) -> None:
    (tree.root / os.fsdecode(b"kernel/caf\xe9.c")).write_text("int cafe(void)\n{\n}\n")
    (tree.root / os.fsdecode(b"d\xe9")).mkdir()
    refreshed = made(tree)
    assert refreshed.files == 4
    assert len(refreshed.problems) == 2
    assert all("UTF-8" in problem for problem in refreshed.problems)
    assert places(tree, "other")["other"]


def test_a_file_that_is_too_large(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tree.root / "kernel/huge.c").open("wb") as file:
        file.truncate(33 << 20)
    for _ in range(2):
        refreshed = made(tree)
        assert refreshed.files == 4
        assert [problem[:13] for problem in refreshed.problems] == ["kernel/huge.c"], "it is said each time"


def test_what_cannot_be_read_is_named(tree: Tree) -> None:
    (tree.root / "kernel/other.c").chmod(0)
    if os.access(tree.root / "kernel/other.c", os.R_OK):
        pytest.skip("this user may read everything")
    (tree.root / "arch/x86").chmod(0)
    try:
        for _ in range(2):
            refreshed = made(tree)
            assert sorted(problem.split()[0] for problem in refreshed.problems) == ["arch/x86", "kernel/other.c"]
            assert all("Permission denied" in problem for problem in refreshed.problems)
            assert places(tree, "ring_put")["ring_put"]
    finally:
        (tree.root / "arch/x86").chmod(0o700)


def test_a_fifo_is_no_file(tree: Tree) -> None:
    os.mkfifo(tree.root / "kernel/pipe.c")
    assert made(tree).files == 4
    reply = worker.read_all(str(tree.root), [(7, "kernel/pipe.c"), (8, "kernel/none.c")])
    assert reply.failed == [(7, "it is no regular file"), (8, "No such file or directory")]


def test_a_file_that_changes_while_it_is_read(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read again; when it never stands still, it is left for the next time."""
    path = tree.root / "kernel/other.c"
    fstat = os.fstat
    left = 0

    def changing(number: int) -> os.stat_result:
        nonlocal left
        seen = fstat(number)
        if left:
            left -= 1
            path.write_text(path.read_text() + "\n")
        return seen

    monkeypatch.setattr(os, "fstat", changing)
    for changes, failed in ((1, 0), (100, 1)):
        left = changes
        reply = worker.read_all(str(tree.root), [(1, "kernel/other.c")])
        assert (len(reply.files), len(reply.failed)) == (1 - failed, failed)
    assert reply.failed == [(1, "it changes while it is read")]


def test_a_worker_that_dies_loses_only_the_file_that_kills_it(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(9):
        write(tree.root / f"kernel/more{number}.c", f"int more{number}(void)\n{{\n}}\n")
    script = (
        "import os, kernfix.source.index.worker as w; real = w.scan\n"
        "w.scan = lambda source, path: os.abort() if path.endswith('more4.c') else real(source, path)\n"
        "w.main()"
    )
    monkeypatch.setattr(pool, "COMMAND", (sys.executable, "-P", "-c", script))
    refreshed = made(tree)
    assert [problem.split()[0] for problem in refreshed.problems] == ["kernel/more4.c"]
    assert places(tree, "more3", "more4", "more5", "other") == {
        "more3": [("kernel/more3.c", 1, 3)],
        "more4": [],
        "more5": [("kernel/more5.c", 1, 3)],
        "other": [("kernel/other.c", 1, 4)],
    }
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tree.root.parent / "cache"))
    refreshed = made(tree)
    assert refreshed.problems == (), "what could not be read is tried again"
    assert places(tree, "more4")["more4"]


def test_a_text_that_takes_too_long(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import kernfix.source.index.worker as w; real = w.scan; w.SECONDS = 0.2\n"
        "def slow(source, path):\n"
        "    while path.endswith('other.c'): pass\n"
        "    return real(source, path)\n"
        "w.scan = slow; w.main()"
    )
    monkeypatch.setattr(pool, "COMMAND", (sys.executable, "-P", "-c", script))
    refreshed = made(tree)
    assert [problem.split()[0] for problem in refreshed.problems] == ["kernel/other.c"]
    assert places(tree, "ring_put")["ring_put"]


def test_workers_that_cannot_be_started(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "COMMAND", ("/nonexistent/python",))
    refreshed, problem = refresh(tree)
    assert refreshed is None
    assert "cannot be started" in (problem or "")
    assert "/nonexistent/python" in (problem or "")


@pytest.mark.parametrize("damage", [b"this is no database" * 100, b"", None], ids=["text", "empty", "torn"])
def test_a_damaged_index_is_built_anew(tree: Tree, damage: bytes | None) -> None:
    path = made(tree).path
    path.write_bytes(path.read_bytes()[:8192] if damage is None else damage)
    refreshed = made(tree)
    assert refreshed.changed == 4
    if damage != b"":
        assert "built anew" in refreshed.problems[0]
    assert places(tree, "other")["other"]


def test_an_index_of_another_format(tree: Tree) -> None:
    path = made(tree).path
    with sqlite3.connect(path) as db:
        db.execute("pragma user_version = 12345")
    db.close()
    index, problem = open_index(tree)
    assert index is None
    assert "another version" in (problem or "")
    refreshed = made(tree)
    assert refreshed.changed == 4
    assert "another version of kernfix. It was built anew" in refreshed.problems[0]
    assert places(tree, "other")["other"]


def test_a_foreign_database(tree: Tree) -> None:
    path = index_path(tree.root)
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as db:
        db.execute("create table mine (x)")
    db.close()
    assert "built anew" in made(tree).problems[0]


def test_cancel(tree: Tree) -> None:
    made(tree)
    write(tree.root / "kernel/other.c", "int changed(void)\n{\n}\n")
    phases: list[str] = []

    def stop() -> bool:
        return "reading" in phases

    assert refresh(tree, lambda progress: phases.append(progress.phase), stop) == (None, CANCELLED)
    assert places(tree, "other", "changed") == {"other": [("kernel/other.c", 1, 4)], "changed": []}
    assert made(tree).changed == 1


def test_interrupted_by_a_key(tree: Tree) -> None:
    def report(progress: Progress) -> None:
        if progress.phase == "reading":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refresh(tree, report)
    index, problem = open_index(tree)
    assert index is None
    assert "no index" in (problem or "")
    assert made(tree).changed == 4


def test_no_child_is_left(tree: Tree) -> None:
    made(tree)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_killed_in_the_middle(tree: Tree) -> None:
    made(tree)
    for number in range(50):
        write(tree.root / f"kernel/more{number}.c", "int more(void)\n{\n}\n")
    script = (
        "import os, sys; from pathlib import Path; from kernfix.source import open_tree\n"
        "from kernfix.source.index.build import refresh\n"
        "tree, _ = open_tree(Path(sys.argv[1]))\n"
        "refresh(tree, lambda p: os.kill(os.getpid(), 9) if p.phase == 'writing' else None)"
    )
    ended = subprocess.run([sys.executable, "-P", "-c", script, str(tree.root)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert places(tree, "other", "more") == {"other": [("kernel/other.c", 1, 4)], "more": []}
    assert made(tree).changed == 50
    assert len(places(tree, "more")["more"]) == 50


def test_two_builders(tree: Tree) -> None:
    """The second waits, and finds the work done."""
    results: list[Refreshed] = []
    threads = [threading.Thread(target=lambda: results.append(made(tree))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.changed for each in results) == [0, 4]


def test_waiting_can_be_cancelled(tree: Tree) -> None:
    path = index_path(tree.root)
    with locked(path, lambda: False) as held:
        assert held
        began = time.monotonic()
        assert refresh(tree, stop=lambda: time.monotonic() > began + 0.1) == (None, CANCELLED)


def test_a_lock_of_a_dead_process_is_none(tree: Tree) -> None:
    path = index_path(tree.root).with_suffix(".lock")
    path.parent.mkdir(parents=True)
    script = "import fcntl, os, sys; fcntl.flock(open(sys.argv[1], 'w'), fcntl.LOCK_EX); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert made(tree).changed == 4


def test_readers_see_the_old_index_until_the_new_one_is_whole(tree: Tree) -> None:
    made(tree)
    write(tree.root / "kernel/other.c", "int changed(void)\n{\n}\n")
    seen: list[dict[str, list[tuple[str, int, int]]]] = []

    def report(progress: Progress) -> None:
        if progress.phase == "writing":
            seen.append(places(tree, "other", "changed"))

    made(tree, report=report)
    assert seen == [{"other": [("kernel/other.c", 1, 4)], "changed": []}]
    assert places(tree, "changed")["changed"]


def check_no_index(tree: Tree, *parts: str) -> None:
    refreshed, problem = refresh(tree)
    assert refreshed is None
    assert problem is not None
    assert problem.count("\n") == 0
    for part in parts:
        assert part in problem


def test_a_cache_folder_that_is_none(tree: Tree, cache: Path) -> None:
    cache.write_text("")
    check_no_index(tree, "XDG_CACHE_HOME", str(cache))


def test_a_cache_folder_that_is_read_only(tree: Tree, cache: Path) -> None:
    cache.mkdir(mode=0o500)
    if os.access(cache, os.W_OK):
        pytest.skip("this user may write everywhere")
    check_no_index(tree, "XDG_CACHE_HOME", "Permission denied")


def test_a_full_disk(tree: Tree) -> None:
    """A limit on the size of files stands in for the disk."""
    for number in range(200):
        write(
            tree.root / f"kernel/more{number}.c", "".join(f"int more_{number}_{n}(void)\n{{\n}}\n" for n in range(50))
        )
    script = (
        "import resource, sys; from pathlib import Path; from kernfix.source import open_tree\n"
        "from kernfix.source.index.build import refresh\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "tree, _ = open_tree(Path(sys.argv[1]))\n"
        "print(*refresh(tree))"
    )
    command = [sys.executable, "-P", "-c", script, str(tree.root)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    assert ended.stdout.startswith("None The index of ")
    assert "XDG_CACHE_HOME" in ended.stdout
    assert made(tree).changed == 204


async def test_aside_from_a_loop(tree: Tree) -> None:
    seen: list[Progress] = []
    refreshed, problem = await refresh_aside(tree, seen.append)
    assert refreshed is not None, problem
    assert refreshed.changed == 4
    assert refreshed == Refreshed(**{**vars_of(refreshed), "path": index_path(tree.root)})
    assert {"waiting", "looking", "reading", "writing"} >= {each.phase for each in seen} >= {"looking", "reading"}


def vars_of(refreshed: Refreshed) -> dict[str, object]:
    return {name: getattr(refreshed, name) for name in refreshed.__slots__}


async def test_aside_without_a_cache(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tree.root / "Makefile"))
    refreshed, problem = await refresh_aside(tree, lambda _: None)
    assert refreshed is None
    assert "XDG_CACHE_HOME" in (problem or "")


async def test_aside_is_cancelled(tree: Tree) -> None:
    """The child waits for a lock here; once it is gone, the lock can be had by others."""
    path = index_path(tree.root)
    waiting = asyncio.Event()
    with locked(path, lambda: False):
        task = asyncio.create_task(refresh_aside(tree, lambda _: waiting.set()))
        await asyncio.wait_for(waiting.wait(), 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert made(tree).changed == 4


def test_the_child_ends_with_its_parent(tree: Tree) -> None:
    path = index_path(tree.root)
    with locked(path, lambda: False):
        command = [sys.executable, "-P", "-m", "kernfix.source.index.child", str(tree.root)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            assert b"waiting" in child.stdout.readline()
            child.stdin.close()
            assert CANCELLED.encode() in child.stdout.read()


def test_a_lock_is_not_inherited(tree: Tree) -> None:
    path = index_path(tree.root)
    with locked(path, lambda: False):
        child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    with path.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    child.communicate()
