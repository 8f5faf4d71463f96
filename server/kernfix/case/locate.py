"""Locate: the crashes of a log with a place in the tree for every frame, as values and as the documented JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernfix.crash import Log, to_json
from kernfix.source import Located, Location, Tree, locate_all, open_symbols, open_tree


@dataclass(frozen=True, slots=True)
class LocatedLog:
    """A log in one tree: a `Located` for each of its crashes, in order."""

    tree: Tree
    log: Log
    crashes: tuple[Located, ...]


def locate_log(
    log: Log,
    tree_path: Path,
    vmlinux: Path | None = None,
    modules: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[LocatedLog | None, str | None]:
    """The crashes of `log` in the tree, or one sentence that says why the tree, `vmlinux` or `modules` cannot be used.

    `vmlinux` is the kernel that printed the log, with debug information; where it fits, lines are exact. `modules` is a folder with
    the files of its modules, which are looked for beside it otherwise. `stop` ends a search early.
    """
    if modules and not vmlinux:
        return None, f"The modules in {modules} say nothing without their kernel; name its vmlinux, too."
    if modules and not modules.is_dir():
        return None, f"{modules} is not a folder; name the one that holds the kernel's modules."
    tree, problem = open_tree(tree_path)
    if tree is None:
        return None, problem
    symbols, problem = open_symbols(vmlinux, modules) if vmlinux else (None, None)
    if problem:
        return None, problem
    return LocatedLog(tree, log, locate_all(log.crashes, tree, symbols, stop)), None


def located_json(located: LocatedLog) -> list[dict[str, Any]]:
    """The crashes as `kernfix parse --json` shows them, with ``location`` in every frame and ``site`` for the headline's own line."""
    crashes = []
    for crash, where in zip(located.log.crashes, located.crashes, strict=True):
        document = to_json(crash)
        for stack, places in zip(document["stacks"], where.stacks, strict=True):
            for frame, location in zip(stack["frames"], places.locations, strict=True):
                frame["location"] = location_json(location)
        document["site"] = location_json(where.site)
        document["problems"] = [*document["problems"], *where.problems]
        crashes.append(document)
    return crashes


def location_json(location: Location | None) -> dict[str, Any] | None:
    """One location; `inlined_by` lists the callers that its code was inlined into, innermost first."""
    if location is None:
        return None
    return {
        "path": location.path,
        "line": location.line,
        "function": location.function,
        "function_start": location.function_start,
        "function_end": location.function_end,
        "how": location.how,
        "confidence": location.confidence,
        "reason": location.reason,
        "selector": location.selector,
        "inlined_by": [location_json(caller) for caller in location.inlined_by],
    }
