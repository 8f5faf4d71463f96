"""What the user can set, and what is said of what he cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kernfix.lsp import settings
from kernfix.lsp.tree import find, path_of


def check(value: Any, problem: str | None = None, **expected: Any) -> None:
    """Reads one layer; the settings of `expected` are in force, and the only problem starts with `problem`."""
    found, problems = settings.read(value)
    assert [text.startswith(problem or "") for text in problems] == ([True] if problem else []), problems
    for name, wanted in expected.items():
        assert getattr(found, name) == wanted


def test_defaults() -> None:
    check(None, tree=None, index=True, runs=None, provider=None, cmdline="")
    check({}, runner=settings.RunnerSettings(), llm=settings.LlmSettings())


def test_empty_values_are_unset() -> None:
    check({"tree": "", "runs": None, "llm": {"baseUrl": "", "model": None}, "runner": None}, tree=None, runs=None)


def test_editors_own_keys_are_not_ours() -> None:
    check({"server": {"path": "/x"}, "trace": {"server": "off"}, "tree": "/linux"}, tree="/linux")


def test_later_layers_win_key_by_key() -> None:
    found, problems = settings.read(
        {"tree": "/a", "llm": {"model": "one", "baseUrl": "http://a/v1"}}, {"llm": {"model": "two"}, "tree": ""}
    )
    assert problems == ()
    assert (found.tree, found.llm.model, found.llm.base_url) == ("/a", "two", "http://a/v1")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"tre": "/linux", "cmdline": "ok"}, "kernfix.tre: there is no such setting; it is ignored."),
        ({"index": "sometimes", "cmdline": "ok"}, "kernfix.index: "),
        ({"runs": 0, "cmdline": "ok"}, "kernfix.runs: "),
        ({"runs": "many", "cmdline": "ok"}, "kernfix.runs: "),
        ({"provider": "oracle", "cmdline": "ok"}, "kernfix.provider: "),
        ({"llm": {"baseURL": "http://x"}, "cmdline": "ok"}, "kernfix.llm.baseURL: there is no such setting"),
        ({"llm": {"apiKey": "secret"}, "cmdline": "ok"}, "kernfix.llm.apiKey: there is no such setting"),
        ({"llm": 7, "cmdline": "ok"}, "kernfix.llm: "),
        ({"runner": {"url": "ftp://x"}, "cmdline": "ok"}, "kernfix.runner.url: "),
        ({"tree": ["/a"], "cmdline": "ok"}, "kernfix.tree: "),
    ],
)
def test_a_bad_key_is_named_and_the_good_ones_stay(value: Any, problem: str) -> None:
    check(value, problem, cmdline="ok")


@pytest.mark.parametrize("value", [7, "x", [1], True])
def test_not_an_object(value: Any) -> None:
    check(value, "kernfix: must be an object")


def test_values_are_not_repeated_in_messages() -> None:
    _, problems = settings.read({"llm": {"baseUrl": "secret-looking"}})
    assert problems
    assert "secret-looking" not in problems[0]


async def test_the_user_is_told_once(start: Any, kernel: Path, null_log: str) -> None:
    editor = await start(kernfix={"tre": "/linux", "runs": "many"})
    uri = editor.open(kernel / "console.crash", null_log)
    await editor.settled(uri)
    editor.open(kernel / "other.crash", null_log)
    await editor.settled((kernel / "other.crash").as_uri())
    told = sorted(editor.messages())
    assert [message.split(":")[1].strip() for message in told] == ["kernfix.runs", "kernfix.tre"]


async def test_a_tree_that_is_none(start: Any, tmp_path: Path, null_log: str) -> None:
    editor = await start(kernfix={"tree": str(tmp_path)})
    uri = editor.open(tmp_path / "console.crash", null_log)
    await editor.settled(uri)
    (message,) = editor.messages()
    assert "kernfix.tree cannot be used" in message
    assert "is not a kernel tree" in message
    await editor.marks(uri, 1)


@pytest.mark.parametrize("name", ["vscode", "minimal"])
async def test_options_of_initialize_are_the_fallback(
    start: Any, kernel: Path, tmp_path: Path, null_log: str, fox_c: str, name: str
) -> None:
    editor = await start(name, options={"tree": str(kernel)})
    uri = editor.open(tmp_path / "console.crash", null_log)
    assert [link.target for link in await editor.links(uri)] == [f"{fox_c}#L19"]


async def test_a_change_takes_effect_without_a_restart(
    start: Any, kernel: Path, tmp_path: Path, null_log: str, fox_c: str
) -> None:
    from lsprotocol import types

    editor = await start()
    uri = editor.open(tmp_path / "console.crash", null_log)
    assert await editor.links(uri) == []
    editor.client.set_configuration({"tree": str(kernel)}, section="kernfix")
    editor.client.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings=None))
    await editor.marks(fox_c, 1)


async def test_vmlinux_that_is_not_there(start: Any, kernel: Path, null_log: str, fox_c: str) -> None:
    editor = await start(kernfix={"vmlinux": "nowhere/vmlinux"})
    uri = editor.open(kernel / "console.crash", null_log)
    assert len(await editor.links(uri)) == 1
    (message,) = editor.messages()
    assert "kernfix.vmlinux cannot be used" in message


async def test_vmlinux_that_is_not_one(start: Any, kernel: Path, null_log: str) -> None:
    (kernel / "vmlinux").write_text("not ELF")
    editor = await start(kernfix={"vmlinux": str(kernel / "vmlinux")})
    uri = editor.open(kernel / "console.crash", null_log)
    assert len(await editor.links(uri)) == 1
    (message,) = editor.messages()
    assert "is not an ELF file" in message


def test_the_tree_of_a_log(kernel: Path, tmp_path: Path) -> None:
    none = settings.Settings()
    inside = (kernel / "drivers/misc/console.crash").as_uri()
    outside = (tmp_path / "console.crash").as_uri()
    assert find(none, inside, []).root == kernel
    assert find(none, outside, []).root is None
    assert find(none, outside, [tmp_path, kernel]).root == kernel
    assert find(none, "untitled:1", [kernel]).root == kernel
    assert find(settings.Settings(tree="linux"), outside, [tmp_path]).root == kernel
    bad = find(settings.Settings(tree="gone"), inside, [tmp_path])
    assert bad.root is None
    assert "kernfix.tree" in bad.problem


def test_paths_of_settings(tmp_path: Path) -> None:
    assert path_of("~/linux", []) == Path.home() / "linux"
    assert path_of("../x", [tmp_path / "y"]) == tmp_path / "x"
    assert path_of("/x", [tmp_path]) == Path("/x")
    assert path_of("~nobody/x", [tmp_path]) == tmp_path / "~nobody/x"
