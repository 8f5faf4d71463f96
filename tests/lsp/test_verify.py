"""From a crash to a verdict in the editor. The runner of these tests judges nothing; real kernels are in the slow tier."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from kernfix.verify import wire

HEADLINE = 1
TITLE = "BUG: unable to handle kernel NULL pointer dereference in fox_tail"
FIXED = wire.Judgement(
    verdict=wire.Verdict.FIXED,
    confidence=0.97,
    reason="no patched run crashed",
    baseline=wire.Tally(runs=5, crashes=5, titles={TITLE: 5}),
    patched=wire.Tally(runs=4),
    stages=(wire.StageTime(name="build", seconds=1.5),),
    bundle="sha256:" + "0" * 64,
)
SAME = FIXED.model_copy(
    update={
        "verdict": wire.Verdict.SAME_CRASH,
        "reason": "it still crashes",
        "patched": wire.Tally(runs=1, crashes=1, titles={TITLE: 1}),
    }
)


@pytest.fixture
def inputs(kernel: Path) -> None:
    (kernel / "config").write_text("CONFIG_64BIT=y\n")
    (kernel / "repro.c").write_text("int main(void) { return 0; }\n")


async def refusal(editor: Any, **argument: Any) -> str:
    """The one sentence that a verification is refused with."""
    with pytest.raises(JsonRpcException) as failure:
        await editor.run("kernfix.verify", **argument)
    assert failure.value.code == types.LSPErrorCodes.RequestFailed
    assert failure.value.data is None
    return str(failure.value.message)


@pytest.mark.usefixtures("inputs")
async def test_a_verdict_on_the_tree(start: Any, kernel: Path, null_log: str, runner: Any, fox_c: str) -> None:
    runner.judgement = SAME
    settings = {"runner": {"url": runner.url, "tokenEnv": "FOX_TOKEN"}, "cmdline": "fox=1", "runs": 3}
    editor = await start(kernfix=settings, env={"FOX_TOKEN": "secret"})
    uri = editor.open(kernel / "console.crash", null_log)
    await editor.settled(uri)
    answer = await editor.run("kernfix.verify", uri=uri, crash=0)
    assert wire.Judgement.model_validate(answer) == SAME
    (job,) = runner.jobs
    assert (job.patch, job.titles, job.cmdline, job.runs) == (None, tuple(sorted(job.titles)), "fox=1", 3)
    assert TITLE in job.titles
    assert runner.blobs[job.config] == b"CONFIG_64BIT=y\n"
    assert (job.reproducer.kind, runner.blobs[job.reproducer.blob][:8]) == ("c", b"int main")
    assert runner.tokens == {"Bearer secret"}
    (mark,) = await editor.marks(uri, 1)
    assert mark.message.startswith(TITLE + "\nsame-crash (5 of 5 crashed before, 1 of 1 after)")
    assert mark.severity == types.DiagnosticSeverity.Error
    (reports,) = editor.client.progress_reports.values()
    assert any(getattr(report, "message", "") for report in reports[1:-1])


@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize("name", ["vscode", "neovim", "minimal"])
async def test_from_open_to_a_fixed_verdict(
    start: Any, kernel: Path, null_log: str, runner: Any, fox_c: str, name: str
) -> None:
    """The whole loop: open, suggest, verify the candidate, apply it."""
    runner.judgement = FIXED
    editor = await start(name, options={"runner": {"url": runner.url}}, kernfix={"runner": {"url": runner.url}})
    uri = editor.open(kernel / "console.crash", null_log)
    suggested = await editor.run("kernfix.suggest", uri=uri, crash=0)
    actions = await editor.actions(uri, HEADLINE)
    assert any(action.edit for action in actions)
    verify = next(action.command for action in actions if action.title.startswith("Verify: "))
    params = types.ExecuteCommandParams(command=verify.command, arguments=verify.arguments)
    await editor.client.workspace_execute_command_async(params)
    assert runner.jobs[0].patch == suggested["candidates"][0]["diff"]
    await editor.until(lambda: "fixed" in editor.client.diagnostics[uri][0].message)
    (mark,) = editor.client.diagnostics[uri]
    assert mark.message == f"{TITLE}\nfixed (5 of 5 crashed before, 0 of 4 after): no patched run crashed"
    assert mark.severity == types.DiagnosticSeverity.Information
    assert any("fixed" in message for message in editor.messages())
    editor.change(uri, 2, types.TextDocumentContentChangeWholeDocument(text="\n\n" + null_log))
    await editor.until(lambda: editor.client.diagnostics[uri][0].range.start.line == 3)
    assert "fixed" in editor.client.diagnostics[uri][0].message, "the verdict stays with its crash"


@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize("how", ["progress", "request"])
async def test_cancel_cancels_the_job(start: Any, kernel: Path, null_log: str, runner: Any, how: str) -> None:
    editor = await start(kernfix={"runner": {"url": runner.url}})
    uri = editor.open(kernel / "console.crash", null_log)
    params = types.ExecuteCommandParams(command="kernfix.verify", arguments=[{"uri": uri, "crash": 0}])
    work = asyncio.ensure_future(
        editor.client.protocol.send_request_async("workspace/executeCommand", params, msg_id="the-one")
    )
    await editor.until(runner.following.is_set)
    if how == "progress":
        (token,) = editor.client.progress_reports
        editor.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token=token))
    else:
        editor.client.cancel_request(types.CancelParams(id="the-one"))
    with pytest.raises(JsonRpcException) as failure:
        await asyncio.wait_for(work, 20)
    assert failure.value.code == types.LSPErrorCodes.RequestCancelled
    await editor.until(runner.cancelled.is_set)
    (mark,) = editor.client.diagnostics[uri]
    assert mark.message == TITLE
    (reports,) = editor.client.progress_reports.values()
    assert isinstance(reports[-1], types.WorkDoneProgressEnd)


@pytest.mark.usefixtures("inputs")
async def test_the_clients_own_token_is_used(start: Any, kernel: Path, null_log: str, runner: Any) -> None:
    runner.judgement = FIXED
    editor = await start(kernfix={"runner": {"url": runner.url}})
    uri = editor.open(kernel / "console.crash", null_log)
    editor.client.progress_reports["mine"] = []
    await editor.client.workspace_execute_command_async(
        types.ExecuteCommandParams(
            command="kernfix.verify", arguments=[{"uri": uri, "crash": 0}], work_done_token="mine"
        )
    )
    assert list(editor.client.progress_reports) == ["mine"]
    assert editor.client.progress_reports["mine"]


@pytest.mark.usefixtures("inputs")
async def test_unsaved_changes_are_mentioned(start: Any, kernel: Path, null_log: str, runner: Any) -> None:
    runner.judgement = FIXED
    editor = await start(kernfix={"runner": {"url": runner.url}})
    source = kernel / "drivers/misc/fox.c"
    editor.open(source, source.read_text(encoding="utf-8") + "/* more */\n", language="c")
    uri = editor.open(kernel / "console.crash", null_log)
    await editor.run("kernfix.verify", uri=uri, crash=0)
    assert any("drivers/misc/fox.c" in message and "unsaved" in message for message in editor.messages())


async def test_missing_inputs_are_named(start: Any, kernel: Path, null_log: str, runner: Any) -> None:
    editor = await start(kernfix={"runner": {"url": runner.url}})
    uri = editor.open(kernel / "console.crash", null_log)
    assert "kernfix.config" in await refusal(editor, uri=uri, crash=0)
    (kernel / ".config").write_text("")
    assert "kernfix.reproducer" in await refusal(editor, uri=uri, crash=0)
    (kernel / "repro.c").symlink_to("/nowhere")
    assert "kernfix.reproducer" in await refusal(editor, uri=uri, crash=0)
    editor.client.set_configuration({"reproducer": "gone", "runner": {"url": runner.url}}, section="kernfix")
    assert "gone cannot be read" in await refusal(editor, uri=uri, crash=0)
    assert runner.jobs == []


@pytest.mark.usefixtures("inputs")
async def test_a_runner_that_is_not_there(start: Any, kernel: Path, null_log: str, runner: Any) -> None:
    editor = await start(kernfix={"runner": {"url": "http://127.0.0.1:1"}})
    uri = editor.open(kernel / "console.crash", null_log)
    assert "no runner answers at http://127.0.0.1:1" in await refusal(editor, uri=uri, crash=0)
    (reports,) = editor.client.progress_reports.values()
    assert isinstance(reports[-1], types.WorkDoneProgressEnd)
