"""Whether debug information is that of the kernel which printed a log."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from kernfix.crash.model import Crash, Frame
from kernfix.source.debuginfo.elf import Image

_MACHINES = {
    3: "i386",
    8: "mips",
    20: "ppc64",
    21: "ppc64",
    22: "s390",
    40: "arm",
    62: "x86_64",
    183: "arm64",
    243: "riscv",
    258: "loongarch",
}
"""ELF machine numbers (elf.h) to the names of architectures in crashes."""
_BANNER = re.compile(rb"(?:^|\0)Linux version (\d\S{0,127}) \(")
_STATED = re.compile(r"(?P<release>\S+)(?: #\S+)?(?: (?P<build_id>[0-9a-f]{16,64}))?")
_VERMAGIC = re.compile(rb"(?:^|\0)vermagic=(\S{1,128}) ")
_BEGINNING = 1 << 16
"""Bytes of a section that are searched first."""
_MADE = ("bpf_prog_", "bpf_trampoline_", "bpf_dispatcher_", "ftrace_trampoline", "kprobe_")
"""What the kernel makes symbols for while it runs."""
_LEAST_SHARE = 0.75
"""Of the functions of a log, those that must have the size they have in the right kernel; the rest is for torn lines."""


class Identity(NamedTuple):
    """What kernel some debug information is of, as far as it says so."""

    release: str | None = None
    build_id: str | None = None
    arch: str | None = None


def identity_of(image: Image) -> Identity:
    """The identity of a vmlinux, from its banner (init/version-timestamp.c), or of a module, from its ``vermagic``."""
    section, pattern = (".modinfo", _VERMAGIC) if image.relocatable else (".rodata", _BANNER)
    # The banner is in a file that is linked among the first.
    stated = pattern.search(image.named(section, _BEGINNING)) or pattern.search(image.named(section))
    release = stated[1].decode("utf-8", "replace") if stated else None
    return Identity(release, image.build_id, _MACHINES.get(image.machine))


def refusal(crash: Crash, kernel: Identity, knows: Callable[[str, int], bool]) -> str | None:
    """Why debug information of `kernel` is not that of the crash's kernel, as the end of a sentence; None where nothing speaks against it.

    Equal build ids settle it, and different ones or different releases. Otherwise functions must have the sizes that the log states:
    `knows` says whether there is a function of that name and size.
    """
    release, build_id = _kernel(crash)
    if build_id and kernel.build_id:
        same = kernel.build_id.startswith(build_id)
        return None if same else f"its build id is {kernel.build_id}, and the log is of {build_id}"
    if release and kernel.release and release != kernel.release:
        return f"it is of Linux {kernel.release}, and the log is of {release}"
    return _sizes(crash, kernel, knows)


def doubt(crash: Crash, kernel: Identity, knows: Callable[[str, int], bool]) -> str | None:
    """What is to be said of debug information that is used all the same: some functions are other than in the kernel of the log."""
    settled = _kernel(crash)[1] and kernel.build_id
    changed = [] if settled else sorted(name for name, size in _stated(crash) if not knows(name, size))
    if not changed:
        return None
    return (
        f"{', '.join(changed)} {'has another size' if len(changed) == 1 else 'have other sizes'} in it than in the log"
    )


def _sizes(crash: Crash, kernel: Identity, knows: Callable[[str, int], bool]) -> str | None:
    stated = _stated(crash)
    fitting = sum(knows(name, size) for name, size in stated)
    if fitting >= _LEAST_SHARE * len(stated):
        return None
    if crash.arch and kernel.arch and not crash.arch.startswith(kernel.arch):
        return f"it is of {kernel.arch}, and the log is of {crash.arch}"
    few = f"only {fitting} have" if fitting > 1 else "only one has" if fitting else "none has"
    return f"of {len(stated)} functions in the log {few} the same size in it"


def _kernel(crash: Crash) -> tuple[str | None, str | None]:
    """The release and the build id of the log's kernel (CONFIG_STACKTRACE_BUILD_ID), as far as it states them."""
    stated = _STATED.match(crash.machine.kernel or "")
    return (stated["release"], stated["build_id"]) if stated else (None, None)


def _stated(crash: Crash) -> set[tuple[str, int]]:
    """The functions of the kernel itself that the log names, with their sizes in bytes."""
    frames = (frame for stack in crash.stacks for frame in stack.frames)
    return {(frame.holder, frame.size) for frame in frames if frame.size and _built_in(frame)}


def _built_in(frame: Frame) -> bool:
    return frame.module is None and frame.reliable and not frame.holder.startswith(_MADE)
