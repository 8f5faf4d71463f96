"""The commit that a kernel was built from, and the text of a file there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kernfix.source import Tree
from kernfix.source.git import commit_of, text_at

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def run(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


@pytest.fixture
def repository(tree: Tree) -> Tree:
    run(tree.root, "init", "-q")
    run(tree.root, "add", ".")
    run(tree.root, "commit", "-qm", "first")
    for tag in ("v6.1", "v6.1-rc3", "v6.1.12", "next-20240325"):
        run(tree.root, "tag", tag)
    run(tree.root, "branch", "v6.2")
    (tree.root / "kernel/ring.c").write_bytes(b"int later;\n")
    run(tree.root, "commit", "-qam", "second")
    return tree


@pytest.mark.parametrize(
    ("release", "known"),
    [
        ("6.1.0", True),
        ("v6.1", True),
        ("6.1.0 #1 SMP PREEMPT_DYNAMIC", True),
        ("6.1.0-rc3", True),
        ("v6.1-rc3", True),
        ("6.1.0-rc3-syzkaller", True),
        ("6.1.12", True),
        ("6.1.12-kasan", True),
        ("6.9.0-rc1-next-20240325-syzkaller", True),
        # of a distribution, with unknown commits on top, of no tag, of a branch, of nothing
        ("6.1.0-13-amd64", False),
        ("6.1.0+", False),
        ("6.1.0-rc4", False),
        ("6.1.13", False),
        ("6.2.0", False),
        ("6.1.0-rc3-00123-gabcdef012345", False),
        ("-g", False),
        ("--help", False),
        ("HEAD", False),
        ("@{-1}", False),
        ("\x00", False),
        ("", False),
        ("  ", False),
    ],
)
def test_commit_of(repository: Tree, release: str, known: bool) -> None:
    assert commit_of(repository, release) == (run(repository.root, "rev-parse", "v6.1") if known else None)


@pytest.mark.parametrize("form", ["6.1.0-rc3-00001-g{}", "6.1.0-rc3-syzkaller-00001-g{}-dirty", "6.1.0-g{} #2 SMP"])
def test_commit_named_by_the_release(repository: Tree, form: str) -> None:
    head = run(repository.root, "rev-parse", "HEAD")
    assert commit_of(repository, form.format(head[:12])) == head


def test_no_repository(tree: Tree) -> None:
    assert commit_of(tree, "6.1.0") is None
    assert text_at(tree, "0" * 40, "kernel/ring.c") is None


def test_text_at(repository: Tree) -> None:
    commit = commit_of(repository, "6.1.0")
    assert commit is not None
    text = text_at(repository, commit, "kernel/ring.c")
    assert text is not None
    assert "ring_put" in text
    assert text_at(repository, run(repository.root, "rev-parse", "HEAD"), "kernel/ring.c") == "int later;\n"


@pytest.mark.parametrize(
    "path", ["", "kernel", "kernel/gone.c", "../ring.c", "/etc/passwd", ".git/config", "a\nb", "a\x00b"]
)
def test_no_text(repository: Tree, path: str) -> None:
    assert text_at(repository, run(repository.root, "rev-parse", "HEAD"), path) is None


@pytest.mark.parametrize("commit", ["", "HEAD", "main", "--help", "0" * 40, "g" * 40, "abc"])
def test_no_commit(repository: Tree, commit: str) -> None:
    assert text_at(repository, commit, "kernel/ring.c") is None
