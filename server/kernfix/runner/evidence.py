"""The evidence of a verdict: one document that names every input and output by its hash, itself named by its hash."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from kernfix import __version__
from kernfix.runner.blobs import Blobs
from kernfix.verify.wire import Artifact, JobRequest, Judgement

NAME = "evidence.json"
TOOLS = (("gcc", "--version"), ("ld", "--version"), ("make", "--version"), ("qemu-system-x86_64", "--version"))


def write_evidence(judgement: Judgement, request: JobRequest, folder: Path, blobs: Blobs) -> Judgement:
    """Write the document beside the job's artifacts; gives the judgement with the document's hash as its ``bundle``.

    The document and the logs that it names are kept as blobs too, so that they outlive the job; kernels are not, they can be built again.
    """
    document: dict[str, Any] = {
        "schema": "kernfix.evidence/1",
        "kernfix": __version__,
        "tools": {command[0]: _version(command) for command in TOOLS if shutil.which(command[0])},
        "request": request.model_dump(mode="json"),
        "judgement": judgement.model_dump(mode="json", exclude={"bundle"}),
        "artifacts": [artifact.model_dump(mode="json") for artifact in artifacts(folder) if artifact.name != NAME],
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    (folder / NAME).write_text(text)
    for name in (NAME, *(each["name"] for each in document["artifacts"] if each["name"].endswith(".log"))):
        blobs.put((folder / name).read_bytes())
    return judgement.model_copy(update={"bundle": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"})


def artifacts(folder: Path) -> list[Artifact]:
    """The files in a job's folder, by name."""
    found = []
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found.append(Artifact(name=path.name, size=path.stat().st_size, sha256=digest))
    return found


def _version(command: tuple[str, str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return (done.stdout or done.stderr).partition("\n")[0]
