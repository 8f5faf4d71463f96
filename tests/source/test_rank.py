"""Which of several definitions is meant, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from kernfix.crash.model import Crash, Frame, SourceLine, Span, Stack
from kernfix.source import Definition, Function, Location, Tree
from kernfix.source.rank import Choice, Near, choose, near, ranked, tier

HERE = Span(0, 0, 1)
NOTHING = Near(Counter(), Counter())
OBJECT = b"\x7fELF"


def defined(path: str, start: int = 1, name: str = "report") -> Definition:
    return Definition(path, Function(name, start, start + 2))


def frame(module: str | None = None, file: str | None = None) -> Frame:
    return Frame("report", HERE, module=module, file=file)


def chosen(
    tree: Tree, *paths: str, of: Frame | None = None, arch: str | None = "x86_64", around: Near = NOTHING, own: str = ""
) -> Choice:
    """What is chosen among definitions in `paths`; files below `own` are of every module."""
    every = ranked(tree, [defined(path) for path in paths], arch)
    return choose(of or frame(), every, arch, around, tree, lambda path, _: bool(own) and path.startswith(own))


def beside(*files: str) -> Near:
    """A crash that speaks of these files."""
    return Near(Counter(files), Counter(file.rpartition("/")[0] for file in files))


def check(choice: Choice, path: str, least: float, most: float, *words: str) -> None:
    assert choice.definition.path == path
    assert least <= choice.confidence <= most
    assert choice.reason.endswith(".")
    for word in words:
        assert word in choice.reason


@pytest.mark.parametrize(
    ("arch", "expected"),
    [
        (
            "x86_64",
            ["x86/kernel/a.c", "x86/lib/a_64.S", "lib/a.c", "include/a.h", "arm64/kernel/a.c", "x86/lib/a_32.c"],
        ),
        ("i386", ["x86/kernel/a.c", "x86/lib/a_32.c", "lib/a.c", "include/a.h", "arm64/kernel/a.c", "x86/lib/a_64.S"]),
        (
            "aarch64",
            ["arm64/kernel/a.c", "lib/a.c", "include/a.h", "x86/kernel/a.c", "x86/lib/a_32.c", "x86/lib/a_64.S"],
        ),
        (None, ["lib/a.c", "include/a.h", "arm64/kernel/a.c", "x86/kernel/a.c", "x86/lib/a_32.c", "x86/lib/a_64.S"]),
    ],
)
def test_tiers(tree: Tree, arch: str | None, expected: list[str]) -> None:
    kernel = ["lib/a.c", "include/a.h", "arch/arm64/kernel/a.c", "arch/x86/kernel/a.c"]
    kernel += ["arch/x86/lib/a_32.c", "arch/x86/lib/a_64.S"]
    last = [
        "arch/x86/boot/a.c", "arch/x86/purgatory/a.c", "arch/x86/um/a.c", "drivers/firmware/efi/libstub/a.c", "samples/a.c", "scripts/a.c",
        "tools/lib/a.c",
    ]  # fmt: skip
    found = [each.path for each in ranked(tree, [defined(path) for path in sorted(last + kernel)], arch)]
    assert [path.endswith(end) for path, end in zip(found, expected, strict=False)] == [True] * 6
    assert sorted(found[6:]) == last


def test_a_driver_may_be_called_as_a_folder_that_is_apart(tree: Tree) -> None:
    assert tier(tree, "drivers/boot.c", None) < tier(tree, "samples/a.c", None)
    assert tier(tree, "arch/um/kernel/a.c", "um") < tier(tree, "lib/a.c", "um")


def test_order_in_a_tier(tree: Tree) -> None:
    every = [defined("b.c", 9), defined("b.c", 2), defined("a.c", 5)]
    assert [(each.path, each.function.start) for each in ranked(tree, every, None)] == [
        ("a.c", 5),
        ("b.c", 2),
        ("b.c", 9),
    ]


@pytest.mark.parametrize(
    ("path", "arch", "least", "most", "word"),
    [
        ("kernel/a.c", "x86_64", 0.9, 0.9, "The only definition of report in the tree."),
        ("arch/x86/kernel/a.c", "x86_64", 0.9, 0.9, "only"),
        ("arch/x86/kernel/a.c", None, 0.9, 0.9, "only"),
        ("arch/arm64/kernel/a.c", "x86_64", 0.2, 0.2, "but it is not for x86_64"),
        ("arch/x86/kernel/a_32.c", "x86_64", 0.2, 0.2, "but it is not for x86_64"),
        ("arch/x86/boot/a.c", "x86_64", 0.2, 0.2, "no part of a running kernel"),
        ("tools/testing/a.c", None, 0.2, 0.2, "no part of a running kernel"),
    ],
)
def test_the_only_one(tree: Tree, path: str, arch: str | None, least: float, most: float, word: str) -> None:
    check(chosen(tree, path, arch=arch), path, least, most, word)


def test_module(tree: Tree) -> None:
    of = frame(module="foo")
    check(
        chosen(tree, "drivers/bar/main.c", "drivers/foo/main.c", of=of, own="drivers/foo/"),
        "drivers/foo/main.c", 0.9, 0.9, "Of 2 definitions", "the one in module foo",
    )  # fmt: skip
    check(chosen(tree, "drivers/bar/main.c", "drivers/foo/main.c", of=of), "drivers/bar/main.c", 0.4, 0.5, "2 of them")


def test_several_of_one_module(tree: Tree) -> None:
    """The module rules others out, and what is left is told apart as ever."""
    paths = ("drivers/bar/main.c", "drivers/foo/a.c", "drivers/foo/b.c")
    of = frame(module="foo")
    check(chosen(tree, *paths, of=of, own="drivers/foo/"), "drivers/foo/a.c", 0.4, 0.5, "2 of them equally likely")
    around = beside("drivers/foo/b.c", "drivers/bar/main.c", "drivers/bar/main.c")
    check(chosen(tree, *paths, of=of, own="drivers/foo/", around=around), "drivers/foo/b.c", 0.6, 0.6)


def test_what_was_built(make_tree: Callable[..., Tree]) -> None:
    tree = make_tree({"drivers/foo/main.o": OBJECT})
    choice = chosen(tree, "drivers/bar/main.c", "drivers/foo/main.c", around=beside("drivers/bar/main.c"))
    check(choice, "drivers/foo/main.c", 0.85, 0.85, "Of 2 definitions", "the only one that was built in this tree")


def test_what_was_built_more_than_once(make_tree: Callable[..., Tree]) -> None:
    tree = make_tree({"drivers/foo/main.o": OBJECT, "drivers/bar/main.o": OBJECT})
    paths = ("drivers/bar/main.c", "drivers/foo/main.c", "kernel/main.c")
    check(chosen(tree, *paths), "drivers/bar/main.c", 0.4, 0.5, "One of 3 definitions", "2 of them equally likely")


@pytest.mark.parametrize(
    ("arch", "path", "least", "word"),
    [
        ("x86_64", "arch/x86/kernel/idle.c", 0.85, "the only one for x86_64"),
        ("arm64", "arch/arm64/kernel/idle.c", 0.85, "the only one for arm64"),
        ("s390", "kernel/idle.c", 0.85, "not for another architecture"),
        (None, "kernel/idle.c", 0.85, "not for another architecture"),
    ],
)
def test_architecture(tree: Tree, arch: str | None, path: str, least: float, word: str) -> None:
    paths = ("arch/arm64/kernel/idle.c", "arch/x86/kernel/idle.c", "kernel/idle.c")
    check(chosen(tree, *paths, arch=arch), path, least, 0.9, "Of 3 definitions", word)


def test_none_for_this_architecture(tree: Tree) -> None:
    check(
        chosen(tree, "arch/arm64/kernel/idle.c", "tools/idle.c"),
        "arch/arm64/kernel/idle.c", 0.2, 0.2, "the likeliest, but it is not for x86_64",
    )  # fmt: skip
    check(
        chosen(tree, "arch/arm64/kernel/idle.c", "arch/arm/kernel/idle.c"),
        "arch/arm/kernel/idle.c", 0.2, 0.2, "2 of them equally likely, but it is not for x86_64",
    )  # fmt: skip


def test_a_file_that_the_log_names(tree: Tree) -> None:
    of = frame(file="/old/place/two.c")
    choice = chosen(tree, "drivers/one.c", "drivers/two.c", of=of, around=beside("drivers/one.c"))
    check(choice, "drivers/two.c", 0.6, 0.6, "One of 2 likely definitions", "the file that the log names")


def test_neighbours(tree: Tree) -> None:
    paths = ("drivers/bar/main.c", "drivers/foo/main.c")
    check(chosen(tree, *paths, around=beside("drivers/foo/main.c")), paths[1], 0.6, 0.6, "in the file of other frames")
    check(chosen(tree, *paths, around=beside("drivers/foo/x.c")), paths[1], 0.6, 0.6, "in drivers/foo/ as other frames")
    often = beside("drivers/foo/x.c", "drivers/bar/x.c", "drivers/foo/y.c")
    check(chosen(tree, *paths, around=often), paths[1], 0.6, 0.6)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_a_tie_is_said(tree: Tree, count: int) -> None:
    choice = chosen(tree, *(f"drivers/{number}/main.c" for number in range(count)))
    check(choice, "drivers/0/main.c", 0.1, 0.45, f"One of {count} definitions", f"{count} of them equally likely")
    assert choice.confidence == pytest.approx(0.1 + 0.7 / count)


def test_what_is_in_no_module_is_rather_no_drivers(tree: Tree) -> None:
    paths = ("drivers/block/thread.c", "kernel/thread.c", "sound/thread.c")
    check(chosen(tree, *paths), "kernel/thread.c", 0.6, 0.6, "One of 3 likely definitions", "no driver's")
    check(chosen(tree, *paths, of=frame(module="snd")), "drivers/block/thread.c", 0.3, 0.4, "3 of them equally likely")
    check(chosen(tree, *paths, around=beside("drivers/block/x.c")), "drivers/block/thread.c", 0.6, 0.6, "other frames")


def test_memory_without_a_management_unit(tree: Tree) -> None:
    paths = ("mm/mmap.c", "mm/nommu.c")
    check(chosen(tree, *paths), "mm/mmap.c", 0.85, 0.85, "not for another architecture")
    check(chosen(tree, *paths, arch="riscv64"), "mm/mmap.c", 0.4, 0.5, "2 of them")
    check(chosen(tree, "mm/nommu.c"), "mm/nommu.c", 0.2, 0.2, "not for x86_64")


def test_a_tie_of_some(tree: Tree) -> None:
    paths = ("drivers/a/main.c", "drivers/b/main.c", "drivers/c/main.c", "tools/main.c")
    around = beside("drivers/b/main.c", "drivers/c/main.c")
    check(chosen(tree, *paths, around=around), "drivers/b/main.c", 0.4, 0.5, "One of 4 definitions", "2 of them")


def test_twins_of_one_file(tree: Tree) -> None:
    """The branches of an #if: the file is sure, the line is not."""
    every = [defined("kernel/a.c", 1), defined("kernel/a.c", 9)]
    choice = choose(frame(), every, "x86_64", NOTHING, tree, lambda *_: False)
    check(choice, "kernel/a.c", 0.4, 0.5, "2 of them equally likely and all in kernel/a.c")


def test_near() -> None:
    one, two, three, four = (
        Frame(name, Span(number, 0, 1)) for number, name in enumerate(("one", "two", "three", "four"))
    )
    crash = Crash(
        "title", HERE, 0, 9, 0, guilty_file="fs/guilty.c", site=SourceLine("mm/site.c", 3),
        stacks=(Stack("crash", (one, two)), Stack("alloc", (three, four))),
    )  # fmt: skip
    found = {one: Location("fs/one.c", 1, "log", 0.9, "So.", "")}
    definitions = {
        "two": [defined("fs/two.c")],
        "three": [defined("a/three.c"), defined("b/three.c")],
    }
    around = near(crash, found, definitions)
    assert around.files == Counter(["fs/one.c", "fs/two.c", "fs/guilty.c", "mm/site.c"])
    assert around.folders == Counter({"fs": 3, "mm": 1})
    assert near(Crash("title", HERE, 0, 9, 0), {}, {}) == NOTHING
