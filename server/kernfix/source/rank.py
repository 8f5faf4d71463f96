"""Which of several definitions of a name a frame means: by what was built, the frame's module, the architecture and its neighbours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from kernfix.crash.model import Crash, Frame
from kernfix.source.model import Definition, Location
from kernfix.source.tree import Tree

_LAST = frozenset({"tools", "samples", "scripts", "Documentation"})
_LAST_BELOW = frozenset({"boot", "libstub", "purgatory", "tools", "um", "vdso"})
"""Folders of ``arch/`` and ``drivers/`` whose code runs before a kernel, or in user space."""
_DRIVERS = frozenset({"drivers", "sound", "samples"})
_OTHER_WIDTH = {"i386": "_64", "x86_64": "_32", "amd64": "_32"}
"""How the files end that are built only for the other half of an architecture."""
_HAS_MMU = frozenset(
    {"i386", "x86_64", "amd64", "arm64", "aarch64", "ppc64", "ppc64le", "s390", "s390x", "loongarch", "mips"}
)
"""Architectures without a kernel for processors that have no memory management unit (``mm/nommu.c``)."""
_FOREIGN = 0.2
"""How sure a definition is that no kernel of the crash's architecture is built from."""
_SOURCE_ARCH = {
    "i386": "x86", "x86_64": "x86", "amd64": "x86", "aarch64": "arm64", "ppc64": "powerpc", "ppc64le": "powerpc", "ppc": "powerpc",
    "s390x": "s390", "riscv64": "riscv", "riscv32": "riscv", "mips64": "mips", "loongarch64": "loongarch",
}  # fmt: skip


class Choice(NamedTuple):
    """A definition with how sure it is, and the words for it."""

    definition: Definition
    confidence: float
    reason: str


class Near(NamedTuple):
    """What else a crash speaks of: how often of each file, and how often of each folder."""

    files: Counter[str]
    folders: Counter[str]


_Weight = tuple[bool, int, int, bool]
"""What speaks for a definition: the log names its file, other frames are in its file, in its folder, and it is no driver's."""

InModule = Callable[[str, str], bool]
"""Whether the source file of that path may be a part of the module of that name."""


def tier(tree: Tree, path: str, arch: str | None) -> tuple[bool, bool, int, bool]:
    """How far a file is from the code of a kernel for `arch`: definitions of a lower tier shadow those of a higher.

    ``tools/``, boot loaders and the like are far, then code that was not built in this tree (no object file is beside it), then other
    architectures than the crash's (generic code is between), then headers.
    """
    pure = PurePosixPath(path)
    first, second = (*pure.parts, "")[:2]
    apart = first in _LAST or (first in ("arch", "drivers") and not _LAST_BELOW.isdisjoint(pure.parts[2:-1]))
    of_arch = {_SOURCE_ARCH.get(arch or "", arch): 0}.get(second, 2) if first == "arch" else 1
    if first == "arch" and pure.stem.endswith(_OTHER_WIDTH.get(arch or "", "/")):
        of_arch = 2
    if arch in _HAS_MMU and pure.stem.endswith("nommu"):
        of_arch = 2
    header = pure.suffix == ".h"
    built = not header and tree.path(str(pure.with_suffix(".o"))) is not None
    return apart, not built, of_arch, header


def ranked(tree: Tree, definitions: Iterable[Definition], arch: str | None) -> tuple[Definition, ...]:
    """Definitions by their tier, then by path and line."""
    return tuple(sorted(definitions, key=lambda each: (tier(tree, each.path, arch), each.path, each.function.start)))


def near(crash: Crash, found: Mapping[Frame, Location], definitions: Mapping[str, Sequence[Definition]]) -> Near:
    """What a crash speaks of, by the frames that have one place only and by the file that it blames."""
    frames = [frame for stack in crash.stacks for frame in stack.frames]
    paths = [location.path for location in found.values()]
    paths += [each[0].path for frame in frames if len(each := definitions.get(frame.holder, ())) == 1]
    paths += [path for path in (crash.guilty_file, crash.site and crash.site.file) if path]
    return Near(Counter(paths), Counter(str(PurePosixPath(path).parent) for path in paths))


def choose(
    frame: Frame, every: Sequence[Definition], arch: str | None, around: Near, tree: Tree, in_module: InModule
) -> Choice:
    """The best of one frame's definitions, which come by their tier; at least one."""
    choice = _best(frame, every, arch, around, tree, in_module)
    doubt = _foreign(tier(tree, choice.definition.path, arch), arch)
    if not doubt:
        return choice
    return choice._replace(
        confidence=min(choice.confidence, _FOREIGN), reason=f"{choice.reason.removesuffix('.')}, {doubt}."
    )


def _foreign(lowest: tuple[bool, bool, int, bool], arch: str | None) -> str:
    """What is said of a definition that this kernel cannot have been built from; nothing of any other."""
    apart, _, of_arch, _ = lowest
    if apart:
        return "but it is no part of a running kernel"
    return f"but it is not for {arch}" if arch and of_arch == 2 else ""


def _best(
    frame: Frame, every: Sequence[Definition], arch: str | None, around: Near, tree: Tree, in_module: InModule
) -> Choice:
    name = frame.holder
    if len(every) == 1:
        return Choice(every[0], 0.9, f"The only definition of {name} in the tree.")
    if frame.module and (own := [each for each in every if in_module(each.path, frame.module)]):
        if len(own) == 1:
            return Choice(own[0], 0.9, f"Of {len(every)} definitions of {name}, the one in module {frame.module}.")
        every = own
    lowest = tier(tree, every[0].path, arch)
    likely = [each for each in every if tier(tree, each.path, arch) == lowest]
    stated = PurePosixPath(frame.file).name if frame.file else None

    def weight(definition: Definition) -> _Weight:
        path = PurePosixPath(definition.path)
        is_core = frame.module is None and path.parts[0] not in _DRIVERS
        return path.name == stated, around.files[definition.path], around.folders[str(path.parent)], is_core

    best = max(likely, key=weight)
    if len(likely) == 1:
        return Choice(best, 0.85, f"Of {len(every)} definitions of {name}, {_why(lowest, arch)}.")
    first, *others = sorted(map(weight, likely), reverse=True)
    if first == others[0]:
        same = [each for each in likely if weight(each) == first]
        where = f" and all in {best.path}" if len({each.path for each in same}) == 1 else ""
        reason = f"One of {len(every)} definitions of {name}, {len(same)} of them equally likely{where}."
        return Choice(best, 0.1 + 0.7 / len(same), reason)
    return Choice(best, 0.6, f"One of {len(likely)} likely definitions of {name}, {_nearest(first, best)}.")


def _why(lowest: tuple[bool, bool, int, bool], arch: str | None) -> str:
    apart, unbuilt, of_arch, _ = lowest
    if not unbuilt:
        return "the only one that was built in this tree"
    if apart or of_arch == 2:
        return "the likeliest"
    if of_arch == 0:
        return f"the only one for {arch}"
    return "the only one of the kernel proper that is not for another architecture"


def _nearest(weight: _Weight, best: Definition) -> str:
    named, in_file, in_folder, _ = weight
    if named:
        return "the one in the file that the log names"
    if in_file:
        return "in the file of other frames"
    return f"in {PurePosixPath(best.path).parent}/ as other frames" if in_folder else "the only one that is no driver's"
