"""The fetch stage: a base becomes a tree of our own, the user's is only read, and hostile archives stay in their folder."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from kernfix.runner.blobs import Blobs
from kernfix.runner.faults import BadRequest, RunnerFault
from kernfix.runner.stages import fetch as module
from kernfix.runner.stages.fetch import fetch
from kernfix.runner.state import State
from kernfix.runner.trees import WarmTree
from kernfix.verify.wire import LocalTree, Snapshot

CONFIG = "c" * 64
SOURCES = ["Kconfig", "Makefile", "kernel/fork.c"]
BUILT = [
    "kernel/fork.o",
    "kernel/.fork.o.cmd",
    "vmlinux",
    ".config",
    "include/generated/autoconf.h",
    ".tmp_x",
    "modules.order",
]


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.at(tmp_path / "state")


def run(
    base: LocalTree | Snapshot, state: State, config: str = CONFIG, compiler: str = "gcc 12"
) -> tuple[WarmTree, bool]:
    return asyncio.run(fetch(base, config, compiler, state))


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def fingerprint(root: Path) -> list[tuple[str, int, int, bytes]]:
    """All that a change would show in: names, times (of folders too), permissions and content."""
    found = []
    for path in sorted([root, *root.rglob("*")]):
        status = path.lstat()
        found.append((str(path), status.st_mtime_ns, status.st_mode, b"" if path.is_dir() else path.read_bytes()))
    return found


def git(tree: Path, *words: str) -> str:
    command = ["git", "-C", str(tree), "-c", "user.name=t", "-c", "user.email=t@example.org", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def snapshot(state: State, members: dict[str, str | tarfile.TarInfo]) -> Snapshot:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content.encode()))
    return Snapshot(blob=Blobs(state.blobs).put(gzip.compress(buffer.getvalue())))


KERNEL: dict[str, str | tarfile.TarInfo] = {
    "./Makefile": "VERSION = 6\nPATCHLEVEL = 12\n",
    "./Kconfig": "",
    "./kernel/fork.c": "int fork;\n",
}


def test_a_folder_is_copied_without_what_a_build_left_and_not_touched(tiny: Path, state: State) -> None:
    for name in BUILT:
        (tiny / name).parent.mkdir(parents=True, exist_ok=True)
        (tiny / name).write_text("built")
    (tiny / "kernel/gen.sh").write_text("#!/bin/sh\n")
    (tiny / "kernel/gen.sh").chmod(0o755)
    (tiny / "README").symlink_to("Makefile")
    before = fingerprint(tiny)
    tree, cached = run(LocalTree(path=str(tiny)), state)
    assert not cached
    assert files(tree.source) == sorted([*SOURCES, "README", "kernel/gen.sh"])
    assert os.access(tree.source / "kernel/gen.sh", os.X_OK)
    assert fingerprint(tiny) == before


def test_the_copy_is_found_again_until_something_in_it_changes(tiny: Path, state: State) -> None:
    base = LocalTree(path=str(tiny))
    folder = run(base, state)[0].folder
    (tiny / "kernel/fork.o").write_text("built since")
    again, cached = run(base, state)
    assert (again.folder, cached) == (folder, True)
    for change in ({"config": "d" * 64}, {"compiler": "gcc 13"}):
        assert not run(base, state, **change)[1]
    (tiny / "kernel/fork.c").write_text("int spoon;\n")
    other, cached = run(base, state)
    assert not cached
    assert other.read("kernel/fork.c") == "int spoon;\n"


def test_a_commit_is_taken_not_the_folder(tiny: Path, state: State) -> None:
    git(tiny, "init", "-q")
    git(tiny, "add", ".")
    git(tiny, "commit", "-qm", "base")
    (tiny / "kernel/fork.c").write_text("int spoon;\n")
    before = fingerprint(tiny)
    tree, _ = run(LocalTree(path=str(tiny), commit=git(tiny, "rev-parse", "HEAD")), state)
    assert tree.read("kernel/fork.c") == "int fork = 1;\n"
    assert files(tree.source) == SOURCES
    assert fingerprint(tiny) == before


def test_a_snapshot_is_unpacked(state: State) -> None:
    base = snapshot(state, KERNEL)
    tree, cached = run(base, state)
    assert (files(tree.source), cached) == (SOURCES, False)
    assert run(base, state)[1]


def check_refused(base: LocalTree | Snapshot, state: State, error: type[Exception], saying: str) -> None:
    """Refused twice in the same way, with nothing left over."""
    for _ in range(2):
        with pytest.raises(error, match=saying) as raised:
            run(base, state)
        assert "\n" not in str(raised.value)
        assert str(state.cache) not in str(raised.value)
    for folder in state.trees.iterdir():
        assert not WarmTree(folder).filled
        assert files(folder) == ["lock"]


@pytest.mark.parametrize(
    ("removed", "says"),
    [("Makefile", "states no kernel version"), ("Kconfig", "no Kconfig"), ("kernel/fork.c", "no folder")],
)
def test_no_kernel_tree(tiny: Path, state: State, removed: str, says: str) -> None:
    (tiny / removed).unlink()
    if removed.startswith("kernel"):
        (tiny / "kernel").rmdir()
    check_refused(LocalTree(path=str(tiny)), state, BadRequest, says)
    rest = {name: text for name, text in KERNEL.items() if name != f"./{removed}"}
    check_refused(snapshot(state, rest), state, BadRequest, says)


def test_what_is_not_there(tiny: Path, state: State) -> None:
    with pytest.raises(BadRequest, match="no folder /nonexistent"):
        run(LocalTree(path="/nonexistent"), state)
    check_refused(LocalTree(path=str(tiny), commit="a" * 40), state, RunnerFault, "cannot copy the tree")


@pytest.mark.parametrize("content", [b"", b"not gzip at all", gzip.compress(b"not tar at all" * 100)])
def test_no_archive(state: State, content: bytes) -> None:
    with pytest.raises((BadRequest, RunnerFault), match=r"cannot copy the tree|is not a kernel tree"):
        run(Snapshot(blob=Blobs(state.blobs).put(content)), state)
    assert not any(WarmTree(folder).filled for folder in state.trees.iterdir())


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


OUT = "{outside}"


@pytest.mark.parametrize(
    "attack",
    [
        {"../../../../escaped": "x"},
        {OUT + "/escaped": "x"},
        {"out": link("out", OUT), "out/escaped": "x"},
        {"out": link("out", OUT), "out/secret": "overwritten"},
        {"file": link("file", OUT + "/secret"), "./file": "overwritten"},
        {"hard": link("hard", OUT + "/secret", tarfile.LNKTYPE), "./hard": "overwritten"},
    ],
)
def test_a_hostile_archive_stays_in_its_folder(
    state: State, tmp_path: Path, attack: dict[str, str | tarfile.TarInfo]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    for member in attack.values():
        if isinstance(member, tarfile.TarInfo):
            member.linkname = member.linkname.format(outside=outside)
    base = snapshot(state, {**KERNEL, **{name.format(outside=outside): each for name, each in attack.items()}})
    with contextlib.suppress(RunnerFault):  # tar refuses some, and unpacks others where they do no harm
        run(base, state)
    assert fingerprint(outside)[1][3] == b"secret"
    assert files(outside) == ["secret"]
    assert all(path.is_relative_to(state.trees) for path in tmp_path.rglob("escaped"))


def test_a_makefile_that_is_a_link_is_not_read(state: State) -> None:
    base = snapshot(state, {**KERNEL, "./Makefile": link("./Makefile", "/etc/passwd")})
    check_refused(base, state, BadRequest, "is not a kernel tree")


def test_old_trees_go_but_not_those_in_use(tiny: Path, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_TREES", 2)
    trees = []
    for number in range(5):
        (tiny / "kernel/fork.c").write_text(f"int fork = {number};\n")
        trees.append(run(LocalTree(path=str(tiny)), state)[0])
        os.utime(trees[-1].folder / "lock", (number, number))
    assert [tree.filled for tree in trees] == [False, False, False, True, True]


FETCHER = """
import asyncio, sys
from pathlib import Path
from kernfix.runner.stages import fetch
from kernfix.runner.state import State
from kernfix.verify.wire import LocalTree
fetch.archive_command = lambda root, commit: ["sh", "-c", "echo begun >&2; exec sleep " + sys.argv[3]]
process_run = fetch.process.run
def loud(argv, **words):
    return process_run(argv, on_line=lambda line: print(line, flush=True), **words)
fetch.process.run = loud
asyncio.run(fetch.fetch(LocalTree(path=sys.argv[1]), "c" * 64, "gcc 12", State.at(Path(sys.argv[2]))))
"""


def test_a_killed_runner_takes_its_copying_with_it(tiny: Path, state: State) -> None:
    """Else it would go on writing into what the next one has begun anew."""
    marker = f"8640.{os.getpid()}"
    command = [sys.executable, "-c", FETCHER, str(tiny), str(state.cache), marker]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as runner:
        try:
            assert runner.stdout is not None
            assert runner.stdout.readline() == "begun\n"
        finally:
            runner.kill()
    deadline = time.monotonic() + 5
    while writers(marker, state) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert writers(marker, state) == []
    tree, cached = run(LocalTree(path=str(tiny)), state)
    assert (files(tree.source), cached) == (SOURCES, False)


def writers(marker: str, state: State) -> list[str]:
    """Processes that name the marker or the state."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode("utf-8", "replace")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if marker in words or (str(state.cache) in words and "tar" in words.split("\0")[:5]):
            found.append(words)
    return found
