"""``kernfix doctor``: what works on this machine, what is missing, and the command that mends it."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from kernfix.case.demo.tree import PACKAGE, TARBALL
from kernfix.cli.exits import GOOD, NO
from kernfix.fix.llm import load_settings

# Program → (Debian package, what needs it).
PROGRAMS = {
    "grep": ("grep", "locating"),
    "git": ("git", "git trees"),
    "gcc": ("gcc", "verification"),
    "make": ("make", "verification"),
    "flex": ("flex", "verification"),
    "bison": ("bison", "verification"),
    "bc": ("bc", "verification"),
    "busybox": ("busybox-static", "verification"),
    "qemu-system-x86_64": ("qemu-system-x86", "verification"),
    "tar": ("tar", "verification"),
    "setpriv": ("util-linux", "verification"),
    "bwrap": ("bubblewrap", "the sandbox of builds and guests"),
    "ccache": ("ccache", "quick builds"),
}
OPTIONAL = frozenset({"bwrap", "ccache", "git"})
MODULES = {
    "drgn": ("symbols", "lines from a vmlinux (else binutils, slower)"),
    "capstone": ("symbols", "the instruction that trapped, in the hover of the editor"),
    "dbos": ("runner", "the embedded runner"),
    "fastapi": ("runner", "the embedded runner"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `needed` is False where kernfix does without; `mend` is a command or a sentence."""

    name: str
    ok: bool
    needed: bool
    detail: str
    mend: str | None = None


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args: argparse.Namespace) -> int:
    """Look at everything; the answer is good when nothing that is needed is missing."""
    findings = list(examine())
    if args.json:
        print(json.dumps({"checks": [asdict(finding) for finding in findings]}))
    else:
        print("\n".join(_lines(findings)))
    return GOOD if all(finding.ok for finding in findings if finding.needed) else NO


def examine() -> Iterator[Finding]:
    """All findings, in the order of the user's way: reading, fixing, verifying."""
    for name, (package, use) in PROGRAMS.items():
        path = shutil.which(name)
        needed = name not in OPTIONAL
        yield Finding(
            name, path is not None, needed, path or f"not found; {use} needs it", None if path else _apt(package)
        )
    for name, (extra, use) in MODULES.items():
        ok = importlib.util.find_spec(name) is not None
        yield Finding(name, ok, extra == "runner", use, None if ok else f"pip install 'kernfix[{extra}]'")
    yield _static_libc()
    yield _libelf()
    yield _sandbox()
    yield _kvm()
    yield _demo_source()
    yield _llm()


def _apt(package: str) -> str:
    return f"{'' if os.geteuid() == 0 else 'sudo '}apt-get install -y --no-install-recommends {package}"


def _compiles(words: list[str], program: str) -> bool:
    if shutil.which("gcc") is None:
        return False
    command = ["gcc", *words, "-x", "c", "-", "-o", os.devnull]
    return subprocess.run(command, input=program.encode(), capture_output=True, check=False, timeout=60).returncode == 0


def _static_libc() -> Finding:
    ok = _compiles(["-static"], "int main(void) { return 0; }")
    return Finding("static C library", ok, True, "reproducers are linked statically", None if ok else _apt("libc6-dev"))


def _libelf() -> Finding:
    ok = _compiles(["-fsyntax-only"], "#include <gelf.h>\n")
    return Finding("libelf", ok, True, "the kernel's objtool is built with it", None if ok else _apt("libelf-dev"))


def _sandbox() -> Finding:
    if importlib.util.find_spec("dbos") is None:
        return Finding("sandbox", False, False, "not looked at without the runner", "pip install 'kernfix[runner]'")
    from kernfix.runner.sandbox import sandboxed

    ok = sandboxed()
    detail = "bubblewrap works" if ok else "bubblewrap does not work here: builds and guests run with your own rights"
    return Finding("sandbox", ok, False, detail, None if ok else "install bubblewrap and allow user namespaces")


def _kvm() -> Finding:
    ok = os.access("/dev/kvm", os.R_OK | os.W_OK)
    detail = (
        "usable by you; taken only if a guest really runs with it"
        if ok
        else "no access to /dev/kvm: guests are translated, slower"
    )
    return Finding("kvm", ok, False, detail, None if ok or not Path("/dev/kvm").exists() else "sudo adduser $USER kvm")


def _demo_source() -> Finding:
    ok = TARBALL.is_file()
    return Finding(
        "demo kernel source",
        ok,
        False,
        str(TARBALL) if ok else "needed by `kernfix demo`",
        None if ok else _apt(PACKAGE),
    )


def _llm() -> Finding:
    settings, reason = load_settings()
    detail = f"{settings.model} at {settings.host}" if settings else reason or "not configured"
    return Finding("model endpoint", settings is not None, False, detail)


def _lines(findings: list[Finding]) -> Iterator[str]:
    for finding in findings:
        sign = "ok  " if finding.ok else "FAIL" if finding.needed else "-   "
        yield f"{sign}  {finding.name}: {finding.detail}"
        if finding.mend:
            yield f"      mend: {finding.mend}"
