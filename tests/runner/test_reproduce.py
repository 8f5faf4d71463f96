"""The reproducer: compiled once, static or refused, and put on a RAM disk with the shell."""

from __future__ import annotations

import asyncio
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernfix.runner.blobs import Blobs
from kernfix.runner.faults import BadRequest, RunnerFault
from kernfix.runner.guest.ramdisk import ramdisk
from kernfix.runner.stages import reproduce as module
from kernfix.runner.stages.reproduce import is_static, prepare
from kernfix.runner.state import State
from kernfix.verify.wire import Reproducer

SOURCE = b'#include <pthread.h>\n#include <stdio.h>\nint main(void) { puts("hi"); return pthread_self() == 0; }\n'


def elf(*types: int, machine: int = 62, size: int = 56, count: int | None = None, table: int = 64) -> bytes:
    """An ELF file of program headers only."""
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, machine, 1, 0, table, 0, 0, 64, size, len(types), 0, 0, 0
    )
    if count is not None:
        head = head[:56] + struct.pack("<H", count) + head[58:]
    return head + b"".join(struct.pack("<I52x", kind) for kind in types)


@pytest.mark.parametrize(
    ("program", "static"),
    [
        (elf(1, 1, 4), True),
        (elf(1, 3, 1), False),  # names a dynamic linker
        (elf(3), False),
        (elf(1, machine=40), False),  # ARM
        (elf(1, machine=3), False),
        (b"\x7fELF\x01\x01" + elf(1)[6:], False),  # 32 bits
        (b"\x7fELF\x02\x02" + elf(1)[6:], False),  # big-endian
        (elf(1, count=2), False),  # cut off
        (elf(1, size=0, count=65535), False),
        (elf(1, table=1 << 63), False),
        (elf(1)[:63], False),
        (b"", False),
        (b"#!/bin/sh\n" + b"x" * 100, False),
    ],
)
def test_what_is_static(program: bytes, static: bool) -> None:
    assert is_static(program) == static


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_make_it_stumble(noise: bytes, at: int) -> None:
    is_static(noise)
    is_static(elf(1, 3)[:at] + noise)
    is_static(b"\x7fELF\x02\x01" + noise)


def test_what_the_linker_makes(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc here")
    (tmp_path / "a.c").write_bytes(SOURCE)
    for words, static in (["-static"], True), (["-pie"], False):
        subprocess.run(["gcc", *words, "-o", tmp_path / "a", tmp_path / "a.c"], check=True)
        assert is_static((tmp_path / "a").read_bytes()) == static


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """With a program in busybox's place."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc here")
    (tmp_path / "busybox").write_bytes(elf(1))
    which = shutil.which
    monkeypatch.setattr(module.shutil, "which", lambda name: str(tmp_path / name) if name == "busybox" else which(name))
    return State.at(tmp_path / "state")


def run(state: State, content: bytes, kind: str = "c") -> tuple[Path, bool]:
    reproducer = Reproducer(kind=kind, blob=Blobs(state.blobs).put(content))  # type: ignore[arg-type]
    return asyncio.run(prepare(reproducer, state))


def files(state: State) -> list[str]:
    return sorted(path.name for path in state.reproducers.iterdir())


def test_source_is_compiled_once(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, cached = run(state, SOURCE)
    assert not cached
    data = disk.read_bytes()
    assert data.startswith(b"070701")
    start = data.index(b"\x7fELF", data.index(b"repro\0"))
    assert is_static(data[start:])
    monkeypatch.setattr(module, "_compile", None)
    assert run(state, SOURCE) == (disk, True)
    assert files(state) == [disk.name]


def test_a_binary_is_taken_as_it_is(state: State, tmp_path: Path) -> None:
    disk, _ = run(state, elf(1, 2), "binary")
    assert disk.read_bytes() == ramdisk((tmp_path / "busybox").read_bytes(), elf(1, 2))
    other, cached = run(state, elf(1, 1), "binary")
    assert (other != disk, cached) == (True, False)


@pytest.mark.parametrize(
    ("content", "kind", "says"),
    [
        (b"int main(void) { return no; }\n", "c", "does not compile: repro.c:1:25: error"),
        (b"#include <no/such.h>\n", "c", "no/such.h"),
        (b"int f(void) { return 0; }\n", "c", "main"),
        (b"\xff\xfe\0", "c", "does not compile"),
        (b"", "c", "does not compile"),
        (elf(3), "binary", "not a statically linked x86-64 program"),
        (b"#!/bin/sh\n", "binary", "not a statically linked"),
        (b"", "binary", "not a statically linked"),
    ],
)
def test_refused(state: State, content: bytes, kind: str, says: str) -> None:
    with pytest.raises(BadRequest, match=says) as refused:
        run(state, content, kind)
    assert "\n" not in str(refused.value)
    assert str(state.cache) not in str(refused.value)
    assert files(state) == []


@pytest.mark.parametrize(("shell", "says"), [(None, "busybox is not installed"), (elf(3), "busybox-static")])
def test_the_runners_own_lack(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: bytes | None, says: str
) -> None:
    if shell is None:
        monkeypatch.setattr(module.shutil, "which", lambda name: None)
    else:
        (tmp_path / "busybox").write_bytes(shell)
    with pytest.raises(RunnerFault, match=says):
        run(state, SOURCE)


def test_the_compiler_sees_neither_home_nor_state(state: State) -> None:
    """A reproducer is compiled, and so includes files; those of the runner are none of its business."""
    from kernfix.runner import sandbox

    if not sandbox.sandboxed():
        pytest.skip("bubblewrap does not work here")
    secret = state.jobs / "tokens.json"
    secret.write_text("#error the secret\n")
    with pytest.raises(BadRequest) as refused:
        run(state, f'#include "{secret}"\nint main(void) {{ return 0; }}\n'.encode())
    assert "the secret" not in str(refused.value)
