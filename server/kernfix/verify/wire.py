"""The runner's HTTP API as pydantic models: what goes over the wire, and nothing else.

The same models serve the runner, its client and ``verify --json``; field names are the contract.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
"""A whole object name, never ``HEAD`` or a branch: what was fetched for it is kept under it."""


class Wire(BaseModel):
    """Base of every message: unknown fields are refused, so that a misspelt one is never silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Verdict(StrEnum):
    """The judge's answer for a job."""

    FIXED = "fixed"
    SAME_CRASH = "same-crash"
    DIFFERENT_CRASH = "different-crash"
    HANG = "hang"
    BOOT_FAILED = "boot-failed"
    BUILD_FAILED = "build-failed"
    PATCH_FAILED = "patch-failed"
    NOT_REPRODUCED = "not-reproduced"
    INCONCLUSIVE = "inconclusive"
    RUNNER_ERROR = "runner-error"


class LocalTree(Wire):
    """A kernel tree on the runner's own machine; only a runner that was started for this user takes it.

    In a git tree, `commit` names what to take; without it the files are taken as they stand.
    """

    kind: Literal["local"] = "local"
    path: str
    commit: Commit | None = None


class Snapshot(Wire):
    """A kernel tree uploaded as a blob: a gzipped tar archive whose members are relative to the tree."""

    kind: Literal["snapshot"] = "snapshot"
    blob: Sha256


class Reproducer(Wire):
    """The program that triggers the crash, run as root in the guest: C source to be built statically, or a static binary."""

    kind: Literal["c", "binary"] = "c"
    blob: Sha256


class Limits(Wire):
    """Bounds of one job, in seconds of wall time, MiB of guest memory and guest CPUs."""

    build_seconds: int = Field(default=3600, ge=1, le=86400)
    boot_seconds: int = Field(default=120, ge=1, le=3600)
    run_seconds: int = Field(default=60, ge=1, le=3600)
    memory_mib: int = Field(default=512, ge=64, le=65536)
    cpus: int = Field(default=2, ge=1, le=64)


class JobRequest(Wire):
    """What to verify.

    `patch` is a unified diff against the base, or None to judge the base alone. `titles` are the title and alternative titles of the
    report's crash, which a job without a patch is judged by. `cmdline` is added to the guest's kernel command line. `runs` fixes the
    number of patched runs; without it the runner picks enough for `confidence`.
    """

    base: Annotated[LocalTree | Snapshot, Field(discriminator="kind")]
    config: Sha256
    reproducer: Reproducer
    patch: str | None = None
    titles: tuple[str, ...] = ()
    arch: Literal["x86_64"] = "x86_64"
    cmdline: str = Field(default="", max_length=1024, pattern=r"^[ -~]*$")
    runs: int | None = Field(default=None, ge=1, le=1000)
    baseline_runs: int = Field(default=5, ge=1, le=1000)
    confidence: float = Field(default=0.95, gt=0, lt=1)
    limits: Limits = Limits()


class Tally(Wire):
    """k of n: how many runs there were, how many crashed, and how often each title was seen."""

    runs: int = 0
    crashes: int = 0
    titles: dict[str, int] = {}


class StageTime(Wire):
    """One step of a job: wall seconds, and whether its result came from the cache."""

    name: str
    seconds: float
    cached: bool = False


class Judgement(Wire):
    """The verdict with its evidence: the document that ``verify --json`` prints. `bundle` is ``sha256:…`` of the evidence."""

    verdict: Verdict
    confidence: float | None
    reason: str
    baseline: Tally = Tally()
    patched: Tally = Tally()
    stages: tuple[StageTime, ...] = ()
    bundle: str | None = None


class JobState(StrEnum):
    """Where a job stands. A rejected job cannot be done for a reason that lies in its own inputs, so there is no verdict."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


ENDED = frozenset({JobState.DONE, JobState.CANCELLED, JobState.REJECTED})
"""States that a job never leaves."""


class Job(Wire):
    """A job as the runner shows it. Times are seconds since the epoch; a done job has a `judgement`, a rejected one a `reason`."""

    id: str
    state: JobState
    created: float
    updated: float
    stage: str | None = None
    judgement: Judgement | None = None
    reason: str | None = None


class Event(Wire):
    """One line of a job's story, numbered from 1: a stage began or ended, a log line, a run's outcome, a change of state.

    `kind` ``progress`` carries `done` of `total` units of the named stage.
    """

    id: int
    kind: Literal["state", "stage", "progress", "log", "run"]
    stage: str | None = None
    text: str = ""
    done: int | None = None
    total: int | None = None
    job: Job | None = None


class Artifact(Wire):
    """A file that a job left behind: its name, size in bytes and content hash."""

    name: str
    size: int
    sha256: Sha256


class Artifacts(Wire):
    """The artifacts of a job."""

    artifacts: tuple[Artifact, ...]
