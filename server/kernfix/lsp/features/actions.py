"""Code actions: ask for fixes, verify, and apply a fix that passed its checks; on the crash in the log and on its lines of code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lsprotocol import types

from kernfix.lsp.analysis import Analysis
from kernfix.lsp.features import edits, suggest, verify
from kernfix.lsp.features.diagnostics import SOURCE
from kernfix.lsp.logs import OpenLog
from kernfix.lsp.session import KernfixServer

if TYPE_CHECKING:
    from kernfix.fix.model import Candidate

TITLE_LENGTH = 80


@dataclass(frozen=True)
class _Place:
    """Where the user asks, and what he has been told about it."""

    uri: str
    range: types.Range
    diagnostics: tuple[types.Diagnostic, ...]


async def code_actions(server: KernfixServer, params: types.CodeActionParams) -> list[types.CodeAction]:
    """What can be done about the crashes under the cursor."""
    only = params.context.only
    if only is not None and not any(kind in ("", types.CodeActionKind.QuickFix) for kind in only):
        return []
    own = tuple(mark for mark in params.context.diagnostics if mark.source == SOURCE)
    place = _Place(params.text_document.uri, params.range, own)
    found: list[types.CodeAction] = []
    for log in list(server.logs.values()):
        is_log = unquote(log.uri) == unquote(place.uri)
        analysis = await log.parsed() if is_log else log.analysis
        if analysis:
            found += _in_log(server, log, analysis, place) if is_log else _in_source(server, log, analysis, place)
    return found


def _in_log(server: KernfixServer, log: OpenLog, analysis: Analysis, place: _Place) -> Iterator[types.CodeAction]:
    for index in analysis.crashes_in(place.range.start.line, place.range.end.line):
        yield from _requests(log, index, place)
        for candidate in _candidates(log, analysis, index):
            yield from _of_candidate(server, log, analysis, index, candidate, place)


def _in_source(server: KernfixServer, log: OpenLog, analysis: Analysis, place: _Place) -> Iterator[types.CodeAction]:
    """On lines that the crash has marked, and on lines that a candidate would change."""
    marked = {
        mark.data["crash"]
        for mark in server.published.of(log.uri, place.uri)
        if isinstance(mark.data, dict)
        and mark.range.start.line <= place.range.end.line
        and mark.range.end.line >= place.range.start.line
    }
    for index in range(len(analysis.crashes)):
        here = index in marked
        if here:
            yield from _requests(log, index, place)
        for candidate in _candidates(log, analysis, index):
            yield from _of_candidate(server, log, analysis, index, candidate, place, everywhere=here)


def _candidates(log: OpenLog, analysis: Analysis, index: int) -> Iterator[Candidate]:
    """Those that passed their checks, best first."""
    key = analysis.keys[index]
    yield from (candidate for candidate in log.candidates.get(key, ()) if candidate.ok)


def _requests(log: OpenLog, index: int, place: _Place) -> Iterator[types.CodeAction]:
    for title, command in (("Suggest fixes", suggest.COMMAND), ("Verify this tree", verify.COMMAND)):
        yield _command(title, command, {"uri": log.uri, "crash": index}, place)


def _command(title: str, command: str, argument: dict[str, object], place: _Place) -> types.CodeAction:
    return types.CodeAction(
        title=title,
        kind=types.CodeActionKind.QuickFix,
        diagnostics=place.diagnostics or None,
        command=types.Command(title=title, command=command, arguments=[argument]),
    )


def _of_candidate(
    server: KernfixServer,
    log: OpenLog,
    analysis: Analysis,
    index: int,
    candidate: Candidate,
    place: _Place,
    *,
    everywhere: bool = True,
) -> Iterator[types.CodeAction]:
    """Apply it, and verify it; `everywhere` is False to offer it only where it changes something."""
    edit = edits.workspace_edit(server, analysis, candidate)
    if isinstance(edit, str):
        if everywhere and server.can("text_document.code_action.disabled_support"):
            yield types.CodeAction(
                title=_title(candidate),
                kind=types.CodeActionKind.QuickFix,
                disabled=types.CodeActionDisabled(reason=edit),
            )
        return
    if not everywhere and not edits.touches(edit, place.uri, place.range):
        return
    yield types.CodeAction(
        title=_title(candidate),
        kind=types.CodeActionKind.QuickFix,
        diagnostics=place.diagnostics or None,
        edit=edit,
    )
    argument: dict[str, object] = {"uri": log.uri, "crash": index, "candidate": candidate.id}
    yield _command(f"Verify: {_words(candidate)}", verify.COMMAND, argument, place)


def _title(candidate: Candidate) -> str:
    """``Fix (root-cause, parses): …``: what it claims to be, and the dearest check that it passed."""
    passed = [name for name, check in candidate.checks.items() if check.ok and name != "papering-over"]
    about = [candidate.draft.kind or candidate.draft.source, *passed[-1:]]
    suspicious = not all(check.ok for check in candidate.checks.values())
    about += ["may only hide the crash"] if suspicious else []
    return f"Fix ({', '.join(about)}): {_words(candidate)}"


def _words(candidate: Candidate) -> str:
    words = " ".join(candidate.draft.hypothesis.split())
    return words if len(words) <= TITLE_LENGTH else words[: TITLE_LENGTH - 1] + "…"
