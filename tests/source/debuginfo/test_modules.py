"""Frames in loadable modules: which file they are in, and where the kernel would have put its sections."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kernfix.source.debuginfo import Query, Symbols, open_symbols
from kernfix.source.debuginfo.elf import read_image

TOOLS = ("drgn", "addr2line")
PAGE = 4096
KO = "drivers/frob/frob-core.ko"


def opened(kernel: Path, modules: Path | None = None) -> Symbols:
    symbols, problem = open_symbols(kernel / "vmlinux", modules)
    assert symbols is not None, problem
    return symbols


def code(kernel: Path) -> dict[str, tuple[int, int]]:
    """Alignment and size in bytes of each section of code of the module."""
    image = read_image(kernel / KO)
    assert not isinstance(image, str)
    return {each.name: (each.align, each.size) for each in image.sections if each.runs and each.size}


def lines(symbols: Symbols, *queries: Query) -> list[list[tuple[str, int]]]:
    return [[(place.function, place.line) for place in chain] for chain in symbols.ask(queries).chains]


@pytest.mark.parametrize("tool", TOOLS)
def test_sections(tool: str, kernel: Path, only: Callable[[str], None]) -> None:
    only(tool)
    sections = code(kernel)
    text, rare, start = (sections[name][1] for name in (".text", ".text.unlikely", ".init.text"))
    # The last function of the code that stays, and that of the code for the start, reach to the end of their pages.
    order = list(sections)
    assert order.index(".text") < order.index(".text.unlikely")
    begin = -(-text // sections[".text.unlikely"][0]) * sections[".text.unlikely"][0]
    queries = (
        Query("frob_read", 0, begin, module="frob_core"),
        Query("frob_rare", 0, PAGE - begin, module="frob_core"),
        Query("frob_init", 0, PAGE, module="frob_core"),
        Query("frob_read", begin, begin, returns=True, module="frob_core"),
    )
    found = lines(opened(kernel), *queries)
    assert found[0][-1][0] == "frob_read"
    assert found[1] == [("frob_rare", 14)]
    assert found[2] == [("frob_init", 19)]
    assert found[3][-1][0] == "frob_read"
    every = lines(opened(kernel), *(Query("frob_read", at, module="frob_core") for at in range(text)))
    assert [("deep", 5), ("frob_read", 9)] in every
    assert rare
    assert start


@pytest.mark.parametrize("listed", ["drivers/frob/frob-core.o\n", "kernel/none.ko\ndrivers/frob/frob-core.ko\n"])
def test_listed(kernel: Path, listed: str) -> None:
    (kernel / "modules.order").write_text(listed)
    assert lines(opened(kernel), Query("frob_init", 0, module="frob_core")) == [[("frob_init", 19)]]


def test_beside_the_vmlinux(kernel: Path) -> None:
    (kernel / "modules.order").unlink()
    (kernel / KO).rename(kernel / "frob_core.ko")
    assert lines(opened(kernel), Query("frob_init", 0, module="frob_core")) == [[("frob_init", 19)]]


def test_in_a_named_folder(kernel: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere/kernel/drivers"
    folder.mkdir(parents=True)
    subprocess.run(["objcopy", "--only-keep-debug", kernel / KO, folder / "frob-core.ko.debug"], check=True, timeout=60)
    shutil.rmtree(kernel / "drivers")
    symbols = opened(kernel, tmp_path / "elsewhere")
    assert lines(symbols, Query("frob_init", 0, module="frob_core")) == [[("frob_init", 19)]]


@pytest.mark.parametrize("outside", ["../outside/frob-core.ko", "/outside/frob-core.ko", "link/frob-core.ko"])
def test_files_outside_do_not_count(kernel: Path, tmp_path: Path, outside: str) -> None:
    (tmp_path / "outside").mkdir()
    (kernel / KO).rename(tmp_path / "outside/frob-core.ko")
    (kernel / "link").symlink_to(tmp_path / "outside")
    (kernel / "modules.order").write_text(f"{outside}\n")
    answer = opened(kernel).ask([Query("frob_init", 0, module="frob_core")])
    assert answer.chains == [()]
    assert "frob_core.ko was not found" in answer.problems[0]


@pytest.mark.parametrize("module", ["none", "../frob_core", "", "frob_core\0"])
def test_no_such_module(kernel: Path, module: str) -> None:
    answer = opened(kernel).ask([Query("stop", 1), Query("frob_init", 0, module=module)])
    assert [bool(chain) for chain in answer.chains] == [True, False]
    assert answer.problems == (f"{module}: {module}.ko was not found beside the vmlinux or in the folder of modules.",)


def test_build_id(kernel: Path) -> None:
    image = read_image(kernel / KO)
    assert not isinstance(image, str)
    asked = Query("frob_init", 0, module="frob_core")
    assert lines(opened(kernel), asked._replace(build_id=image.build_id)) == [[("frob_init", 19)]]
    answer = opened(kernel).ask([asked._replace(build_id="00" * 20)])
    assert answer.chains == [()]
    assert answer.problems == (f"frob_core: its file is of build id {image.build_id}, the log of {'00' * 20}.",)


def test_of_another_kernel(kernel: Path) -> None:
    raw = (kernel / KO).read_bytes()
    (kernel / KO).write_bytes(raw.replace(b"vermagic=6.12.9-test", b"vermagic=6.12.8-test"))
    answer = opened(kernel).ask([Query("frob_init", 0, module="frob_core")])
    assert answer.chains == [()]
    assert "is of Linux 6.12.8-test, and the vmlinux of 6.12.9-test" in answer.problems[0]


@pytest.mark.parametrize("raw", [b"", b"text", b"\x7fELF\2\1\1"])
def test_damaged(kernel: Path, raw: bytes) -> None:
    (kernel / KO).write_bytes(raw)
    answer = opened(kernel).ask([Query("frob_init", 0, module="frob_core")])
    assert answer.chains == [()]
    assert "frob-core.ko is not an ELF file" in answer.problems[0]
