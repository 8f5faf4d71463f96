"""Build: a kernel image from a warm tree, with or without a patch; an input that was built before is never built again."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kernfix.patch.model import Change
from kernfix.runner import process, sandbox
from kernfix.runner.faults import BadRequest, RunnerFault
from kernfix.runner.state import State
from kernfix.runner.trees import WarmTree

COMPILED = re.compile(r"^\s+(?:CC|AS|HOSTCC|LD)\s+(\S+)$")
ERROR = re.compile(r"\b(?:error|Error)\b[: ]|undefined reference|No rule to make target|multiple definition")


@dataclass(frozen=True, slots=True)
class Built:
    """What a build gave: the folder with ``vmlinux``, ``config`` and ``build.log``, or the compiler's word on why not."""

    folder: str
    cached: bool
    error: str | None = None

    @property
    def kernel(self) -> Path:
        """The image that QEMU boots."""
        return Path(self.folder) / "vmlinux"

    @property
    def log(self) -> Path:
        """Everything that make printed."""
        return Path(self.folder) / "build.log"


Progress = Callable[[int, str], None]
"""Called with the number of objects compiled so far and the line that make printed."""


async def compiler_version() -> str:
    """The first line of ``gcc --version``; RunnerFault when there is no compiler."""
    if shutil.which("gcc") is None:
        raise RunnerFault("gcc is not installed on the runner's machine; `kernfix doctor` says how to get it")
    done = await process.run(["gcc", "--version"], seconds=30, env=sandbox.environment())
    return done.tail[0]


async def build(
    tree: WarmTree, config: bytes, change: Change | None, state: State, seconds: float, tell: Progress
) -> Built:
    """Build the tree with `change` in place (None: the base itself), within `seconds`.

    A tree that does not compile is an answer (`Built.error`), not a fault.
    """
    folder = state.kernels / _key(tree, change)
    if (folder / "vmlinux").is_file():
        return Built(str(folder), cached=True)
    with tempfile.TemporaryDirectory(dir=state.kernels, prefix=".partial-") as partial:
        async with tree.locked():
            await _configure(tree, config, state)
            with tree.patched(change.before if change else {}, change.after if change else {}):
                error = await _make(tree, state, seconds, tell, Path(partial) / "build.log")
                if error is None:
                    await asyncio.to_thread(_collect, tree, Path(partial))
        return _keep(Path(partial), folder, error)


def _keep(partial: Path, folder: Path, error: str | None) -> Built:
    """A finished kernel is kept under its key; of a failed build only the log is, under a name of its own."""
    target = folder if error is None else folder.with_name(f"{folder.name}.failed")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(partial, target.with_suffix(".new"), dirs_exist_ok=True)
    target.with_suffix(".new").rename(target)
    return Built(str(target), cached=False, error=error)


def _key(tree: WarmTree, change: Change | None) -> str:
    after = sorted((change.after if change else {}).items())
    words = json.dumps([tree.folder.name, after])
    return hashlib.sha256(words.encode()).hexdigest()[:24]


async def _configure(tree: WarmTree, config: bytes, state: State) -> None:
    """Put the config in place once; ``olddefconfig`` answers what it leaves open, as kernel people would."""
    mark = tree.folder / "configured"
    if mark.exists():
        return
    (tree.source / ".config").write_bytes(config)
    done = await process.run(_command(tree, state, "olddefconfig"), seconds=600, env=_environment(state))
    if done.code:
        raise BadRequest(f"the config cannot be used with this tree: {_last(done.tail)}")
    mark.touch()


async def _make(tree: WarmTree, state: State, seconds: float, tell: Progress, log: Path) -> str | None:
    """Run make; gives what went wrong, or None."""
    compiled = 0
    errors: list[str] = []
    with log.open("w", encoding="utf-8") as file:

        def take(line: str) -> None:
            nonlocal compiled
            file.write(line + "\n")
            if COMPILED.match(line):
                compiled += 1
                tell(compiled, line.strip())
            elif ERROR.search(line):
                errors.append(line.strip())

        with tree.building():
            target = "vmlinux"
            done = await process.run(
                _command(tree, state, target), seconds=seconds, env=_environment(state), on_line=take
            )
    if done.timed_out:
        return f"the build did not end within {seconds:.0f} s"
    if done.code < 0:
        raise RunnerFault(f"make was killed by signal {-done.code}")
    if done.code:
        return errors[0] if errors else _last(done.tail)
    return None


def _command(tree: WarmTree, state: State, target: str) -> list[str]:
    compiler = "ccache gcc" if shutil.which("ccache") else "gcc"
    place = sandbox.seen_at(tree.source)
    make: list[str | Path] = [
        "make",
        "-C",
        place,
        f"-j{os.cpu_count() or 1}",
        f"CC={compiler}",
        f"HOSTCC={compiler}",
        target,
    ]
    return sandbox.wrap(make, hidden=[state.cache], writable={tree.source: place, state.ccache: state.ccache})


def _environment(state: State) -> dict[str, str]:
    """Fixed stamps, so that equal sources give equal kernels (the kernel's Documentation/kbuild/reproducible-builds.rst)."""
    return sandbox.environment(
        CCACHE_DIR=str(state.ccache),
        CCACHE_MAXSIZE="5G",
        KBUILD_BUILD_TIMESTAMP="Thu Jan  1 00:00:00 UTC 1970",
        KBUILD_BUILD_USER="kernfix",
        KBUILD_BUILD_HOST="kernfix",
        KBUILD_BUILD_VERSION="1",
    )


def _collect(tree: WarmTree, folder: Path) -> None:
    shutil.copy2(tree.source / "vmlinux", folder / "vmlinux")
    shutil.copy2(tree.source / ".config", folder / "config")


def _last(tail: tuple[str, ...]) -> str:
    return next((line.strip() for line in reversed(tail) if line.strip()), "make said nothing")
