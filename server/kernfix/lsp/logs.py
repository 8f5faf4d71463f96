"""The life of an open crash log: parse, publish, locate, publish again; a change starts over."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lsprotocol import types

from kernfix.lsp import tree
from kernfix.lsp.analysis import Analysis, Key
from kernfix.lsp.session import KernfixServer
from kernfix.lsp.text import Text

if TYPE_CHECKING:
    from kernfix.crash.model import Log
    from kernfix.fix.model import Candidate
    from kernfix.source import Tree
    from kernfix.verify.wire import Judgement

DEBOUNCE_SECONDS = 0.2
_OPENED = itertools.count()
_SURROGATE = re.compile("[\ud800-\udfff]")


class OpenLog:
    """One log: the newest `analysis`, which may be that of a version before, and what was found out on the user's request.
    `opened` is greater than that of logs that were opened before.

    It lives as long as its document is open, and on when it is `closed` for as long as the active crash is in it. Crashes in
    `dismissed` are not marked anywhere.
    """

    def __init__(self, server: KernfixServer, uri: str) -> None:
        self.uri = uri
        self.opened = next(_OPENED)
        self.closed = False
        self.analysis: Analysis | None = None
        self.dismissed: set[Key] = set()
        self.candidates: dict[Key, tuple[Candidate, ...]] = {}
        self.verdicts: dict[Key, Judgement] = {}
        self._server = server
        self._text: Text | None = None
        self._parsed = asyncio.Event()
        self._settled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def update(self, text: Text, delay: float = 0.0) -> None:
        """A new version: start over, after `delay` seconds in which nothing newer came."""
        self._stop()
        self._text = text
        self._parsed.clear()
        self._settled.clear()
        self._task = asyncio.create_task(self._analyse(text, delay))

    def again(self, delay: float) -> None:
        """What the log was located in has changed: start over with the same text."""
        if self._text is not None:
            self.update(self._text, delay)

    def close(self) -> None:
        """The document is closed: only an active crash keeps the log."""
        self.closed = True
        if self._server.crashes.holds(self):
            self.publish()
        else:
            self.forget()

    def forget(self) -> None:
        """The user is done with it: stop working, take all marks back, let go whoever waits."""
        self._stop()
        self._server.logs.pop(unquote(self.uri), None)
        self._server.published.replace(self.uri, {})
        self._parsed.set()
        self._settled.set()

    def shown(self) -> list[int]:
        """The crashes that are marked: all that were not dismissed, or the active one alone when the document is closed."""
        if self.analysis is None:
            return []
        active = self._server.crashes.active()
        return [
            index
            for index, key in enumerate(self.analysis.keys)
            if key not in self.dismissed
            and (not self.closed or (active is not None and active.log is self and active.index == index))
        ]

    async def parsed(self) -> Analysis | None:
        """The analysis of the present version, located or not; None when the log was closed before there was one."""
        await self._parsed.wait()
        return self.analysis

    async def settled(self) -> Analysis | None:
        """The same once everything is located that can be."""
        await self._settled.wait()
        return self.analysis

    def may_be_in(self, tree: Tree) -> bool:
        """Whether the log belongs to that tree, or is not known yet to belong to another."""
        own = self.analysis and self.analysis.tree
        return own is None or own.root == tree.root

    def publish(self) -> None:
        """Tell the client what is known now."""
        from kernfix.lsp.features import diagnostics

        if self.analysis is not None:
            self._server.published.replace(self.uri, diagnostics.marks(self._server, self, self.analysis))
            self._server.refresh()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _analyse(self, text: Text, delay: float) -> None:
        await asyncio.sleep(delay)
        try:
            log = await asyncio.to_thread(_parse, text)
            bare = Analysis(self.uri, text, log.faults, unlocated="The search in the kernel tree is not done yet.")
            # When only the code has changed, what was found stays in sight until it is found anew.
            first = self.analysis is None
            known = self.analysis if self.analysis and self.analysis.crashes == log.faults else bare
            self.analysis = dataclasses.replace(known, text=text)
            self._parsed.set()
            if first:
                self._server.crashes.arrived(self)
            else:
                self.publish()
            self.analysis = await self._locate(bare)
            self.publish()
        finally:
            task = asyncio.current_task()
            if self._task is task:  # else a newer version is on its way, and it is the one to wait for
                self._parsed.set()
                self._settled.set()

    async def _locate(self, analysis: Analysis) -> Analysis:
        from kernfix.lsp.locator import Question

        settings = await self._server.settings(self.uri)
        found = await asyncio.to_thread(tree.find, settings, self.uri, self._server.folders())
        if found.problem:
            self._server.say_once(found.problem, types.MessageType.Warning)
        if found.tree is None:
            return dataclasses.replace(analysis, unlocated=found.problem or tree.NO_TREE)
        analysis = dataclasses.replace(analysis, tree=found.tree, root=found.root)
        if not analysis.crashes:
            return analysis
        answer = await self._server.locator.ask(Question(analysis.crashes, found.tree, found.vmlinux))
        if answer.problem and (settings.vmlinux or not answer.located):
            self._server.say_once(answer.problem, types.MessageType.Warning)
        if settings.index:
            self._server.indexer.keep(found.tree)
        else:
            self._server.indexer.leave(found.tree)
        return dataclasses.replace(analysis, located=answer.located, unlocated="" if answer.located else answer.problem)


def locate_again(
    server: KernfixServer, concerned: Callable[[OpenLog], bool] = lambda log: True, delay: float = DEBOUNCE_SECONDS
) -> None:
    """Start over with the logs: what they were located in has changed, and perhaps goes on changing for `delay` seconds."""
    for log in list(server.logs.values()):
        if concerned(log):
            log.again(delay)


def _parse(text: Text) -> Log:
    from kernfix import crash

    # Lone surrogates cannot be encoded, and odd line ends would make the parser count otherwise than the client does.
    return crash.parse(_SURROGATE.sub("\ufffd", "\n".join(text.lines)))
