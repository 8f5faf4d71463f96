"""Debug information of a small program that is linked where kernels are."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from kernfix.source import Symbols, open_symbols
from kernfix.source import symbolize as room
from kernfix.source.symbolize import Query

SOURCE = """\
volatile int sink;
static inline __attribute__((always_inline)) void inner(int a)
{
	sink = a;
	sink = a + 1;
}
__attribute__((noinline, noreturn)) void stop(void)
{
	for (;;)
		sink = 1;
}
void outer(int a)
{
	inner(a);
	stop();
}
"""
TWIN = """\
extern volatile int sink;
static __attribute__((noinline, used)) void twin(void)
{
	%s
}
void %s(void)
{
	twin();
	sink = 9;
}
"""
TOOLS = ("drgn", "addr2line")

needs_gcc = pytest.mark.skipif(
    shutil.which("gcc") is None or shutil.which("nm") is None or platform.machine() != "x86_64",
    reason="needs gcc, binutils and an x86-64 machine",
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("program")
    (folder / "kernel").mkdir()
    (folder / "kernel/main.c").write_text(SOURCE)
    (folder / "kernel/one.c").write_text(TWIN % ("sink = 1;", "one"))
    (folder / "kernel/two.c").write_text(
        TWIN % ("sink = 1; sink = 2; sink = 3; sink = 4; sink = 5; sink = 6; sink = 7;", "two")
    )
    flags = [
        "-g",
        "-O1",
        "-ffreestanding",
        "-nostdlib",
        "-static",
        "-mcmodel=kernel",
        "-fno-pic",
        "-no-pie",
        "-fcf-protection=none",
    ]
    flags += ["-fno-asynchronous-unwind-tables"]
    link = ["-Wl,-Ttext=0xffffffff81000000", "-Wl,--build-id=none", "-Wl,-e,outer"]
    sources = [f"kernel/{name}.c" for name in ("main", "one", "two")]
    subprocess.run(["gcc", *flags, *link, "-o", "vmlinux", *sources], cwd=folder, check=True, timeout=120)
    subprocess.run(["strip", "-g", "-o", "stripped", "vmlinux"], cwd=folder, check=True, timeout=60)
    return folder / "vmlinux"


def table(program: Path) -> dict[str, list[tuple[int, int]]]:
    """Each symbol's offset from here to the next symbol, as a kernel's report counts sizes."""
    said = subprocess.run(["nm", "-n", program], check=True, capture_output=True, text=True, timeout=60).stdout
    rows = [(int(line.split()[0], 16), line.split()[-1]) for line in said.splitlines()]
    following = {at: min((other for other, _ in rows if other > at), default=at) - at for at, _ in rows}
    sizes: dict[str, list[tuple[int, int]]] = {}
    for at, name in rows:
        sizes.setdefault(name, []).append((at, following[at]))
    return sizes


@pytest.fixture(params=TOOLS)
def symbols(request: pytest.FixtureRequest, program: Path, monkeypatch: pytest.MonkeyPatch) -> Symbols:
    if request.param == "drgn" and importlib.util.find_spec("drgn") is None:
        pytest.skip("drgn is not installed")
    if request.param == "addr2line":
        monkeypatch.setattr(room.importlib.util, "find_spec", lambda name: None)
    opened, problem = open_symbols(program)
    assert opened is not None, problem
    assert opened.tool == request.param
    return opened


def lines(chain: room.Chain) -> list[tuple[str, str, int]]:
    return [(place.function, Path(place.path).name, place.line) for place in chain]


@needs_gcc
def test_inlined(symbols: Symbols, program: Path) -> None:
    size = table(program)["outer"][0][1]
    assert lines(symbols.lookup("outer", 0, size))[-1][0] == "outer"
    chains = symbols.lookup_all([Query("outer", offset, size) for offset in range(size)])
    assert [("inner", "main.c", 4), ("outer", "main.c", 14)] in map(lines, chains)


@needs_gcc
def test_return_address_is_inside_the_call(symbols: Symbols, program: Path) -> None:
    # The call of a function that never returns ends `outer`, so the address after it is already in what follows.
    size = table(program)["outer"][0][1]
    ends = [
        offset
        for offset in range(size, 0, -1)
        if ("outer", "main.c", 15) in lines(symbols.lookup("outer", offset, size, returns=True))
    ]
    assert ends
    assert lines(symbols.lookup("outer", ends[0], size, returns=True)) == [("outer", "main.c", 15)]
    assert lines(symbols.lookup("outer", ends[0], size)) != [("outer", "main.c", 15)]


@needs_gcc
def test_twins_are_told_apart_by_size(symbols: Symbols, program: Path) -> None:
    sizes = [size for _, size in table(program)["twin"]]
    assert len(set(sizes)) == 2
    files = {lines(symbols.lookup("twin", 0, size))[0][1] for size in sizes}
    assert files == {"one.c", "two.c"}
    assert symbols.lookup("twin", 0) == ()


@needs_gcc
@pytest.mark.parametrize(
    "query", [Query("none", 0), Query("outer", 0, 99999), Query("outer", -1), Query("", 0), Query("outer", 1 << 70)]
)
def test_unknown(symbols: Symbols, query: Query) -> None:
    assert symbols.lookup(*query) == ()


@needs_gcc
def test_no_queries(symbols: Symbols) -> None:
    assert symbols.lookup_all([]) == []


@needs_gcc
def test_without_debug_information(program: Path) -> None:
    opened, problem = open_symbols(program.with_name("stripped"))
    assert opened is None
    assert "no debug information" in str(problem)


@needs_gcc
def test_damaged(program: Path, tmp_path: Path) -> None:
    raw = program.read_bytes()
    for number, damaged in enumerate(
        (raw[:40], raw[:200], raw[: len(raw) // 2], b"\x7fELF" + bytes(100), raw[:18] + b"\x02\x00" + raw[20:])
    ):
        file = tmp_path / f"damaged{number}"
        file.write_bytes(damaged)
        opened, problem = open_symbols(file)
        assert opened is None
        assert str(file) in str(problem)


def test_not_a_program(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x" * 100)
    for file in (tmp_path / "text", tmp_path / "none", tmp_path):
        opened, problem = open_symbols(file)
        assert opened is None
        assert str(file) in str(problem)


@needs_gcc
def test_no_tool(program: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(room.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    opened, problem = open_symbols(program)
    assert opened is None
    assert "kernfix[symbols]" in str(problem)
