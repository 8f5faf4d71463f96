"""The index of a tree that a log belongs to: made and refreshed beside the editor, and never in its way."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from kernfix.lsp.indexer import SAVED_SECONDS
from kernfix.source import open_tree
from kernfix.source.index.lookup import open_index

CHILD = "kernfix.source.index.child"
VIXEN_C = """\
// Our own: the log below is in a function that only a macro makes.
#define VIXEN_SHOW(name)						\\
	static int name##_show(struct seq_file *file, void *data)	\\
	{								\\
		return name##_print(file);				\\
	}
VIXEN_SHOW(red);
"""
LOG = """\
[ 1.0] BUG: kernel NULL pointer dereference, address: 0000000000000000
[ 1.0] RIP: 0010:red_show+0x2a/0x60
[ 1.0] Call Trace:
[ 1.0]  <TASK>
[ 1.0]  fox_read+0x4d/0x90
[ 1.0]  </TASK>
"""
SHOW, READ = ("drivers/misc/vixen.c", 7), ("drivers/misc/fox.c", 33)
"""Where the functions of the log are."""
LATE_C = "int late(void)\n{\n\treturn 0;\n}\n"


@pytest.fixture
def start(start: Any) -> Any:
    """Starts servers as they are by default: they make indexes."""
    return partial(start, index=True)


@pytest.fixture
def vixen(kernel: Path) -> Path:
    """The tree, with a driver whose function is not found without an index."""
    (kernel / "drivers/misc/vixen.c").write_text(VIXEN_C)
    return kernel


Hold = Callable[[], AbstractContextManager[None]]


def knows(tree: Path, name: str) -> bool:
    """Whether the index of a tree has that function."""
    opened, problem = open_tree(tree)
    assert opened, problem
    index, _ = open_index(opened)
    if index is None:
        return False
    with index:
        return bool(index.find(name))


async def until_links(editor: Any, uri: str, root: Path, *places: tuple[str, int]) -> None:
    """Wait until exactly these lines of the tree are what the log's frames lead to."""
    wanted = sorted(f"{(root / path).as_uri()}#L{line}" for path, line in places)
    deadline = time.monotonic() + 30
    while (found := sorted(link.target for link in await editor.links(uri))) != wanted:
        assert time.monotonic() < deadline, f"{found} instead of {wanted}"


def save(editor: Any, path: Path) -> None:
    params = types.DidSaveTextDocumentParams(text_document=types.TextDocumentIdentifier(uri=path.as_uri()))
    editor.client.text_document_did_save(params)


def logged(editor: Any) -> list[str]:
    return [message.message for message in editor.client.log_messages]


def progress(editor: Any) -> list[Any]:
    """All that was shown of work, in order."""
    return [value for values in editor.client.progress_reports.values() for value in values]


async def shown(editor: Any) -> Any:
    """Wait for the progress that says so; gives its token."""

    def begun() -> Any:
        for token, values in editor.client.progress_reports.items():
            if values and isinstance(values[0], types.WorkDoneProgressBegin) and len(values) > 1:
                return token
        return None

    return await editor.until(begun)


@pytest.mark.parametrize("name", ["vscode", "neovim", "minimal"])
async def test_what_only_the_index_finds_is_found_when_it_is_made(
    start: Any, vixen: Path, hold: Hold, made: Path, name: str
) -> None:
    editor = await start(name)
    with hold():
        uri = editor.open(vixen / "console.crash", LOG)
        await until_links(editor, uri, vixen, READ)
    await until_links(editor, uri, vixen, SHOW, READ)
    assert knows(vixen, "red_show")
    assert (editor.messages(), logged(editor)) == ([], [])
    assert [path.name for path in made.parent.iterdir() if path.suffix == ".db"] == [made.name]


async def test_long_work_is_shown(start: Any, vixen: Path, hold: Hold) -> None:
    """With how many of all files were read."""
    body = "".join(f"static int step_{number}(int a)\n{{\n\treturn a + {number};\n}}\n" for number in range(150))
    for number in range(900):
        (vixen / f"kernel/many_{number}.c").write_text(body)
    editor = await start()
    with hold():
        uri = editor.open(vixen / "console.crash", LOG)
        await shown(editor)
    await until_links(editor, uri, vixen, SHOW, READ)
    begin, *reports, end = progress(editor)
    assert (begin.title, begin.cancellable, begin.percentage) == ("Indexing Linux 6.12.0", True, 0)
    assert reports[0].message == "waiting for another kernfix"
    counted = [report for report in reports if report.percentage is not None]
    assert counted
    assert all(0 <= report.percentage <= 100 and "of 903 files" in report.message for report in counted)
    assert [report.percentage for report in counted] == sorted(report.percentage for report in counted)
    assert isinstance(end, types.WorkDoneProgressEnd)


async def test_what_the_user_cancels_is_left_alone_until_it_is_asked_for(
    start: Any, vixen: Path, hold: Hold, made: Path, children: Any
) -> None:
    editor = await start()
    pid = editor.client._server.pid
    with hold():
        uri = editor.open(vixen / "console.crash", LOG)
        token = await shown(editor)
        editor.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token=token))
        await editor.until(lambda: not children(pid, CHILD))
    other = editor.open(vixen / "other.crash", LOG)
    save(editor, vixen / "drivers/misc/vixen.c")
    await editor.until(lambda: isinstance(editor.client.progress_reports[token][-1], types.WorkDoneProgressEnd))
    time.sleep(SAVED_SECONDS + 1)  # noqa: ASYNC251 - the server goes on, and does nothing
    assert not made.exists()  # noqa: ASYNC240
    await until_links(editor, other, vixen, READ)

    answer = await editor.run("kernfix.index", uri=uri)
    assert (answer["path"], answer["files"], answer["problems"]) == (str(made), 3, [])
    assert "7 definitions in 3 files" in editor.messages()[0]
    await until_links(editor, uri, vixen, SHOW, READ)
    await until_links(editor, other, vixen, SHOW, READ)

    (vixen / "kernel/late.c").write_text(LATE_C)
    save(editor, vixen / "kernel/late.c")
    await editor.until(lambda: knows(vixen, "late"))


async def test_the_command_needs_no_argument(start: Any, vixen: Path) -> None:
    editor = await start(folders=(vixen,))
    await editor.client.workspace_execute_command_async(types.ExecuteCommandParams(command="kernfix.index"))
    assert knows(vixen, "red_show")


async def test_the_command_without_a_tree(start: Any, tmp_path: Path) -> None:
    editor = await start()
    for argument, said in [
        ({"uri": (tmp_path / "x.crash").as_uri()}, "No kernel tree is known"),
        ({"url": "x"}, "takes one object"),
    ]:
        with pytest.raises(JsonRpcException) as failure:
            await editor.run("kernfix.index", **argument)
        assert failure.value.code == types.LSPErrorCodes.RequestFailed
        assert said in str(failure.value.message)


async def test_the_setting_switches_it_off(start: Any, vixen: Path, hold: Hold, made: Path, children: Any) -> None:
    """From the start, and while it is at work; and on again."""
    editor = await start(kernfix={"index": False})
    uri = editor.open(vixen / "console.crash", LOG)
    await until_links(editor, uri, vixen, READ)

    def switch(*, on: bool) -> None:
        editor.client.set_configuration({"index": on}, section="kernfix")
        editor.client.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings=None))

    assert not made.parent.exists()
    with hold():
        switch(on=True)
        await editor.until(lambda: children(editor.client._server.pid, CHILD))
        switch(on=False)
        await editor.until(lambda: not children(editor.client._server.pid, CHILD))
    assert not made.exists()  # noqa: ASYNC240
    switch(on=True)
    await until_links(editor, uri, vixen, SHOW, READ)


def spoil_with_a_file(made: Path) -> None:
    made.parent.parent.mkdir(parents=True)
    made.parent.write_text("no folder")


def spoil_with_rights(made: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    made.parent.mkdir(parents=True, mode=0o500)


@pytest.mark.parametrize("spoil", [spoil_with_a_file, spoil_with_rights])
async def test_a_cache_that_cannot_be_used_is_told_to_the_log(
    start: Any, vixen: Path, made: Path, spoil: Callable[[Path], None]
) -> None:
    """Once, without a popup, and frames are found as far as they are without an index."""
    spoil(made)
    editor = await start()
    uri = editor.open(vixen / "console.crash", LOG)
    await until_links(editor, uri, vixen, READ)
    await editor.until(lambda: logged(editor))
    save(editor, vixen / "drivers/misc/vixen.c")
    with pytest.raises(JsonRpcException, match="cannot be kept in"):
        await editor.run("kernfix.index", uri=uri)
    (message,) = logged(editor)
    assert "cannot be kept in" in message
    assert "XDG_CACHE_HOME" in message
    assert editor.messages() == []
    await until_links(editor, uri, vixen, READ)


async def test_a_file_that_cannot_be_read_is_told_to_the_log(start: Any, vixen: Path) -> None:
    (vixen / "kernel/far.c").write_bytes(b"")
    os.truncate(vixen / "kernel/far.c", 1 << 26)
    editor = await start()
    uri = editor.open(vixen / "console.crash", LOG)
    await until_links(editor, uri, vixen, SHOW, READ)
    (message,) = logged(editor)
    assert "kernel/far.c" in message
    assert editor.messages() == []


async def test_two_servers_on_one_tree(start: Any, vixen: Path, made: Path) -> None:
    editors = [await start(), await start("neovim")]
    uris = [editor.open(vixen / "console.crash", LOG) for editor in editors]
    for editor, uri in zip(editors, uris, strict=True):
        await until_links(editor, uri, vixen, SHOW, READ)
        assert (editor.messages(), logged(editor)) == ([], [])
    assert [path for path in made.parent.iterdir() if path.suffix == ".db"] == [made]


async def test_saved_code_is_found(start: Any, vixen: Path) -> None:
    """A file that is new to the index, and one that is not of the tree."""
    editor = await start()
    uri = editor.open(vixen / "console.crash", LOG.replace("fox_read", "late"))
    await until_links(editor, uri, vixen, SHOW)
    (vixen / "kernel/late.c").write_text(LATE_C)
    save(editor, vixen.parent / "elsewhere.c")
    save(editor, vixen / "kernel/late.txt")
    time.sleep(SAVED_SECONDS + 1)  # noqa: ASYNC251 - the server goes on, and does nothing
    assert not knows(vixen, "late")
    for _ in range(3):
        save(editor, vixen / "kernel/late.c")
    await until_links(editor, uri, vixen, SHOW, ("kernel/late.c", 1))
