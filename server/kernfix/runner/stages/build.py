"""Build: a kernel image from a warm tree, with or without a patch; an input that was built before is never built again."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from kernfix.patch.model import Change
from kernfix.runner import process, sandbox
from kernfix.runner.faults import BadRequest, RunnerFault
from kernfix.runner.state import State
from kernfix.runner.trees import CONFIGURED, WarmTree

COMPILED = re.compile(r"^\s+(?:CC|AS|HOSTCC|LD)\s+(\S+)$")
ERROR = re.compile(r"\b(?:error|Error)\b[: ]|undefined reference|No rule to make target|multiple definition")
FAULT = re.compile(
    r"No space left on device|Killed signal terminated program|Cannot allocate memory|virtual memory exhausted"
)
"""The machine's trouble, not the source's."""
LOG_LIMIT = 64 << 20
"""Characters of output that are kept of one build."""


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
    folder, after = state.kernels / _key(tree, change), change.after if change else {}
    async with tree.locked():
        if (folder / "vmlinux").is_file():
            return Built(str(folder), cached=True)
        tree.require()
        await _complete_config(tree, config, state)
        with tempfile.TemporaryDirectory(dir=state.kernels, prefix=".partial-") as partial, tree.patched(after):
            log = Path(partial) / "build.log"
            error = await _configure(tree, config, after, state, log)
            error = error or await _make(tree, state, seconds, tell, log)
            error = error or await asyncio.to_thread(_collect, tree, Path(partial))
            return _keep(Path(partial), folder, error)


def _keep(partial: Path, folder: Path, error: str | None) -> Built:
    """A finished kernel is kept under its key; of a failed build only the log is, under a name of its own.

    Others may be using what was there before, so nothing is ever absent: each file is replaced, the kernel last, which says that all
    is there.
    """
    target = folder if error is None else folder.with_name(f"{folder.name}.failed")
    target.mkdir(exist_ok=True)
    for name in ("build.log", "config", "vmlinux") if error is None else ("build.log",):
        (partial / name).replace(target / name)
    return Built(str(target), cached=False, error=error)


def _key(tree: WarmTree, change: Change | None) -> str:
    after = sorted((change.after if change else {}).items())
    words = json.dumps([tree.folder.name, after])
    return hashlib.sha256(words.encode()).hexdigest()[:24]


async def _complete_config(tree: WarmTree, config: bytes, state: State) -> None:
    """The base's whole config, made once and kept beside the tree; BadRequest when the base cannot use it."""
    kept = tree.folder / CONFIGURED
    if kept.exists():
        return
    error = await _answer_open(tree, config, state, tree.folder / "config.log")
    if error is not None:
        raise BadRequest(f"the config cannot be used with this tree: {error}")
    partial = kept.with_suffix(".partial")
    if not tree.take(".config", partial):
        raise BadRequest("the config cannot be used with this tree: make left none")
    partial.replace(kept)


async def _configure(
    tree: WarmTree, config: bytes, after: Mapping[str, str | None], state: State, log: Path
) -> str | None:
    """Put the config in place: the base's, whatever the build before made of it; or, when the patch changes the options themselves, one
    that answers those too. Gives what went wrong, or None."""
    if any(Path(path).name.startswith("Kconfig") for path in after):
        return await _answer_open(tree, config, state, log)
    whole = (tree.folder / CONFIGURED).read_text("utf-8", "surrogateescape")
    if tree.read(".config") != whole:
        tree.put(".config", whole.encode("utf-8", "surrogateescape"))
    return None


async def _answer_open(tree: WarmTree, config: bytes, state: State, log: Path) -> str | None:
    """Put the config in place and have ``olddefconfig`` answer what it leaves open, as kernel people would; gives what went wrong."""
    tree.put(".config", config)
    done = await process.run(_command(tree, state, "olddefconfig"), seconds=600, env=_environment(state))
    await asyncio.to_thread(log.write_text, "".join(f"{line}\n" for line in done.tail), "utf-8")
    if _was_cut_off(done):
        raise RunnerFault("make olddefconfig did not end by itself")
    return next((line.strip() for line in done.tail if ERROR.search(line)), _last(done.tail)) if done.code else None


async def _make(tree: WarmTree, state: State, seconds: float, tell: Progress, log: Path) -> str | None:
    """Run make; gives what went wrong, or None."""
    with log.open("a", encoding="utf-8") as file:
        output = _Output(file, tell)
        tree.begin_build()
        command, environment = _command(tree, state, "vmlinux"), _environment(state)
        done = await process.run(command, seconds=seconds, env=environment, on_line=output.take)
        if not _was_cut_off(done):
            tree.end_build()
    if done.timed_out:
        return f"the build did not end within {seconds:.0f} s"
    if _was_cut_off(done):
        raise RunnerFault(f"make was killed by signal {-done.code if done.code < 0 else done.code - 128}")
    if done.code and output.fault:
        raise RunnerFault(f"the build failed for want of resources: {output.fault}")
    return (output.error or _last(done.tail)) if done.code else None


def _was_cut_off(done: process.Finished) -> bool:
    """Whether make was killed; the sandbox reports a signal as a shell does."""
    return done.timed_out or done.code < 0 or done.code > 128


@dataclass(slots=True)
class _Output:
    """What make prints: kept in the log, counted, and searched for what went wrong first."""

    log: TextIO
    tell: Progress
    compiled: int = 0
    written: int = 0
    error: str | None = None
    fault: str | None = None

    def take(self, line: str) -> None:
        self.written += len(line) + 1
        if self.written <= LOG_LIMIT:
            self.log.write(line + "\n")
        if COMPILED.match(line):
            self.compiled += 1
            self.tell(self.compiled, line.strip())
        elif self.error is None and ERROR.search(line):
            self.error = line.strip()
        if self.fault is None and FAULT.search(line):
            self.fault = line.strip()


def _command(tree: WarmTree, state: State, target: str) -> list[str]:
    compiler = "ccache gcc" if shutil.which("ccache") else "gcc"
    place = sandbox.seen_at(tree.source)
    make: list[str | Path] = [
        "make",
        "--no-print-directory",
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


def _collect(tree: WarmTree, folder: Path) -> str | None:
    """Copy what the build made; gives what is missing, or None."""
    missing = [
        name for name, kept in (("vmlinux", "vmlinux"), (".config", "config")) if not tree.take(name, folder / kept)
    ]
    return f"the build left no {' and no '.join(missing)}" if missing else None


def _last(tail: tuple[str, ...]) -> str:
    return next((line.strip() for line in reversed(tail) if line.strip()), "make said nothing")
