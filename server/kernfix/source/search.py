"""Where functions are defined, without an index: one walk over the tree for all names of a crash.

``grep`` finds the lines that may begin a definition, and the syntax says which of them do.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, NamedTuple

from kernfix.source.functions import function_at
from kernfix.source.model import Definition, Function
from kernfix.source.names import definition_names
from kernfix.source.rank import ranked
from kernfix.source.tree import Tree

Stop = Callable[[], bool]
"""Asked from time to time: True ends the work early, with what was found so far."""

MAX_NAMES = 1000
_POLL_SECONDS = 0.05
_IDENTIFIER = re.compile(r"[A-Za-z_]\w{0,199}")
_ASSEMBLY = re.compile(r"SYM_(?:TYPED_)?(?:FUNC|CODE|INNER)\w*\(\s*(\w+)|(?:GLOBAL|ENTRY)\((\w+)\)")
_ASSEMBLY_END = re.compile(r"SYM_(?:FUNC|CODE|TYPED_FUNC)_END\w*\(|END(?:PROC)?\(")


class _Hit(NamedTuple):
    """A line that may begin a definition."""

    path: str
    line: int
    text: str


def search(
    tree: Tree, names: Iterable[str], arch: str | None = None, stop: Stop = lambda: False
) -> dict[str, tuple[Definition, ...]]:
    """The definitions of each name, the likeliest first; names are symbols as a kernel prints them (`definition_names`)."""
    wanted = {name: definition_names(name) for name in names}
    plain = sorted({part for parts in wanted.values() for part in parts if _IDENTIFIER.fullmatch(part)})[:MAX_NAMES]
    found: dict[str, list[Definition]] = {name: [] for name in plain}
    hits = _grep(tree, plain, stop) if plain else ()
    for definition in _definitions(tree, hits, stop):
        found.get(definition.function.name, []).append(definition)
    return {
        name: ranked(tree, next((found[part] for part in parts if found.get(part)), ()), arch)
        for name, parts in wanted.items()
    }


def search_problem() -> str | None:
    """Why functions cannot be found by name on this machine, or None."""
    return None if shutil.which("grep") else "grep is not installed, so functions cannot be found by their names."


def _grep(tree: Tree, names: list[str], stop: Stop) -> Iterator[_Hit]:
    """Lines in column 0 that name one of `names` before a parenthesis, and macros that have it as their first argument."""
    if search_problem():
        return
    command = [
        "grep",
        "--recursive",
        "--line-number",
        "--with-filename",
        "--null",
        "--text",
        "--extended-regexp",
        "--no-messages",
    ]
    command += ["--include=*.[chS]", "--exclude-dir=.git", "--exclude-dir=Documentation", "--exclude-dir=asic_reg"]
    with tempfile.TemporaryFile() as patterns, tempfile.TemporaryFile() as output:
        patterns.write(_pattern(names).encode())
        patterns.seek(0)
        process = subprocess.Popen(
            [*command, "--file=-", "--", "."], cwd=tree.root, stdin=patterns, stdout=output, stderr=subprocess.DEVNULL,
            env={"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"},
        )  # fmt: skip
        if _wait(process, stop):
            output.seek(0)
            yield from _read_hits(output)


def _pattern(names: list[str]) -> str:
    either = "|".join(names)
    calls = sorted({name.removeprefix("compat_").removeprefix("sys_") for name in names if "sys_" in name})
    macro = f"^[A-Za-z_ ]*[A-Z][A-Z0-9_]*[[:space:]]*\\([[:space:]]*({'|'.join([either, *calls])})[[:space:]]*[,)]"
    return f"^([A-Za-z_].*[^A-Za-z0-9_])?({either})[[:space:]]*\\(\n{macro}\n"


def _wait(process: subprocess.Popen[bytes], stop: Stop) -> bool:
    """Whether the process came to its end by itself; otherwise it was stopped."""
    try:
        while True:
            try:
                process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if stop():
                    return False
            else:
                return True
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _read_hits(output: IO[bytes]) -> Iterator[_Hit]:
    for raw in output:
        path, separator, rest = raw.decode("utf-8", "surrogateescape").rstrip("\n").partition("\0")
        number, colon, text = rest.partition(":")
        if separator and colon and number.isdigit():
            yield _Hit(path.removeprefix("./"), int(number), text)


def _definitions(tree: Tree, hits: Iterable[_Hit], stop: Stop) -> Iterator[Definition]:
    """The hits that are definitions; prototypes, calls and comments are not."""
    texts: dict[str, str] = {}
    seen: set[Definition] = set()
    for hit in sorted(hits):
        if stop():
            return
        if hit.path not in texts:
            texts = {hit.path: tree.read(hit.path) or ""}
        definition = _definition(hit, texts[hit.path])
        if definition and definition not in seen:
            seen.add(definition)
            yield definition


def _definition(hit: _Hit, text: str) -> Definition | None:
    if hit.path.endswith(".S"):
        return _assembly(hit, text)
    if hit.text.rstrip().endswith((";", "\\")):
        return None
    function = function_at(text, hit.line)
    return Definition(hit.path, function) if function else None


def _assembly(hit: _Hit, text: str) -> Definition | None:
    """A label of an assembler file, to the mark of its end (Documentation/core-api/asm-annotations.rst)."""
    match = _ASSEMBLY.match(hit.text)
    if match is None or hit.text.startswith(("SYM_FUNC_END", "SYM_CODE_END")):
        return None
    below = text.split("\n")[hit.line :]
    last = next((at for at, line in enumerate(below, hit.line + 1) if _ASSEMBLY_END.match(line)), hit.line)
    return Definition(hit.path, Function(match[1] or match[2], hit.line, last))
