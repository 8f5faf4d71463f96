"""Verify as a library: what is sent to a runner for which tree, what comes back, and what happens when it does not."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kernfix.case import verify as module
from kernfix.case.verify import VerifyCancelled, VerifyRefused, VerifyRequest, VerifyUnavailable, verify, verify_each
from kernfix.verify.wire import Event, Job, JobState, Judgement, Verdict

FIXED = Judgement(verdict=Verdict.FIXED, confidence=0.95, reason="The crash is gone.")
CONFIG, SOURCE = b"CONFIG_KASAN=y\n", b"int main(void) { return 0; }\n"


class Runner(ThreadingHTTPServer):
    """Takes every blob and job, and ends each job as `ending` says; with None it goes on until it is cancelled."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ending: Job | None = job(JobState.DONE, judgement=FIXED)
        self.blobs: dict[str, bytes] = {}
        self.jobs: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.cancelled = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


def job(state: JobState, **more: Any) -> Job:
    return Job(id="j1", state=state, created=1, updated=1, **more)


class _Handler(BaseHTTPRequestHandler):
    server: Runner

    def do_HEAD(self) -> None:
        self._answer(200 if self.path.rpartition("/")[2] in self.server.blobs else 404)

    def do_PUT(self) -> None:
        body = b""
        if "Content-Length" in self.headers:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        else:
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        assert hashlib.sha256(body).hexdigest() == self.path.rpartition("/")[2]
        self.server.blobs[self.path.rpartition("/")[2]] = body
        self._answer(201)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/cancel"):
            self.server.cancelled.set()
        else:
            self.server.jobs.append(json.loads(body))
            self.server.keys.append(self.headers["Idempotency-Key"])
        self._answer(202, job(JobState.QUEUED).model_dump_json())

    def do_GET(self) -> None:
        if not self.path.endswith("/events"):
            assert self.server.ending is not None
            self._answer(200, self.server.ending.model_dump_json())
            return
        begun = Event(id=1, kind="stage", stage="fetch", text="begin")
        self._answer(200, f"data: {begun.model_dump_json()}\n\n")
        if self.server.ending is None:
            self.server.cancelled.wait(10)
            self.server.ending = job(JobState.CANCELLED)
        end = Event(id=2, kind="state", job=self.server.ending)
        self.wfile.write(f"data: {end.model_dump_json()}\n\n".encode())

    def _answer(self, status: int, text: str = "") -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def runner() -> Iterator[Runner]:
    server = Runner()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "linux"
    for name, text in {
        "Makefile": "VERSION = 6\nPATCHLEVEL = 12\n",
        "Kconfig": "",
        "kernel/fork.c": "int fork;\n",
        "kernel/fork.o": "built",
        "include/generated/x.h": "built",
        ".config": "built",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def git(tree: Path, *words: str) -> str:
    command = ["git", "-C", str(tree), "-c", "user.name=t", "-c", "user.email=t@example.org", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(tree: Path) -> str:
    git(tree, "init", "-q")
    git(tree, "add", "Makefile", "Kconfig", "kernel/fork.c")
    git(tree, "commit", "-qm", "base")
    return git(tree, "rev-parse", "HEAD")


def request(at: Path, to: Runner, **changes: Any) -> VerifyRequest:
    base = VerifyRequest(tree=at, config=CONFIG, reproducer=SOURCE, runner=to.url, token="t")
    return replace(base, **changes)


def run(asked: VerifyRequest) -> Judgement:
    return asyncio.run(verify(asked, lambda event: None))


def check_refused(asked: VerifyRequest, error: type[VerifyUnavailable], *saying: str) -> None:
    with pytest.raises(error) as raised:
        run(asked)
    for words in saying:
        assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def sent_files(runner: Runner) -> dict[str, bytes]:
    """The files of the tree that the last job's base names."""
    with tarfile.open(fileobj=io.BytesIO(runner.blobs[runner.jobs[-1]["base"]["blob"]]), mode="r:gz") as tar:
        return {
            member.name.removeprefix("./"): tar.extractfile(member).read()  # type: ignore[union-attr]
            for member in tar
            if member.isfile()
        }


# What is sent.


def test_sources_are_sent_without_what_a_build_left(tree: Path, runner: Runner) -> None:
    events: list[Event] = []
    asked = request(tree, runner, patch="--- a/x\n", titles=("A", "B"), cmdline="nokaslr", runs=3, confidence=0.9)
    assert asyncio.run(verify(asked, events.append)) == FIXED
    assert sorted(sent_files(runner)) == ["Kconfig", "Makefile", "kernel/fork.c"]
    [sent] = runner.jobs
    assert runner.blobs[sent["config"]] == CONFIG
    assert runner.blobs[sent["reproducer"]["blob"]] == SOURCE
    kept = {name: sent[name] for name in ("patch", "titles", "cmdline", "runs", "confidence")}
    assert kept == {"patch": "--- a/x\n", "titles": ["A", "B"], "cmdline": "nokaslr", "runs": 3, "confidence": 0.9}
    assert [event.id for event in events] == [1, 2]


def test_equal_trees_are_sent_once(tree: Path, runner: Runner) -> None:
    run(request(tree, runner))
    run(request(tree, runner))
    assert runner.jobs[0]["base"] == runner.jobs[1]["base"]
    assert len(set(runner.keys)) == 2, "each verification is a job of its own"


@pytest.mark.parametrize(
    ("edited", "patch", "sent", "sent_patch"),
    [
        (False, None, b"int fork;\n", None),  # a clean git tree: the base alone is judged
        (True, None, b"int fork;\n", "+int spoon;"),  # the uncommitted changes are the patch, and HEAD is the base
        (True, "--- a/x\n", b"int spoon;\n", "--- a/x"),  # a patch is against the tree as it stands
        (False, "--- a/x\n", b"int fork;\n", "--- a/x"),
    ],
)
def test_what_is_judged(
    tree: Path, runner: Runner, edited: bool, patch: str | None, sent: bytes, sent_patch: str | None
) -> None:
    commit(tree)
    if edited:
        (tree / "kernel/fork.c").write_text("int spoon;\n")
    run(request(tree, runner, patch=patch))
    assert sent_files(runner)["kernel/fork.c"] == sent
    if sent_patch is None:
        assert runner.jobs[0]["patch"] is None
    else:
        assert sent_patch in runner.jobs[0]["patch"]


def test_several_patches_on_one_runner(tree: Path, runner: Runner) -> None:
    given = asyncio.run(verify_each(request(tree, runner), {"a": "1", "b": "2"}, lambda event: None))
    assert given == {"a": FIXED, "b": FIXED}
    assert [sent["patch"] for sent in runner.jobs] == ["1", "2"]


def test_the_users_tree_is_not_touched(tree: Path, runner: Runner) -> None:
    commit(tree)
    (tree / "kernel/fork.c").write_text("int spoon;\n")
    before = {path: (path.lstat().st_mtime_ns, path.lstat().st_size) for path in tree.rglob("*")}
    run(request(tree, runner))
    assert {path: (path.lstat().st_mtime_ns, path.lstat().st_size) for path in tree.rglob("*")} == before


def test_a_title_that_is_not_utf8_is_sent_as_the_runner_reads_it(tree: Path, runner: Runner) -> None:
    run(request(tree, runner, titles=(b"WARNING in \xff".decode("utf-8", "surrogateescape"),)))
    assert runner.jobs[0]["titles"] == ["WARNING in \ufffd"]


# What cannot be verified.


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tree": Path("/nonexistent")}, "is not a folder"),
        ({"patch": b"+caf\xe9".decode("utf-8", "surrogateescape")}, "the patch has bytes that are not UTF-8"),
        ({"cmdline": "\udcff"}, "not UTF-8"),
        ({"runs": 100_000}, "runs: Input should be less"),
        ({"confidence": 1.0}, "confidence: Input should be less"),
    ],
)
def test_refused_here(tree: Path, runner: Runner, changes: dict[str, Any], says: str) -> None:
    check_refused(request(tree, runner, **changes), VerifyRefused, says)
    assert runner.jobs == []


def test_no_kernel_tree(tree: Path, runner: Runner) -> None:
    (tree / "Makefile").write_text("all:\n")
    check_refused(request(tree, runner), VerifyRefused, "not a kernel tree")


def test_git_that_cannot_say_what_changed_is_no_clean_tree(tree: Path, runner: Runner) -> None:
    commit(tree)
    (tree / ".git/index").write_bytes(b"broken")
    check_refused(request(tree, runner), VerifyRefused, "git cannot say")
    assert runner.jobs == []


def test_a_tree_that_cannot_be_packed(tree: Path, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "archive_command", lambda root, commit: ["tar", "-C", "/nonexistent", "-c", "."])
    check_refused(request(tree, runner), VerifyRefused, "cannot pack the tree")


def test_a_packer_that_stops_half_way(tree: Path, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full, say: an error of its own, not a broken pipe taken for a reader that went away."""
    monkeypatch.setattr(module, "archive_command", lambda root, commit: ["head", "-c", "9000000", "/dev/zero"])
    (tree.parent / "gzip").write_text("#!/bin/sh\nhead -c 10 >/dev/null\necho no space >&2\nexit 1\n")
    (tree.parent / "gzip").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tree.parent}:{os.environ['PATH']}")
    check_refused(request(tree, runner), VerifyRefused, "no space")


@pytest.mark.parametrize(
    ("ending", "error", "says"),
    [
        (job(JobState.REJECTED, reason="the reproducer does not compile: x."), VerifyRefused, "does not compile"),
        (job(JobState.CANCELLED), VerifyCancelled, "cancelled"),
        (job(JobState.DONE), VerifyRefused, "without a judgement"),
    ],
)
def test_jobs_without_a_judgement(
    tree: Path, runner: Runner, ending: Job, error: type[VerifyUnavailable], says: str
) -> None:
    runner.ending = ending
    check_refused(request(tree, runner), error, says)


def test_nothing_listens(tree: Path, runner: Runner) -> None:
    check_refused(request(tree, runner, runner="http://127.0.0.1:9"), VerifyUnavailable, "no runner answers")


def test_cancel_cancels_the_job(tree: Path, runner: Runner) -> None:
    runner.ending = None

    async def cancel() -> None:
        begun = asyncio.Event()
        task = asyncio.create_task(verify(request(tree, runner), lambda event: begun.set()))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert runner.cancelled.wait(5)


def test_cancel_while_packing_leaves_no_process(tree: Path, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = f"86400.{os.getpid()}"
    monkeypatch.setattr(module, "archive_command", lambda root, commit: ["sleep", marker])

    async def cancel() -> None:
        task = asyncio.create_task(verify(request(tree, runner), lambda event: None))
        await asyncio.to_thread(wait_for_process, marker)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(cancel(), 20))
    assert marker not in processes()


def wait_for_process(marker: str) -> None:
    deadline = time.monotonic() + 10
    while marker not in processes():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def processes() -> str:
    """The command lines of all processes."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
    return "\n".join(lines)


# The embedded runner's process.


def embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Have `script` started in its place."""
    program = tmp_path / "python"
    program.write_text(
        f"#!{sys.executable}\nimport json, os, sys, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n{script}\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


def check_gone(tmp_path: Path) -> None:
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("sys.exit('kernfix runner: the runner is not installed (dbos is missing).')", "dbos is missing"),
        ("sys.exit(3)", "it said nothing"),
        ("time.sleep(600)", "within 1 s"),
    ],
)
def test_an_embedded_runner_that_does_not_start(
    tree: Path, tmp_path: Path, runner: Runner, monkeypatch: pytest.MonkeyPatch, script: str, says: str
) -> None:
    embedded(tmp_path, monkeypatch, script)
    monkeypatch.setattr(module, "START_SECONDS", 1)
    monkeypatch.setattr(module, "STOP_SECONDS", 0.2)
    check_refused(request(tree, runner, runner=None), VerifyUnavailable, "did not start", says)
    check_gone(tmp_path)


def test_an_embedded_runner_is_given_the_folder_not_a_copy_and_ends_with_the_block(
    tree: Path, tmp_path: Path, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = {"url": runner.url, "token": "once"}
    embedded(tmp_path, monkeypatch, f"print(json.dumps({ready!r}), flush=True)\nsys.stdin.read()")
    head = commit(tree)
    assert run(request(tree, runner, runner=None)) == FIXED
    assert runner.jobs[0]["base"] == {"kind": "local", "path": str(tree), "commit": head}
    check_gone(tmp_path)


def test_a_time_out_while_it_works_is_not_called_a_failed_start(
    tree: Path, tmp_path: Path, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = {"url": runner.url, "token": "once"}
    embedded(tmp_path, monkeypatch, f"print(json.dumps({ready!r}), flush=True)\nsys.stdin.read()")

    def stumble(event: Event) -> None:
        raise TimeoutError("elsewhere")

    with pytest.raises(TimeoutError, match="elsewhere"):
        asyncio.run(verify(request(tree, runner, runner=None), stumble))
    check_gone(tmp_path)


def test_modules_are_not_looked_for_in_the_present_folder(
    tree: Path, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The present folder is a kernel tree as a rule, and what lies in it is not ours to run."""
    (tree / "kernfix.py").write_text("raise SystemExit('run from the tree')\n")
    monkeypatch.chdir(tree)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tree.parent / "cache"))
    check_refused(request(tree, runner, runner=None, runs=100_000), VerifyRefused, "runs: ")
