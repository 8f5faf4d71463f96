"""The runner as a real process on loopback, with a stub for QEMU and a tree that builds in a moment: verdicts, kills, cancels, ends."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from kernfix.runner.serve import embedded_state
from kernfix.runner.state import State
from kernfix.runner.tokens import Tokens
from kernfix.verify.wire import ENDED, Event, Job, JobState, Verdict

STUBS = Path(__file__).parent / "stubs"
TITLE = "BUG: unable to handle kernel NULL pointer dereference in toy_read"
NEEDED = ("gcc", "make", "flex", "bison", "bc", "busybox", "setpriv", "bash", "tar", "gzip")
SOURCE = b"int main(void) { return 0; }\n"
QUICK = {"config": b"SECONDS=0\n", "baseline_runs": 1, "confidence": 0.6, "titles": [TITLE]}
"""A crash seen in 1 of 1 run needs 2 clean ones for a confidence of 60 %."""


def wait(until: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait for something to be true, and give it."""
    deadline = time.monotonic() + seconds
    while not (found := until()):
        assert time.monotonic() < deadline, until
        time.sleep(0.05)
    return found


def alive(word: str) -> list[int]:
    """The processes with that word in a word of their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode("utf-8", "replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if any(word in each for each in words):
            found.append(int(path.parent.name))
    return found


def check_gone(word: str) -> None:
    wait(lambda: not alive(word), 5)


@pytest.fixture(scope="module")
def tools() -> Iterator[Path]:
    """A folder with the stub, neither below /tmp nor the home folder, which the sandbox hides."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"a runner cannot work here: {', '.join(missing)} missing")
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="kernfix-test-") as folder:
        stub = Path(folder) / "qemu-system-x86_64"
        subprocess.run(["gcc", "-O1", "-o", stub, STUBS / "qemu.c"], check=True)
        yield Path(folder)


@dataclass
class Runner:
    """A runner's process."""

    process: subprocess.Popen[bytes]
    url: str
    http: httpx.Client

    def blob(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        assert self.http.put(f"/v1/blobs/{digest}", content=data).status_code == 201
        return digest

    def submit(self, base: Path | bytes, config: bytes, source: bytes = SOURCE, **more: Any) -> str:
        """Submit a job; the base is a folder of this machine or an archive."""
        where = {"kind": "snapshot", "blob": self.blob(base)} if isinstance(base, bytes) else None
        request = {
            "base": where or {"kind": "local", "path": str(base)},
            "config": self.blob(config),
            "reproducer": {"kind": "c", "blob": self.blob(source)},
            **more,
        }
        answer = self.http.post("/v1/jobs", json=request)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(self, id: str) -> Job:
        return Job.model_validate(self.http.get(f"/v1/jobs/{id}").json())

    def end(self, id: str, seconds: float = 60) -> Job:
        wait(lambda: self.job(id).state in ENDED, seconds)
        return self.job(id)

    def events(self, id: str) -> list[Event]:
        """The events of a job that has ended."""
        lines = self.http.get(f"/v1/jobs/{id}/events").text.split("\n")
        return [Event.model_validate_json(line[5:]) for line in lines if line.startswith("data:")]

    def told(self, id: str) -> list[tuple[str | None, str]]:
        """When which stage began and ended."""
        return [(event.stage, event.text.split(" ")[0]) for event in self.events(id) if event.kind == "stage"]


def command(state: Path, *words: str) -> list[str]:
    return [sys.executable, "-P", "-m", "kernfix", "runner", "serve", "--state", str(state), "--port", "0", *words]


def environment(tools: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}


@contextlib.contextmanager
def started(tools: Path, argv: list[str], token: str | None = None) -> Iterator[Runner]:
    """A process that prints a runner's line, killed at the end if it is still there."""
    with subprocess.Popen(
        argv, env=environment(tools), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            headers = {"Authorization": f"Bearer {token or ready['token']}"}
            with httpx.Client(base_url=ready["url"], headers=headers, timeout=30, trust_env=False) as http:
                yield Runner(process, ready["url"], http)
        finally:
            process.kill()


@contextlib.contextmanager
def serving(tools: Path, state: Path) -> Iterator[Runner]:
    with started(tools, command(state), Tokens(State.at(state).tokens).create("tests")) as runner:
        yield runner


@pytest.fixture
def state(tools: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=tools, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def runner(tools: Path) -> Iterator[Runner]:
    """One that several tests use."""
    with serving(tools, tools / "state") as runner:
        yield runner


@pytest.fixture
def marker(request: pytest.FixtureRequest) -> str:
    """Seconds that nobody else sleeps, a bit more than a whole number of them."""
    return f"{abs(hash(request.node.nodeid)) % 10**6:06d}{os.getpid()}"


def tree(*replaced: tuple[str, str]) -> bytes:
    """The stub tree as an archive, with words of its source replaced."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for path in sorted(STUBS.joinpath("linux").rglob("*")):
            if path.is_file():
                data = path.read_bytes()
                if path.name == "toy.c":
                    data = toy(*replaced).encode()
                member = tarfile.TarInfo(str(path.relative_to(STUBS / "linux")))
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return file.getvalue()


def toy(*replaced: tuple[str, str]) -> str:
    text = STUBS.joinpath("linux/kernel/toy.c").read_text()
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    return text


def patch(text: str) -> str:
    """The patch that gives the stub tree's source another text."""
    old, new = toy().splitlines(), text.splitlines()
    lines = [f"@@ -1,{len(old)} +1,{len(new)} @@", *(f"-{line}" for line in old), *(f"+{line}" for line in new)]
    return "--- a/kernel/toy.c\n+++ b/kernel/toy.c\n" + "\n".join(lines) + "\n"


CRASH_FROM = toy().index("[    3.000000]")
CLEAN = toy()[:CRASH_FROM]


# Verdicts.


@pytest.mark.parametrize(
    ("text", "verdict", "patched", "says"),
    [
        (CLEAN, Verdict.FIXED, (2, 0), "The crash is gone"),
        (toy(("1.000000", "1.500000")), Verdict.SAME_CRASH, (1, 1), TITLE),
        (toy(("toy_read", "toy_write")), Verdict.DIFFERENT_CRASH, (1, 1), "toy_write"),
        (CLEAN + "GUEST-HANGS\n", Verdict.HANG, (1, 0), "within 1 s"),
        (CLEAN + "NO-BOOT\n", Verdict.BOOT_FAILED, (1, 0), "never started /init"),
        (CLEAN + "SYNTAX\n", Verdict.BUILD_FAILED, (0, 0), "expected ';'"),
        (CLEAN + "QEMU-FAILS\n", Verdict.RUNNER_ERROR, (0, 0), "cannot set up guest memory"),
    ],
)
def test_verdicts(runner: Runner, text: str, verdict: Verdict, patched: tuple[int, int], says: str) -> None:
    job = runner.end(runner.submit(tree(), patch=patch(text), limits={"run_seconds": 1}, **QUICK))
    assert job.judgement is not None, job.reason
    assert job.judgement.verdict is verdict, job.judgement
    assert says in job.judgement.reason
    assert (job.judgement.patched.runs, job.judgement.patched.crashes) == patched
    assert job.state is JobState.DONE


def test_a_qemu_that_fails_is_tried_again_and_is_nobodys_pass(runner: Runner) -> None:
    id = runner.submit(tree(("toy_read", "QEMU-FAILS")), **QUICK)
    judgement = runner.end(id).judgement
    assert judgement is not None
    assert judgement.verdict is Verdict.RUNNER_ERROR
    assert judgement.reason == "QEMU failed with code 1: cannot set up guest memory."
    assert (judgement.baseline.runs, judgement.confidence) == (0, None)
    attempts = [event.text.partition(":")[0] for event in runner.events(id) if event.kind == "log"]
    assert attempts == [f"attempt {number} failed" for number in (1, 2, 3)]


def test_the_evidence_is_named_by_its_hash(runner: Runner) -> None:
    id = runner.submit(tree(), **QUICK)
    job = runner.end(id)
    assert job.judgement is not None
    artifacts = {
        each["name"]: each["sha256"] for each in runner.http.get(f"/v1/jobs/{id}/artifacts").json()["artifacts"]
    }
    assert job.judgement.bundle == f"sha256:{artifacts['evidence.json']}"
    console = runner.http.get(f"/v1/jobs/{id}/artifacts/console-baseline-1.log").content
    assert console.decode() == toy()
    assert hashlib.sha256(console).hexdigest() == artifacts["console-baseline-1.log"]
    assert (artifacts.keys() >= {"build-baseline.log", "vmlinux-baseline"}, job.judgement.verdict) == (
        True,
        "same-crash",
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"source": b"int main(void) { return nothing; }\n"}, "the reproducer does not compile: repro.c:1:"),
        ({"source": b"int main(void) { return 1 }\n"}, "expected"),
        ({"config": b"nothing of use\n"}, "the config cannot be used with this tree"),
    ],
)
def test_what_lies_in_the_jobs_own_inputs_is_rejected(runner: Runner, words: dict[str, Any], says: str) -> None:
    job = runner.end(runner.submit(**{"base": tree(), **QUICK, **words}))
    assert job.state is JobState.REJECTED, job
    assert job.judgement is None
    assert job.reason is not None
    assert says in job.reason
    assert job.reason.endswith(".")
    assert not job.reason.endswith("..")


def test_a_tree_that_is_no_kernels_is_rejected(runner: Runner) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("Makefile"), io.BytesIO())
    job = runner.end(runner.submit(file.getvalue(), **QUICK))
    assert (job.state, job.judgement) == (JobState.REJECTED, None)
    assert job.reason is not None
    assert "the base is not a kernel tree" in job.reason
    assert not job.reason.endswith("..")


def test_an_archive_that_cannot_be_unpacked_says_nothing_of_the_patch(runner: Runner) -> None:
    judgement = runner.end(runner.submit(b"no archive", patch=patch(CLEAN), **QUICK)).judgement
    assert judgement is not None
    assert judgement.verdict is Verdict.RUNNER_ERROR
    assert judgement.reason.startswith("cannot copy the tree: ")


# Cancelling.


def test_cancel_leaves_no_process(runner: Runner, marker: str) -> None:
    id = runner.submit(tree(), **{**QUICK, "config": f"SECONDS={marker}\n".encode()})
    wait(lambda: alive(marker))
    assert runner.http.post(f"/v1/jobs/{id}/cancel").json()["state"] == "cancelled"
    check_gone(marker)
    assert runner.job(id).state is JobState.CANCELLED
    last = runner.events(id)[-1]
    assert last.job is not None
    assert last.job.state is JobState.CANCELLED
    # The next one for the same tree and config finds it in order.
    again = runner.submit(tree(), **{**QUICK, "config": f"SECONDS={marker}\n".encode()})
    wait(lambda: alive(marker))
    runner.http.post(f"/v1/jobs/{again}/cancel")
    check_gone(marker)


def test_a_job_that_is_cancelled_while_it_waits_never_begins(runner: Runner, marker: str) -> None:
    first = runner.submit(tree(), **{**QUICK, "config": f"SECONDS={marker}\n".encode()})
    wait(lambda: alive(marker))
    waiting = [runner.submit(tree(), **QUICK) for _ in range(2)]
    assert [runner.job(id).state for id in waiting] == [JobState.QUEUED] * 2
    runner.http.post(f"/v1/jobs/{waiting[0]}/cancel")
    runner.http.post(f"/v1/jobs/{first}/cancel")
    assert runner.end(waiting[1]).state is JobState.DONE
    assert runner.told(waiting[0]) == []
    assert runner.job(waiting[0]).state is JobState.CANCELLED


# Ends of the process.


def test_a_killed_runner_goes_on_where_it_was(tools: Path, state: Path, marker: str) -> None:
    seconds = f"2.0{marker}"
    with serving(tools, state) as runner:
        id = runner.submit(tree(), **{**QUICK, "config": f"SECONDS={seconds}\n".encode()})
        waiting, dropped = (runner.submit(tree(), **{**QUICK, "patch": patch(CLEAN)}) for _ in range(2))
        wait(lambda: alive(seconds))
        runner.http.post(f"/v1/jobs/{dropped}/cancel")
        runner.process.kill()
        runner.process.wait()
        check_gone(seconds)
    with serving(tools, state) as runner:
        job = runner.end(id)
        assert job.judgement is not None, job
        assert (job.judgement.verdict, job.judgement.baseline.crashes) == (Verdict.SAME_CRASH, 1)
        told = runner.told(id)
        assert told.count(("fetch", "begin")) == told.count(("fetch", "end")) == 1
        assert told.count(("build:baseline", "begin")) == 2
        assert told.count(("build:baseline", "end")) == 1
        assert [stage.name for stage in job.judgement.stages].count("fetch") == 1
        numbers = [event.id for event in runner.events(id)]
        assert numbers == list(range(1, len(numbers) + 1))
        other = runner.end(waiting).judgement
        assert other is not None
        assert other.verdict is Verdict.FIXED
        assert (runner.job(dropped).state, runner.told(dropped)) == (JobState.CANCELLED, [])


def test_a_signal_ends_it_within_seconds_whoever_listens(tools: Path, state: Path, marker: str) -> None:
    with serving(tools, state) as runner:
        id = runner.submit(tree(), **{**QUICK, "config": f"SECONDS={marker}\n".encode()})
        wait(lambda: alive(marker))
        with runner.http.stream("GET", f"/v1/jobs/{id}/events") as reading:
            lines = reading.iter_lines()
            assert next(lines).startswith("id: ")
            runner.process.send_signal(signal.SIGTERM)
            assert runner.process.wait(8) == 0
        check_gone(marker)


def test_two_on_one_state(tools: Path, runner: Runner) -> None:
    done = subprocess.run(
        command(tools / "state"), env=environment(tools), capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.count("\n") == 1
    assert "another runner works in" in done.stderr
    assert "--state" in done.stderr
    assert runner.http.get("/healthz").status_code == 200


# The embedded runner.


def folder(at: Path) -> Path:
    (at / "linux/kernel").mkdir(parents=True)
    for name in ("Makefile", "Kconfig", "kernel/toy.c"):
        shutil.copyfile(STUBS / "linux" / name, at / "linux" / name)
    return at / "linux"


def test_embedded(tools: Path, state: Path, tmp_path: Path, marker: str) -> None:
    """A folder of the machine is taken; when standard input ends, so do the runner and all that it started, at once."""
    with started(tools, command(state, "--embedded")) as runner:
        assert runner.url.startswith("http://127.0.0.1:")
        local = folder(tmp_path)
        job = runner.end(runner.submit(local, **QUICK))
        assert job.judgement is not None, job.reason
        assert job.judgement.verdict is Verdict.SAME_CRASH
        runner.submit(local, **{**QUICK, "config": f"SECONDS={marker}\n".encode()})
        wait(lambda: alive(marker))
        assert len(list((state / "embedded").iterdir())) == 1
        assert runner.process.stdin is not None
        runner.process.stdin.close()
        assert runner.process.wait(5) == 0
        assert runner.process.stdout is not None
        assert runner.process.stdout.read() == b"", "one line, and no more"
    check_gone(marker)
    assert list((state / "embedded").iterdir()) == []
    assert not (state / "jobs").exists()


def test_jobs_of_embedded_runners_that_were_killed_are_removed_by_the_next(tmp_path: Path) -> None:
    killed, living, begun = (tmp_path / "embedded" / name for name in ("killed", "living", "begun"))
    for other in (killed, living):
        other.mkdir(parents=True)
        (other / "lock").touch()
        (other / "jobs.sqlite").touch()
    begun.mkdir()
    with (living / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        first, second = embedded_state(tmp_path), embedded_state(tmp_path)
    assert len({first.jobs, second.jobs}) == 2
    assert first.cache == second.cache == tmp_path
    assert set((tmp_path / "embedded").iterdir()) == {living, begun, first.jobs, second.jobs}


def test_embedded_whose_parent_is_killed(tools: Path, state: Path, tmp_path: Path, marker: str) -> None:
    keep = "import subprocess, sys; subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE).wait()"
    with started(tools, [sys.executable, "-c", keep, *command(state, "--embedded")]) as runner:
        runner.submit(folder(tmp_path), **{**QUICK, "config": f"SECONDS={marker}\n".encode()})
        wait(lambda: alive(marker))
        assert len(alive(str(state))) >= 2
        runner.process.kill()
    check_gone(str(state))
    check_gone(marker)
    assert list((state / "embedded").iterdir()) == []
