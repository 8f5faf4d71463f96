"""Reproduce: compile the reproducer once, then run it in fresh guests. Booting is a part of every run."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import tempfile
from dataclasses import replace
from pathlib import Path

from kernfix.runner import process, sandbox
from kernfix.runner.blobs import Blobs
from kernfix.runner.faults import BadRequest, RunnerFault
from kernfix.runner.guest.accel import Accelerator
from kernfix.runner.guest.qemu import Guest, run_guest
from kernfix.runner.guest.ramdisk import INIT, ramdisk
from kernfix.runner.state import State
from kernfix.verify.judge import Run
from kernfix.verify.wire import JobRequest, Reproducer

ELF64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
X86_64, INTERPRETER, PROGRAM_HEADER = 62, 3, 56
"""The System V ABI's e_machine of the guest's processor, p_type of a header that names a dynamic linker, and bytes of such a header."""


async def prepare(reproducer: Reproducer, state: State) -> tuple[Path, bool]:
    """The initial RAM disk with the reproducer in it, and whether it was there already."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise RunnerFault("busybox is not installed on the runner's machine; `kernfix doctor` says how to get it")
    content = Blobs(state.blobs).read(reproducer.blob)
    shell = _read(busybox)
    if not is_static(shell):
        raise RunnerFault(f"{busybox} is linked dynamically; guests need the package busybox-static")
    words = b"\0".join((reproducer.kind.encode(), reproducer.blob.encode(), hashlib.sha256(shell).digest(), INIT))
    target = state.reproducers / f"{hashlib.sha256(words).hexdigest()[:24]}.cpio"
    if target.is_file():
        return target, True
    program = await _compile(content, state) if reproducer.kind == "c" else content
    if not is_static(program):
        raise BadRequest("the reproducer is not a statically linked x86-64 program")
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    partial.write_bytes(ramdisk(shell, program))
    partial.replace(target)
    return target, False


async def run_once(
    request: JobRequest, kernel: Path, disk: Path, console: Path, accel: Accelerator, state: State
) -> Run:
    """One run on one kernel; its console text goes to the file `console`."""
    limits = request.limits
    guest = Guest(
        kernel=kernel,
        ramdisk=disk,
        console=console,
        accel="tcg",
        cmdline=request.cmdline,
        memory_mib=limits.memory_mib,
        cpus=limits.cpus,
        boot_seconds=limits.boot_seconds,
        run_seconds=limits.run_seconds,
    )
    chosen = await accel.choose(guest, state)
    return await run_guest(replace(guest, accel=chosen), state.cache)


def is_static(program: bytes) -> bool:
    """Whether this is an x86-64 ELF program without a dynamic linker, which a guest without libraries can run."""
    if len(program) < 64 or not program.startswith(ELF64_LITTLE_ENDIAN):
        return False
    machine = struct.unpack_from("<H", program, 18)[0]
    table, size, count = (*struct.unpack_from("<Q", program, 32), *struct.unpack_from("<HH", program, 54))
    if machine != X86_64 or size < PROGRAM_HEADER or table + size * count > len(program):
        return False
    return all(struct.unpack_from("<I", program, table + size * number)[0] != INTERPRETER for number in range(count))


def _read(path: str) -> bytes:
    return Path(path).read_bytes()


async def _compile(source: bytes, state: State) -> bytes:
    """The C source as a static program; threads are linked in, since races need them."""
    with tempfile.TemporaryDirectory(dir=state.reproducers, prefix=".partial-") as name:
        folder = Path(name)
        (folder / "repro.c").write_bytes(source)
        gcc: list[str | Path] = ["gcc", "-static", "-O1", "-pthread", "-w", "-o", folder / "repro", folder / "repro.c"]
        argv = sandbox.wrap(gcc, hidden=[state.cache], writable={folder: folder})
        done = await process.run(argv, seconds=300, env=sandbox.environment())
        if done.code:
            said = done.tail or ("gcc said nothing",)
            error = next((line for line in said if "error" in line or "undefined reference" in line), said[-1])
            raise BadRequest(f"the reproducer does not compile: {error.replace(name + '/', '')}")
        return (folder / "repro").read_bytes()
