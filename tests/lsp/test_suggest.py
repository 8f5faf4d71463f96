"""From a crash to a fix that the client applies."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

CLIENTS = ["vscode", "neovim", "minimal"]
HEADLINE = 1
FIX = {
    "hypothesis": "fox_tail() uses what fox_find() returns without a test; 🦊 for an unknown id it is NULL.",
    "root_cause": True,
    "edits": [
        {
            "file": "drivers/misc/fox.c",
            "search": "\treturn /* 🦊 */ fox->tail;",
            "replace": "\tif (!fox)\n\t\treturn -ENOENT;\n\treturn /* 🦊 */ fox->tail;",
        }
    ],
}


def applied(edit: types.WorkspaceEdit, uri: str, text: str, units: str) -> str:
    """What an editor makes of a document, its columns counted in `units`."""
    width = 2 if units == "utf-16-le" else 1
    if edit.changes is not None:
        edits = list(edit.changes[uri])
    else:
        (edits,) = (list(change.edits) for change in edit.document_changes or () if change.text_document.uri == uri)
    lines = text.split("\n")

    def offset(position: types.Position) -> int:
        head = lines[position.line].encode(units)[: position.character * width].decode(units)
        return sum(len(line) + 1 for line in lines[: position.line]) + len(head)

    for one in sorted(edits, key=lambda one: offset(one.range.start), reverse=True):
        text = text[: offset(one.range.start)] + one.new_text + text[offset(one.range.end) :]
    return text


def fixes(actions: list[types.CodeAction]) -> list[types.CodeAction]:
    return [action for action in actions if action.edit]


async def suggested(editor: Any, kernel: Path, log: str) -> tuple[str, dict[str, Any]]:
    """A log is open and candidates have been asked for."""
    uri = editor.open(kernel / "console.crash", log)
    return uri, await editor.run("kernfix.suggest", uri=uri, crash=0)


async def test_actions_before_anything_is_known(start: Any, kernel: Path, null_log: str) -> None:
    editor = await start()
    uri = editor.open(kernel / "console.crash", null_log)
    actions = await editor.actions(uri, HEADLINE)
    assert [action.title for action in actions] == ["Suggest fixes", "Verify this tree"]
    assert [action.command.command for action in actions] == ["kernfix.suggest", "kernfix.verify"]
    assert all(action.kind == types.CodeActionKind.QuickFix for action in actions)
    assert len(await editor.actions(uri, HEADLINE + 5)) == 2  # anywhere in the report
    assert await editor.actions(uri, 0) == []
    assert await editor.actions(uri, HEADLINE, only=["source.organizeImports"]) == []


@pytest.mark.parametrize(("name", "units"), [("vscode", "utf-16-le"), ("neovim", "utf-8"), ("minimal", "utf-16-le")])
async def test_a_template_becomes_an_edit(
    start: Any, kernel: Path, null_log: str, fox_c: str, name: str, units: str
) -> None:
    editor = await start(name)
    uri, answer = await suggested(editor, kernel, null_log)
    best = answer["candidates"][0]
    assert best["source"] == "template"
    assert all(check["ok"] for check in best["checks"].values())
    actions = fixes(await editor.actions(uri, HEADLINE))
    assert actions
    assert actions[0].title.startswith("Fix (")
    source = kernel / "drivers/misc/fox.c"
    before = source.read_text(encoding="utf-8")
    after = applied(actions[0].edit, fox_c, before, units)
    assert "if (!fox)" in after
    assert [line for line in after.split("\n") if line not in before.split("\n")]
    assert source.read_text(encoding="utf-8") == before, "the server writes no file"


async def test_the_form_of_the_edit_is_what_the_client_can_take(
    start: Any, kernel: Path, null_log: str, fox_c: str
) -> None:
    editor = await start("vscode")
    source = kernel / "drivers/misc/fox.c"
    editor.open(source, source.read_text(encoding="utf-8"), language="c")
    uri, _ = await suggested(editor, kernel, null_log)
    edit = fixes(await editor.actions(uri, HEADLINE))[0].edit
    (change,) = edit.document_changes
    assert (change.text_document.uri, change.text_document.version) == (fox_c, 1)
    assert all(edit.change_annotations[one.annotation_id].needs_confirmation for one in change.edits)
    plain_editor = await start("minimal")
    uri, _ = await suggested(plain_editor, kernel, null_log)
    edit = fixes(await plain_editor.actions(uri, HEADLINE))[0].edit
    assert edit.document_changes is None
    assert list(edit.changes) == [fox_c]


async def test_a_closed_file_has_no_version(start: Any, kernel: Path, null_log: str) -> None:
    editor = await start("vscode")
    uri, _ = await suggested(editor, kernel, null_log)
    (change,) = fixes(await editor.actions(uri, HEADLINE))[0].edit.document_changes
    assert change.text_document.version is None


async def test_fixes_are_offered_on_the_code_too(start: Any, kernel: Path, null_log: str, fox_c: str) -> None:
    editor = await start()
    await suggested(editor, kernel, null_log)
    titles = [action.title for action in await editor.actions(fox_c, 18)]
    assert titles[:2] == ["Suggest fixes", "Verify this tree"]
    assert any(title.startswith("Fix (") for title in titles)
    assert await editor.actions(fox_c, 0) == []


async def test_the_edit_follows_the_open_buffer(start: Any, kernel: Path, null_log: str, fox_c: str) -> None:
    editor = await start()
    source = kernel / "drivers/misc/fox.c"
    text = source.read_text(encoding="utf-8")
    editor.open(source, text, language="c")
    uri, _ = await suggested(editor, kernel, null_log)
    moved = "/* two\n * lines 🦊 */\n" + text
    editor.change(fox_c, 7, types.TextDocumentContentChangeWholeDocument(text=moved))
    action = fixes(await editor.actions(uri, HEADLINE))[0]
    assert action.edit.document_changes[0].text_document.version == 7
    assert "if (!fox)" in applied(action.edit, fox_c, moved, "utf-16-le")


@pytest.mark.parametrize("name", ["vscode", "minimal"])
async def test_no_edit_where_the_code_has_changed(
    start: Any, kernel: Path, null_log: str, fox_c: str, name: str
) -> None:
    editor = await start(name)
    source = kernel / "drivers/misc/fox.c"
    editor.open(source, source.read_text(encoding="utf-8"), language="c")
    uri, _ = await suggested(editor, kernel, null_log)
    assert fixes(await editor.actions(uri, HEADLINE))
    editor.change(fox_c, 2, types.TextDocumentContentChangeWholeDocument(text="int other;\n"))
    actions = await editor.actions(uri, HEADLINE)
    assert not fixes(actions)
    disabled = [action.disabled.reason for action in actions if action.disabled]
    assert bool(disabled) == (name == "vscode")
    assert all("does not occur" in reason for reason in disabled)


async def test_nothing_leaves_without_consent(start: Any, kernel: Path, null_log: str, scripted: Any) -> None:
    llm = scripted({"answer": FIX})
    editor = await start(kernfix={"llm": {"baseUrl": llm.base_url, "model": "scripted"}})
    editor.answers = ["Use templates only"]
    uri, answer = await suggested(editor, kernel, null_log)
    assert {candidate["source"] for candidate in answer["candidates"]} == {"template"}
    await editor.run("kernfix.suggest", uri=uri, crash=0)
    assert llm.requests == []
    assert len(editor.questions) == 1, "asked once for a tree and a host"
    assert "127.0.0.1" in editor.questions[0]
    assert "scripted" in editor.questions[0]


async def test_a_dismissed_question_is_a_no_that_is_not_kept(
    start: Any, kernel: Path, null_log: str, scripted: Any
) -> None:
    llm = scripted({"answer": FIX})
    editor = await start(kernfix={"llm": {"baseUrl": llm.base_url, "model": "scripted"}})
    uri, _ = await suggested(editor, kernel, null_log)
    assert llm.requests == []
    editor.answers = ["Send"]
    await editor.run("kernfix.suggest", uri=uri, crash=0)
    assert llm.requests
    assert len(editor.questions) == 2


@pytest.mark.parametrize(("name", "units"), [("vscode", "utf-16-le"), ("neovim", "utf-8")])
async def test_a_model_is_asked_after_consent(
    start: Any, kernel: Path, null_log: str, fox_c: str, scripted: Any, name: str, units: str
) -> None:
    llm = scripted({"answer": FIX})
    named = {"llm": {"baseUrl": llm.base_url, "model": "scripted", "apiKeyEnv": "FOX_KEY"}, "provider": "llm"}
    env = {"FOX_KEY": "for-the-fox", "KERNFIX_LLM_API_KEY": "for-another-host"}
    editor = await start(name, kernfix=named, env=env)
    editor.answers = ["Send"]
    uri, answer = await suggested(editor, kernel, null_log)
    (candidate,) = answer["candidates"]
    assert (candidate["source"], candidate["model"], candidate["kind"]) == ("llm", "scripted", "root-cause")
    assert set(llm.authorizations) == {"Bearer for-the-fox"}
    (action,) = fixes(await editor.actions(uri, HEADLINE))
    assert action.title.startswith("Fix (root-cause, parses): fox_tail() uses")
    before = (kernel / "drivers/misc/fox.c").read_text(encoding="utf-8")
    assert "\t\treturn -ENOENT;\n\treturn /* 🦊 */ fox->tail;" in applied(action.edit, fox_c, before, units)


async def test_the_key_of_another_endpoint_is_not_sent(start: Any, kernel: Path, null_log: str, scripted: Any) -> None:
    llm = scripted({"answer": FIX})
    named = {"llm": {"baseUrl": llm.base_url, "model": "scripted"}}
    editor = await start(kernfix=named, env={"KERNFIX_LLM_API_KEY": "for-another-host"})
    editor.answers = ["Send"]
    await suggested(editor, kernel, null_log)
    assert set(llm.authorizations) == {None}


async def test_a_model_that_fails_is_reported(start: Any, kernel: Path, null_log: str, scripted: Any) -> None:
    llm = scripted({"status": 401, "body": '{"error": {"message": "no such key"}}'})
    editor = await start(kernfix={"llm": {"baseUrl": llm.base_url, "model": "scripted"}, "provider": "llm"})
    editor.answers = ["Send"]
    _, answer = await suggested(editor, kernel, null_log)
    assert answer == {"candidates": []}
    assert any("no such key" in message for message in editor.messages())
    assert any("No fix was found" in message for message in editor.messages())


async def test_progress_begins_and_ends(start: Any, kernel: Path, null_log: str) -> None:
    editor = await start()
    await suggested(editor, kernel, null_log)
    (reports,) = editor.client.progress_reports.values()
    assert isinstance(reports[0], types.WorkDoneProgressBegin)
    assert (reports[0].title, reports[0].cancellable) == ("Suggesting fixes", True)
    assert isinstance(reports[-1], types.WorkDoneProgressEnd)


@pytest.mark.parametrize("how", ["progress", "request"])
async def test_cancel_stops_the_request_to_the_model(
    start: Any, kernel: Path, null_log: str, scripted: Any, how: str
) -> None:
    llm = scripted({"answer": FIX, "piece": 1, "pause": 0.05, "repeat": 1000})
    editor = await start(kernfix={"llm": {"baseUrl": llm.base_url, "model": "scripted"}, "provider": "llm"})
    editor.answers = ["Send"]
    uri = editor.open(kernel / "console.crash", null_log)
    params = types.ExecuteCommandParams(command="kernfix.suggest", arguments=[{"uri": uri, "crash": 0}])
    work = asyncio.ensure_future(
        editor.client.protocol.send_request_async("workspace/executeCommand", params, msg_id="the-one")
    )
    await editor.until(llm.asked.is_set)
    if how == "progress":
        (token,) = editor.client.progress_reports
        editor.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token=token))
    else:
        editor.client.cancel_request(types.CancelParams(id="the-one"))
    with pytest.raises(JsonRpcException) as failure:
        await asyncio.wait_for(work, 20)
    assert failure.value.code == types.LSPErrorCodes.RequestCancelled
    await editor.until(llm.hung_up.is_set)
    assert not fixes(await editor.actions(uri, HEADLINE))


async def test_other_requests_are_answered_meanwhile(start: Any, kernel: Path, null_log: str, scripted: Any) -> None:
    llm = scripted({"answer": FIX, "wait": 2})
    editor = await start(kernfix={"llm": {"baseUrl": llm.base_url, "model": "scripted"}, "provider": "llm"})
    editor.answers = ["Send"]
    uri = editor.open(kernel / "console.crash", null_log)
    work = asyncio.ensure_future(editor.run("kernfix.suggest", uri=uri, crash=0))
    await editor.until(llm.asked.is_set)
    assert await editor.links(uri)
    assert not work.done()
    assert (await work)["candidates"]


BAD_ARGUMENTS: list[tuple[list[Any], str]] = [
    ([1], "takes one object"),
    ([{"crash": 0}], "takes one object"),
    ([{"uri": "file:///nowhere.crash", "crash": 0}], "is not an open crash log"),
    ([{"uri": "URI", "crash": 7}], "There is no crash number 7"),
    ([{"uri": "URI", "crash": -1}], "There is no crash number -1"),
    ([{"uri": "URI", "crash": "0"}], "There is no crash number '0'"),
    ([{"uri": "URI", "crash": True}], "There is no crash number True"),
    ([{"uri": "URI", "crash": 0, "candidate": "feed"}], "There is no candidate 'feed' any more"),
]


@pytest.mark.parametrize("command", ["kernfix.suggest", "kernfix.verify"])
async def test_bad_arguments(start: Any, kernel: Path, null_log: str, command: str) -> None:
    editor = await start()
    uri = editor.open(kernel / "console.crash", null_log)
    for arguments, words in BAD_ARGUMENTS:
        given = [{**one, "uri": uri} if isinstance(one, dict) and one.get("uri") == "URI" else one for one in arguments]
        await check_refused(editor, command, given, words)


@pytest.mark.parametrize("command", ["kernfix.suggest", "kernfix.verify", "kernfix.dismiss"])
async def test_no_argument_and_no_active_crash(start: Any, command: str) -> None:
    editor = await start()
    await check_refused(editor, command, [], "No crash is active")


async def test_a_log_that_was_closed(start: Any, kernel: Path, null_log: str) -> None:
    editor = await start()
    uri = editor.open(kernel / "console.crash", null_log)
    editor.close(uri)
    await check_refused(editor, "kernfix.suggest", [{"uri": uri, "crash": 0}], "is not an open crash log")


async def test_without_a_tree(start: Any, tmp_path: Path, null_log: str) -> None:
    editor = await start()
    uri = editor.open(tmp_path / "console.crash", null_log)
    await check_refused(editor, "kernfix.suggest", [{"uri": uri, "crash": 0}], "No kernel tree is known")


async def test_an_unknown_command(start: Any) -> None:
    await check_refused(await start(), "kernfix.dance", [], "no command 'kernfix.dance'")


async def check_refused(editor: Any, command: str, arguments: list[Any], words: str) -> None:
    """The command fails with one sentence, without a traceback, and the server goes on."""
    params = types.ExecuteCommandParams(command=command, arguments=arguments)
    with pytest.raises(JsonRpcException) as failure:
        await editor.client.workspace_execute_command_async(params)
    assert words in failure.value.message
    assert failure.value.code == types.LSPErrorCodes.RequestFailed
    assert failure.value.data is None
    assert await editor.actions("file:///nowhere", 0) == []
