"""Keeping the indexes of the trees of this session: made when a log was first located in a tree, refreshed when code of it is saved.

The work is done by a process of its own (`kernfix.source.index.child`), and nobody waits for it: when the index knows more than before,
logs are located again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from kernfix.lsp.aside import aside
from kernfix.lsp.logs import locate_again
from kernfix.lsp.progress import Report, unseen, working
from kernfix.lsp.session import KernfixServer

if TYPE_CHECKING:
    from kernfix.source import Tree
    from kernfix.source.index.build import Progress, Refreshed

    Result = tuple[Refreshed | None, str | None]
    """The index as it is then, or one sentence that says why there is none."""

SUFFIXES = (".c", ".h", ".S")
SAVED_SECONDS = 2.0
"""From the last of several saves to the refresh. A file whose time is older than this need not be read again at the next one."""
QUIET_SECONDS = 1.0
"""Work in the background that ends sooner is not shown, as most refreshes do: editors pop up what can be cancelled."""


@dataclass(frozen=True)
class _Keeper:
    """The task that keeps the index of `tree`; it is over when the user cancelled it. `saves` is set by each save."""

    tree: Tree
    saves: asyncio.Event
    task: asyncio.Task[None]


class Indexer:
    """The indexes of a session. A tree that the user cancelled the work for is left alone until a command asks for it."""

    def __init__(self, server: KernfixServer) -> None:
        self._server = server
        self._keepers: dict[Path, _Keeper] = {}
        self._made: set[Path] = set()

    def keep(self, tree: Tree) -> None:
        """A log is in this tree: bring its index up to date and keep it so, unless that was begun before."""
        if tree.root not in self._keepers:
            self._start(tree, is_due=True)

    def leave(self, tree: Tree) -> None:
        """The user wants no index of this tree."""
        if keeper := self._keepers.pop(tree.root, None):
            keeper.task.cancel()

    def saved(self, path: Path) -> None:
        """A file was saved: the index that it belongs to is refreshed once the saving is over."""
        if path.suffix in SUFFIXES and self._keepers:
            resolved = path.resolve()
            for keeper in self._keepers.values():
                if resolved.is_relative_to(keeper.tree.root):
                    keeper.saves.set()

    async def refresh(self, tree: Tree, token: types.ProgressToken | None) -> Result:
        """Do it now, at the user's request, with `token` to show it under. Gives what there is then, or why there is nothing."""
        result = await self._refresh(tree, token, quiet=0.0)
        keeper = self._keepers.get(tree.root)
        if keeper and keeper.task.done():
            self._start(tree, is_due=False)
        return result

    def stop(self) -> None:
        """End all work."""
        for keeper in self._keepers.values():
            keeper.task.cancel()

    def _start(self, tree: Tree, *, is_due: bool) -> None:
        saves = asyncio.Event()
        self._keepers[tree.root] = _Keeper(tree, saves, asyncio.create_task(self._keep(tree, saves, is_due)))

    async def _keep(self, tree: Tree, saves: asyncio.Event, is_due: bool) -> None:
        if is_due:
            await self._refresh(tree, None, QUIET_SECONDS)
        while True:
            await saves.wait()
            while saves.is_set():
                saves.clear()
                await asyncio.sleep(SAVED_SECONDS)
            await self._refresh(tree, None, QUIET_SECONDS)

    async def _refresh(self, tree: Tree, token: types.ProgressToken | None, quiet: float) -> Result:
        refreshed, problem = await self._work(tree, token, quiet)
        if said := [problem] if problem else refreshed and refreshed.problems:
            self._server.note_once("\n".join(said))
        if refreshed and (refreshed.changed or refreshed.removed or tree.root not in self._made):
            self._made.add(tree.root)
            locate_again(self._server, lambda log: log.may_be_in(tree), delay=0.0)
        return refreshed, problem

    async def _work(self, tree: Tree, token: types.ProgressToken | None, quiet: float) -> Result:
        """Refresh, and show it when it takes longer than `quiet` seconds."""
        show: Report = unseen
        last = None
        loop = asyncio.get_running_loop()

        def tell(progress: Progress) -> None:
            loop.call_soon_threadsafe(take, progress)

        def take(progress: Progress) -> None:
            nonlocal last
            last = progress
            show(*_say(progress))

        async def work() -> Result:
            from kernfix.source.index.child import refresh_aside  # takes longer to load than the loop may be held up

            return await refresh_aside(tree, tell)

        async with asyncio.TaskGroup() as group:
            # Not on this loop: when it ends in the moment that a process is being started, asyncio waits for that process forever.
            task = group.create_task(aside(work))
            await asyncio.wait({task}, timeout=quiet)
            if not task.done():
                async with working(self._server, f"Indexing Linux {tree.version}", token, percentage=0) as show:
                    if last:
                        show(*_say(last))
                    await asyncio.wait({task})
        return task.result()


def _say(progress: Progress) -> tuple[str, int | None]:
    """One line about where the work stands, and the percentage where that is known."""
    if progress.phase == "reading":
        return f"{progress.done:,} of {progress.total:,} files", progress.done * 100 // max(progress.total, 1)
    return progress.words, None
