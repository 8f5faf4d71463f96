"""Children: their output in lines, and their end however it comes, with all that they started."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kernfix.runner import process, sandbox
from kernfix.runner.process import Finished


def run(script: str, *, seconds: float = 20, on_line: object = None) -> Finished:
    words = {} if on_line is None else {"on_line": on_line}
    return asyncio.run(process.run(["sh", "-c", script], seconds=seconds, **words))  # type: ignore[arg-type]


def alive(marker: str) -> list[int]:
    """The processes that name the marker, a number of seconds to sleep that nobody else sleeps."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode("utf-8", "replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if marker in words:
            found.append(int(path.parent.name))
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def check_gone(marker: str) -> None:
    wait_for(lambda: not alive(marker))


@pytest.fixture
def marker(request: pytest.FixtureRequest) -> str:
    return f"9{abs(hash(request.node.nodeid)) % 10**6}.{os.getpid()}"


def test_output_of_both_streams_comes_line_by_line() -> None:
    lines: list[str] = []
    done = run("echo one; echo two >&2; printf 'no newline\\377'; exit 3", on_line=lines.append)
    assert (done.code, done.timed_out) == (3, False)
    assert sorted(lines) == ["no newline\ufffd", "one", "two"]
    assert done.tail == tuple(lines)


def test_no_standard_input() -> None:
    assert run("cat").code == 0


def test_a_signal_is_a_negative_code() -> None:
    assert run("kill -SEGV $$").code == -signal.SIGSEGV


def test_a_program_that_is_not_there() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError):
        asyncio.run(process.run(["/nonexistent/make"], seconds=1))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_huge_line_is_cut_and_only_the_last_lines_are_kept() -> None:
    longest = 0
    total = 0

    def measure(line: str) -> None:
        nonlocal longest, total
        longest, total = max(longest, len(line)), total + len(line)

    done = run("head -c 20000000 /dev/zero | tr '\\0' x; seq 100000", on_line=measure)
    assert longest <= 2 * process.LINE_LIMIT
    assert total > 20_000_000
    assert len(done.tail) == 50
    assert done.tail[-1] == "100000"


def test_time_out_ends_the_whole_group(marker: str) -> None:
    began = time.monotonic()
    done = run(f"sh -c 'sleep {marker} & sleep {marker}' & echo begun; sleep {marker}", seconds=0.5)
    assert done.timed_out
    assert done.tail == ("begun",)
    assert time.monotonic() - began < 5
    check_gone(marker)


def test_what_a_child_leaves_behind_ends_with_it(marker: str) -> None:
    """The left one holds the output open, and is not waited for."""
    began = time.monotonic()
    done = run(f"sleep {marker} & echo said; exit 7")
    assert (done.code, done.timed_out, done.tail) == (7, False, ("said",))
    assert time.monotonic() - began < 5
    check_gone(marker)


def test_one_that_left_the_group_does_not_hold_us_up(marker: str) -> None:
    began = time.monotonic()
    done = run(f"setsid sleep {marker} & echo said; sleep 0.3; exit 7")
    assert (done.code, done.timed_out) == (7, False)
    assert time.monotonic() - began < 5
    [left] = alive(marker)
    os.kill(left, signal.SIGKILL)


def test_cancel_ends_the_whole_group(marker: str) -> None:
    async def cancel() -> None:
        begun = asyncio.Event()
        script = f"sleep {marker} & echo begun; sleep {marker}"
        task = asyncio.create_task(process.run(["sh", "-c", script], seconds=60, on_line=lambda line: begun.set()))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    check_gone(marker)


def test_an_error_in_taking_a_line_ends_the_child(marker: str) -> None:
    def fail(line: str) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        run(f"echo one; sleep {marker}", on_line=fail)
    check_gone(marker)


PARENT = """
import asyncio, sys
from pathlib import Path
from kernfix.runner import process, sandbox
if sys.argv[2] == "bare":
    sandbox.sandboxed = lambda: False
argv = sandbox.wrap(["sh", "-c", sys.argv[1]], hidden=[])
asyncio.run(process.run(argv, seconds=600, on_line=lambda line: print(line, flush=True)))
"""


@pytest.mark.parametrize(
    ("kind", "script"),
    [
        ("bare", "echo begun; exec sleep {marker}"),
        ("confined", "echo begun; exec sleep {marker}"),
        ("confined", "setsid sh -c 'sleep {marker} & sleep {marker}' & echo begun; sleep {marker}"),
    ],
)
def test_children_die_with_a_parent_that_is_killed(kind: str, script: str, marker: str) -> None:
    if kind == "confined" and not sandbox.sandboxed():
        pytest.skip("bubblewrap does not work here")
    command = [sys.executable, "-c", PARENT, script.format(marker=marker), kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            assert parent.stdout.readline() == "begun\n"
            wait_for(lambda: bool(alive(marker)))
        finally:
            parent.kill()
    check_gone(marker)
