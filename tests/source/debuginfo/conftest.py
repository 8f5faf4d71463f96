"""A small kernel with a module, compiled and linked as kernels are, and the programs that read its debug information."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kernfix.source.debuginfo import by_drgn, by_program

MAIN = """\
volatile int sink;
const char linux_banner[] = "Linux version 6.12.9-test (us@here) (gcc (GCC) 12 #1) #3 SMP Mon\\n";
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
SHARED = """\
extern volatile int sink;
static __attribute__((noinline, used)) void shared(void)
{
	sink = 4;
}
"""
TWIN = """\
#include "shared.h"
static __attribute__((noinline, used)) void twin(void)
{
	%s
}
static __attribute__((noinline, used)) void likeness(void)
{
	sink = %d;
}
void %s(void)
{
	twin();
	likeness();
	shared();
	sink = 9;
}
"""
MODULE = """\
volatile int kept;
static const char info[] __attribute__((used, section(".modinfo"))) = "license=GPL\\0vermagic=6.12.9-test SMP ";
static inline __attribute__((always_inline)) void deep(int a)
{
	kept = a;
}
__attribute__((noinline)) int frob_read(int a)
{
	deep(a);
	return kept;
}
__attribute__((section(".text.unlikely"))) int frob_rare(int a)
{
	kept = 7;
	return frob_read(a) + 1;
}
__attribute__((section(".init.text"))) int frob_init(void)
{
	kept = 2;
	return frob_rare(2) + 1;
}
"""
FLAGS = (
    *("-g", "-O1", "-ffreestanding", "-mcmodel=kernel", "-fno-pic", "-fcf-protection=none"),
    *("-fno-asynchronous-unwind-tables", "-fno-reorder-functions"),
)
LINK = ("-nostdlib", "-static", "-no-pie", "-Wl,-Ttext=0xffffffff81000000", "-Wl,--build-id=sha1", "-Wl,-e,outer")


def run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, timeout=120)


@pytest.fixture(scope="session")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None or shutil.which("ld") is None or platform.machine() != "x86_64":
        pytest.skip("needs gcc, binutils and an x86-64 machine")
    folder = tmp_path_factory.mktemp("kernel")
    (folder / "kernel").mkdir()
    (folder / "drivers/frob").mkdir(parents=True)
    (folder / "kernel/main.c").write_text(MAIN)
    (folder / "kernel/shared.h").write_text(SHARED)
    (folder / "kernel/one.c").write_text(TWIN % ("sink = 1;", 5, "one"))
    (folder / "kernel/two.c").write_text(TWIN % ("".join(f"sink = {n};" for n in range(7)), 6, "two"))
    (folder / "drivers/frob/core.c").write_text(MODULE)
    (folder / "modules.order").write_text("drivers/frob/frob-core.o\n")
    sources = [f"kernel/{name}.c" for name in ("main", "one", "two")]
    run(folder, "gcc", *FLAGS, *LINK, "-o", "vmlinux", *sources)
    run(folder, "gcc", *FLAGS, "-c", "-o", "core.o", "drivers/frob/core.c")
    run(folder, "ld", "-r", "--build-id=sha1", "-o", "drivers/frob/frob-core.ko", "core.o")
    return folder


@pytest.fixture
def kernel(_built: Path, tmp_path: Path) -> Path:
    """A build folder of one's own: ``vmlinux``, ``modules.order`` and ``drivers/frob/frob-core.ko``."""
    return Path(shutil.copytree(_built, tmp_path / "kernel"))


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Leaves one program that reads debug information; "none" leaves none."""

    def leave(tool: str) -> None:
        if tool == "drgn" and importlib.util.find_spec("drgn") is None:
            pytest.skip("drgn is not installed")
        if tool not in ("drgn", "none") and shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
        monkeypatch.setattr(by_drgn, "installed", lambda: tool == "drgn")
        monkeypatch.setattr(by_program, "installed", lambda program: program == tool)

    return leave


@pytest.fixture
def sizes() -> Callable[[Path], dict[str, list[tuple[int, int]]]]:
    """Each symbol's value and the distance to the next one, by name, as binutils' ``nm`` lists them."""

    def table(program: Path) -> dict[str, list[tuple[int, int]]]:
        said = subprocess.run(["nm", "-n", program], check=True, capture_output=True, text=True, timeout=60).stdout
        rows = [(int(line.split()[0], 16), line.split()[-1]) for line in said.splitlines()]
        found: dict[str, list[tuple[int, int]]] = {}
        for at, name in rows:
            after = min((other for other, _ in rows if other > at), default=at)
            found.setdefault(name, []).append((at, after - at))
        return found

    return table
