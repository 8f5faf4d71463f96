"""What a source file is built into, and by which Kconfig symbols: the tree's Makefiles, read as ``scripts/Makefile.build`` would.

No make is run. Documentation/kbuild/makefiles.rst has the rules.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from kernfix.source.makefile import Condition, Lists, Makefile, Word
from kernfix.source.tree import Tree

_ENDINGS = frozenset({".c", ".S", ".rs"})
_TOP_LISTS = ("head", "libs", "core", "drivers", "net", "virt", "init")
_OUTSIDE = ("..", "/")
"""How a path that leads out of the tree begins once it is normalised."""

_MAX_DEPTH = 24
_MAX_ROUTES = 3
"""How often a folder is entered: it may be reached by several ways."""

_SETTING = re.compile(r"^(CONFIG_\w+)=(.*)$", re.MULTILINE)
_SYMBOL_OF_ARCH = {"powerpc": "CONFIG_PPC", "sh": "CONFIG_SUPERH", "um": "CONFIG_UML"}


@dataclass(frozen=True, slots=True)
class Built:
    """One way that a source file is built: into `object`, which is a part of `composite` where it is linked with others first.

    `module` is the module's name as the kernel prints it (``kvm_intel``), None where the code is built in. All `conditions` must hold,
    those of the folders above included.
    """

    object: str
    composite: str | None
    module: str | None
    conditions: tuple[Condition, ...]

    @property
    def symbols(self) -> frozenset[str]:
        """The Kconfig symbols that decide on it."""
        return frozenset(symbol for condition in self.conditions for symbol in condition.symbols)


@dataclass(frozen=True, slots=True)
class Kbuild:
    """All Makefiles of a tree that were read, ready to be asked; see `read_kbuild`."""

    arches: tuple[str, ...] = ()
    _objects: dict[str, list[Built]] = field(default_factory=dict)
    _modules: dict[str, set[str]] = field(default_factory=dict)

    def of(self, path: str) -> tuple[Built, ...]:
        """The ways that a source file is built; none for a header, a file that others include, and what no Makefile names."""
        pure = PurePosixPath(path)
        return tuple(self._objects.get(str(pure.with_suffix("")), ())) if pure.suffix in _ENDINGS else ()

    def modules_of(self, path: str) -> frozenset[str]:
        """The modules that a source file may become part of."""
        return frozenset(each.module for each in self.of(path) if each.module)

    def sources_of(self, module: str) -> frozenset[str]:
        """The source files of a module without their endings (``fs/ext4/inode``); ``-`` and ``_`` in its name are the same."""
        return frozenset(self._modules.get(module.replace("-", "_"), ()))

    def built(self, path: str, config: Mapping[str, str]) -> bool | None:
        """Whether a configuration builds a source file; None where its Makefiles ask for more than that, or do not name it."""
        variables = {**config, **_variables(config, self.arches)}
        answers = {_all(each.conditions, variables) for each in self.of(path)}
        return True if True in answers else None if None in answers or not answers else False


def read_config(text: str) -> dict[str, str]:
    """The symbols that a ``.config`` sets, as it writes their values: ``CONFIG_EXT4_FS`` → ``m``."""
    return dict(_SETTING.findall(text))


def config_of(tree: Tree) -> dict[str, str] | None:
    """The tree's own ``.config``, or None when it has none."""
    text = tree.read(".config")
    return None if text is None else read_config(text)


def read_kbuild(tree: Tree, stop: Callable[[], bool] = lambda: False) -> Kbuild:
    """Read all Makefiles that lead from the top down, for every architecture; `stop` ends this early, with what was found so far."""
    arches = _arches(tree)
    reader = _Reader(tree, arches, stop)
    for path, conditions in _tops(arches):
        lists = reader.lists("", [path])
        words = list(_top_words(lists)) if path.endswith("Makefile") else []
        reader.descend("", lists, words, conditions, 0)
    modules: dict[str, set[str]] = defaultdict(set)
    for stem, ways in reader.objects.items():
        for way in ways:
            if way.module:
                modules[way.module].add(stem)
    return Kbuild(arches, dict(reader.objects), dict(modules))


def _top_words(lists: Lists) -> Iterator[Word]:
    """What the top Makefiles list; their conditions without a Kconfig symbol ask how make is run."""
    for name in _TOP_LISTS:
        for word in lists.get(f"{name}-y", ()):
            yield word._replace(conditions=tuple(each for each in word.conditions if each.symbols))


def _tops(arches: tuple[str, ...]) -> Iterator[tuple[str, tuple[Condition, ...]]]:
    yield "Kbuild", ()
    yield "Makefile", ()
    for arch in arches:
        yield f"arch/{arch}/Makefile", (Condition("$(SRCARCH)", (arch,)),)


def _arches(tree: Tree) -> tuple[str, ...]:
    try:
        return tuple(sorted(each.name for each in (tree.root / "arch").iterdir() if (each / "Makefile").is_file()))
    except OSError:
        return ()


@dataclass(slots=True)
class _Reader:
    """Goes down the folders; `objects` are what a source file, without its ending, is built into."""

    tree: Tree
    arches: tuple[str, ...]
    stop: Callable[[], bool]
    objects: dict[str, list[Built]] = field(default_factory=lambda: defaultdict(list))
    _routes: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def lists(self, folder: str, files: list[str]) -> Lists:
        known: Lists = {
            "src": [Word(folder or ".")],
            "obj": [Word(folder or ".")],
            "srctree": [Word(".")],
            "BITS": [
                Word("64", (Condition("$(CONFIG_64BIT)", ("y",)),)),
                Word("32", (Condition("$(CONFIG_64BIT)", ("y",), False),)),
            ],
        }
        for name in ("SRCARCH", "ARCH"):
            known[name] = [Word(arch, (Condition("$(SRCARCH)", (arch,)),)) for arch in self.arches]
        # The top Makefile includes those of the architectures, which are read apart, and what a build has written.
        makefile = Makefile(
            folder, self.tree.read if folder else lambda path: self.tree.read(path) if path in files else None, known
        )
        for path in files:
            makefile.take(path)
        return makefile.lists

    def enter(self, folder: str, conditions: tuple[Condition, ...], depth: int) -> None:
        self._routes[folder] += 1
        if self._routes[folder] > _MAX_ROUTES or depth > _MAX_DEPTH or self.stop():
            return
        # As scripts/Makefile.build does: Kbuild goes before Makefile.
        names = [f"{folder}/{name}" for name in ("Kbuild", "Makefile")]
        self.descend(
            folder, self.lists(folder, [name for name in names if self.tree.path(name)][:1]), [], conditions, depth
        )

    def descend(
        self, folder: str, lists: Lists, more: list[Word], conditions: tuple[Condition, ...], depth: int
    ) -> None:
        """Take the objects that a folder's lists name, and enter the folders that they name."""
        for module in (False, True):
            words = (
                [*lists.get("obj-m", ())]
                if module
                else [*lists.get("obj-y", ()), *lists.get("lib-y", ()), *lists.get("extra-y", ()), *more]
            )
            for word in dict.fromkeys(words):
                path = posixpath.normpath(posixpath.join(folder, word.text))
                all_of = tuple(dict.fromkeys((*conditions, *word.conditions)))
                if path.startswith(_OUTSIDE) or "$" in path:
                    continue
                if word.text.endswith("/"):
                    self.enter(path, all_of, depth + 1)
                elif path.endswith(".o"):
                    self.take(folder, lists, word.text.removesuffix(".o"), all_of, module)

    def take(self, folder: str, lists: Lists, stem: str, conditions: tuple[Condition, ...], module: bool) -> None:
        """Take an object of ``obj-y`` or ``obj-m``: the parts that it is linked from, or itself."""
        suffixes = ("objs", "y", "m") if module else ("objs", "y")
        parts = [word for suffix in suffixes for word in lists.get(f"{stem}-{suffix}", ()) if word.text.endswith(".o")]
        whole = posixpath.normpath(posixpath.join(folder, stem))
        name = posixpath.basename(whole).replace("-", "_") if module else None
        if not parts:
            self.objects[whole].append(Built(f"{whole}.o", None, name, conditions))
        for part in dict.fromkeys(parts):
            path = posixpath.normpath(posixpath.join(folder, part.text.removesuffix(".o")))
            if not path.startswith(_OUTSIDE):
                needed = tuple(dict.fromkeys((*conditions, *part.conditions)))
                self.objects[path].append(Built(f"{path}.o", f"{whole}.o", name, needed))


def _variables(config: Mapping[str, str], arches: tuple[str, ...]) -> dict[str, str]:
    """What the top Makefile derives from a configuration."""
    found = {"KBUILD_EXTMOD": "", "BITS": "64" if config.get("CONFIG_64BIT") == "y" else "32"}
    arch = next(
        (arch for arch in arches if config.get(_SYMBOL_OF_ARCH.get(arch, f"CONFIG_{arch.upper()}")) == "y"), None
    )
    return found | ({"SRCARCH": arch, "ARCH": arch} if arch else {})


def _all(conditions: tuple[Condition, ...], variables: Mapping[str, str]) -> bool | None:
    answers = {condition.holds(variables) for condition in conditions}
    return False if False in answers else None if None in answers else True
