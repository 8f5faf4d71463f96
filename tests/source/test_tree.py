"""What counts as a kernel tree, and that nothing outside of it is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kernfix.source import Tree, open_tree


def test_version(tree: Tree) -> None:
    assert tree.version == "6.12.4-rc1"


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("Makefile", "its Makefile states no kernel version"),
        ("Kconfig", "no Kconfig or no folder kernel/"),
        ("kernel", "no folder kernel/"),
    ],
)
def test_not_a_kernel(tree: Tree, missing: str, words: str) -> None:
    (tree.root / missing).rename(tree.root / "elsewhere")
    opened, problem = open_tree(tree.root)
    assert opened is None
    assert words in str(problem)


def test_makefile_of_another_project(tree: Tree) -> None:
    (tree.root / "Makefile").write_text("all:\n\techo VERSION\n")
    assert open_tree(tree.root)[0] is None


def test_not_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path / "file"):
        (tmp_path / "file").write_text("x")
        assert open_tree(path) == (None, f"{path} is not a folder.")


@pytest.mark.parametrize(
    "path",
    [
        *("", "/etc/passwd", "../secret", "kernel/../../secret", "kernel", "none.c", "a\0b", "a\udc80b", "x" * 300),
        *("out", "outdir/secret", "again", "back/secret", "beside", "loop", "device", "gone", "kernel/ring.c/secret"),
    ],
)
def test_not_readable(tree: Tree, path: str) -> None:
    (tree.root.parent / "secret").write_text("x")
    (tree.root / "out").symlink_to("../secret")
    (tree.root / "outdir").symlink_to("..")
    (tree.root / "again").symlink_to("out")
    (tree.root / "back").symlink_to("outdir")
    # Another folder whose path begins with the tree's.
    beside = tree.root.with_name(f"{tree.root.name}-other")
    beside.mkdir()
    (beside / "secret").write_text("x")
    (tree.root / "beside").symlink_to(beside / "secret")
    (tree.root / "loop").symlink_to("loop")
    (tree.root / "device").symlink_to("/dev/null")
    (tree.root / "gone").symlink_to("kernel/gone.c")
    assert tree.read(path) is None
    assert tree.path(path) is None
    assert tree.find(path) is None


@pytest.mark.parametrize("path", ["link.c", "absolute.c", "again.c", "folder/ring.c", "round.c"])
def test_link_inside_and_tree_behind_a_link(tree: Tree, tmp_path: Path, path: str) -> None:
    (tree.root / "link.c").symlink_to("kernel/ring.c")
    (tree.root / "absolute.c").symlink_to(tree.root / "kernel/ring.c")
    (tree.root / "again.c").symlink_to("link.c")
    (tree.root / "folder").symlink_to("kernel")
    (tree.root / "round.c").symlink_to(f"../{tree.root.name}/kernel/ring.c")
    (tmp_path / "also").symlink_to(tree.root)
    again, _ = open_tree(tmp_path / "also")
    assert again is not None
    assert again.path(path) == tree.root / "kernel/ring.c"
    assert again.read(path) == tree.read("kernel/ring.c") != None  # noqa: E711


def test_nothing_is_left_open(tree: Tree) -> None:
    before = sorted(Path("/proc/self/fd").iterdir())
    for path in ("kernel/ring.c", "kernel", "none.c"):
        tree.path(path)
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_pipe_is_no_file(tree: Tree) -> None:
    os.mkfifo(tree.root / "pipe.c")
    assert tree.read("pipe.c") is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable(tree: Tree) -> None:
    (tree.root / "kernel/ring.c").chmod(0)
    assert tree.read("kernel/ring.c") is None


def test_other_encodings_survive(make_tree: Callable[..., Tree]) -> None:
    raw = b"/* \xe9t\xe9 */\r\n\xc3\xa9\n"
    text = make_tree({"kernel/old.c": raw}).read("kernel/old.c")
    assert text is not None
    assert text.encode("utf-8", "surrogateescape") == raw


def test_too_large(tree: Tree) -> None:
    with (tree.root / "kernel/huge.h").open("wb") as file:
        file.truncate((32 << 20) + 1)
    assert tree.read("kernel/huge.h") is None


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("kernel/ring.c", "kernel/ring.c"),
        ("./kernel/ring.c", "kernel/ring.c"),
        ("../../kernel/ring.c", "kernel/ring.c"),
        ("/build/linux-6.12/kernel/ring.c", "kernel/ring.c"),
        ("drivers/foo/../../include/ring.h", "include/ring.h"),
        ("/src/drivers/foo/main.c", "drivers/foo/main.c"),
        ("/src/foo/main.c", None),
        ("main.c", None),
        ("ring.c", None),
        ("/build/kernel/none.c", None),
        ("", None),
        ("/", None),
        ("../../../etc/passwd", None),
        ("x/" * 5000, None),
    ],
)
def test_find_what_a_log_states(tree: Tree, stated: str, expected: str | None) -> None:
    assert tree.find(stated) == expected
