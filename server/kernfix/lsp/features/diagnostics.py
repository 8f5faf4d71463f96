"""Marks on the log's headlines and on the lines of source code that the crash is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lsprotocol import types

from kernfix.lsp.analysis import Analysis
from kernfix.lsp.session import KernfixServer

if TYPE_CHECKING:
    from kernfix.lsp.logs import OpenLog
    from kernfix.verify.wire import Judgement

SOURCE = "kernfix"
SITES = {
    "crash": ("crashed here", types.DiagnosticSeverity.Error),
    "alloc": ("allocated here", types.DiagnosticSeverity.Information),
    "free": ("freed here", types.DiagnosticSeverity.Information),
}
"""What is marked in source code, by the kind of the stack."""


def marks(server: KernfixServer, log: OpenLog, analysis: Analysis) -> dict[str, list[types.Diagnostic]]:
    """All diagnostics of a log by document: the log itself, and the source files where it was located."""
    found: dict[str, list[types.Diagnostic]] = {analysis.uri: []}
    for index in log.shown():
        sites = _sites(server, analysis, index)
        found[analysis.uri].append(_headline(analysis, index, sites, log.verdicts.get(analysis.keys[index])))
        for kind, place in sites.items():
            found.setdefault(place.uri, []).append(_mark(analysis, index, kind, place))
    return found


def _sites(server: KernfixServer, analysis: Analysis, index: int) -> dict[str, types.Location]:
    """Where the crash, the allocation and the free are, as far as they were located."""
    sites = {
        "crash": analysis.site(index),
        **{kind: analysis.first_location(index, kind) for kind in ("alloc", "free")},
    }
    if analysis.root is None:
        return {}
    places = {kind: server.places.of(analysis.root, site) for kind, site in sites.items() if site}
    return {kind: place for kind, place in places.items() if place}


def _headline(
    analysis: Analysis, index: int, sites: Mapping[str, types.Location], verdict: Judgement | None
) -> types.Diagnostic:
    crash = analysis.crashes[index]
    span = crash.headline
    message = crash.title
    if crash.corrupted:
        message += f" (the report is damaged: {crash.corrupted})"
    if verdict:
        message += f"\n{say(verdict)}"
    fixed = verdict is not None and verdict.verdict == "fixed"
    return types.Diagnostic(
        range=analysis.text.span(span.line, span.start, span.end),
        severity=types.DiagnosticSeverity.Information if fixed else types.DiagnosticSeverity.Error,
        code=crash.type,
        source=SOURCE,
        message=message,
        related_information=[
            types.DiagnosticRelatedInformation(location=place, message=SITES[kind][0]) for kind, place in sites.items()
        ],
        data={"crash": index},
    )


def _mark(analysis: Analysis, index: int, kind: str, place: types.Location) -> types.Diagnostic:
    words, severity = SITES[kind]
    crash = analysis.crashes[index]
    headline = types.Location(
        analysis.uri, analysis.text.span(crash.headline.line, crash.headline.start, crash.headline.end)
    )
    return types.Diagnostic(
        range=place.range,
        severity=severity,
        code=crash.type,
        source=SOURCE,
        message=f"{crash.title}: {words}",
        related_information=[types.DiagnosticRelatedInformation(location=headline, message="the crash in the log")],
        data={"crash": index},
    )


def say(judgement: Judgement) -> str:
    """A verdict in one line, with its k of n."""
    before, after = judgement.baseline, judgement.patched
    counts = [f"{before.crashes} of {before.runs} crashed before"] if before.runs else []
    counts += [f"{after.crashes} of {after.runs} after"] if after.runs else []
    numbers = f" ({', '.join(counts)})" if counts else ""
    return f"{judgement.verdict.value}{numbers}: {judgement.reason}"
