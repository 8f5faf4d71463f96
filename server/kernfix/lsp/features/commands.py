"""What both commands share: their arguments, and where their results go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kernfix.lsp.analysis import Analysis, Key
from kernfix.lsp.logs import OpenLog
from kernfix.lsp.session import KernfixServer, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kernfix.crash.model import Crash
    from kernfix.fix.model import Candidate
    from kernfix.source import Tree


@dataclass(frozen=True)
class Target:
    """A crash that a command is about, in a log that was located as far as it can be."""

    log: OpenLog
    analysis: Analysis
    index: int
    tree: Tree
    root: Path
    candidate: Candidate | None = None

    @property
    def crash(self) -> Crash:
        """The crash itself."""
        return self.analysis.crashes[self.index]

    @property
    def key(self) -> Key:
        """The crash's name across versions of the log."""
        return self.analysis.keys[self.index]


async def crash(server: KernfixServer, command: str, arguments: Sequence[object] | None) -> tuple[OpenLog, int]:
    """The crash that ``{"uri": …, "crash": index}`` names, in a log that was read; without arguments, the active one.

    Raises `Refused` when there is no such thing.
    """
    given = arguments[0] if arguments else None
    if given is None and (active := server.crashes.active()):
        return active.log, active.index
    if given is None:
        raise Refused("No crash is active: open a crash log, or turn to one of its crashes.")
    if not isinstance(given, dict) or not isinstance(given.get("uri"), str):
        raise Refused(f'{command} takes one object: {{"uri": of the crash log, "crash": its number from 0}}.')
    log = server.log(given["uri"])
    analysis = await log.parsed() if log else None
    if log is None or analysis is None:
        raise Refused(f"{given['uri']} is not an open crash log; open it with the language kernel-crash.")
    index = given.get("crash", 0)
    if type(index) is not int or not 0 <= index < len(analysis.crashes):
        raise Refused(f"There is no crash number {index!r}: the log has {len(analysis.crashes)}, counted from 0.")
    return log, index


async def target(server: KernfixServer, command: str, arguments: Sequence[object] | None) -> Target:
    """The crash that ``{"uri": …, "crash": index, "candidate"?: id}`` names, or the active one; it is located as far as it can be.

    Raises `Refused` when there is no such thing.
    """
    log, index = await crash(server, command, arguments)
    key = log.analysis.keys[index] if log.analysis else None
    analysis = await log.settled()
    at = analysis.index(key) if analysis and key else None
    if analysis is None or at is None:
        raise Refused("The log has changed, and the crash is not in it any more.")
    if analysis.tree is None or analysis.root is None:
        raise Refused(analysis.unlocated)
    found = Target(log, analysis, at, analysis.tree, analysis.root)
    given = arguments[0] if arguments else None
    wanted = given.get("candidate") if isinstance(given, dict) else None
    if wanted is None:
        return found
    for candidate in log.candidates.get(found.key, ()):
        if candidate.id == wanted:
            return replace(found, candidate=candidate)
    raise Refused(f"There is no candidate {wanted!r} any more; run `Suggest fixes` again.")
