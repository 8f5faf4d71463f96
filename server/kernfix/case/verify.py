"""Verify: send a tree, a patch and a reproducer to a runner, follow the job, and bring back the judgement.

Without a runner's address an embedded one is started on loopback: another process, with a one-time token, that shares the build cache
and ends with this one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys
import tempfile
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Literal

from pydantic import ValidationError

from kernfix.source import git
from kernfix.source.archive import archive_command
from kernfix.source.tree import Tree, open_tree
from kernfix.verify.client import RunnerClient, RunnerError
from kernfix.verify.wire import Event, Job, JobRequest, JobState, Judgement, Limits, LocalTree, Reproducer, Snapshot

START_SECONDS, STOP_SECONDS = 60, 10


class VerifyUnavailable(Exception):
    """The verification could not be done; the text is one sentence for the user."""


class VerifyRefused(VerifyUnavailable):
    """What was to be verified cannot be used: not a kernel tree, a job that the runner refuses."""


class VerifyCancelled(VerifyUnavailable):
    """The job was cancelled on the runner."""


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """What to verify, in the user's terms.

    `patch` is a unified diff against the tree as it stands; without one, the uncommitted changes of a git tree are the patch and HEAD is
    the base. `titles` are those of the report's crash. `runner` is a URL, or None for an embedded runner; `token` goes to
    that URL alone.
    """

    tree: Path
    config: bytes
    reproducer: bytes
    reproducer_kind: Literal["c", "binary"] = "c"
    patch: str | None = None
    titles: tuple[str, ...] = ()
    cmdline: str = ""
    runs: int | None = None
    baseline_runs: int = 5
    confidence: float = 0.95
    limits: Limits = field(default_factory=Limits)
    runner: str | None = None
    token: str | None = None


async def verify(request: VerifyRequest, on_event: Callable[[Event], None]) -> Judgement:
    """The judgement. Cancelling the task cancels the job; VerifyUnavailable says in one sentence why there is none."""
    return (await verify_each(request, {"": request.patch}, on_event))[""]


async def verify_each(
    request: VerifyRequest, patches: Mapping[str, str | None], on_event: Callable[[Event], None]
) -> dict[str, Judgement]:
    """A judgement for each of several patches by name, one after the other on one runner; otherwise as `verify`."""
    tree, reason = open_tree(request.tree)
    if tree is None:
        raise VerifyRefused(reason)
    try:
        async with connect(request.runner, request.token) as (client, is_local):
            return {
                name: judgement_of(await run_job(replace(request, patch=patch), tree, client, is_local, on_event))
                for name, patch in patches.items()
            }
    except RunnerError as error:
        raise VerifyUnavailable(str(error)) from None


@contextlib.asynccontextmanager
async def connect(url: str | None, token: str | None) -> AsyncIterator[tuple[RunnerClient, bool]]:
    """A client of the named runner, or of an embedded one started for this block; and whether it may read this machine's folders."""
    if url is not None:
        async with RunnerClient(url, token) as client:
            yield client, False
        return
    async with _embedded() as ready, RunnerClient(ready["url"], ready["token"]) as client:
        yield client, True


@contextlib.asynccontextmanager
async def _embedded() -> AsyncIterator[dict[str, str]]:
    """An embedded runner; it ends when the pipe to its standard input closes, which also happens if this process is killed."""
    process = await asyncio.create_subprocess_exec(
        # -P: the present folder is likely a kernel tree, and no module of ours is to be found in it.
        *(sys.executable, "-P", "-m", "kernfix", "runner", "serve", "--embedded", "--port", "0"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the client, which cancels the job first
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    complaints = asyncio.create_task(process.stderr.read())
    try:
        yield await _ready(process.stdout, complaints)
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        complaints.cancel()


async def _ready(output: asyncio.StreamReader, complaints: asyncio.Task[bytes]) -> dict[str, str]:
    """The line that a runner prints when it listens: its address and the token for it."""
    try:
        async with asyncio.timeout(START_SECONDS):
            line = await output.readline()
    except TimeoutError:
        raise VerifyUnavailable(f"the embedded runner did not start within {START_SECONDS} s.") from None
    if not line:
        said = (await complaints).decode("utf-8", "replace").strip().splitlines()
        raise VerifyUnavailable(f"the embedded runner did not start: {said[-1] if said else 'it said nothing'}")
    return dict(json.loads(line))


async def run_job(
    request: VerifyRequest, tree: Tree, client: RunnerClient, is_local: bool, on_event: Callable[[Event], None]
) -> Job:
    """Submit one job and follow it to its end. Cancelling the task cancels the job."""
    commit, patch = await asyncio.to_thread(_what_is_judged, request, tree)
    _check_text(patch or "", "patch")
    _check_text(request.cmdline, "kernel command line")
    base = LocalTree(path=str(tree.root), commit=commit) if is_local else await _upload_tree(client, tree.root, commit)
    config, reproducer = await client.put_bytes(request.config), await client.put_bytes(request.reproducer)
    job = await client.submit(_wire_request(request, base, config, reproducer, patch), key=secrets.token_hex(16))
    try:
        return await _follow(client, job, on_event)
    except asyncio.CancelledError:
        with contextlib.suppress(RunnerError, TimeoutError):  # it may be gone already, and the job with it
            await _cancel(client, job)
        raise


def judgement_of(job: Job) -> Judgement:
    """An ended job's judgement, or the reason why it has none."""
    if job.state is JobState.CANCELLED:
        raise VerifyCancelled("the job was cancelled on the runner.")
    if job.state is JobState.REJECTED or job.judgement is None:
        raise VerifyRefused(job.reason or "the runner ended the job without a judgement.")
    return job.judgement


def _wire_request(
    request: VerifyRequest, base: LocalTree | Snapshot, config: str, reproducer: str, patch: str | None
) -> JobRequest:
    """The job as the runner takes it; VerifyRefused when it never would."""
    try:
        return JobRequest(
            base=base,
            config=config,
            reproducer=Reproducer(kind=request.reproducer_kind, blob=reproducer),
            patch=patch,
            titles=tuple(map(_shown, request.titles)),
            cmdline=request.cmdline,
            runs=request.runs,
            baseline_runs=request.baseline_runs,
            confidence=request.confidence,
            limits=request.limits,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise VerifyRefused(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from None


def _check_text(text: str, what: str) -> None:
    """VerifyRefused for text that JSON cannot carry: bytes that were no UTF-8 when it was read, lone surrogates now."""
    if text != _shown(text):
        raise VerifyRefused(f"the {what} has bytes that are not UTF-8; convert it first, with iconv for instance.")


def _shown(text: str) -> str:
    """With replacement characters for bytes that were no UTF-8, as the runner reads its consoles."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _what_is_judged(request: VerifyRequest, tree: Tree) -> tuple[str | None, str | None]:
    """The base commit (None: the files as they stand) and the patch against it. A commit is preferred: its builds are found again."""
    if not git.is_git(tree):
        return None, request.patch
    changes = git.diff_head(tree)
    if changes is None:
        raise VerifyRefused(f"git cannot say what has changed in {tree.root}; run `git status` there to see why.")
    if request.patch is None:
        return git.head(tree), changes or None
    return None if changes else git.head(tree), request.patch


async def _upload_tree(client: RunnerClient, root: Path, commit: str | None) -> Snapshot:
    """The tree as a gzipped tar archive, uploaded. Equal trees give equal archives (``gzip -n``)."""
    with tempfile.NamedTemporaryFile(suffix=".tar.gz") as file:
        reason = await _pipe(archive_command(root, commit), ["gzip", "-1n"], file)
        if reason is not None:
            raise VerifyRefused(f"cannot pack the tree {root} for the runner: {reason}.")
        return Snapshot(blob=await client.put_file(Path(file.name)))


async def _pipe(producer: list[str], consumer: list[str], output: IO[bytes]) -> str | None:
    """Run two programs, the first one's output going through the second to a file; gives why it went wrong, or None."""
    read_end, write_end = os.pipe()
    running: list[asyncio.subprocess.Process] = []
    try:
        with tempfile.TemporaryFile() as errors:
            try:
                run = asyncio.create_subprocess_exec
                running.append(await run(*producer, stdin=DEVNULL, stdout=write_end, stderr=errors))
                running.append(await run(*consumer, stdin=read_end, stdout=output, stderr=errors))
            finally:
                os.close(read_end)
                os.close(write_end)
            codes = [await process.wait() for process in running]
            errors.seek(0)
            said = errors.read(1 << 16).decode("utf-8", "replace").strip().splitlines()
    finally:
        for process in running:
            if process.returncode is None:  # cancelled meanwhile
                process.kill()
                await process.wait()
    return (said[-1] if said else f"exit codes {codes}") if any(codes) else None


async def _follow(client: RunnerClient, job: Job, on_event: Callable[[Event], None]) -> Job:
    async for event in client.events(job.id):
        on_event(event)
    return await client.job(job.id)


async def _cancel(client: RunnerClient, job: Job) -> None:
    async with asyncio.timeout(10):
        await client.cancel(job.id)
