"""Asking an index."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kernfix.source import Tree
from kernfix.source.index.build import refresh
from kernfix.source.index.lookup import Index, open_index
from kernfix.source.index.store import discard, index_path
from kernfix.source.search import search

SYMBOLS = (
    "ring_put", "ring_put.part.0", "__x64_sys_ring_write", "__do_sys_ring_write", "report", "report.cold", "cpu_idle", "entry_call",
    "ring_stub", "foo_start", "nothing", "", "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "a\0b", "x' or 1=1 --", "\udce9",
)  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def opened(tree: Tree) -> Index:
    refreshed, problem = refresh(tree)
    assert refreshed is not None, problem
    index, problem = open_index(tree)
    assert index is not None, problem
    return index


@pytest.mark.parametrize("arch", [None, "x86_64", "aarch64"])
def test_it_answers_as_a_search_does(tree: Tree, arch: str | None) -> None:
    with opened(tree) as index:
        assert index.definitions(SYMBOLS, arch) == search(tree, SYMBOLS, arch)


def test_kinds(make_tree: Callable[..., Tree]) -> None:
    tree = make_tree({"kernel/made.c": "#define GET(n) \\\nint n##_get(void) \\\n{ \\\n}\n\nGET(ring);\n"})
    with opened(tree) as index:
        kinds = {name: [each.kind for each in index.entries(name)] for name in ("ring_stub", "entry_call", "ring_get")}
    assert kinds == {"ring_stub": ["function"], "entry_call": ["label"], "ring_get": ["macro"]}


def test_without_an_index(tree: Tree) -> None:
    index, problem = open_index(tree)
    assert index is None
    assert f"kernfix index --tree {tree.root}" in (problem or "")


def test_an_open_index_shows_later_changes(tree: Tree, make_tree: Callable[..., Tree]) -> None:
    with opened(tree) as index:
        assert index.find("later") == []
        make_tree({"kernel/later.c": "int later(void)\n{\n}\n"})
        refresh(tree)
        assert [each.definition.path for each in index.find("later")] == ["kernel/later.c"]


@pytest.mark.parametrize("content", [b"no database at all " * 500, b"", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_index(tree: Tree, content: bytes) -> None:
    path = index_path(tree.root)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    index, problem = open_index(tree)
    assert index is None
    assert "kernfix index --tree" in (problem or "")


def test_damage_found_late_is_said_and_mended(make_tree: Callable[..., Tree]) -> None:
    functions = "".join(f"int function_{number}(void)\n{{\n}}\n" for number in range(5000))
    tree = make_tree({"kernel/many.c": functions})
    opened(tree).close()
    path = index_path(tree.root)
    content = path.read_bytes()
    at = content.index(b"function_4000")
    page = at // 4096 * 4096
    path.write_bytes(content[:page] + b"\xff" * 4096 + content[page + 4096 :])
    index, problem = open_index(tree)
    assert index is not None, problem
    with index:
        assert index.find("function_4000") == []
        assert "damaged" in (index.problem or "")
        assert index.find("ring_put") == [], "nothing more is asked of it"
    with opened(tree) as index:
        assert index.find("function_4000")
        assert index.problem is None


def test_a_cache_that_became_read_only(tree: Tree) -> None:
    opened(tree).close()
    folder = index_path(tree.root).parent
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write everywhere")
    try:
        index, problem = open_index(tree)
        assert index is not None, problem
        with index:
            assert index.find("ring_put")
    finally:
        folder.chmod(0o700)


def test_a_file_that_vanishes_under_an_open_index(tree: Tree) -> None:
    with opened(tree) as index:
        discard(index_path(tree.root))
        assert index.find("ring_put")
