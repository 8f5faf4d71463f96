"""One run of a reproducer in a fresh QEMU guest: console captured, end reported over a second serial port, time bounded."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from kernfix.crash import parse
from kernfix.crash.model import Crash
from kernfix.runner import process, sandbox
from kernfix.runner.faults import BadRequest, RunnerFault
from kernfix.verify.judge import Outcome, Run

CONSOLE_LIMIT = 64 << 20
"""Bytes of console text that one run may print; a guest that prints more is stopped."""
ERRORS_LIMIT = 1 << 16
LAST_WORDS_SECONDS = 1
"""How long reports are waited for that the guest wrote but that were not read yet when QEMU ended."""

# The early console shows a crash that comes before the real one. Every oops and warning ends the run at once (-no-reboot turns the reboot
# into QEMU's end). No ACPI interrupt routing and no PCI: nothing here needs them, and the boot is a third quicker.
CMDLINE = (
    "console=ttyS0 earlycon=uart8250,io,0x3f8 panic=-1 oops=panic panic_on_warn=1 hung_task_panic=1 softlockup_panic=1"
    " acpi=noirq pci=off tsc=reliable"
)


@dataclass(frozen=True, slots=True)
class Guest:
    """What to run: `accel` is ``kvm`` or ``tcg``; times in seconds, memory in MiB; `console` is the file that gets the console."""

    kernel: Path
    ramdisk: Path
    console: Path
    accel: str
    cmdline: str = ""
    memory_mib: int = 512
    cpus: int = 2
    boot_seconds: float = 120
    run_seconds: float = 60


@dataclass(slots=True)
class _Watch:
    """What has been seen of a running guest so far; times are of the monotonic clock."""

    started: float = field(default_factory=time.monotonic)
    booted: float | None = None
    ended: float | None = None
    status: int | None = None
    flooded: bool = False
    timed_out: bool = False


async def run_guest(guest: Guest, hidden: Path) -> Run:
    """Run the reproducer once. RunnerFault when QEMU itself fails; `hidden` is the runner's state, which QEMU must not see."""
    watch, nonce = _Watch(), secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="kernfix-guest-") as folder:
        port = Path(folder) / "port"
        async with _reports(port, watch, nonce):
            argv = sandbox.wrap(
                _argv(guest, port, nonce),
                hidden=[hidden],
                readable=[guest.kernel, guest.ramdisk],
                writable={Path(folder): Path(folder)},
                devices=["/dev/kvm"] if guest.accel == "kvm" else [],
            )
            code, errors = await _run_qemu(argv, guest, watch)
    return await asyncio.to_thread(_conclude, guest, watch, code, errors)


def _argv(guest: Guest, port: Path, nonce: str) -> list[str | Path]:
    accel = "tcg,thread=multi" if guest.accel == "tcg" else guest.accel
    machine: list[str | Path] = ["qemu-system-x86_64", "-accel", accel, "-cpu", "max", "-m", str(guest.memory_mib)]
    machine += ["-smp", str(guest.cpus), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    machine += ["-serial", "stdio", "-serial", f"unix:{port}", "-kernel", guest.kernel, "-initrd", guest.ramdisk]
    return [*machine, "-append", f"{CMDLINE} {guest.cmdline} kernfix_run={nonce}"]


@contextlib.asynccontextmanager
async def _reports(port: Path, watch: _Watch, nonce: str) -> AsyncIterator[None]:
    """Listen to the second serial port; at the block's end, to the last word that was written to it."""
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.create_task(_listen(reader, writer, watch, nonce)))

    async with await asyncio.start_unix_server(connected, path=port):
        try:
            yield
            if connections:
                await asyncio.wait(connections, timeout=LAST_WORDS_SECONDS)
        finally:
            for each in connections:
                each.cancel()


async def _listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watch: _Watch, nonce: str) -> None:
    """Read what init reports. Lines without this run's number are not init's, and each is taken once: a guest cannot win time."""
    try:
        while line := await reader.readline():
            match line.decode("ascii", "replace").split():
                case ["boot", run] if run == nonce and watch.booted is None:
                    watch.booted = time.monotonic()
                case ["end", run, status] if run == nonce and status.isdigit():
                    if watch.booted is not None and watch.status is None:
                        watch.ended, watch.status = time.monotonic(), int(status)
    except (ValueError, ConnectionError):
        return  # an overlong line or number, or QEMU going away: nothing more to learn
    finally:
        writer.close()


async def _run_qemu(argv: list[str], guest: Guest, watch: _Watch) -> tuple[int, str]:
    """QEMU from start to end; gives its exit code and what it said on standard error. Both streams are files: no guest can be stopped
    for a reader that is behind, and none is waited for that keeps a pipe open."""
    with guest.console.open("wb") as console, tempfile.TemporaryFile() as errors:
        qemu = await asyncio.create_subprocess_exec(
            *argv,
            env=sandbox.environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=console,
            stderr=errors,
            start_new_session=True,
        )
        try:
            await _until_end(qemu, guest, watch)
        finally:
            await process.kill(qemu)
        errors.seek(0)
        return qemu.returncode or 0, errors.read(ERRORS_LIMIT).decode("utf-8", "replace").strip()


async def _until_end(qemu: asyncio.subprocess.Process, guest: Guest, watch: _Watch) -> None:
    """Wait for a guest's end, but not for one that does not boot or finish in its time, or prints without end."""
    ending = asyncio.create_task(qemu.wait())
    while not (ending.done() or watch.timed_out or watch.flooded):
        await asyncio.wait({ending}, timeout=0.1)
        booted = watch.booted
        since, limit = (watch.started, guest.boot_seconds) if booted is None else (booted, guest.run_seconds)
        watch.timed_out = not ending.done() and time.monotonic() - since > limit
        watch.flooded = guest.console.stat().st_size > CONSOLE_LIMIT


def _conclude(guest: Guest, watch: _Watch, code: int, errors: str) -> Run:
    """What the run was, from its console and its reports."""
    with guest.console.open("rb") as console:
        crashes = parse(console.read(CONSOLE_LIMIT).decode("utf-8", "replace")).faults
    boot = (watch.booted or time.monotonic()) - watch.started
    seconds = 0.0 if watch.booted is None else (watch.ended or time.monotonic()) - watch.booted
    if crashes:
        return _crashed(crashes, watch, boot, seconds)
    if code and not (watch.timed_out or watch.flooded):
        raise RunnerFault(f"QEMU failed with code {code}: {errors.splitlines()[-1] if errors else 'it said nothing'}")
    if watch.booted is None:
        how = "no sign of life" if guest.console.stat().st_size == 0 else "it never started /init"
        late = f" within {guest.boot_seconds:.0f} s" if watch.timed_out else ", and the guest ended"
        return Run(Outcome.BOOT_FAILED, detail=f"{how}{late}.", boot_seconds=boot)
    if watch.status is not None:
        if watch.status in (126, 127):  # as a shell reports a program that it cannot execute
            raise BadRequest("the reproducer cannot be executed in the guest; it must be a static x86-64 program")
        return Run(Outcome.CLEAN, detail=f"exit status {watch.status}", boot_seconds=boot, run_seconds=seconds)
    return Run(Outcome.HANG, detail=_silence(guest, watch), boot_seconds=boot, run_seconds=seconds)


def _crashed(crashes: tuple[Crash, ...], watch: _Watch, boot: float, seconds: float) -> Run:
    first = crashes[0]
    if watch.booted is None:
        return Run(Outcome.BOOT_FAILED, title=first.title, detail=f"{first.title}.", boot_seconds=boot)
    titles = frozenset().union(*(crash.titles for crash in crashes))
    return Run(Outcome.CRASH, title=first.title, titles=titles, boot_seconds=boot, run_seconds=seconds)


def _silence(guest: Guest, watch: _Watch) -> str:
    if watch.flooded:
        return f"the guest printed more than {CONSOLE_LIMIT >> 20} MiB without finishing the reproducer."
    if watch.timed_out:
        return f"the reproducer did not finish within {guest.run_seconds:.0f} s."
    return "the guest went away without a word before the reproducer finished."
