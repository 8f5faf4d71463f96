"""Definitions by name: the index where there is a good one, and the tree itself where there is not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kernfix.source import Tree, definitions
from kernfix.source.definitions import find
from kernfix.source.index import build
from kernfix.source.index.build import Refreshed, refresh
from kernfix.source.index.store import index_path
from kernfix.source.search import search

MADE = "#define GET(name) \\\nint name##_get(void) \\\n{ \\\n}\n\nint above(void)\n{\n}\nGET(ring);\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class Calls:
    """Which ways were gone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refreshes = self.walks = 0
        self.monkeypatch = monkeypatch
        monkeypatch.setattr(build, "refresh", self.refresh)
        monkeypatch.setattr(definitions, "search", self.search)

    def refresh(self, *arguments: object, **named: object) -> tuple[Refreshed | None, str | None]:
        self.refreshes += 1
        return refresh(*arguments, **named)  # type: ignore[arg-type]

    def search(self, *arguments: object) -> object:
        self.walks += 1
        return search(*arguments)  # type: ignore[arg-type]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


def indexed(tree: Tree) -> Tree:
    refreshed, problem = refresh(tree)
    assert refreshed is not None, problem
    return tree


def places(tree: Tree, *names: str, arch: str | None = "x86_64", said: str = "") -> dict[str, list[str]]:
    """Where names are defined; `said` is in the one sentence that is told beside, if one is."""
    found, problems = find(tree, [(name, arch) for name in names])
    assert len(problems) == bool(said)
    assert all(said in problem for problem in problems)
    assert set(found) == {arch}
    return {name: [f"{each.path}:{each.function.start}" for each in its] for name, its in found[arch].items()}


def test_an_index_is_asked(tree: Tree, calls: Calls) -> None:
    assert places(indexed(tree), "ring_put", "entry_call", "__x64_sys_ring_write") == {
        "ring_put": ["kernel/ring.c:7", "tools/ring/ring.c:1"],
        "entry_call": ["arch/x86/entry/entry.S:1"],
        "__x64_sys_ring_write": ["kernel/ring.c:22"],
    }
    assert (calls.refreshes, calls.walks) == (0, 0)


def test_what_a_macro_makes_holds(make_tree: Callable[..., Tree], calls: Calls) -> None:
    tree = indexed(make_tree({"kernel/made.c": MADE}))
    assert places(tree, "ring_get") == {"ring_get": ["kernel/made.c:9"]}
    assert (calls.refreshes, calls.walks) == (0, 0)


def test_each_architecture_has_its_order(tree: Tree) -> None:
    found, _ = find(indexed(tree), [("cpu_idle", "x86_64"), ("cpu_idle", "arm64"), ("ring_put", None)])
    first = {arch: next(iter(its.values()))[0].path for arch, its in found.items()}
    assert first == {"x86_64": "arch/x86/kernel/idle.c", "arm64": "arch/arm64/kernel/idle.c", None: "kernel/ring.c"}


@pytest.mark.parametrize(
    ("path", "old", "new", "name", "there"),
    [
        ("kernel/ring.c", "/* Puts", "/*\n * Puts", "ring_put", "kernel/ring.c:8"),
        ("kernel/ring.c", "int ring_put(", "int ring_set(", "ring_put", "tools/ring/ring.c:1"),
        ("kernel/made.c", "GET(ring)", "GET(slot)", "ring_get", "tools/made.c:1"),
        (
            "arch/x86/entry/entry.S",
            "SYM_CODE_START(entry_call)",
            "\nSYM_CODE_START(entry_call)",
            "entry_call",
            "arch/x86/entry/entry.S:2",
        ),
        ("kernel/ring.c", "return -EAGAIN;", "{\n\t}", "ring_put", "kernel/ring.c:7"),
        ("kernel/made.c", "int above", "\n\nint above", "ring_get", "kernel/made.c:11"),
        ("arch/x86/kernel/idle.c", "void cpu_idle(void)\n{\n}\n", "", "cpu_idle", "arch/arm64/kernel/idle.c:1"),
        ("arch/x86/entry/entry.S", "\tcall x\n\tret\n", "", "entry_call", "arch/x86/entry/entry.S:1"),
    ],
)
def test_a_file_that_changed_since(
    make_tree: Callable[..., Tree], calls: Calls, path: str, old: str, new: str, name: str, there: str
) -> None:
    tree = indexed(make_tree({"kernel/made.c": MADE, "tools/made.c": "int ring_get(void)\n{\n}\n"}))
    file = tree.root / path
    file.write_text(file.read_text().replace(old, new))
    assert places(tree, name)[name][0] == there
    assert (calls.refreshes, calls.walks) == (1, 0)


def test_a_file_that_is_gone(tree: Tree, calls: Calls) -> None:
    indexed(tree)
    (tree.root / "kernel/ring.c").unlink()
    assert places(tree, "ring_put") == {"ring_put": ["tools/ring/ring.c:1"]}
    assert calls.refreshes == 1


def test_a_new_function(make_tree: Callable[..., Tree], calls: Calls) -> None:
    indexed(make_tree())
    tree = make_tree({"kernel/new.c": "int new_fn(void)\n{\n}\n"})
    assert places(tree, "new_fn", "ring_stub")["new_fn"] == ["kernel/new.c:1"]
    assert (calls.refreshes, calls.walks) == (1, 0)


def test_a_name_that_is_nowhere_is_asked_for_once(tree: Tree, calls: Calls) -> None:
    assert places(indexed(tree), "nowhere", "neither", "ring_stub") == {
        "nowhere": [], "neither": [], "ring_stub": ["include/ring.h:3"],
    }  # fmt: skip
    assert (calls.refreshes, calls.walks) == (1, 0)


def test_it_is_not_asked_for_again_at_once(
    make_tree: Callable[..., Tree], calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong is mended at once all the same."""
    tree = indexed(make_tree())
    for _ in range(3):
        assert places(tree, "nowhere") == {"nowhere": []}
    assert calls.refreshes == 1
    make_tree({"kernel/ring.c": "\nint ring_put(void)\n{\n}\n"})
    assert places(tree, "nowhere", "ring_put")["ring_put"][0] == "kernel/ring.c:2"
    assert calls.refreshes == 2
    monkeypatch.setattr(definitions, "_AGAIN_SECONDS", 0.0)
    places(tree, "nowhere")
    assert calls.refreshes == 3


def test_no_index(tree: Tree, calls: Calls) -> None:
    assert places(tree, "ring_stub", "nowhere") == {"ring_stub": ["include/ring.h:3"], "nowhere": []}
    assert (calls.refreshes, calls.walks) == (0, 1)
    assert not index_path(tree.root).exists(), "none is made without being asked for"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", ""),
        (b"no database", "builds it anew"),
        (b"SQLite format 3\0" + b"\xff" * 5000, "builds it anew"),
    ],
)
def test_a_damaged_index(tree: Tree, calls: Calls, content: bytes, said: str) -> None:
    index_path(indexed(tree).root).write_bytes(content)
    assert places(tree, "ring_stub", said=said) == {"ring_stub": ["include/ring.h:3"]}
    assert (calls.refreshes, calls.walks) == (0, 1)


def test_damage_that_shows_late(make_tree: Callable[..., Tree], calls: Calls) -> None:
    many = "".join(f"int function_{number}(void)\n{{\n}}\n" for number in range(5000))
    tree = indexed(make_tree({"kernel/many.c": many}))
    path = index_path(tree.root)
    content = path.read_bytes()
    page = content.index(b"function_4000") // 4096 * 4096
    path.write_bytes(content[:page] + b"\xff" * 4096 + content[page + 4096 :])
    assert places(tree, "function_4000", said="damaged") == {"function_4000": ["kernel/many.c:12001"]}
    assert calls.walks == 1


def test_an_index_that_cannot_be_refreshed(make_tree: Callable[..., Tree], calls: Calls) -> None:
    """What it says is not believed: the tree is searched."""
    tree = indexed(make_tree())
    make_tree({"kernel/ring.c": "\nint ring_put(void)\n{\n}\n"})
    calls.monkeypatch.setattr(build, "refresh", lambda *_, **__: (None, "The disk is full."))
    assert places(tree, "ring_put", said="The disk is full.")["ring_put"][0] == "kernel/ring.c:2"
    assert calls.walks == 1


def test_stopped(tree: Tree, calls: Calls) -> None:
    found, _ = find(indexed(tree), [("nowhere", None)], stop=lambda: True)
    assert found == {None: {"nowhere": ()}}
    assert (calls.refreshes, calls.walks) == (0, 0)


def test_nothing_is_wanted(tree: Tree, calls: Calls) -> None:
    assert find(tree, []) == ({}, ())
    assert (calls.refreshes, calls.walks) == (0, 0)


def test_without_grep(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    found, problems = find(tree, [("ring_put", None)])
    assert found == {None: {"ring_put": ()}}
    assert [problem for problem in problems if "grep is not installed" in problem]


def test_links_lead_nowhere(tree: Tree) -> None:
    (tree.root.parent / "secret.c").write_text("int secret(void)\n{\n}\n")
    (tree.root / "kernel/link.c").symlink_to("../../secret.c")
    (tree.root / "out").symlink_to("..")
    assert places(tree, "secret") == {"secret": []}
    assert places(indexed(tree), "secret") == {"secret": []}
