"""``kernfix.verify``: build, boot and judge the tree as it stands on disk, or a candidate against it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from kernfix.lsp.features import commands, diagnostics
from kernfix.lsp.progress import working
from kernfix.lsp.session import KernfixServer, Refused
from kernfix.lsp.tree import beside, path_of

if TYPE_CHECKING:
    from kernfix.case.verify import VerifyRequest
    from kernfix.lsp.settings import Settings
    from kernfix.verify.wire import Event

COMMAND = "kernfix.verify"
BESIDE = {"config": ("config", ".config"), "reproducer": ("repro.c",)}
"""The files beside the log that are taken when the setting of that name is empty."""


async def verify(server: KernfixServer, params: types.ExecuteCommandParams) -> Any:
    """The judgement as ``kernfix verify --json`` prints it; the diagnostics say it too from then on."""
    from kernfix.case.verify import VerifyUnavailable
    from kernfix.case.verify import verify as judge

    target = await commands.target(server, COMMAND, params.arguments)
    request = await _request(server, target)
    what = "a proposed fix" if target.candidate else "this tree"
    if unsaved := _unsaved(server, target) if target.candidate is None else []:
        server.say(
            f"{', '.join(unsaved)} has unsaved changes, which are not part of what is verified.",
            types.MessageType.Warning,
        )
    try:
        async with working(server, f"Verifying {what}", params.work_done_token) as report:
            judgement = await judge(request, lambda event: report(_say(event)))
    except VerifyUnavailable as error:
        raise Refused(str(error)) from None
    target.log.verdicts[target.key] = judgement
    target.log.publish()
    server.say(diagnostics.say(judgement))
    return judgement.model_dump(mode="json")


async def _request(server: KernfixServer, target: commands.Target) -> VerifyRequest:
    from kernfix.case.verify import VerifyRequest

    settings = await server.settings(target.log.uri)
    config = _input(settings, "config", target.log.uri, server.folders())
    reproducer = _input(settings, "reproducer", target.log.uri, server.folders())
    return VerifyRequest(
        tree=target.root,
        config=await _read(config),
        reproducer=await _read(reproducer),
        reproducer_kind="c" if reproducer.suffix == ".c" else "binary",
        patch=target.candidate.diff if target.candidate else None,
        titles=tuple(sorted(target.crash.titles)),
        cmdline=settings.cmdline,
        runs=settings.runs,
        runner=settings.runner.url,
        token=os.environ.get(settings.runner.token_env) if settings.runner.token_env else None,
    )


def _input(settings: Settings, name: str, uri: str, folders: list[Path]) -> Path:
    """The file that a setting names, or the one beside the log."""
    setting = getattr(settings, name)
    found = path_of(setting, folders) if setting else beside(uri, BESIDE[name])
    if found is None:
        raise Refused(f"There is no {name}: put a file {BESIDE[name][0]} beside the log, or set kernfix.{name}.")
    return found


async def _read(path: Path) -> bytes:
    try:
        return await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from None


def _unsaved(server: KernfixServer, target: commands.Target) -> list[str]:
    """The open files of the tree whose text is not what is on disk, relative to the tree."""
    found = []
    for document in server.workspace.text_documents.values():
        path = Path(document.path)
        if not path.is_relative_to(target.root) or server.log(document.uri):
            continue
        try:
            saved = path.read_bytes().decode("utf-8", "replace")
        except OSError:
            saved = ""
        if saved != document.source:
            found.append(str(path.relative_to(target.root)))
    return found


def _say(event: Event) -> str:
    """One line about where the job stands."""
    counted = f"{event.done} of {event.total}" if event.total else ""
    return " ".join(part for part in (f"{event.stage}:" if event.stage else "", counted, event.text.strip()) if part)
