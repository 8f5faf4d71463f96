"""What git says of a tree, without touching it or running what it names."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kernfix.patch import apply_diff
from kernfix.source import Tree, git

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def run(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture
def repository(tree: Tree) -> Tree:
    run(tree.root, "init", "-q")
    run(tree.root, "add", ".")
    run(tree.root, "commit", "-qm", "first")
    run(tree.root, "tag", "v6.12")
    return tree


def edit(tree: Tree) -> str:
    file = tree.root / "kernel/ring.c"
    file.write_text(file.read_text().replace("r->full", "r->is_full"))
    return file.read_text()


def test_clean(repository: Tree) -> None:
    assert git.is_git(repository)
    assert git.head(repository) == run(repository.root, "rev-parse", "HEAD").strip()
    assert git.describe(repository) == "v6.12"
    assert git.diff_head(repository) == ""
    assert not git.dirty(repository)


def test_uncommitted_changes_are_a_patch(repository: Tree) -> None:
    before = repository.read("kernel/ring.c")
    after = edit(repository)
    (repository.root / "untracked.c").write_text("x")
    (repository.root / "Kconfig").unlink()
    run(repository.root, "add", "kernel/ring.c")
    for name, value in (
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("color.ui", "always"),
        ("diff.external", "false"),
    ):
        run(repository.root, "config", name, value)
    text = git.diff_head(repository)
    assert text is not None
    change = apply_diff(text, {"kernel/ring.c": before, "Kconfig": "mainmenu\n"}.get)
    assert change.problems == ()
    assert change.after == {"kernel/ring.c": after, "Kconfig": None}
    assert git.dirty(repository)


def test_nothing_is_written_or_run(repository: Tree) -> None:
    edit(repository)
    mark = repository.root.parent / "ran"
    for name in ("core.fsmonitor", "diff.external", "filter.f.clean", "filter.f.process", "diff.d.textconv"):
        run(repository.root, "config", name, f"touch {mark}; false")
    (repository.root / ".git/info/attributes").write_text("*.c filter=f diff=d\n")
    index = (repository.root / ".git/index").read_bytes()
    assert "is_full" in (git.diff_head(repository) or "")
    assert not mark.exists()
    assert (repository.root / ".git/index").read_bytes() == index
    assert not list((repository.root / ".git").glob("*.lock"))


def test_no_repository(tree: Tree) -> None:
    assert not git.is_git(tree)
    assert (git.head(tree), git.describe(tree), git.diff_head(tree), git.dirty(tree)) == (None, None, None, False)


def test_inside_another_project(tree: Tree) -> None:
    run(tree.root.parent, "init", "-q")
    assert not git.is_git(tree)
    assert git.diff_head(tree) is None


def test_no_commit_yet(tree: Tree) -> None:
    run(tree.root, "init", "-q")
    assert git.is_git(tree)
    assert (git.head(tree), git.diff_head(tree)) == (None, None)


def test_without_git(repository: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository.root))
    assert git.head(repository) is None
    assert git.diff_head(repository) is None


def test_variables_of_the_caller_do_not_lead_elsewhere(repository: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    assert git.diff_head(repository) == ""
