"""``kernfix verify``: exit codes, one document or a few lines, and one sentence for whatever is wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kernfix.case.verify import VerifyCancelled, VerifyRefused, VerifyRequest, VerifyUnavailable
from kernfix.cli import verify as module
from kernfix.cli.main import main
from kernfix.verify.wire import Event, Judgement, StageTime, Tally, Verdict

LOG = """\
[    2.0] BUG: kernel NULL pointer dereference, address: 0000000000000008
[    2.0] Oops: Oops: 0000 [#1] SMP
[    2.0] CPU: 0 UID: 0 PID: 34 Comm: repro Not tainted 6.12.0 #1
[    2.0] RIP: 0010:fox_tail+0x4/0x10
[    2.0] Call Trace:
[    2.0]  <TASK>
[    2.0]  fox_ioctl+0x10/0x20
[    2.0]  </TASK>
"""
TITLE = "BUG: unable to handle kernel NULL pointer dereference in fox_tail"
FILES = {
    "tree/Makefile": "VERSION = 6\nPATCHLEVEL = 12\nvmlinux:\n\ttouch vmlinux\nolddefconfig:\n",
    "tree/Kconfig": "",
    "tree/kernel/fork.c": "",
    "console.log": LOG,
    "quiet.log": "[    0.0] Linux version 6.12.0\n",
    "repro.c": "int main(void) { return 0; }\n",
    "config": "CONFIG_KASAN=y\n",
    "fix.patch": "--- a/kernel/fork.c\n+++ b/kernel/fork.c\n@@ -0,0 +1 @@\n+int fork;\n",
}
FIXED = Judgement(
    verdict=Verdict.FIXED,
    confidence=0.9587,
    reason="The crash is gone: 5 of 5 runs crashed before, 0 of 4 runs after.",
    baseline=Tally(runs=5, crashes=5, titles={TITLE: 5}),
    patched=Tally(runs=4, crashes=0),
    stages=(StageTime(name="fetch", seconds=1.25, cached=True), StageTime(name="apply", seconds=0.5)),
    bundle="sha256:" + "0" * 64,
)


class Command:
    """The command in a folder with all that it needs, and a judge that answers as told."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.answer: Judgement | Exception = FIXED
        self.asked: list[tuple[VerifyRequest, dict[str, str | None]]] = []
        for name, text in FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)

    async def judge(
        self, request: VerifyRequest, patches: Mapping[str, str | None], on_event: Callable[[Event], None]
    ) -> dict[str, Judgement]:
        self.asked.append((request, dict(patches)))
        on_event(Event(id=1, kind="run", text="baseline run 1: crash"))
        if isinstance(self.answer, Exception):
            raise self.answer
        return dict.fromkeys(patches, self.answer)

    def run(self, *words: str, **options: str) -> tuple[int, str, str]:
        """Options are files of the folder but for those that begin with ``=``."""
        given = {"tree": "tree", "crash": "console.log", "repro": "repro.c", "config": "config", **options}
        argv = ["verify"]
        for name, value in given.items():
            argv += [f"--{name}", value[1:] if value.startswith("=") else str(self.folder / value)]
        code = main([*argv, *words])
        out, err = self.capsys.readouterr()
        return code, out, err


@pytest.fixture
def real(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """With the real judge."""
    monkeypatch.delenv("KERNFIX_RUNNER_TOKEN", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Command(tmp_path, capsys)


@pytest.fixture
def command(real: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setattr(module, "verify_each", real.judge)
    return real


def check_sentence(ran: tuple[int, str, str], code: int, *saying: str) -> None:
    got, out, err = ran
    assert got == code, err
    assert out == ""
    last = err.splitlines()[-1]
    assert last.startswith("kernfix verify: ")
    for words in saying:
        assert words in last
    assert "Traceback" not in err


# The answer.


def test_people_see_the_verdict_and_why(command: Command) -> None:
    code, out, err = command.run(patch="fix.patch")
    assert code == 0
    assert out.splitlines() == [
        "verdict: fixed",
        "  The crash is gone: 5 of 5 runs crashed before, 0 of 4 runs after.",
        "  baseline: 5 of 5 runs crashed",
        f"    5 × {TITLE}",
        "  patched: 0 of 4 runs crashed",
        "  confidence that the crash is gone: 95.9%",
        "  stages: fetch 1.2 s (cached), apply 0.5 s",
        "  evidence: sha256:" + "0" * 64,
    ]
    assert "baseline run 1: crash" in err


def test_json_is_one_document_and_nothing_else(command: Command) -> None:
    code, out, _ = command.run("--json", patch="fix.patch")
    assert code == 0
    assert json.loads(out) == FIXED.model_dump(mode="json")
    assert out.count("\n") == 1


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("is_patch", [True, False])
def test_the_exit_code_of_every_verdict(command: Command, verdict: Verdict, is_patch: bool) -> None:
    """With a patch, `fixed` alone is good; the base alone is asked whether it crashes as reported."""
    command.answer = Judgement(verdict=verdict, confidence=None, reason="So it is.")
    good = Verdict.FIXED if is_patch else Verdict.SAME_CRASH
    wanted = 4 if verdict is Verdict.RUNNER_ERROR else 0 if verdict is good else 1
    patch = {"patch": "fix.patch"} if is_patch else {}
    assert command.run(**patch)[0] == wanted
    assert command.run("--json", **patch)[0] == wanted


def test_uncommitted_changes_that_were_judged_are_a_patch(command: Command) -> None:
    command.answer = FIXED
    assert command.run()[0] == 0
    command.answer = FIXED.model_copy(update={"verdict": Verdict.SAME_CRASH})
    assert command.run()[0] == 1


def test_what_a_guest_said_cannot_drive_the_terminal(command: Command) -> None:
    hostile = "\x1b[2J\u202e"
    command.answer = FIXED.model_copy(
        update={"reason": f"gone{hostile}", "baseline": Tally(runs=1, crashes=1, titles={f"BUG{hostile}": 1})}
    )
    _, out, _ = command.run()
    assert not set(hostile) - {"[", "2", "J"} & set(out)
    assert "\x1b" not in out
    command.answer = VerifyRefused(f"the reproducer does not compile: {hostile}.")
    assert "\x1b" not in command.run()[2]


# What is asked.


def test_what_is_asked(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNFIX_RUNNER_TOKEN", "secret")
    words = ("--runs", "3", "--confidence", "0.9", "--cmdline", "nokaslr", "--runner", "http://127.0.0.1:9")
    _, out, err = command.run(*words, patch="fix.patch")
    [(request, patches)] = command.asked
    assert patches == {"": FILES["fix.patch"]}
    assert request == VerifyRequest(
        tree=command.folder / "tree",
        config=FILES["config"].encode(),
        reproducer=FILES["repro.c"].encode(),
        patch=FILES["fix.patch"],
        titles=("BUG: unable to handle kernel NULL pointer dereference in fox_tail", "bad-access in fox_tail"),
        cmdline="nokaslr",
        runs=3,
        confidence=0.9,
        runner="http://127.0.0.1:9",
        token="secret",
    )
    assert "secret" not in out + err


def test_without_a_patch_and_a_runner(command: Command) -> None:
    command.run()
    [(request, patches)] = command.asked
    assert (request.patch, request.runner, request.runs, patches) == (None, None, None, {"": None})


def test_an_elf_file_is_a_binary(command: Command) -> None:
    (command.folder / "repro").write_bytes(b"\x7fELF\x02\x01 and so on")
    command.run(repro="repro")
    assert command.asked[0][0].reproducer_kind == "binary"


# What is wrong with the input.


@pytest.mark.parametrize(
    ("words", "options", "says"),
    [
        ((), {"crash": "none.log"}, "cannot read"),
        ((), {"crash": "tree"}, "is a folder"),
        ((), {"crash": "quiet.log"}, "there is no crash in"),
        ((), {"crash": "=/dev/null"}, "there is no crash in"),
        ((), {"repro": "none.c"}, "cannot read"),
        ((), {"config": "none"}, "cannot read"),
        ((), {"patch": "none.patch"}, "cannot read"),
        (("--confidence", "0"), {}, "--confidence is a share between 0 and 1"),
        (("--confidence", "1"), {}, "--confidence"),
        (("--confidence", "95"), {}, "--confidence"),
        (("--confidence", "nan"), {}, "--confidence"),
        (("--runs", "0"), {}, "--runs is a number from 1"),
        (("--runs", "-1"), {}, "--runs"),
    ],
)
def test_bad_input_asks_nobody(command: Command, words: tuple[str, ...], options: dict[str, str], says: str) -> None:
    for json_too in ((), ("--json",)):
        check_sentence(command.run(*words, *json_too, **options), 3, says)
    assert command.asked == []


@pytest.mark.parametrize("words", [("--runs", "many"), ("--confidence", "high"), ("--frobnicate",)])
def test_a_senseless_command_line(command: Command, words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.run(*words)


def test_what_is_needed_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["verify"])
    assert "--tree, --crash, --repro, --config" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (VerifyRefused("the base is not a kernel tree."), 3),
        (VerifyUnavailable("no runner answers at http://127.0.0.1:9."), 4),
        (VerifyCancelled("the job was cancelled on the runner."), 4),
    ],
)
def test_no_judgement(command: Command, error: Exception, code: int) -> None:
    command.answer = error
    check_sentence(command.run(), code, str(error))
    check_sentence(command.run("--json"), code, str(error))


# With the real judge.


def test_no_kernel_tree(real: Command) -> None:
    check_sentence(real.run(tree="none"), 3, "is not a folder")
    check_sentence(real.run(tree="tree/kernel"), 3, "not a kernel tree")


@pytest.mark.parametrize(
    ("url", "code", "says"),
    [
        ("http://127.0.0.1:9", 4, "no runner answers at http://127.0.0.1:9"),
        ("127.0.0.1:9", 4, "no runner answers at 127.0.0.1:9"),
        ("http://\x00", 4, "is not a runner's address"),
    ],
)
def test_a_runner_that_is_not_there(real: Command, url: str, code: int, says: str) -> None:
    check_sentence(real.run("--runner", url), code, says)


def test_a_patch_that_is_no_text(real: Command) -> None:
    (real.folder / "fix.patch").write_bytes(b"--- a/x\n+caf\xe9\n")
    check_sentence(real.run("--runner", "http://127.0.0.1:9", patch="fix.patch"), 3, "the patch has bytes")


PROGRAMS = (
    *("make", "gcc", "flex", "bison", "bc", "busybox", "setpriv"),
    *("tar", "gzip", "bash", "sh", "git", "as", "ld", "cc1", "bwrap"),
)


def only(folder: Path, monkeypatch: pytest.MonkeyPatch, *, without: str = "", stub: str = "") -> None:
    """Have no other program on the path than what a verification needs."""
    (folder / "bin").mkdir()
    for name in PROGRAMS:
        path = shutil.which(name)
        if path is not None and name != without:
            (folder / "bin" / name).symlink_to(path)
    if stub:
        (folder / "bin" / stub).write_text("#!/bin/sh\nexit 1\n")
        (folder / "bin" / stub).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder / "bin"))


def needs_programs() -> None:
    missing = [
        name for name in ("make", "gcc", "flex", "bison", "bc", "busybox", "setpriv") if shutil.which(name) is None
    ]
    if missing:
        pytest.skip(f"nothing can be verified here: {', '.join(missing)} missing")


def test_no_qemu(real: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded runner is a real one; it says which package is missing before anything is built."""
    needs_programs()
    only(real.folder, monkeypatch)
    check_sentence(real.run(), 4, "qemu-system-x86_64 missing", "install the packages qemu-system-x86")


def test_a_reproducer_that_does_not_compile(real: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_programs()
    (real.folder / "repro.c").write_text("int main(void) { return no; }\n")
    only(real.folder, monkeypatch, stub="qemu-system-x86_64")
    before = {path: path.read_bytes() for path in (real.folder / "tree").rglob("*") if path.is_file()}
    check_sentence(real.run(), 3, "the reproducer does not compile: repro.c:1:25: error")
    assert {path: path.read_bytes() for path in (real.folder / "tree").rglob("*") if path.is_file()} == before


def test_ctrl_c(real: Command) -> None:
    """Cancelled cleanly: one sentence, the shell's code, and the embedded runner is gone with all that it started."""
    needs_programs()
    (real.folder / "tree/Makefile").write_text(
        FILES["tree/Makefile"].replace("olddefconfig:\n", "olddefconfig:\n\tsleep 71.25\n")
    )
    (real.folder / "bin").mkdir()
    (real.folder / "bin/qemu-system-x86_64").write_text("#!/bin/sh\nexit 1\n")
    (real.folder / "bin/qemu-system-x86_64").chmod(0o755)
    argv = [sys.executable, "-m", "kernfix", "verify"]
    for name in ("tree", "repro", "config"):
        argv += [f"--{name}", str(real.folder / {"repro": "repro.c"}.get(name, name))]
    environment = {**os.environ, "PATH": f"{real.folder / 'bin'}:{os.environ['PATH']}"}
    command = [*argv, "--crash", str(real.folder / "console.log")]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "building the base" in line:
                break
        process.send_signal(2)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "kernfix verify: cancelled"
    assert "Traceback" not in err
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"71.25" in _read(path)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""  # it ended meanwhile
