"""Every program that reads debug information, on a small kernel."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kernfix.source.debuginfo import Chain, Query, Symbols, by_program, open_symbols
from kernfix.source.debuginfo.elf import read_image

TOOLS = ("drgn", "llvm-symbolizer", "addr2line")
Sizes = Callable[[Path], dict[str, list[tuple[int, int]]]]


@pytest.fixture(params=TOOLS)
def symbols(request: pytest.FixtureRequest, kernel: Path, only: Callable[[str], None]) -> Symbols:
    only(request.param)
    opened, problem = open_symbols(kernel / "vmlinux")
    assert opened is not None, problem
    assert opened.tool == request.param
    return opened


def lines(chain: Chain) -> list[tuple[str, str, int]]:
    return [(place.function, Path(place.path).name, place.line) for place in chain]


def test_inlined(symbols: Symbols, kernel: Path, sizes: Sizes) -> None:
    size = sizes(kernel / "vmlinux")["outer"][0][1]
    assert lines(symbols.lookup("outer", 0, size))[-1][0] == "outer"
    chains = symbols.lookup_all([Query("outer", offset, size) for offset in range(size)])
    assert [("inner", "main.c", 5), ("outer", "main.c", 15)] in map(lines, chains)


def test_columns(symbols: Symbols, kernel: Path, sizes: Sizes) -> None:
    size = sizes(kernel / "vmlinux")["stop"][0][1]
    columns = {place.column for offset in range(size) for place in symbols.lookup("stop", offset, size)}
    assert columns == ({None} if symbols.tool == "addr2line" else columns - {None})


def test_return_address_is_inside_the_call(symbols: Symbols, kernel: Path, sizes: Sizes) -> None:
    # The call of a function that never returns ends `outer`, so the address after it is already in what follows.
    size = sizes(kernel / "vmlinux")["outer"][0][1]
    ends = [
        offset
        for offset in range(size, 0, -1)
        if ("outer", "main.c", 16) in lines(symbols.lookup("outer", offset, size, returns=True))
    ]
    assert ends
    assert lines(symbols.lookup("outer", ends[0], size, returns=True)) == [("outer", "main.c", 16)]
    assert lines(symbols.lookup("outer", ends[0], size)) != [("outer", "main.c", 16)]


def test_twins_are_told_apart_by_size(symbols: Symbols, kernel: Path, sizes: Sizes) -> None:
    both = [size for _, size in sizes(kernel / "vmlinux")["twin"]]
    assert len(set(both)) == 2
    assert {lines(symbols.lookup("twin", 0, size))[0][1] for size in both} == {"one.c", "two.c"}
    assert symbols.lookup("twin", 0) == ()


def test_twins_are_told_apart_by_address(symbols: Symbols, kernel: Path, sizes: Sizes) -> None:
    both = sizes(kernel / "vmlinux")["likeness"]
    assert len({size for _, size in both}) == 1
    moved = [Query("likeness", 1, size, address=at + 1 + (1 << 21)) for at, size in both]
    assert [lines(chain)[0][1] for chain in symbols.lookup_all(moved)] == ["one.c", "two.c"]
    assert symbols.lookup("likeness", 1, both[0][1]) == ()


def test_twins_of_the_same_line_are_no_question(symbols: Symbols, kernel: Path, sizes: Sizes) -> None:
    both = sizes(kernel / "vmlinux")["shared"]
    assert len(both) == 2
    if symbols.tool == "addr2line":
        pytest.skip("addr2line of binutils 2.40 gives lines of headers to the file that includes them (DWARF 5)")
    assert lines(symbols.lookup("shared", 0, both[0][1])) == [("shared", "shared.h", 4)]


@pytest.mark.parametrize(
    "query",
    [
        Query("none", 0),
        Query("outer", 0, 99999),
        Query("outer", -1),
        Query("", 0),
        Query("\ud800\0", 0),
        Query("uter", 0),
        Query("outer", 1 << 70),
        Query("outer", 0, address=0x1FF),
    ],
)
def test_unknown(symbols: Symbols, query: Query) -> None:
    assert symbols.lookup_all([query]) == [()]


def test_no_queries(symbols: Symbols) -> None:
    assert symbols.lookup_all([]) == []


def test_several_at_once(symbols: Symbols, kernel: Path, sizes: Sizes) -> None:
    size = sizes(kernel / "vmlinux")["stop"][0][1]
    asked = [Query("stop", 1, size), Query("none", 0), Query("one", 0), Query("stop", 1, size)]
    assert [bool(chain) for chain in symbols.lookup_all(asked)] == [True, False, True, True]


def test_the_kernel_says_which_it_is(kernel: Path) -> None:
    symbols, _ = open_symbols(kernel / "vmlinux")
    assert symbols is not None
    assert symbols.identity.release == "6.12.9-test"
    assert symbols.identity.arch == "x86_64"
    said = subprocess.run(["readelf", "-n", kernel / "vmlinux"], capture_output=True, text=True, check=True).stdout
    assert symbols.identity.build_id is not None
    assert f"Build ID: {symbols.identity.build_id}" in said


@pytest.mark.parametrize("tool", TOOLS)
def test_32_bits(tool: str, kernel: Path, only: Callable[[str], None], sizes: Sizes) -> None:
    only(tool)
    flags = ("-m32", "-g", "-O1", "-ffreestanding", "-fno-pic", "-nostdlib", "-static", "-no-pie")
    command = ("gcc", *flags, "-Wl,-Ttext=0xc1000000", "-Wl,-e,outer", "-o", "vmlinux32", "kernel/main.c")
    if subprocess.run(command, cwd=kernel, check=False, capture_output=True, timeout=120).returncode:
        pytest.skip("this gcc cannot compile for 32 bits")
    symbols, problem = open_symbols(kernel / "vmlinux32")
    assert symbols is not None, problem
    assert symbols.identity.arch == "i386"
    size = sizes(kernel / "vmlinux32")["stop"][0][1]
    chains = symbols.lookup_all([Query("stop", 0, size), *(Query("outer", offset) for offset in range(16))])
    assert lines(chains[0])[0][:2] == ("stop", "main.c")
    assert [("inner", "main.c", 5), ("outer", "main.c", 15)] in map(lines, chains)


def test_separate_debug_information(kernel: Path) -> None:
    whole, stripped = kernel / "vmlinux", kernel / "stripped"
    subprocess.run(["objcopy", "--only-keep-debug", whole, f"{stripped}.debug"], check=True, timeout=60)
    subprocess.run(["strip", "-o", stripped, whole], check=True, timeout=60)
    opened, problem = open_symbols(stripped)
    assert opened is not None, problem
    assert lines(opened.lookup("stop", 1))[0][1] == "main.c"


def test_separate_debug_information_of_another_build(kernel: Path) -> None:
    stripped = kernel / "stripped"
    subprocess.run(["strip", "-o", stripped, kernel / "vmlinux"], check=True, timeout=60)
    other = kernel / "other"
    subprocess.run(["gcc", "-g", "-nostdlib", "-Wl,-e,outer", "-o", other, "kernel/main.c"], cwd=kernel, check=True)
    other.rename(f"{stripped}.debug")
    opened, problem = open_symbols(stripped)
    assert opened is None
    assert "no debug information" in str(problem)


@pytest.mark.parametrize(("strip", "expected"), [("-g", "no debug information"), ("-s", "no debug information")])
def test_stripped(kernel: Path, strip: str, expected: str) -> None:
    subprocess.run(["strip", strip, kernel / "vmlinux"], check=True, timeout=60)
    opened, problem = open_symbols(kernel / "vmlinux")
    assert opened is None
    assert expected in str(problem)


def test_without_symbols(kernel: Path) -> None:
    command = ["objcopy", "--strip-all", "--keep-section=.debug_*", kernel / "vmlinux"]
    subprocess.run(command, check=True, timeout=60)
    opened, problem = open_symbols(kernel / "vmlinux")
    assert opened is None
    assert "no symbols" in str(problem)


def test_no_tool(kernel: Path, only: Callable[[str], None]) -> None:
    only("none")
    opened, problem = open_symbols(kernel / "vmlinux")
    assert opened is None
    assert "kernfix[symbols]" in str(problem)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exit 3", "failed: status 3"),
        ("echo no memory >&2; exit 1", "failed: no memory"),
        ("cat >/dev/null", "0 answers to 1 questions"),
        ("sleep 20", "did not answer in"),
        (None, "could not be started"),
    ],
)
@pytest.mark.parametrize("tool", ["llvm-symbolizer", "addr2line"])
def test_a_tool_that_fails(
    tool: str,
    script: str | None,
    expected: str,
    kernel: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    only: Callable[[str], None],
) -> None:
    only(tool)
    folder = tmp_path / "bin"
    folder.mkdir()
    if script:
        (folder / tool).write_text(f"#!/bin/sh\n{script}\n")
        (folder / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin" if script else str(folder))
    monkeypatch.setattr(by_program, "_SECONDS", 0.3)
    symbols, _ = open_symbols(kernel / "vmlinux")
    assert symbols is not None
    answer = symbols.ask([Query("stop", 1)])
    assert answer.chains == [()]
    assert expected in answer.problems[0]


@pytest.mark.parametrize("tool", TOOLS)
def test_damaged_debug_information(tool: str, kernel: Path, only: Callable[[str], None]) -> None:
    only(tool)
    raw, dice = (kernel / "vmlinux").read_bytes(), random.Random(3)
    image = read_image(kernel / "vmlinux")
    assert not isinstance(image, str)
    begin, end = next((each.offset, each.offset + each.size) for each in image.sections if each.name == ".debug_info")
    problems = []
    for _ in range(40):
        damaged = bytearray(raw)
        for _ in range(dice.choice((1, 20))):
            damaged[dice.randrange(begin, end)] = dice.randrange(256)
        (kernel / "vmlinux").write_bytes(damaged)
        symbols, problem = open_symbols(kernel / "vmlinux")
        answer = symbols.ask([Query(name, 1) for name in ("outer", "stop", "one", "two")]) if symbols else None
        problems += answer.problems if answer else [problem]
    assert all(str(problem).endswith(".") for problem in problems)
    assert problems or tool != "drgn"
