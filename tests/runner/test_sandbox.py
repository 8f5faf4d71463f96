"""The sandbox: what a hostile build or guest may see, touch and reach."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from kernfix.runner import sandbox


@pytest.fixture
def confined() -> None:
    if not sandbox.sandboxed():
        pytest.skip("bubblewrap does not work here")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is neither below ``/tmp`` nor the home folder, as a runner's state may be."""
    folder = Path("/var/tmp") / f"kernfix-test-{os.getpid()}"
    (folder / "state/tree").mkdir(parents=True)
    (folder / "state/jobs").mkdir()
    (folder / "state/jobs/tokens.json").write_text("hash")
    (folder / "state/kernel").write_text("image")
    yield folder  # type: ignore[misc]
    shutil.rmtree(folder)


def run(script: str, state: Path, **more: object) -> subprocess.CompletedProcess[str]:
    tree = state / "tree"
    argv = sandbox.wrap(["sh", "-c", script], hidden=[state], writable={tree: Path("/tmp/linux")}, **more)  # type: ignore[arg-type]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20, env=sandbox.environment())


@pytest.mark.usefixtures("confined")
@pytest.mark.parametrize(
    ("script", "works"),
    [
        ("echo x > /tmp/linux/new && cat /tmp/linux/new", True),
        ("echo x > /tmp/scratch", True),  # its own, gone afterwards
        ("cat {state}/jobs/tokens.json", False),
        ("cat {state}/tree/Makefile", False),
        ("ls -A {state} | grep .", False),
        ("ls -A {home} | grep -v '^\\.cache$' | grep .", False),
        ("ls -A /run | grep .", False),
        ("cat {shared}", False),
        ("echo x > /var/tmp/kernfix-test-new", False),
        ("echo x > /etc/kernfix-test-new", False),
        ("mount -o remount,rw /", False),
        ("mount -t tmpfs none /mnt", False),
        ("mknod /tmp/mem c 1 1", False),
        ("kill -0 {pid}", False),
        ("ls /proc/{pid}", False),
        ("grep -v '^CapEff:.0*$' /proc/self/status | grep ^CapEff", False),
        ("ls /sys/class/net | grep -qv '^lo$' && cat /proc/net/route | grep -v Iface | grep .", False),
    ],
)
def test_what_works_inside(script: str, works: bool, outside: Path) -> None:
    state = outside / "state"
    (state / "tree/Makefile").write_text("")
    with tempfile.NamedTemporaryFile(dir="/tmp") as shared:
        words = script.format(state=state, home=Path.home(), pid=os.getpid(), shared=shared.name)
        done = run(words, state)
    assert (done.returncode == 0) == works, done
    assert not Path("/tmp/scratch").exists()
    assert not Path("/var/tmp/kernfix-test-new").exists()
    assert not Path("/etc/kernfix-test-new").exists()


@pytest.mark.usefixtures("confined")
def test_loopback_of_the_machine_is_not_reached(outside: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        script = f"exec 3<>/dev/tcp/127.0.0.1/{port}"
        assert subprocess.run(["bash", "-c", script], check=False).returncode == 0
        assert run(f"bash -c '{script}'", outside / "state").returncode != 0


@pytest.mark.usefixtures("confined")
def test_named_files_are_readable_and_no_more(outside: Path) -> None:
    state = outside / "state"
    done = run(f"cat {state}/kernel; echo x > {state}/kernel", state, readable=[state / "kernel"])
    assert done.stdout == "image"
    assert done.returncode != 0
    assert (state / "kernel").read_text() == "image"
    assert run(f"cat {state}/kernel", state).returncode != 0


def test_secrets_of_the_environment_are_not_given_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNFIX_LLM_API_KEY", "secret")
    monkeypatch.setenv("LANG", "C.UTF-8")
    given = sandbox.environment(CCACHE_DIR="/c")
    assert given["LANG"] == "C.UTF-8"
    assert given["CCACHE_DIR"] == "/c"
    assert "secret" not in str(given)
    assert set(given) <= {"PATH", "LANG", "LC_ALL", "TZ", "HOME", "CCACHE_DIR"}


def test_where_it_does_not_work_children_still_die_with_the_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "sandboxed", lambda: False)
    assert sandbox.wrap(["make", Path("x")], hidden=[Path("/")]) == [*sandbox.PARENT_DIES, "make", "x"]
    assert sandbox.seen_at(Path("/trees/a")) == Path("/trees/a")


@pytest.mark.parametrize("program", [None, "#!/bin/sh\necho 'No permissions to create new namespace' >&2\nexit 1\n"])
def test_it_is_tried_not_assumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None) -> None:
    if program is not None:
        (tmp_path / "bwrap").write_text(program)
        (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert sandbox.sandboxed.__wrapped__() is False
