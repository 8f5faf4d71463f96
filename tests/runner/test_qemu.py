"""One run in a guest, for every way that it can end: a program of ours in QEMU's place says on both ports what a guest would."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kernfix.runner import sandbox
from kernfix.runner.faults import BadRequest, RunnerFault
from kernfix.runner.guest import accel, qemu
from kernfix.runner.guest.accel import Accelerator
from kernfix.runner.guest.qemu import CMDLINE, Guest, run_guest
from kernfix.runner.state import State
from kernfix.verify.judge import Outcome, Run

STUB = """\
#!{python} -S
import re, socket, subprocess, sys, time
path = next(word[5:] for word in sys.argv if word.startswith("unix:"))
run = re.findall(r"kernfix_run=(\\w+)", sys.argv[-1])[-1]
port = socket.socket(socket.AF_UNIX)
port.connect(path)
def say(text):
    try: port.sendall(text.encode())
    except BrokenPipeError: pass
def boot(): say(f"boot {{run}}\\n")
def end(status=0): say(f"end {{run}} {{status}}\\n")
def console(text): print(text, flush=True)
console("Linux version 6.12.0")
"""
CRASH = """\
[    2.0] BUG: kernel NULL pointer dereference, address: 0000000000000008
[    2.0] #PF: supervisor read access in kernel mode
[    2.0] Oops: Oops: 0000 [#1] SMP
[    2.0] CPU: 0 UID: 0 PID: 34 Comm: repro Not tainted 6.12.0 #1
[    2.0] RIP: 0010:fox_tail+0x4/0x10
[    2.0] Call Trace:
[    2.0]  <TASK>
[    2.0]  fox_ioctl+0x10/0x20
[    2.0]  </TASK>
[    2.0] Kernel panic - not syncing: Fatal exception
"""
TITLE = "BUG: unable to handle kernel NULL pointer dereference in fox_tail"


class Bench:
    """A guest whose QEMU does what a script says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("kernel", "ramdisk"):
            (folder / name).write_bytes(b"")
        self.guest = Guest(
            kernel=folder / "kernel",
            ramdisk=folder / "ramdisk",
            console=folder / "console.log",
            accel="tcg",
            boot_seconds=20,
            run_seconds=20,
        )

    def script(self, text: str) -> None:
        stub = self.folder / "qemu-system-x86_64"
        stub.write_text(STUB.format(python=sys.executable) + text)
        stub.chmod(0o755)

    def run(self, text: str, **changes: Any) -> Run:
        self.script(text)
        return asyncio.run(run_guest(replace(self.guest, **changes), self.folder))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(sandbox, "sandboxed", lambda: False)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Bench(tmp_path)


def check(run: Run, outcome: Outcome, saying: str = "") -> Run:
    assert run.outcome is outcome, run
    assert saying in run.detail
    return run


SAY_CRASH = f"console({CRASH!r})"


@pytest.mark.parametrize(
    ("script", "outcome", "says"),
    [
        ("boot(); end()", Outcome.CLEAN, "exit status 0"),
        ("boot(); end(1)", Outcome.CLEAN, "exit status 1"),
        ("boot(); end(139)", Outcome.CLEAN, "exit status 139"),
        ("boot(); say('noise\\n\\xff'); say('\\n'); end()", Outcome.CLEAN, ""),
        (f"boot(); {SAY_CRASH}", Outcome.CRASH, ""),
        (f"boot(); end(); {SAY_CRASH}", Outcome.CRASH, ""),  # a crash after the end is one too
        (f"boot(); {SAY_CRASH}; sys.exit(1)", Outcome.CRASH, ""),
        # Silence is no pass.
        ("boot()", Outcome.HANG, "went away without a word"),
        ("boot(); console('end ' + run + ' 0')", Outcome.HANG, "went away"),  # on the console: not init's word
        ("boot(); console('reproducer finished, all good')", Outcome.HANG, "went away"),
        ("boot(); say('end 0\\n')", Outcome.HANG, "went away"),
        ("boot(); say('end 0123456789abcdef 0\\n')", Outcome.HANG, "went away"),  # another run's number
        ("boot(); say(f'end {run}\\n')", Outcome.HANG, "went away"),
        ("boot(); say(f'end {run} ok\\n')", Outcome.HANG, "went away"),
        ("boot(); say(f'end {run} -1\\n')", Outcome.HANG, "went away"),
        ("boot(); say(f'end {run} 0')", Outcome.CLEAN, ""),  # the newline may be lost with the guest, the word was said
        ("boot(); say(f'end {run} ' + '9' * 5000 + '\\n')", Outcome.HANG, "went away"),
        ("boot(); say('x' * 100000); say('\\n'); end()", Outcome.HANG, "went away"),
        # Not booted.
        ("pass", Outcome.BOOT_FAILED, "it never started /init, and the guest ended"),
        ("end()", Outcome.BOOT_FAILED, "never started"),
        ("say('boot\\n'); end()", Outcome.BOOT_FAILED, "never started"),
        ("say('boot 0123456789abcdef\\n'); end()", Outcome.BOOT_FAILED, "never started"),
        (SAY_CRASH, Outcome.BOOT_FAILED, TITLE),
        ("port.close()", Outcome.BOOT_FAILED, "never started"),
    ],
)
def test_ways_to_end(bench: Bench, script: str, outcome: Outcome, says: str) -> None:
    check(bench.run(script), outcome, says)


def test_a_crash_has_its_titles_and_times(bench: Bench) -> None:
    run = bench.run(f"time.sleep(0.2); boot(); time.sleep(0.2); {SAY_CRASH}")
    assert (run.title, run.outcome) == (TITLE, Outcome.CRASH)
    assert TITLE in run.titles
    assert run.boot_seconds >= 0.2
    assert run.run_seconds >= 0.2
    assert bench.guest.console.read_text().startswith("Linux version 6.12.0\n[    2.0] BUG: kernel NULL")


def test_all_titles_of_all_crashes_are_kept(bench: Bench) -> None:
    other = CRASH.replace("fox_tail", "owl_call").replace("2.0", "3.0")
    run = bench.run(f"boot(); console({CRASH.rpartition('[')[0]!r} + {other!r})")
    assert run.title == TITLE
    assert {TITLE, TITLE.replace("fox_tail", "owl_call")} <= run.titles


def test_bytes_that_are_no_text_do_not_come_into_titles(bench: Bench) -> None:
    crash = CRASH.replace("fox_tail", "fox_t\\udcff")
    run = bench.run(f"boot(); sys.stdout.buffer.write({crash!r}.encode('utf-8', 'surrogateescape'))")
    assert run.outcome is Outcome.CRASH
    "".join([str(run.title), *run.titles]).encode()


@pytest.mark.parametrize(
    ("script", "changes", "outcome", "says"),
    [
        ("boot(); time.sleep(60)", {"run_seconds": 0.3}, Outcome.HANG, "did not finish within 0 s"),
        ("time.sleep(60)", {"boot_seconds": 0.5}, Outcome.BOOT_FAILED, "never started /init within"),
        ("boot(); end(); time.sleep(60)", {"run_seconds": 0.3}, Outcome.CLEAN, "exit status 0"),
        (f"boot(); {SAY_CRASH}; time.sleep(60)", {"run_seconds": 0.3}, Outcome.CRASH, ""),
        # Saying it again wins no time.
        ("boot()\nwhile True: time.sleep(0.05); boot()", {"run_seconds": 0.5}, Outcome.HANG, "did not finish"),
        ("boot(); subprocess.Popen(['sleep', '61']).wait()", {"run_seconds": 0.3}, Outcome.HANG, "did not finish"),
    ],
)
def test_time_limits(bench: Bench, script: str, changes: dict[str, float], outcome: Outcome, says: str) -> None:
    began = time.monotonic()
    check(bench.run(script, **changes), outcome, says)
    assert time.monotonic() - began < 10


def test_a_guest_that_never_says_a_word(bench: Bench) -> None:
    stub = bench.folder / "qemu-system-x86_64"
    stub.write_text("#!/bin/sh\nexec sleep 60\n")
    stub.chmod(0o755)
    run = asyncio.run(run_guest(replace(bench.guest, boot_seconds=0.3), bench.folder))
    check(run, Outcome.BOOT_FAILED, "no sign of life")


@pytest.mark.parametrize("after", ["while True: console('x' * 1000)", "console('x' * 3000000); time.sleep(60)"])
def test_a_flood_is_stopped_and_no_pass(bench: Bench, monkeypatch: pytest.MonkeyPatch, after: str) -> None:
    monkeypatch.setattr(qemu, "CONSOLE_LIMIT", 1 << 20)
    began = time.monotonic()
    check(bench.run(f"boot()\n{after}"), Outcome.HANG, "printed more than 1 MiB")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("print('could not set up KVM', file=sys.stderr); sys.exit(1)", "could not set up KVM"),
        ("sys.exit(3)", "code 3: it said nothing"),
        ("boot(); import os; os.abort()", "code"),
        ("boot(); end(); sys.exit(1)", "code 1"),
    ],
)
def test_qemus_own_failure_is_the_runners(bench: Bench, script: str, says: str) -> None:
    with pytest.raises(RunnerFault, match=says):
        bench.run(script)


def test_no_qemu(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    setpriv = sandbox.shutil.which("setpriv") or pytest.skip("no setpriv here")
    (bench.folder / "bin").mkdir()
    (bench.folder / "bin/setpriv").symlink_to(setpriv)
    monkeypatch.setenv("PATH", str(bench.folder / "bin"))
    with pytest.raises(RunnerFault, match="qemu-system-x86_64"):
        asyncio.run(run_guest(bench.guest, bench.folder))


@pytest.mark.parametrize("status", [126, 127])
def test_a_reproducer_that_cannot_be_executed(bench: Bench, status: int) -> None:
    with pytest.raises(BadRequest, match="cannot be executed"):
        bench.run(f"boot(); end({status})")


def test_cancel_ends_qemu_even_while_it_floods(bench: Bench) -> None:
    bench.script(
        f"open({str(bench.folder / 'pid')!r}, 'w').write(str(__import__('os').getpid()))\nboot()\nwhile True: console('x' * 1000)"
    )

    async def cancel() -> None:
        task = asyncio.create_task(run_guest(bench.guest, bench.folder))
        await asyncio.sleep(0.7)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)

    asyncio.run(cancel())
    assert not Path(f"/proc/{(bench.folder / 'pid').read_text()}").exists()


def test_what_qemu_is_told(bench: Bench) -> None:
    """The guest has no network and no disk; the words of the request are one argument, before our own."""
    run = bench.run(
        f"open({str(bench.folder / 'argv')!r}, 'w').write('\\0'.join(sys.argv)); boot(); end()",
        cmdline="nokaslr -hda /etc/passwd kernfix_run=0",
        memory_mib=300,
        cpus=3,
    )
    check(run, Outcome.CLEAN)
    argv = (bench.folder / "argv").read_text().split("\0")
    assert "-nodefaults" in argv
    assert "-no-user-config" in argv
    assert argv[argv.index("-m") + 1] == "300"
    assert argv[argv.index("-smp") + 1] == "3"
    assert argv[-1].startswith(f"{CMDLINE} nokaslr -hda /etc/passwd kernfix_run=0 kernfix_run=")
    assert not {"-netdev", "-hda", "-drive", "-fsdev"} & set(argv)


# Which accelerator.

KVM_WORKS = "boot(); end()"


@pytest.mark.parametrize(
    ("usable", "script", "answer"),
    [
        (True, KVM_WORKS, "kvm"),
        (True, f"boot(); {SAY_CRASH}", "kvm"),
        (True, "print('KVM internal error', file=sys.stderr); sys.exit(1)", "tcg"),
        (True, "time.sleep(60)", "tcg"),
        (True, "boot(); time.sleep(60)", "tcg"),
        (True, "pass", "tcg"),
        (False, KVM_WORKS, "tcg"),
    ],
)
def test_kvm_counts_only_after_a_guest_ran_under_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, usable: bool, script: str, answer: str
) -> None:
    monkeypatch.setattr(accel, "PROBE_SECONDS", 0.4)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: usable if path == "/dev/kvm" else access(path, mode))
    count = f"open({str(bench.folder / 'count')!r}, 'a').write(sys.argv[2])\n"
    bench.script(count + script)

    async def choose() -> list[str]:
        accelerator, state = Accelerator(), State.at(bench.folder / "state")
        return [await accelerator.choose(bench.guest, state) for _ in range(2)]

    assert asyncio.run(choose()) == [answer, answer]
    tried = (bench.folder / "count").read_text() if (bench.folder / "count").exists() else ""
    assert tried == ("kvm" if usable else ""), "found once"
