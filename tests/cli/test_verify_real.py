"""`kernfix verify` from end to end: real runners that work, with a stub for QEMU. (With a stub for the judge: test_verify.py.)"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernfix.cli.main import main
from kernfix.runner.state import State
from kernfix.runner.tokens import Tokens

STUBS = Path(__file__).parents[1] / "runner" / "stubs"
TITLE = "BUG: unable to handle kernel NULL pointer dereference in toy_read"
NEEDED = ("gcc", "make", "flex", "bison", "bc", "busybox", "setpriv", "bash", "tar", "gzip", "git")
TOY = STUBS.joinpath("linux/kernel/toy.c").read_text()
CLEAN = TOY[: TOY.index("[    3.000000]")]
Capture = pytest.CaptureFixture[str]
Run = tuple[int, str, str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A case: a tree, its crash, a config, a reproducer, and patches."""
    files = {
        "console.log": TOY,
        "config": "SECONDS=0\n",
        "repro.c": "int main(void) { return 0; }\n",
        "wrong.c": "int main(void) { return nothing; }\n",
        "clean.patch": patch(CLEAN),
        "stale.patch": patch(CLEAN).replace("-[    1.0", "-[    9.0"),
        **{
            f"tree/{path}": STUBS.joinpath("linux", path).read_text()
            for path in ("Makefile", "Kconfig", "kernel/toy.c")
        },
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def patch(text: str) -> str:
    """The patch that gives the stub tree's source another text."""
    old, new = TOY.splitlines(), text.splitlines()
    lines = [f"@@ -1,{len(old)} +1,{len(new)} @@", *(f"-{line}" for line in old), *(f"+{line}" for line in new)]
    return "--- a/kernel/toy.c\n+++ b/kernel/toy.c\n" + "\n".join(lines) + "\n"


def words(folder: Path, **changed: str) -> list[str]:
    """The command line, with options changed; file names are those of the case."""
    options = {"tree": "tree", "crash": "console.log", "repro": "repro.c", "config": "config", **changed}
    files = ("tree", "crash", "repro", "config", "patch")
    named = {name: str(folder / value) if name in files else value for name, value in options.items()}
    return ["verify", *(word for name, value in named.items() for word in (f"--{name}", value))]


def run(folder: Path, capsys: Capture, *more: str, **changed: str) -> Run:
    code = main([*words(folder, **changed), *more])
    out, err = capsys.readouterr()
    return code, out, err


def check_refused(got: Run, code: int, says: str) -> None:
    """Nothing on standard output, and a sentence that ends the rest."""
    assert got[0] == code, got
    assert got[1] == ""
    assert "Traceback" not in got[2]
    sentence = got[2].splitlines()[-1]
    assert sentence.startswith("kernfix verify: ")
    assert says in sentence


# With a runner.


@pytest.fixture(scope="module")
def tools() -> Iterator[Path]:
    """A folder with the stub, neither below /tmp nor the home folder, which the sandbox hides."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"a runner cannot work here: {', '.join(missing)} missing")
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="kernfix-test-") as name:
        stub = Path(name) / "qemu-system-x86_64"
        subprocess.run(["gcc", "-O1", "-o", stub, STUBS / "qemu.c"], check=True)
        yield Path(name)


@pytest.fixture(scope="module")
def served(tools: Path) -> Iterator[tuple[str, str]]:
    """A runner's address, and a token for it."""
    command = [sys.executable, "-P", "-m", "kernfix", "runner", "serve", "--port", "0", "--state", tools / "state"]
    token = Tokens(State.at(tools / "state").tokens).create("tests")
    with subprocess.Popen(command, env=environment(tools), stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"], token
        finally:
            process.kill()


def environment(tools: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(tools / "cache")}


@pytest.fixture
def runner(served: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The runner's address, with its token in the environment."""
    monkeypatch.setenv("KERNFIX_RUNNER_TOKEN", served[1])
    return served[0]


@pytest.mark.parametrize("token", [None, "wrong", "", "caf\xe9", "two words"])
def test_a_token_that_is_refused(
    folder: Path, capsys: Capture, runner: str, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    if token is None:
        monkeypatch.delenv("KERNFIX_RUNNER_TOKEN")
    else:
        monkeypatch.setenv("KERNFIX_RUNNER_TOKEN", token)
    got = run(folder, capsys, runner=runner)
    check_refused(got, 4, "KERNFIX_RUNNER_TOKEN")
    assert not token or token not in got[2]


@pytest.mark.parametrize(
    ("toy", "changed", "code", "verdict"),
    [
        (TOY, {"patch": "clean.patch"}, 0, "fixed"),
        (TOY, {"patch": "clean.patch", "runs": "1"}, 1, "inconclusive"),
        (TOY, {"patch": "stale.patch"}, 1, "patch-failed"),
        (TOY, {}, 0, "same-crash"),  # of a base alone: it shows the crash of the report
        (CLEAN, {}, 1, "not-reproduced"),
        (TOY.replace("toy_read", "toy_write"), {}, 1, "different-crash"),
        (CLEAN + "QEMU-FAILS\n", {}, 4, "runner-error"),
    ],
)
def test_one_document_and_the_exit_code_of_its_verdict(
    folder: Path, capsys: Capture, runner: str, toy: str, changed: dict[str, str], code: int, verdict: str
) -> None:
    (folder / "tree/kernel/toy.c").write_text(toy)
    got, out, err = run(folder, capsys, "--json", runner=runner, **changed)
    document = json.loads(out)
    assert (got, document["verdict"]) == (code, verdict), document
    assert {"verdict", "confidence", "reason", "baseline", "patched", "stages", "bundle"} <= document.keys()
    assert (out.count("\n"), document["bundle"][:7]) == (1, "sha256:")
    assert "Traceback" not in err


def test_uncommitted_changes_are_the_patch(folder: Path, capsys: Capture, runner: str) -> None:
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "base"]):
        git = ["git", "-C", folder / "tree", "-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run([*git, *command], check=True)
    assert json.loads(run(folder, capsys, "--json", runner=runner)[1])["verdict"] == "same-crash"
    (folder / "tree/kernel/toy.c").write_text(TOY.replace("1.000000", "1.500000"))
    code, out, _ = run(folder, capsys, "--json", runner=runner)
    assert (code, json.loads(out)["verdict"]) == (1, "same-crash"), "of a patch, the same crash is a no"
    (folder / "tree/kernel/toy.c").write_text(CLEAN)
    code, out, _ = run(folder, capsys, "--json", runner=runner)
    assert (code, json.loads(out)["verdict"]) == (0, "fixed")


def test_people_see_the_verdict_and_how_it_came_about(folder: Path, capsys: Capture, runner: str) -> None:
    code, out, err = run(folder, capsys, runner=runner, patch="clean.patch")
    assert code == 0
    for part in (
        "verdict: fixed\n",
        "  baseline: 5 of 5 runs crashed\n    5 × " + TITLE,
        "  patched: 0 of 4 runs crashed\n",
        "  confidence that the crash is gone: 9",
        "  stages: fetch 0.",
        "  evidence: sha256:",
    ):
        assert part in out
    assert f"baseline run 1: crash, {TITLE}" in err
    assert "building the base" in err


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"repro": "wrong.c"}, "the reproducer does not compile: repro.c:1"),
        ({"config": "repro.c"}, "the config cannot be used with this tree"),
    ],
)
def test_inputs_that_the_runner_rejects(
    folder: Path, capsys: Capture, runner: str, changed: dict[str, str], says: str
) -> None:
    check_refused(run(folder, capsys, runner=runner, **changed), 3, says)


def test_what_the_tree_and_the_guest_say_cannot_drive_the_terminal(folder: Path, capsys: Capture, runner: str) -> None:
    makefile = folder / "tree/Makefile"
    makefile.write_text(makefile.read_text().replace("error: expected", "error: \x1b[2J\x9b2J expected"))
    (folder / "tree/kernel/toy.c").write_text("SYNTAX\n")
    code, out, err = run(folder, capsys, runner=runner)
    assert (code, "verdict: build-failed" in out) == (1, True), (out, err)
    makefile.write_text(makefile.read_text().replace("grep -q SECONDS= .config", "echo '\x1b[2J\x9b2J no'; exit 1"))
    got = run(folder, capsys, runner=runner)
    check_refused(got, 3, "the config cannot be used")
    for text in (out, err, *got[1:]):
        assert "\x1b" not in text
        assert "\x9b" not in text


# With a runner of its own.


def test_an_embedded_runner(folder: Path, capsys: Capture, tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(tools).items():
        monkeypatch.setenv(name, value)
    before = {path: path.lstat().st_mtime_ns for path in (folder / "tree").rglob("*")}
    code, out, _ = run(folder, capsys, "--json", patch="clean.patch")
    assert (code, json.loads(out)["verdict"]) == (0, "fixed")
    assert {path: path.lstat().st_mtime_ns for path in (folder / "tree").rglob("*")} == before
    assert list((tools / "cache/kernfix/runner/embedded").iterdir()) == []
