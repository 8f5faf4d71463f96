"""The whole loop in an editor's terms, with nothing of ours replaced: a real kernel's own crash, from ``didOpen`` to a verdict."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

from kernfix.case.verify import VerifyRequest, connect, judgement_of, run_job
from kernfix.source import open_tree
from kernfix.verify.wire import Verdict

pytestmark = pytest.mark.kernel

TITLE = "UBSAN: array-index-out-of-bounds in perf_swevent_init"
CORE = "kernel/events/core.c"
ANSWER = {
    "hypothesis": "The event number is a signed int here, so a negative one passes the check of the upper bound.",
    "root_cause": True,
    "edits": [
        {
            "file": CORE,
            "search": "\tint event_id = event->attr.config;",
            "replace": "\tu64 event_id = event->attr.config;",
        }
    ],
}


def captured_console(kernel: Any) -> str:
    """What the real kernel prints when it crashes, brought back by a real runner."""

    async def crash() -> bytes:
        tree, reason = open_tree(kernel.tree)
        assert tree is not None, reason
        request = VerifyRequest(tree.root, kernel.config, kernel.reproducer, baseline_runs=1, titles=(TITLE,))
        async with connect(None, None) as (client, is_local):
            job = await run_job(request, tree, client, is_local, lambda event: None)
            assert judgement_of(job).verdict is Verdict.SAME_CRASH
            return await client.artifact(job.id, "console-baseline-1.log")

    return asyncio.run(crash()).decode()


@pytest.fixture(scope="module")
def console(real_kernel: Any) -> str:
    return captured_console(real_kernel)


async def test_from_a_log_to_a_verdict(
    start: Any, real_kernel: Any, console: str, scripted: Any, tmp_path: Path
) -> None:
    llm = scripted({"answer": json.dumps(ANSWER)})
    inputs = {"config": tmp_path / "config", "reproducer": tmp_path / "repro.c"}
    inputs["config"].write_bytes(real_kernel.config)
    inputs["reproducer"].write_bytes(real_kernel.reproducer)
    settings = {
        "tree": str(real_kernel.tree),
        **{name: str(path) for name, path in inputs.items()},
        "llm": {"baseUrl": llm.base_url, "model": "scripted"},
        "provider": "llm",
    }
    editor = await start("vscode", kernfix=settings)
    editor.answers = ["Send"]
    uri = editor.open(tmp_path / "console.crash", console)
    await editor.until(lambda: editor.client.diagnostics.get(uri))
    (mark,) = editor.client.diagnostics[uri]
    assert (mark.message, mark.severity) == (TITLE, types.DiagnosticSeverity.Error)

    source = (real_kernel.tree / CORE).as_uri()
    links = await editor.links(uri)
    assert any(str(link.target).startswith(source) for link in links)
    await editor.until(lambda: editor.client.diagnostics.get(source))

    answer = await editor.run("kernfix.suggest", uri=uri, crash=0)
    (candidate,) = answer["candidates"]
    assert (candidate["source"], candidate["kind"]) == ("llm", "root-cause")
    line = mark.range.start.line
    assert any(action.edit for action in await editor.actions(uri, line))

    judgement = await editor.run("kernfix.verify", uri=uri, crash=0, candidate=candidate["id"])
    assert judgement["verdict"] == "fixed"
    assert (judgement["baseline"]["crashes"], judgement["patched"]["crashes"]) == (5, 0)
    (mark,) = editor.client.diagnostics[uri]
    assert "fixed (5 of 5 crashed before, 0 of 4 after)" in mark.message
    assert mark.severity == types.DiagnosticSeverity.Information
