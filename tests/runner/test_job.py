"""A job from request to judgement, in this process: a real tiny build, and a program of ours in QEMU's place that looks at what was built.

What the guest does is the number in ``kernel/fork.c``, so that a patch of it is a patch of the kernel's behaviour.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from kernfix.runner import sandbox
from kernfix.runner.blobs import Blobs
from kernfix.runner.evidence import artifacts
from kernfix.runner.faults import BadRequest, RunnerFault
from kernfix.runner.guest.accel import Accelerator
from kernfix.runner.job import Json, Work, verify
from kernfix.runner.stages import build, reproduce
from kernfix.runner.state import State
from kernfix.verify.wire import Event, JobRequest, Judgement, Limits, LocalTree, Reproducer, Verdict

QEMU = """\
#!{python} -S
import re, socket, sys, time
path = next(word[5:] for word in sys.argv if word.startswith("unix:"))
run = re.findall(r"kernfix_run=(\\w+)", sys.argv[-1])[-1]
kernel = open(sys.argv[sys.argv.index("-kernel") + 1]).read()
behaviour = int(re.search(r"int fork = (\\d+);", kernel)[1])
with open({count!r}, "a") as file:
    file.write(f"{{behaviour}}\\n")
times = open({count!r}).read().split().count(str(behaviour))
port = socket.socket(socket.AF_UNIX)
port.connect(path)
def say(word): port.sendall(word.encode() + b"\\n")
def crash(function):
    print("BUG: kernel NULL pointer dereference, address: 0000000000000008\\nOops: Oops: 0000 [#1] SMP\\n"
          "CPU: 0 UID: 0 PID: 34 Comm: repro Not tainted 6.12.0 #1\\n"
          f"RIP: 0010:{{function}}+0x4/0x10\\nCall Trace:\\n <TASK>\\n fox_ioctl+0x10/0x20\\n </TASK>")
    sys.exit(0)
if behaviour == {BOOTLESS}: sys.exit(0)
if behaviour == {NO_QEMU}: sys.exit("qemu: cannot allocate")
if behaviour == {SHAKY} and times < 3: sys.exit("qemu: cannot allocate")
say(f"boot {{run}}")
if behaviour == {CRASH}: crash("fox_tail")
if behaviour == {OTHER}: crash("owl_call")
if behaviour == {LOST}: sys.exit(0)
if behaviour == {FLAKY} and times % 3 == 1: crash("fox_tail")
if behaviour == {LATE} and times == 3: sys.exit(0)
say(f"end {{run}} 0")
"""
CRASH, CLEAN, OTHER, LOST, BOOTLESS, NO_QEMU, SHAKY, FLAKY, LATE = range(1, 10)
TITLE = "BUG: unable to handle kernel NULL pointer dereference in fox_tail"
OTHER_TITLE = TITLE.replace("fox_tail", "owl_call")


class Site:
    """A state, a tree whose guest does `behaviour`, and jobs on them."""

    def __init__(self, tiny: Path, folder: Path) -> None:
        self.tree, self.folder, self.state = tiny, folder, State.at(folder / "state")
        self.events: list[Event] = []
        self.kept: dict[str, Json] = {}
        self.behave(CRASH)

    def behave(self, number: int) -> None:
        (self.tree / "kernel/fork.c").write_text(f"int fork = {number};\n")

    def patch(self, text: str | int) -> str:
        old = (self.tree / "kernel/fork.c").read_text()
        new = f"int fork = {text};\n" if isinstance(text, int) else text
        return f"--- a/kernel/fork.c\n+++ b/kernel/fork.c\n@@ -1 +1 @@\n-{old}+{new}"

    def request(self, patch: str | int | None = None, **more: Any) -> JobRequest:
        blobs = Blobs(self.state.blobs)
        words = {
            "base": LocalTree(path=str(self.tree)),
            "config": blobs.put(b"CONFIG_KASAN=y\n"),
            "reproducer": Reproducer(kind="binary", blob=blobs.put(b"repro")),
            "patch": None if patch is None else self.patch(patch),
            "titles": (TITLE,),
            "limits": Limits(boot_seconds=20, run_seconds=20),
        }
        return JobRequest(**{**words, **more})

    async def step(self, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """Keeps results as the queue does: through JSON, by name, once."""
        if name not in self.kept:
            self.kept[name] = json.loads(json.dumps(await work()))
        return self.kept[name]

    def run(self, request: JobRequest, id: str = "j1") -> Judgement:
        if id == "j1":
            self.kept.clear()
        work = Work(id, request, self.state, Accelerator(), self.step, self.events.append)
        return asyncio.run(verify(work))

    def runs(self) -> list[int]:
        """What each guest so far did."""
        return [int(word) for word in (self.folder / "count").read_text().split()]


@pytest.fixture
def site(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    numbers = {name: globals()[name] for name in "CRASH OTHER LOST BOOTLESS NO_QEMU SHAKY FLAKY LATE".split()}  # noqa: SIM905
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/qemu-system-x86_64").write_text(
        QEMU.format(python=sys.executable, count=str(tmp_path / "count"), **numbers)
    )
    (tmp_path / "bin/qemu-system-x86_64").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(sandbox, "sandboxed", lambda: False)
    monkeypatch.setattr(reproduce, "is_static", lambda program: True)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != "/dev/kvm" and access(path, mode))
    which = shutil.which
    monkeypatch.setattr(reproduce.shutil, "which", lambda name: "/bin/sh" if name == "busybox" else which(name))
    return Site(tiny, tmp_path)


def check(judgement: Judgement, verdict: Verdict, saying: str = "") -> Judgement:
    assert judgement.verdict is verdict, judgement
    assert saying in judgement.reason
    assert judgement.bundle is not None
    return judgement


@pytest.mark.parametrize(
    ("base", "patch", "verdict", "says", "runs"),
    [
        (CRASH, CLEAN, Verdict.FIXED, "The crash is gone", [CRASH] * 5 + [CLEAN] * 4),
        (CRASH, OTHER, Verdict.DIFFERENT_CRASH, OTHER_TITLE, [CRASH] * 5 + [OTHER]),
        (CRASH, LOST, Verdict.HANG, "went away", [CRASH] * 5 + [LOST]),
        (CRASH, LATE, Verdict.HANG, "went away", [CRASH] * 5 + [LATE] * 3),
        (CRASH, BOOTLESS, Verdict.BOOT_FAILED, "patched kernel did not reach user space", [CRASH] * 5 + [BOOTLESS]),
        (CRASH, "int fork = 1; // still\n", Verdict.SAME_CRASH, TITLE, [CRASH] * 6),
        (
            CRASH,
            "int fork = none;\n",
            Verdict.BUILD_FAILED,
            "patched tree does not compile: kernel/fork.c:1",
            [CRASH] * 5,
        ),
        (CLEAN, CRASH, Verdict.NOT_REPRODUCED, "never crashed in 10 runs", [CLEAN] * 10),
        (LOST, CLEAN, Verdict.NOT_REPRODUCED, "It hung instead", [LOST] * 10),
        (BOOTLESS, CLEAN, Verdict.BOOT_FAILED, "baseline did not reach", [BOOTLESS]),
        (CRASH, None, Verdict.SAME_CRASH, "as reported", [CRASH] * 5),
        (OTHER, None, Verdict.DIFFERENT_CRASH, "not as reported", [OTHER] * 5),
        (LOST, None, Verdict.HANG, "The base hangs", [LOST] * 10),
        (CLEAN, None, Verdict.NOT_REPRODUCED, "never crashed", [CLEAN] * 10),
    ],
)
def test_verdicts(site: Site, base: int, patch: str | int | None, verdict: Verdict, says: str, runs: list[int]) -> None:
    site.behave(base)
    judgement = check(site.run(site.request(patch)), verdict, says)
    assert site.runs() == runs
    assert judgement.baseline.runs + judgement.patched.runs == len(runs)
    assert (site.tree / "kernel/fork.c").read_text() == f"int fork = {base};\n"


def test_a_flaky_crash_is_run_until_it_is_known_well(site: Site) -> None:
    site.behave(FLAKY)
    judgement = check(site.run(site.request(CLEAN, baseline_runs=2)), Verdict.FIXED, "2 of 4 runs crashed before")
    assert judgement.confidence is not None
    assert judgement.confidence >= 0.95
    assert site.runs().count(CLEAN) == judgement.patched.runs == 30


def test_too_rare_to_say(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernfix.runner.job.MAX_RUNS", 3)
    site.behave(FLAKY)
    check(site.run(site.request(CLEAN, baseline_runs=1)), Verdict.INCONCLUSIVE, "Clean in 3 runs")
    site.behave(CRASH)
    check(site.run(site.request(CLEAN, baseline_runs=1, runs=2)), Verdict.INCONCLUSIVE, "Clean in 2 runs")


def test_a_patch_that_does_not_fit_costs_no_build(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "build", None)
    for patch, says in (
        (site.patch(CLEAN).replace("int fork = 1", "int spoon = 1"), "int spoon = 1;"),
        ("", "no unified diff"),
        ("no diff at all", "no unified diff"),
        ("--- a/../x\n+++ b/../x\n@@ -1 +1 @@\n-a\n+b\n", "`..`"),
    ):
        check(site.run(site.request().model_copy(update={"patch": patch})), Verdict.PATCH_FAILED, says)


def test_a_reproducer_that_cannot_be_used_costs_no_build(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "build", None)
    blob = Blobs(site.state.blobs).put(b"int main(void) { return no; }\n")
    with pytest.raises(BadRequest, match="does not compile"):
        site.run(site.request(CLEAN, reproducer=Reproducer(kind="c", blob=blob)))


def test_a_base_that_does_not_compile(site: Site) -> None:
    (site.tree / "kernel/fork.c").write_text("int fork = none;\n")
    check(site.run(site.request(CLEAN)), Verdict.BUILD_FAILED, "The base itself does not compile: kernel/fork.c:1")


# The infrastructure's own faults.


def test_qemu_that_fails_is_tried_again_and_never_counted(site: Site) -> None:
    judgement = check(site.run(site.request(SHAKY)), Verdict.FIXED)
    assert judgement.patched.runs == 4
    assert site.runs().count(SHAKY) == 6
    assert [event.text for event in site.events if event.kind == "log"] == [
        f"attempt {number} failed: QEMU failed with code 1: qemu: cannot allocate" for number in (1, 2)
    ]


def test_qemu_that_keeps_failing_is_the_runners_error(site: Site) -> None:
    judgement = check(site.run(site.request(NO_QEMU)), Verdict.RUNNER_ERROR, "qemu: cannot allocate")
    assert site.runs().count(NO_QEMU) == 3
    assert judgement.confidence is None
    assert ".." not in judgement.reason


def test_a_tree_that_is_gone_is_the_runners_error_not_the_patchs(site: Site) -> None:
    request = site.request(CLEAN)
    fetched = site.run(request)
    assert fetched.verdict is Verdict.FIXED
    site.kept = {"fetch": site.kept["fetch"]}
    shutil.rmtree(site.state.trees / site.kept["fetch"]["tree"])
    check(site.run(request, "j2"), Verdict.RUNNER_ERROR, "removed from the cache")


# A runner that was killed and started again.


def test_finished_steps_are_not_repeated(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at each run in turn: the work goes on after the last finished step, with the same judgement."""
    request = site.request(CLEAN, baseline_runs=2, confidence=0.6)
    whole = site.run(request)
    steps = list(site.kept)
    assert steps[:4] == ["fetch", "apply", "prepare", "build:baseline"]
    before = len(site.runs())
    for kept in range(len(steps) + 1):
        site.kept = {name: site.kept[name] for name in steps[:kept]}
        again = site.run(request, "j2")
        assert again.model_copy(update={"stages": (), "bundle": None}) == whole.model_copy(
            update={"stages": (), "bundle": None}
        )
        assert list(site.kept) == steps
        repeated = sum(name.startswith("reproduce") for name in steps[kept:])
        assert len(site.runs()) == before + repeated
        before += repeated
    monkeypatch.setattr(reproduce, "run_once", None)
    assert site.run(request, "j2").verdict is Verdict.FIXED


# What is told and kept.


def test_stages_and_runs_are_told_in_order(site: Site) -> None:
    judgement = site.run(site.request(CLEAN, baseline_runs=1, confidence=0.04))
    told = [(event.kind, event.stage, event.text) for event in site.events if event.kind in ("stage", "run")]
    begun = [stage for kind, stage, text in told if text == "begin"]
    assert begun == ["fetch", "apply", "build:baseline", "build:patched"]
    assert ("run", "reproduce:baseline", f"baseline run 1: crash, {TITLE}") in told
    assert ("run", "reproduce:patched", "patched run 1: clean") in told
    names = [stage.name for stage in judgement.stages]
    assert names == [
        *("fetch", "apply", "build:baseline", "boot:baseline", "reproduce:baseline"),
        *("build:patched", "boot:patched", "reproduce:patched"),
    ]
    assert not any(stage.cached for stage in judgement.stages)
    again = site.run(site.request(CLEAN, baseline_runs=1, confidence=0.04))
    assert {stage.name for stage in again.stages if stage.cached} == {"fetch", "build:baseline", "build:patched"}


def test_the_evidence_names_every_file_and_itself(site: Site) -> None:
    judgement = site.run(site.request(CLEAN))
    folder = site.state.artifacts("j1")
    text = (folder / "evidence.json").read_bytes()
    assert judgement.bundle == f"sha256:{hashlib.sha256(text).hexdigest()}"
    document = json.loads(text)
    assert document["judgement"]["verdict"] == "fixed"
    assert document["request"]["patch"].startswith("--- a/kernel/fork.c")
    named = {each["name"]: each["sha256"] for each in document["artifacts"]}
    there = {each.name: each.sha256 for each in artifacts(folder)}
    assert there == {**named, "evidence.json": judgement.bundle.removeprefix("sha256:")}
    consoles = {
        f"console-{side}-{number}.log" for side, n in (("baseline", 5), ("patched", 4)) for number in range(1, n + 1)
    }
    assert consoles | {"build-baseline.log", "build-patched.log", "vmlinux-baseline", "vmlinux-patched"} == set(named)
    blobs = Blobs(site.state.blobs)
    assert blobs.read(hashlib.sha256(text).hexdigest()) == text
    assert blobs.has(named["console-baseline-1.log"])


def test_a_failure_has_evidence_too(site: Site) -> None:
    judgement = check(site.run(site.request("int fork = none;\n")), Verdict.BUILD_FAILED)
    assert judgement.baseline.crashes == 5
    names = {each.name for each in artifacts(site.state.artifacts("j1"))}
    assert {"build-patched.log", "evidence.json"} <= names
    assert "vmlinux-patched" not in names


def test_faults_of_a_step_come_out_of_the_job(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> Any:
        raise RunnerFault("no space left on the runner")

    monkeypatch.setattr(reproduce, "prepare", fail)
    check(site.run(site.request(CLEAN)), Verdict.RUNNER_ERROR, "no space left on the runner.")
