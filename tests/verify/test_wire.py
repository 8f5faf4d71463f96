"""The messages: what is misspelt, out of range or of the wrong shape is refused, and all survive the way over the wire."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from kernfix.verify import wire

DIGEST = "0" * 64
JOB: dict[str, Any] = {
    "base": {"kind": "snapshot", "blob": DIGEST},
    "config": DIGEST,
    "reproducer": {"kind": "c", "blob": DIGEST},
}
COMMIT = "a" * 40


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("confidense", 0.9),
        ("config", "0" * 63),
        ("config", "0" * 63 + "g"),
        ("config", "../" + "0" * 61),
        ("config", DIGEST + "\n"),
        ("config", None),
        ("confidence", 0),
        ("confidence", 1),
        ("confidence", float("nan")),
        ("runs", 0),
        ("runs", 1001),
        ("baseline_runs", 0),
        ("arch", "arm64"),
        ("cmdline", "a\0b"),
        ("cmdline", "a\nb"),
        ("cmdline", "a" * 2000),
        ("titles", "one string"),
        ("base", {"kind": "snapshot", "blob": DIGEST, "path": "/etc"}),
        ("base", {"kind": "url", "blob": DIGEST}),
        ("base", {"blob": DIGEST}),
        ("base", {"kind": "local", "path": "/linux", "commit": "HEAD"}),
        ("base", {"kind": "local", "path": "/linux", "commit": "--output=/etc/passwd"}),
        ("base", {"kind": "local", "path": "/linux", "commit": COMMIT + "\n"}),
        ("reproducer", {"kind": "python", "blob": DIGEST}),
        ("limits", {"build_seconds": 0}),
        ("limits", {"memory_mib": 1 << 30}),
        ("limits", {"run_seconds": 10, "walk_seconds": 1}),
    ],
)
def test_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        wire.JobRequest.model_validate({**JOB, field: value})
    assert field in str(refused.value.errors()[0]["loc"])


@pytest.mark.parametrize(
    "message",
    [
        wire.JobRequest.model_validate({**JOB, "base": {"kind": "local", "path": "/linux", "commit": COMMIT}}),
        wire.JobRequest.model_validate({**JOB, "patch": "--- a/ü\n\x85\u2028", "titles": ["a", "b"], "runs": 3}),
        wire.Event(id=7, kind="progress", stage="build:baseline", text="CC a.o", done=1, total=2),
        wire.Event(
            id=8,
            kind="state",
            job=wire.Job(id="j", state=wire.JobState.REJECTED, created=1.5, updated=2.5, reason="no kernel"),
        ),
        wire.Judgement(
            verdict=wire.Verdict.FIXED,
            confidence=0.95,
            reason="gone",
            baseline=wire.Tally(runs=5, crashes=5, titles={"x": 5}),
            stages=(wire.StageTime(name="fetch", seconds=0.5, cached=True),),
            bundle="sha256:" + DIGEST,
        ),
        wire.Artifacts(artifacts=(wire.Artifact(name="a", size=0, sha256=DIGEST),)),
    ],
    ids=lambda message: type(message).__name__,
)
def test_there_and_back(message: wire.Wire) -> None:
    assert type(message).model_validate_json(message.model_dump_json()) == message


def test_messages_do_not_change() -> None:
    request = wire.JobRequest.model_validate(JOB)
    with pytest.raises(ValidationError, match="frozen"):
        request.confidence = 0.1  # type: ignore[misc]


def test_the_document_of_the_design() -> None:
    """The field names of ``verify --json`` are a contract."""
    judgement = wire.Judgement(verdict=wire.Verdict.HANG, confidence=None, reason="")
    names = ["verdict", "confidence", "reason", "baseline", "patched", "stages", "bundle"]
    assert list(judgement.model_dump(mode="json")) == names
    assert list(wire.Tally().model_dump()) == ["runs", "crashes", "titles"]
    assert list(wire.StageTime(name="", seconds=0).model_dump()) == ["name", "seconds", "cached"]
    verdicts = "fixed same-crash different-crash hang boot-failed build-failed patch-failed not-reproduced inconclusive"
    assert [*verdicts.split(), "runner-error"] == list(wire.Verdict)
