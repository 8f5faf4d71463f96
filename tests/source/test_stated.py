"""A place that a log states, in a tree that is as it was, has moved on, or was edited."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kernfix.crash.model import Crash, Machine, Span
from kernfix.source import Location, Tree
from kernfix.source.stated import Old, stated
from kernfix.source.texts import Texts

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

FILE = "kernel/slot.c"
OLD = """\
int slot_first(struct slot *s)
{
	return s->first;
}

int slot_put(struct slot *s, int v)
{
	if (s->full)
		return -EAGAIN;
	slot_check_index(s, v);
	s->value[s->head] = v;
	return 0;
}

int slot_gone(struct slot *s)
{
	return s->last;
}
"""
NEW = """\
int slot_first(struct slot *s)
{
	return s->first;
}

/* Puts one value. */
int slot_put(struct slot *s, int v)
{
	lockdep_assert_held(&s->lock);
	if (s->full)
		return -EAGAIN;
	s->value[s->head] = v;
	return 0;
}
"""
FIRST, PUT, CHECK, GONE = 3, 11, 10, 17
"""Lines of the old text."""


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


@pytest.fixture
def moved_on(make_tree: Callable[..., Tree]) -> Tree:
    """A repository whose first commit has the old text, and the second, which is checked out, the new one."""
    tree = make_tree({FILE: OLD})
    git(tree.root, "init", "-q")
    git(tree.root, "add", ".")
    git(tree.root, "commit", "-qm", "first")
    (tree.root / FILE).write_text(NEW)
    (tree.root / "kernel/later.c").write_text("int later(void)\n{\n\treturn 1;\n}\n")
    git(tree.root, "add", ".")
    git(tree.root, "commit", "-qm", "second")
    return tree


def crash_of(kernel: str | None) -> Crash:
    return Crash("title", Span(0, 0, 1), 0, 9, 0, machine=Machine(kernel=kernel))


def release(tree: Tree, commit: str, suffix: str = "") -> str:
    return f"6.12.0-00123-g{git(tree.root, 'rev-parse', commit)[:12]}{suffix} #1 SMP"


def place(
    tree: Tree, symbol: str, line: int, kernel: str | None, path: str = FILE, texts: Texts | None = None
) -> Location | None:
    return stated(symbol, path, line, "log", texts or Texts(tree), Old(crash_of(kernel), tree))


def check(location: Location | None, how: str, line: int, least: float, most: float, *words: str) -> None:
    assert location is not None
    assert (location.how, location.line) == (how, line)
    assert least <= location.confidence <= most
    for word in words:
        assert word in location.reason
    assert location.reason.endswith(".")


@needs_git
@pytest.mark.parametrize(
    ("symbol", "line", "how", "there", "least", "most", "word"),
    [
        ("slot_put", PUT, "relocated", 12, 0.8, 1.0, "in its place in slot_put()"),
        ("slot_put", 6, "relocated", 7, 0.8, 1.0, "states line 6 of commit"),
        ("slot_first", FIRST, "log", 3, 0.95, 0.95, "still there"),
        ("slot_put", CHECK, "relocated", 12, 0.3, 0.3, "which is gone; this stands in its place"),
        ("slot_put.isra.0", PUT, "relocated", 12, 0.8, 1.0, "commit"),
    ],
)
def test_a_line_is_found_by_the_text_of_its_commit(
    moved_on: Tree, symbol: str, line: int, how: str, there: int, least: float, most: float, word: str
) -> None:
    check(place(moved_on, symbol, line, release(moved_on, "HEAD~1")), how, there, least, most, word)


@needs_git
def test_the_reason_names_the_commit_and_who_says_so(moved_on: Tree) -> None:
    old = Old(crash_of(release(moved_on, "HEAD~1")), moved_on)
    location = stated("slot_put", FILE, PUT, "debuginfo", Texts(moved_on), old)
    commit = git(moved_on.root, "rev-parse", "HEAD~1")[:12]
    check(location, "relocated", 12, 0.8, 1.0, f"The debug information states line {PUT} of commit {commit}.")


@needs_git
def test_a_function_that_is_gone_with_its_line(moved_on: Tree) -> None:
    assert place(moved_on, "slot_gone", GONE, release(moved_on, "HEAD~1")) is None


@needs_git
def test_a_line_that_the_commit_does_not_have(moved_on: Tree) -> None:
    location = place(moved_on, "slot_put", 4000, release(moved_on, "HEAD~1"))
    check(location, "relocated", 7, 0.5, 0.5, "past the file's end", "begins now")


@needs_git
def test_a_file_that_the_commit_does_not_have(moved_on: Tree) -> None:
    check(place(moved_on, "later", 3, release(moved_on, "HEAD~1"), "kernel/later.c"), "log", 3, 0.95, 0.95, "later()")


@needs_git
def test_a_file_that_is_the_same_in_both(moved_on: Tree) -> None:
    location = place(moved_on, "ring_put", 11, release(moved_on, "HEAD~1"), "kernel/ring.c")
    check(location, "log", 11, 0.95, 0.95, "in ring_put() here")


@needs_git
@pytest.mark.parametrize(
    ("commit", "kernel"),
    [("HEAD~1", "6.12.0-00123-gabcdef012345"), ("HEAD~1", "6.12.0-13-amd64"), ("HEAD~1", None), ("HEAD", None)],
)
def test_without_a_commit_that_is_known_a_line_counts_as_stated(
    moved_on: Tree, commit: str, kernel: str | None
) -> None:
    if commit == "HEAD":
        kernel = release(moved_on, "HEAD")
    check(place(moved_on, "slot_put", 12, kernel), "log", 12, 0.95, 0.95, "states this line")
    check(place(moved_on, "slot_put", 6, kernel), "relocated", 7, 0.5, 0.5, "outside any function")


@needs_git
def test_edits_on_top_of_the_same_commit(moved_on: Tree) -> None:
    """The kernel was built before the edit: lines below it have moved. One that says it had changes was built with them."""
    (moved_on.root / FILE).write_text(f"/* one\n * two\n */\n{NEW}")
    check(place(moved_on, "slot_put", 12, release(moved_on, "HEAD")), "relocated", 15, 0.8, 1.0, "of commit")
    check(place(moved_on, "slot_put", 12, release(moved_on, "HEAD", "-dirty")), "log", 12, 0.95, 0.95, "this line")
    check(place(moved_on, "slot_put", 11, release(moved_on, "HEAD~1", "-dirty")), "relocated", 15, 0.8, 1.0)


@needs_git
def test_a_commit_is_asked_once_for_each_file(moved_on: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Old(crash_of(release(moved_on, "HEAD~1")), moved_on)
    assert old.text(FILE) == OLD
    monkeypatch.setenv("PATH", "")
    assert old.text(FILE) == OLD
    assert old.text("kernel/ring.c") is None


def test_no_repository(make_tree: Callable[..., Tree]) -> None:
    tree = make_tree({FILE: NEW})
    check(place(tree, "slot_put", 12, "6.12.0-00123-gabcdef012345"), "log", 12, 0.95, 0.95, "slot_put()")


@needs_git
def test_no_git_program(moved_on: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = release(moved_on, "HEAD~1")
    monkeypatch.setenv("PATH", str(moved_on.root))
    check(place(moved_on, "slot_put", 12, kernel), "log", 12, 0.95, 0.95)


@pytest.mark.parametrize(
    ("kernel", "confidence"),
    [
        ("6.12.9 #1 SMP", 0.95),
        ("6.12.0-rc3+", 0.95),
        ("next", 0.95),
        ("6.1.0-13-amd64", 0.4),
        ("6.1", 0.4),
        ("v4.12.0-rc3+", 0.4),
        ("16.12.0", 0.4),
    ],
)
def test_a_kernel_of_another_version(make_tree: Callable[..., Tree], kernel: str, confidence: float) -> None:
    location = place(make_tree({FILE: NEW}), "slot_put", 12, kernel)
    check(location, "log", 12, confidence, confidence)
    assert location is not None
    assert ("but the kernel was Linux" in location.reason) == (confidence < 0.9)


@needs_git
def test_the_text_of_the_commit_is_better_than_its_version(moved_on: Tree) -> None:
    kernel = f"6.1.0-g{git(moved_on.root, 'rev-parse', 'HEAD~1')[:12]}"
    check(place(moved_on, "slot_first", FIRST, kernel), "log", 3, 0.95, 0.95)
    check(place(moved_on, "ring_put", 11, kernel, "kernel/ring.c"), "log", 11, 0.95, 0.95)
    check(place(moved_on, "later", 3, kernel, "kernel/later.c"), "log", 3, 0.4, 0.4)


BLANKS = "int blanks(int a)\n{\n\t/* one\n\t * two\n\t */\n\n\t// three\n#ifdef A\n\t*a = 1\n\t\t* 2;\n}\n"


@pytest.mark.parametrize(
    ("line", "is_code"),
    [
        (1, True),
        (2, True),
        (3, False),
        (4, False),
        (5, False),
        (6, False),
        (7, False),
        (8, False),
        (9, True),
        (11, True),
    ],
)
def test_a_line_without_code_was_not_meant(make_tree: Callable[..., Tree], line: int, is_code: bool) -> None:
    location = place(make_tree({FILE: BLANKS}), "blanks", line, None)
    check(location, "log", line, 0.95 if is_code else 0.3, 0.95 if is_code else 0.3)
    assert location is not None
    assert ("no code" in location.reason) != is_code


NESTED = """\
SYM_CODE_START(enter)
	push x
SYM_INNER_LABEL(enter_safe_stack, SYM_L_GLOBAL)
	call x
SYM_CODE_END(enter)
	nop
SYM_FUNC_START(leave)
	ret
SYM_FUNC_END(leave)
"""


@pytest.mark.parametrize(
    ("symbol", "line", "how", "there", "confidence", "function"),
    [
        ("enter", 2, "log", 2, 0.95, "enter"),
        ("enter", 4, "log", 4, 0.95, "enter"),
        ("enter_safe_stack", 4, "log", 4, 0.95, "enter_safe_stack"),
        ("leave", 4, "relocated", 7, 0.5, "leave"),
        ("made_by_assembler", 4, "log", 4, 0.6, "enter_safe_stack"),
        ("made_by_assembler", 6, "log", 6, 0.6, None),
    ],
)
def test_assembler(
    make_tree: Callable[..., Tree],
    symbol: str,
    line: int,
    how: str,
    there: int,
    confidence: float,
    function: str | None,
) -> None:
    location = place(make_tree({"arch/x86/entry/nested.S": NESTED}), symbol, line, None, "arch/x86/entry/nested.S")
    check(location, how, there, confidence, confidence)
    assert location is not None
    assert location.function == function


def test_assembler_of_another_version(make_tree: Callable[..., Tree]) -> None:
    tree, path = make_tree({"arch/x86/entry/nested.S": NESTED}), "arch/x86/entry/nested.S"
    assert place(tree, "made_by_assembler", 4, "6.1.0", path) is None
    check(place(tree, "leave", 4, "6.1.0", path), "relocated", 7, 0.5, 0.5)
    check(place(tree, "leave", 8, "6.1.0", path), "log", 8, 0.4, 0.4)


MADE = """\
SHOW(temperature)
SHOW_TWO(alarm,
	0x14)

int plain(void)
{
	return 0;
}
int add(struct task *task);
"""


@pytest.mark.parametrize(
    ("symbol", "path", "line", "confidence", "word"),
    [
        ("plain", "drivers/made.c", 7, 0.95, "in plain() here"),
        ("temperature_show", "drivers/made.c", 1, 0.7, "a macro makes temperature_show()"),
        ("alarm_show", "drivers/made.c", 3, 0.7, "a macro makes alarm_show()"),
        ("entry_call", "arch/x86/entry/entry.S", 2, 0.95, "in entry_call() here"),
        ("anything", "arch/x86/entry/entry.S", 2, 0.6, "assembler"),
    ],
)
def test_as_stated(
    make_tree: Callable[..., Tree], symbol: str, path: str, line: int, confidence: float, word: str
) -> None:
    tree = make_tree({"drivers/made.c": MADE})
    check(place(tree, symbol, line, None, path), "log", line, confidence, confidence, word)


@pytest.mark.parametrize(
    ("symbol", "path", "line"),
    [
        ("other_show", "drivers/made.c", 1),
        ("temperatures_show", "drivers/made.c", 1),
        ("task_free", "drivers/made.c", 9),
        ("temperature_show", "drivers/made.c", 7),
        ("other", "drivers/made.c", 7),
        ("other", "drivers/made.c", 4000),
        ("other", "drivers/made.c", 0),
        ("other", "arch/x86/entry/entry.S", 4000),
        ("", "drivers/made.c", 4),
    ],
)
def test_what_the_tree_does_not_bear_out(make_tree: Callable[..., Tree], symbol: str, path: str, line: int) -> None:
    assert place(make_tree({"drivers/made.c": MADE}), symbol, line, None, path) is None
