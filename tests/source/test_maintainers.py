"""Who looks after a file."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from kernfix.source import Tree
from kernfix.source.maintainers import Maintainers, Subsystem, read_maintainers

MAINTAINERS = """\
List of maintainers
===================

	M: *Mail* patches to: FullName <address@domain>
	F:	drivers/net/	all files in and below drivers/net

RINGS
M:	Ann One <ann@example.org>
M:	Bob Two <bob@example.org>
R:	Cas Three <cas@example.org>
L:	rings@example.org (moderated for non-subscribers)
L:	insiders@example.org (subscribers-only)
L:	The Ring Team <team@example.org>
S:	Supported
W:	https://example.org
T:	git git://example.org/rings.git
# a comment is nothing
F:	kernel/ring*
F:	include/ring.h
K:	ring_put
KERNEL
M:	Kim <kim@example.org>
S:	Maintained
F:	kernel/
X:	kernel/bpf/
X:	kernel/*.S

FOO
S:	Orphan
F:	drivers/foo
F:	drivers/x.y
N:	foo[^a-z]

ANY TREE
F:	*/net/*

ODD
F:	lib/c++.c
F:	lib/[ab]?.c
F:	lib/[
F:
N:	(
N:	(a+)+$
X:	nothing/

THE REST
M:	Linus <l@example.org>
S:	Buried alive in reporters
F:	*
F:	*/
"""


@pytest.fixture
def maintainers(make_tree: Callable[..., Tree]) -> Maintainers:
    return read_maintainers(make_tree({"MAINTAINERS": MAINTAINERS, "drivers/x.y/a.c": ""}))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("kernel/ring.c", ["RINGS", "KERNEL"]),
        ("kernel/ringlet.h", ["RINGS", "KERNEL"]),
        ("kernel/ring/a.c", ["KERNEL"]),  # a star does not reach into folders
        ("kernel/a/b.c", ["KERNEL"]),
        ("include/ring.h", ["RINGS"]),
        ("include/ring.hpp", ["RINGS"]),  # a pattern is the beginning of a path
        ("include/sub/ring.h", []),
        ("kernel/bpf/a.c", []),
        ("kernel/entry.S", []),
        ("kernel/sub/entry.S", ["KERNEL"]),
        ("drivers/foo/main.c", ["FOO"]),
        ("drivers/foo/deep/main.c", ["FOO"]),
        ("drivers/foobar.c", []),  # drivers/foo is a folder
        ("drivers/x.y/a.c", []),  # a folder with a dot is none to the script
        ("sound/foo-x.c", ["FOO"]),
        ("sound/foox.c", []),
        ("a/net/b.c", ["ANY TREE"]),
        ("a/b/net/c.c", []),
        ("net/b.c", []),
        ("lib/c++.c", ["ODD"]),
        ("lib/ccc.c", []),
        ("lib/b1.c", ["ODD"]),
        ("lib/c1.c", []),
        ("lib/aaaa", []),
        ("Makefile", []),
    ],
)
def test_sections(maintainers: Maintainers, path: str, expected: list[str]) -> None:
    assert [each.name for each in maintainers.of(path)] == [*expected, "THE REST"]


def test_fields(maintainers: Maintainers) -> None:
    ring, kernel, rest = maintainers.of("kernel/ring.c")
    assert ring == Subsystem(
        name="RINGS",
        status="Supported",
        maintainers=("Ann One <ann@example.org>", "Bob Two <bob@example.org>"),
        reviewers=("Cas Three <cas@example.org>",),
        lists=("rings@example.org", "team@example.org"),
        trees=("git git://example.org/rings.git",),
        depth=2,
    )
    assert (kernel.depth, rest.depth) == (1, -1)
    assert maintainers.of("net/foo-1.c")[0].depth == 0


@pytest.mark.parametrize("path", ["", "../kernel/ring.c", "/kernel/ring.c", "kernel/../../x", "k\0", "a/" * 5000 + "b"])
def test_paths_that_are_none(maintainers: Maintainers, path: str) -> None:
    assert maintainers.of(path) == ()


@pytest.mark.parametrize("text", ["", "F:", "NAME ALONE\n", "\n\n#\n", "\xff\0F: x", "F:\t../../etc/"])
def test_odd_files(make_tree: Callable[..., Tree], text: str) -> None:
    assert read_maintainers(make_tree({"MAINTAINERS": text.encode("latin-1")})).of("kernel/ring.c") == ()


def test_no_file(tree: Tree) -> None:
    assert read_maintainers(tree).of("kernel/ring.c") == ()


def test_hostile_patterns_take_no_time(make_tree: Callable[..., Tree]) -> None:
    lines = [
        "F:\t" + "*a" * 300 + "b",
        "N:\t(a*)*b",
        "N:\ta*a*a*a*a*b",
        "N:\t(?:a|a)+$",
        "F:\tkernel/" + "?" * 2000 + "*[",
    ]
    found = read_maintainers(make_tree({"MAINTAINERS": "EVIL\n" + "\n".join(lines) + "\n"}))
    begin = time.process_time()
    assert found.of("kernel/" + "a" * 900) == ()
    assert time.process_time() - begin < 0.5
