"""Files with debug information on disk: a stripped file's other half, and the modules that belong to a kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from kernfix.patch import unsafe_path
from kernfix.source.debuginfo.elf import Image, read_image

_SYSTEM = Path("/usr/lib/debug")
"""Where distributions put debug information (GDB manual, "Separate Debug Files")."""
_ENDINGS = (".ko.debug", ".ko", ".o")
_MAX_FILES = 100_000
_MAX_LIST = 16 << 20


def open_with_lines(path: Path) -> Image | str:
    """The ELF file at `path`, or the one that has its debug information; else one sentence that says why there is none.

    The other file is known by its build id: ``FILE.debug`` beside it, or where the system keeps such files.
    """
    image = read_image(path)
    if isinstance(image, str) or image.has_lines:
        return image
    for other in _other_halves(image):
        half = read_image(other) if other.is_file() else None
        if isinstance(half, Image) and half.has_lines and half.build_id == image.build_id:
            return half
    return f"{path} has no debug information (CONFIG_DEBUG_INFO), and no file beside it or in {_SYSTEM} has it."


def _other_halves(image: Image) -> Iterator[Path]:
    if image.build_id is None:
        return
    yield image.path.with_name(image.path.name + ".debug")
    yield _SYSTEM / ".build-id" / image.build_id[:2] / f"{image.build_id[2:]}.debug"


def module_files(folder: Path) -> dict[str, Path]:
    """The files of modules in a folder, by the modules' names; none of a link that leads out of it.

    A build folder lists its modules in ``modules.order``; of another folder, every file in it and below counts.
    """
    root = folder.resolve()
    listed = list(_listed(root))
    paths = listed or islice(_walked(root), _MAX_FILES)
    found: dict[str, Path] = {}
    for path in paths:
        ending = next((each for each in _ENDINGS if path.name.endswith(each)), "")
        found.setdefault(module_name(path.name.removesuffix(ending)), path)
    return found


def module_name(name: str) -> str:
    """A module's name as the kernel prints it: file names may have dashes where it has underscores."""
    return name.replace("-", "_")


def _listed(root: Path) -> Iterator[Path]:
    """The modules in ``modules.order``, which newer kernels list by their objects (scripts/Makefile.modfinal)."""
    try:
        with (root / "modules.order").open(encoding="utf-8", errors="replace") as file:
            lines = file.read(_MAX_LIST).splitlines()
    except OSError:
        return  # There is none, and the folder itself is looked through.
    for line in lines:
        relative = line.removesuffix(".o").removesuffix(".ko") + ".ko"
        path = root / relative
        if not unsafe_path(relative) and path.is_file() and path.resolve().is_relative_to(root):
            yield path


def _walked(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            if name.endswith((".ko", ".ko.debug")) and path.is_file() and path.resolve().is_relative_to(root):
                yield path
