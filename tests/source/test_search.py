"""Definitions by name, in one walk."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernfix.source import Tree
from kernfix.source.grep import grep_problem
from kernfix.source.search import search


def paths(tree: Tree, name: str, arch: str | None = None) -> list[str]:
    return [f"{each.path}:{each.function.name}:{each.function.start}" for each in search(tree, (name,), arch)[name]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ring_put", ["kernel/ring.c:ring_put:7", "tools/ring/ring.c:ring_put:1"]),
        ("ring_put.constprop.0", ["kernel/ring.c:ring_put:7", "tools/ring/ring.c:ring_put:1"]),
        ("ring_of", ["kernel/ring.c:ring_of:16"]),
        ("__x64_sys_ring_write", ["kernel/ring.c:sys_ring_write:22"]),
        ("ring_stub", ["include/ring.h:ring_stub:3"]),
        ("entry_call", ["arch/x86/entry/entry.S:entry_call:1"]),
        ("report", ["drivers/bar/main.c:report:1", "drivers/foo/main.c:report:6"]),
        ("nowhere", []),
        ("", []),
        (".*", []),
        ("ring_put|x", []),
        ("x" * 100_000, []),
    ],
)
def test_found(tree: Tree, name: str, expected: list[str]) -> None:
    assert paths(tree, name) == expected


def test_arch_decides(tree: Tree) -> None:
    assert paths(tree, "cpu_idle", "x86_64")[0].startswith("arch/x86/")
    assert paths(tree, "cpu_idle", "arm64")[0].startswith("arch/arm64/")


def test_what_was_built_goes_first(make_tree: Callable[..., Tree]) -> None:
    assert paths(make_tree({"drivers/foo/main.o": b"\x7fELF"}), "report")[0].startswith("drivers/foo/")


def test_a_later_name_counts_only_without_an_earlier(make_tree: Callable[..., Tree]) -> None:
    tree = make_tree({"kernel/exc.c": "void exc_a(void)\n{\n}\nvoid __exc_a(void)\n{\n}\nvoid exc_b(void)\n{\n}\n"})
    assert paths(tree, "__exc_a") == ["kernel/exc.c:__exc_a:4"]
    assert paths(tree, "__exc_b") == ["kernel/exc.c:exc_b:7"]


def test_links_are_not_followed(tree: Tree) -> None:
    (tree.root.parent / "outside.c").write_text("int secret_fn(void)\n{\n}\n")
    (tree.root / "kernel/link.c").symlink_to("../../outside.c")
    (tree.root / "lib").symlink_to("..")
    assert paths(tree, "secret_fn") == []


def test_odd_files_do_no_harm(make_tree: Callable[..., Tree]) -> None:
    tree = make_tree(
        {
            "kernel/a:1:b\n.c": "int odd_fn(void)\n{\n}\n",
            "kernel/bin.c": b"\0\xff\n\nint bin_fn(void)\n{\n}\n",
            "kernel/empty.c": "",
        }
    )
    assert paths(tree, "odd_fn") == []
    assert paths(tree, "bin_fn") == ["kernel/bin.c:bin_fn:3"]


def test_all_at_once(tree: Tree) -> None:
    found = search(tree, ("ring_put", "nowhere", "foo_start"))
    assert {name: len(each) for name, each in found.items()} == {"ring_put": 2, "nowhere": 0, "foo_start": 1}
    assert search(tree, ()) == {}


def test_stopped(tree: Tree) -> None:
    assert search(tree, ("ring_put",), stop=lambda: True) == {"ring_put": ()}


def test_without_grep(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    assert grep_problem() is None
    monkeypatch.setenv("PATH", str(tree.root))
    assert "grep is not installed" in str(grep_problem())
    assert paths(tree, "ring_put") == []
