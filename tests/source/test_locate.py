"""Every way to find a frame, and what happens when the tree disagrees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from kernfix.crash.model import Crash, Frame, HeldLock, Machine, SourceLine, Span, Stack
from kernfix.source import Located, Location, Symbols, Tree, locate, locate_all
from kernfix.source.debuginfo import Chain, Place
from kernfix.source.index.build import refresh

HEAD = Span(0, 0, 1)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def crash(
    *frames: Frame, site: SourceLine | None = None, function: str | None = None, arch: str | None = "x86_64"
) -> Crash:
    placed = tuple(frame._replace(span=Span(number, 0, 1)) for number, frame in enumerate(frames, 1))
    return Crash("title", HEAD, 0, 9, 0, site=site, function=function, arch=arch, stacks=(Stack("crash", placed),))


def frame(
    function: str, file: str | None = None, line: int | None = None, offset: int | None = None, size: int | None = None
) -> Frame:
    return Frame(function, HEAD, offset=offset, size=size, file=file, line=line)


def one(tree: Tree, *frames: Frame, symbols: Symbols | None = None) -> Location | None:
    return locate(crash(*frames), tree, symbols).stacks[0].locations[0]


def check(location: Location | None, how: str, path: str, line: int, least: float = 0.0, most: float = 1.0) -> None:
    assert location is not None
    assert (location.how, location.path, location.line) == (how, path, line)
    assert least <= location.confidence <= most
    assert location.reason.endswith(".")


def symbols(chains: dict[str, Chain]) -> Symbols:
    """Debug information in which each function is at an address of its own, and every address has the function's chain."""
    table = [(name, number << 12) for number, name in enumerate(chains, 1)]
    by_address = dict(zip((address for _, address in table), chains.values(), strict=True))

    def look(addresses: Sequence[int]) -> list[Chain]:
        return [by_address[max(base for base in by_address if base <= address)] for address in addresses]

    return Symbols([*table, ("end", (len(chains) + 1) << 12)], look, "test")


@pytest.mark.parametrize("file", ["kernel/ring.c", "/build/x/kernel/ring.c", "../kernel/ring.c"])
def test_log(tree: Tree, file: str) -> None:
    location = one(tree, frame("ring_put", file, 11))
    check(location, "log", "kernel/ring.c", 11, least=0.9)
    assert location is not None
    assert (location.function, location.function_start, location.function_end) == ("ring_put", 7, 13)


def test_selector(tree: Tree) -> None:
    location = one(tree, frame("ring_put", "kernel/ring.c", 11))
    assert location is not None
    assert location.selector == "kernel/ring.c#ring_put+4~05d71a97"


def test_log_through_a_suffix_and_a_system_call(tree: Tree) -> None:
    check(one(tree, frame("ring_put.isra.0", "kernel/ring.c", 11)), "log", "kernel/ring.c", 11)
    check(one(tree, frame("__do_sys_ring_write", "kernel/ring.c", 26)), "log", "kernel/ring.c", 26)


def test_log_of_a_function_that_a_macro_makes(tree: Tree) -> None:
    check(one(tree, frame("ring_stats_open", "kernel/ring.c", 30)), "log", "kernel/ring.c", 30, most=0.8)


@pytest.mark.parametrize(
    ("line", "word"), [(22, "sys_ring_write()"), (5, "outside any function"), (4000, "past the file's end")]
)
def test_line_moved(tree: Tree, line: int, word: str) -> None:
    location = one(tree, frame("ring_put", "kernel/ring.c", line))
    check(location, "relocated", "kernel/ring.c", 7, most=0.6)
    assert location is not None
    assert word in location.reason


def test_function_moved_to_another_file(tree: Tree) -> None:
    check(one(tree, frame("foo_start", "kernel/ring.c", 11)), "symbol", "drivers/foo/main.c", 1)


def test_file_is_gone(tree: Tree) -> None:
    check(one(tree, frame("foo_start", "drivers/gone.c", 11)), "symbol", "drivers/foo/main.c", 1)


def test_path_out_of_the_tree_is_not_followed(tree: Tree) -> None:
    (tree.root.parent / "secret.c").write_text("int secret(void)\n{\n}\n")
    located = locate(crash(frame("secret", "../secret.c", 1), frame("secret2", "/etc/passwd", 1)), tree)
    assert located.stacks[0].locations == (None, None)


def test_symbol(tree: Tree) -> None:
    location = one(tree, frame("foo_start", offset=4, size=16))
    check(location, "symbol", "drivers/foo/main.c", 1, least=0.9)
    assert location is not None
    assert "only definition" in location.reason


def test_tools_are_shadowed_by_the_kernel(tree: Tree) -> None:
    check(one(tree, frame("ring_put", offset=4)), "symbol", "kernel/ring.c", 7, least=0.8)


def test_neighbours_choose_among_twins(tree: Tree) -> None:
    for name in ("foo", "bar"):
        check(
            one(tree, frame("report"), frame(f"{name}_start")),
            "symbol",
            f"drivers/{name}/main.c",
            {"foo": 6, "bar": 1}[name],
            most=0.7,
        )


def test_twins_without_a_hint_are_not_trusted(tree: Tree) -> None:
    location = one(tree, frame("report"))
    assert location is not None
    assert location.confidence < 0.5
    assert "One of 2 definitions" in location.reason


def test_stated_file_name_chooses_among_twins(make_tree: Callable[..., Tree]) -> None:
    tree = make_tree({"drivers/bar/other.c": "static void report(void)\n{\n}\n", "drivers/bar/main.c": ""})
    check(one(tree, frame("report", "gone/other.c", 3)), "symbol", "drivers/bar/other.c", 1)


def test_arch_of_the_crash(tree: Tree) -> None:
    for arch, folder in (("x86_64", "x86"), ("arm64", "arm64")):
        located = locate(crash(frame("cpu_idle"), arch=arch), tree)
        check(located.stacks[0].locations[0], "symbol", f"arch/{folder}/kernel/idle.c", 1)


def test_debug_information(tree: Tree) -> None:
    places = (Place("kernel/ring.c", 18, 1, "ring_of"), Place("/b/kernel/ring.c", 24, None, "__do_sys_ring_write"))
    location = one(
        tree, frame("__x64_sys_ring_write", offset=9, size=4096), symbols=symbols({"__x64_sys_ring_write": places})
    )
    check(location, "debuginfo", "kernel/ring.c", 18, least=0.9)
    assert location is not None
    (caller,) = location.inlined_by
    check(caller, "debuginfo", "kernel/ring.c", 24)
    assert caller.inlined_by == ()


def test_debug_information_of_another_kernel(tree: Tree) -> None:
    found = symbols(
        {
            "ring_put": (Place("kernel/ring.c", 24, None, "ring_put"),),
            "foo_start": (Place("gone.c", 1, None, "foo_start"),),
        }
    )
    check(one(tree, frame("ring_put", offset=9, size=4096), symbols=found), "relocated", "kernel/ring.c", 7)
    check(one(tree, frame("ring_put", offset=9, size=64), symbols=found), "symbol", "kernel/ring.c", 7)
    check(one(tree, frame("foo_start", offset=9), symbols=found), "symbol", "drivers/foo/main.c", 1)
    assert "of another kernel" in locate(crash(frame("foo_start", offset=9)), tree, found).problems[0]


def test_debug_information_without_a_function(tree: Tree) -> None:
    found = symbols({"ring_put": (Place("kernel/ring.c", 11, None, ""),)})
    check(one(tree, frame("ring_put", offset=9), symbols=found), "debuginfo", "kernel/ring.c", 11)


@pytest.mark.parametrize(("function", "expected"), [("ring_put", [9, 8]), ("dump_stack_lvl", [8, 8])])
def test_return_addresses(tree: Tree, function: str, expected: list[int]) -> None:
    asked: list[int] = []

    def look(addresses: Sequence[int]) -> list[Chain]:
        asked.extend(addresses)
        return [() for _ in addresses]

    found = Symbols([(function, 0), ("foo_start", 4096), ("end", 8192)], look, "test")
    locate(crash(frame(function, offset=9), frame("foo_start", offset=9)), tree, found)
    assert [address % 4096 for address in asked] == expected


def test_log_is_asked_before_debug_information(tree: Tree) -> None:
    found = symbols({"ring_put": (Place("kernel/ring.c", 12, None, "ring_put"),)})
    check(one(tree, frame("ring_put", "kernel/ring.c", 11, offset=9), symbols=found), "log", "kernel/ring.c", 11)


@pytest.mark.parametrize(
    ("line", "function", "least", "most"),
    [(11, "ring_put", 0.9, 1.0), (18, "ring_put", 0.7, 0.9), (11, "foo_start", 0.3, 0.6), (3, "ring_put", 0.3, 0.6)],
)
def test_site(tree: Tree, line: int, function: str, least: float, most: float) -> None:
    located = locate(crash(frame(function), site=SourceLine("kernel/ring.c", line), function=function), tree)
    check(located.site, "log", "kernel/ring.c", line, least, most)


def test_site_gives_its_frame_the_line(tree: Tree) -> None:
    located = locate(crash(frame("ring_put"), site=SourceLine("kernel/ring.c", 11), function="ring_put"), tree)
    check(located.stacks[0].locations[0], "symbol", "kernel/ring.c", 11)


@pytest.mark.parametrize(
    "site", [SourceLine("none.c", 3), SourceLine("kernel/ring.c", 4000), SourceLine("../x.c", 1), None]
)
def test_no_site(tree: Tree, site: SourceLine | None) -> None:
    assert locate(crash(frame("ring_put"), site=site), tree).site is None


def test_problems_name_what_is_missing(tree: Tree) -> None:
    unreliable = frame("guess")._replace(reliable=False)
    located = locate(crash(frame("nowhere"), frame("elsewhere", "gone.c", 3), unreliable), tree)
    assert located.stacks[0].locations == (None, None, None)
    assert len(located.problems) == 2
    assert "gone.c" in located.problems[0]


def test_stopped(tree: Tree) -> None:
    located = locate(crash(frame("ring_put"), frame("ring_put", "kernel/ring.c", 11)), tree, stop=lambda: True)
    assert located.stacks[0].locations[0] is None
    check(located.stacks[0].locations[1], "log", "kernel/ring.c", 11)
    assert any("stopped" in problem for problem in located.problems)


def test_without_grep(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tree.root))
    assert any("grep" in problem for problem in locate(crash(frame("ring_put")), tree).problems)


def test_debug_information_is_better_than_a_line_that_moved(tree: Tree) -> None:
    found = symbols({"ring_put": (Place("kernel/ring.c", 12, None, "ring_put"),)})
    check(one(tree, frame("ring_put", "kernel/ring.c", 25, offset=9), symbols=found), "debuginfo", "kernel/ring.c", 12)


def test_several_crashes_and_none(tree: Tree) -> None:
    assert locate_all((), tree) == ()
    first, second = locate_all((crash(frame("ring_put")), crash(frame("foo_start"), arch=None)), tree)
    check(first.stacks[0].locations[0], "symbol", "kernel/ring.c", 7)
    check(second.stacks[0].locations[0], "symbol", "drivers/foo/main.c", 1)
    assert locate(Crash("title", HEAD, 0, 1, 0), tree) == Located(())


def test_where_locks_were_taken(tree: Tree) -> None:
    """By the log, by name, by debug information, and not at all."""
    places = (
        frame("ring_put", "kernel/ring.c", 11),
        frame("foo_start"),
        frame("bar_start", offset=9),
        frame("gone", offset=4),
        None,
    )
    placed = [place and place._replace(span=Span(number, 0, 1)) for number, place in enumerate(places, 1)]
    held = replace(crash(), locks=tuple(HeldLock("ring_mutex", True, place) for place in placed))
    found = locate(held, tree, symbols({"bar_start": (Place("drivers/bar/main.c", 8, None, "bar_start"),)}))
    assert found.stacks[0].locations == ()
    check(found.locks[0], "log", "kernel/ring.c", 11)
    check(found.locks[1], "symbol", "drivers/foo/main.c", 1)
    check(found.locks[2], "debuginfo", "drivers/bar/main.c", 8)
    assert found.locks[3:] == (None, None)
    assert [problem for problem in found.problems if problem.startswith("gone:")]


def test_file_that_is_not_utf8(make_tree: Callable[..., Tree]) -> None:
    tree = make_tree({"kernel/old.c": b'/* \xe9 */\nint old_fn(void)\n{\n\tp("\xe9");\n}\n'})
    check(one(tree, frame("old_fn", "kernel/old.c", 4)), "log", "kernel/old.c", 4)
    check(one(tree, frame("old_fn")), "symbol", "kernel/old.c", 2)


FRAMES = (
    frame("ring_put", "kernel/ring.c", 11),
    frame("ring_put", "kernel/ring.c", 25),
    frame("ring_put.constprop.0", offset=4, size=16),
    frame("report"),
    frame("bar_start"),
    frame("__x64_sys_ring_write"),
    frame("entry_call"),
    frame("cpu_idle"),
    frame("ring_stub", "gone.h", 2),
    frame("nowhere"),
)


def test_an_index_changes_nothing_but_the_time(tree: Tree) -> None:
    without = locate(crash(*FRAMES), tree)
    assert sum(location is not None for location in without.stacks[0].locations) == len(FRAMES) - 1
    assert refresh(tree)[0]
    assert locate(crash(*FRAMES), tree) == without


def test_a_function_that_a_macro_makes(make_tree: Callable[..., Tree]) -> None:
    """Its place is the macro's; only the index knows it."""
    tree = make_tree({"include/show.h": "#define DEFINE_SHOW_ATTRIBUTE(n) \\\nint n##_open(void) \\\n{ \\\n}\n"})
    assert one(tree, frame("ring_stats_open")) is None
    assert refresh(tree)[0]
    check(one(tree, frame("ring_stats_open")), "symbol", "kernel/ring.c", 30, least=0.9)


def test_an_index_needs_no_grep(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refresh(tree)[0]
    monkeypatch.setenv("PATH", str(tree.root))
    located = locate(crash(frame("ring_put")), tree)
    check(located.stacks[0].locations[0], "symbol", "kernel/ring.c", 7)
    assert located.problems == ()


def test_an_index_of_before_an_edit(make_tree: Callable[..., Tree]) -> None:
    tree = make_tree()
    assert refresh(tree)[0]
    make_tree({"drivers/foo/main.c": "/* new */\nint foo_start(void)\n{\n}\n"})
    check(one(tree, frame("foo_start")), "symbol", "drivers/foo/main.c", 2)


def test_a_kernel_of_another_version(tree: Tree) -> None:
    """A line of it may have another number here, also where it is in the right function."""
    old = replace(crash(frame("ring_put", "kernel/ring.c", 11)), machine=Machine(kernel="6.1.0-13-amd64 #1"))
    location = locate(old, tree).stacks[0].locations[0]
    check(location, "log", "kernel/ring.c", 11, most=0.5)
    assert location is not None
    assert "Linux 6.1" in location.reason


def test_the_only_definition_is_of_another_architecture(make_tree: Callable[..., Tree]) -> None:
    tree = make_tree({"arch/arm64/kernel/only.c": "void only_here(void)\n{\n}\n"})
    check(one(tree, frame("only_here")), "symbol", "arch/arm64/kernel/only.c", 1, most=0.2)


@pytest.mark.parametrize("path", ["../secret.c", "/etc/passwd", "kernel/link.c", "out/secret.c", "", "kernel", "a\0b"])
def test_debug_information_does_not_lead_out_of_the_tree(tree: Tree, path: str) -> None:
    (tree.root.parent / "secret.c").write_text("int secret(void)\n{\n}\n")
    (tree.root / "kernel/link.c").symlink_to("../../secret.c")
    (tree.root / "out").symlink_to("..")
    found = symbols({"secret": (Place(path, 1, None, "secret"),)})
    stated = frame("secret", path, 1, offset=9, size=4096)
    located = locate(crash(stated, site=SourceLine(path, 1), function="secret"), tree, found)
    assert located.stacks[0].locations == (None,)
    assert located.site is None
