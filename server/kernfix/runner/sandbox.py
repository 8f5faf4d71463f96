"""What untrusted children may see and touch.

A patched tree's Makefiles, the compiler run on its sources, and QEMU with a hostile guest are all run under bubblewrap where it works:
no network, no privilege even if the runner is root, no view of other processes; the home folder, the runner's state and ``/run`` (whose
sockets command other services) replaced by empty ones, the rest of the machine read-only, and only the named folders writable. Where
bubblewrap does not work, children run with the runner's own rights, and `sandboxed` says so, for `kernfix doctor` and
``GET /v1/workers`` to show.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

PARENT_DIES = ["setpriv", "--pdeathsig", "KILL", "--"]
CONFINED = [
    *("bwrap", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
    *("--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts"),
    *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/run"),
]


@functools.cache
def sandboxed() -> bool:
    """Whether bubblewrap runs a program here: tried, since a kernel or a container may forbid namespaces."""
    if shutil.which("bwrap") is None:
        return False
    return subprocess.run([*CONFINED, "true"], capture_output=True, check=False, timeout=30).returncode == 0


def wrap(
    argv: Iterable[str | Path],
    *,
    hidden: Iterable[Path],
    readable: Iterable[Path] = (),
    writable: Mapping[Path, Path] | None = None,
    devices: Iterable[str] = (),
) -> list[str]:
    """The command that runs `argv` confined, dying with this process.

    `hidden` folders are empty inside but for what is named; `writable` says which folder is seen where (see `seen_at`).
    """
    words = [str(word) for word in argv]
    if not sandboxed():
        return [*PARENT_DIES, *words]
    command = list(CONFINED)
    for folder in dict.fromkeys([Path("/tmp"), Path.home(), *hidden]):
        if folder.is_dir() and folder != Path("/"):
            command += ["--tmpfs", str(folder)]
    for path in readable:
        command += ["--ro-bind", str(path), str(path)]
    for path, place in (writable or {}).items():
        command += ["--bind", str(path), str(place)]
    for device in devices:
        command += ["--dev-bind", device, device]
    return [*command, "--", *words]


def seen_at(folder: Path) -> Path:
    """Where a build sees the tree in `folder`: one fixed path for all, so that equal sources compile to equal bytes and the compiler
    cache serves every tree; the folder's own path where nothing can be mounted."""
    return Path("/tmp/linux") if sandboxed() else folder


def environment(**extra: str) -> dict[str, str]:
    """The few variables that children get: none of the runner's own secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", **kept, "HOME": str(Path.home()), **extra}
