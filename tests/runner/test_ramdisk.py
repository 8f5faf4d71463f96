"""The initial RAM disk, read back by a reader of its own, and by the ``cpio`` program where there is one."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernfix.runner.guest.cpio import Member, archive, character_device, folder, program
from kernfix.runner.guest.ramdisk import INIT, ramdisk

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F, exclude_characters="/"), min_size=1, max_size=40)
MEMBERS = st.builds(
    Member, NAMES, st.sampled_from([stat.S_IFREG | 0o755, stat.S_IFREG | 0o600]), st.binary(max_size=200)
)

FIELDS = (
    *("ino", "mode", "uid", "gid", "nlink", "mtime", "filesize"),
    *("devmajor", "devminor", "rdevmajor", "rdevminor", "namesize", "check"),
)


def members(data: bytes) -> Iterator[tuple[Member, dict[str, int]]]:
    """The members of a newc archive, and the header's other fields: from the kernel's description of the format."""
    at = 0
    while True:
        assert at % 4 == 0
        assert data[at : at + 6] == b"070701"
        values = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(len(FIELDS))]
        field = dict(zip(FIELDS, values, strict=True))
        end = at + 110 + field["namesize"]
        assert data[end - 1] == 0
        name = data[at + 110 : end - 1].decode()
        start = (end + 3) // 4 * 4
        content = data[start : start + field["filesize"]]
        assert len(content) == field["filesize"]
        at = (start + field["filesize"] + 3) // 4 * 4
        if name == "TRAILER!!!":
            assert at == len(data)
            return
        yield Member(name, field["mode"], content, (field["rdevmajor"], field["rdevminor"])), field


@given(st.lists(MEMBERS, max_size=6))
def test_what_is_written_is_read_back(written: list[Member]) -> None:
    data = archive(written)
    assert [member for member, _ in members(data)] == written
    assert archive(written) == data


def test_fields_that_the_kernel_goes_by() -> None:
    fields = {
        member.name: field
        for member, field in members(archive([folder("d"), program("p", b"abc"), character_device("c", 4, 65)]))
    }
    assert {(field["uid"], field["gid"], field["mtime"], field["check"]) for field in fields.values()} == {(0, 0, 0, 0)}
    assert len({field["ino"] for field in fields.values()}) == 3, "equal numbers would make hard links of them"
    assert stat.S_ISDIR(fields["d"]["mode"])
    assert fields["p"]["mode"] == stat.S_IFREG | 0o755
    assert stat.S_ISCHR(fields["c"]["mode"])
    assert (fields["c"]["rdevmajor"], fields["c"]["rdevminor"]) == (4, 65)


def test_the_ram_disk() -> None:
    found = {member.name: member for member, _ in members(ramdisk(b"shell", b"reproducer"))}
    assert found["bin/busybox"].data == b"shell"
    assert found["repro"].data == b"reproducer"
    assert found["init"].data == INIT
    assert all(found[name].mode & 0o111 for name in ("bin/busybox", "repro", "init"))
    assert found["dev/console"].device == (5, 1)
    assert found["dev/ttyS1"].device == (4, 65)
    for name in found:
        parent = name.rpartition("/")[0]
        assert not parent or list(found).index(parent) < list(found).index(name), "a folder comes before what is in it"


@pytest.mark.skipif(shutil.which("cpio") is None, reason="no cpio program here")
def test_the_cpio_program_agrees() -> None:
    listed = subprocess.run(
        ["cpio", "-tv", "--quiet"], input=ramdisk(b"x" * 1001, b"y"), capture_output=True, check=True
    )
    lines = listed.stdout.decode().splitlines()
    assert len(lines) == len(list(members(ramdisk(b"x" * 1001, b"y"))))
    assert any(re.match(r"-rwxr-xr-x\s+1 root\s+root\s+1001 .* bin/busybox$", line) for line in lines)
    assert any(re.match(r"crw-rw-rw-\s+1 root\s+root\s+4,\s*65 .* dev/ttyS1$", line) for line in lines)


# The init script, run by a shell with programs of ours for busybox.

STUB = """\
#!/bin/sh
echo "$@" >>{log}
[ "$1" = reboot ] && exit 0
exit 0
"""


@pytest.mark.parametrize("status", [0, 1, 126, 139])
def test_init_reports_its_number_and_the_status(tmp_path: Path, status: int) -> None:
    (tmp_path / "b").write_text(STUB.format(log=tmp_path / "log"))
    (tmp_path / "repro").write_text(f'#!/bin/sh\necho "end 77 0"; env >{tmp_path}/env; exit {status}\n')
    for name in ("b", "repro"):
        (tmp_path / name).chmod(0o755)
    (tmp_path / "port").touch()
    script = INIT.decode()
    for ours, theirs in (("/dev/ttyS1", "port"), ("/bin/busybox\n", "b\n"), ("/repro", "repro")):
        script = script.replace(ours, f"{tmp_path}/{theirs}")
    script = script.replace("cd /tmp", f"cd {tmp_path}").replace(">" + f"{tmp_path}/port", ">>" + f"{tmp_path}/port")
    environment = {"PATH": os.environ["PATH"], "kernfix_run": "77"}
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert (tmp_path / "port").read_text() == f"boot 77\nend 77 {status}\n"
    assert done.stdout == "end 77 0\n", "what the reproducer prints goes to the console alone"
    assert "kernfix_run" not in (tmp_path / "env").read_text()
    assert (tmp_path / "log").read_text().endswith("reboot -f\n")
