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


def commit(tree: Tree, path: str, text: str, subject: str) -> str:
    file = tree.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    run(tree.root, "add", path)
    run(tree.root, "commit", "-qm", subject)
    return run(tree.root, "rev-parse", "HEAD").strip()


THREE = "int a;\nint b;\nint c;\n"


def test_blame(repository: Tree) -> None:
    first = commit(repository, "a.c", THREE, "a: add")
    second = commit(repository, "a.c", THREE.replace("b", "bb"), 'a: "rename" b')
    (repository.root / "a.c").write_text("// new\n" + THREE.replace("b", "bb"))
    lines = git.blame(repository, "a.c", 1, 4)
    assert lines is not None
    assert [(each.line, each.text, each.original_line) for each in lines] == [
        (1, "// new", 1), (2, "int a;", 1), (3, "int bb;", 2), (4, "int c;", 3),
    ]  # fmt: skip
    assert [each.commit and each.commit.hash for each in lines] == [None, first, second, first]
    named = lines[2].commit
    assert named is not None
    assert (named.author, named.subject) == ("t", 'a: "rename" b')
    assert named.date is not None
    assert abs(named.date.timestamp() - int(run(repository.root, "log", "-1", "--format=%at"))) < 1
    assert not any(each.cut for each in lines)


def test_blame_of_a_revision_and_of_a_renamed_file(repository: Tree) -> None:
    first = commit(repository, "a.c", THREE, "a: add")
    run(repository.root, "mv", "a.c", "z.c")
    run(repository.root, "commit", "-qm", "a: move")
    commit(repository, "z.c", "int other;\n", "z: rewrite")
    lines = git.blame(repository, "z.c", 2, 3, "HEAD~1")
    assert lines is not None
    assert [(each.original_path, each.commit and each.commit.hash) for each in lines] == [("a.c", first)] * 2


@pytest.mark.parametrize(
    ("path", "first", "last", "revision"),
    [
        ("nowhere.c", 1, 1, None), ("kernel/ring.c", 9000, 9001, None), ("kernel/ring.c", 0, 1, None), ("kernel/ring.c", 3, 2, None),
        ("kernel/ring.c", 1, 10**9, None), ("../ring.c", 1, 1, None), ("/etc/passwd", 1, 1, None), ("a\0b", 1, 1, None),
        ("kernel/ring.c", 1, 1, "nosuch"), ("kernel/ring.c", 1, 1, "--output=x"), ("kernel/ring.c", 1, 1, "HEAD:kernel/ring.c"),
    ],
)  # fmt: skip
def test_nothing_to_blame(repository: Tree, path: str, first: int, last: int, revision: str | None) -> None:
    assert git.blame(repository, path, first, last, revision) is None
    assert git.history(repository, path, first, last, revision or "HEAD") is None
    assert not (repository.root / "x").exists()


def test_a_shallow_clone_has_nobody_to_blame(repository: Tree) -> None:
    commit(repository, "a.c", THREE, "a: add")
    run(repository.root.parent, "clone", "-q", "--depth=1", f"file://{repository.root}", "shallow")
    shallow = Tree(repository.root.parent / "shallow", "6.12")
    lines = git.blame(shallow, "kernel/ring.c", 1, 2)
    assert lines is not None
    assert [each.cut for each in lines] == [True, True]
    whole = git.blame(repository, "kernel/ring.c", 1, 2)
    assert whole is not None
    assert [each.cut for each in whole] == [False, False]


def test_history_of_lines(repository: Tree) -> None:
    made = [commit(repository, "a.c", THREE.replace("b", "b" * times), f"a: b{times}") for times in (1, 2, 3)]
    commit(repository, "a.c", "// other\n" + THREE.replace("b", "bbb"), "a: elsewhere")
    found = git.history(repository, "a.c", 3, 3)
    assert found is not None
    assert [(each.hash, each.subject) for each in found.commits] == [
        (made[2], "a: b3"), (made[1], "a: b2"), (made[0], "a: b1"),
    ]  # fmt: skip
    assert found.complete
    two = git.history(repository, "a.c", 3, 3, limit=2)
    assert two is not None
    assert ([each.subject for each in two.commits], two.complete) == (["a: b3", "a: b2"], False)


def test_history_is_given_up_in_time(repository: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "bin/git"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\ncase "$*" in *" log "*) exec sleep 60;; esac\nexec {shutil.which("git")} "$@"\n')
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:/usr/bin:/bin")
    assert git.history(repository, "kernel/ring.c", 1, 1, seconds=0.1) == git.History((), complete=False)


def test_fixes_line(repository: Tree) -> None:
    digest = commit(repository, "a.c", THREE, 'a: say "hello" & %h')
    assert git.fixes_line(repository, digest) == f'Fixes: {digest[:12]} ("a: say "hello" & %h")'
    assert git.fixes_line(repository, digest[:8]) == git.fixes_line(repository, "HEAD")
    for wrong in ("", "nosuch", "--help", "HEAD^{tree}", "a" * 1000, "HEAD\n"):
        assert git.fixes_line(repository, wrong) is None


def test_history_runs_nothing_either(repository: Tree) -> None:
    commit(repository, "a.c", THREE, "a: add")
    run(repository.root, "commit", "-q", "--allow-empty", "-m", "signed")
    edit(repository)
    mark = repository.root.parent / "ran"
    script = f"touch {mark}; false"
    names = (
        "core.fsmonitor",
        "diff.external",
        "filter.f.clean",
        "filter.a=b.clean",
        "diff.d.textconv",
        "gpg.program",
        "core.pager",
    )
    for name in names:
        run(repository.root, "config", name, script)
    run(repository.root, "config", "log.showSignature", "true")
    (repository.root / ".git/info/attributes").write_text("*.c filter=f diff=d\nkernel/*.c filter=a=b\n")
    assert git.blame(repository, "kernel/ring.c", 1, 3)
    assert git.history(repository, "a.c", 1, 3)
    assert git.fixes_line(repository, "HEAD")
    assert "is_full" in (git.diff_head(repository) or "")
    assert not mark.exists()


def test_a_missing_object_is_not_fetched(repository: Tree) -> None:
    digest = commit(repository, "a.c", THREE, "a: add")
    mark = repository.root.parent / "ran"
    for name, value in (
        ("core.repositoryFormatVersion", "1"), ("extensions.partialClone", "origin"), ("remote.origin.promisor", "true"),
        ("remote.origin.url", f"ext::sh -c touch% {mark}"), ("protocol.ext.allow", "always"),
    ):  # fmt: skip
        run(repository.root, "config", name, value)
    blob = run(repository.root, "rev-parse", f"{digest}:a.c").strip()
    (repository.root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    assert git.blame(repository, "a.c", 1, 1, "HEAD") is None
    assert not mark.exists()
