"""``kernfix verify``: a verdict from a real build and real boots."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from kernfix.case.verify import VerifyRefused, VerifyRequest, VerifyUnavailable, verify_each
from kernfix.cli.exits import GOOD, INFRASTRUCTURE, NO, BadInput, Unavailable
from kernfix.cli.input import read_bytes
from kernfix.cli.progress import Progress
from kernfix.cli.terminal import printable
from kernfix.crash import decode, parse
from kernfix.verify.wire import Judgement, Verdict


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--tree", type=Path, required=True, help="the kernel tree; it is only read")
    parser.add_argument("--crash", required=True, help="the console log with the crash")
    add_job_arguments(parser, required=True)
    parser.add_argument(
        "--patch", help="what to judge, against the tree as it stands (default: the uncommitted changes)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def add_job_arguments(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """The arguments that every verification needs, shared with ``kernfix fix --verify``."""
    parser.add_argument("--repro", required=required, help="the reproducer: C source, or a static binary")
    parser.add_argument("--config", required=required, help="the kernel config to build with")
    parser.add_argument("--cmdline", default="", help="more words for the guest's kernel command line")
    parser.add_argument("--runs", type=int, help="runs of the patched kernel (default: enough for the confidence)")
    parser.add_argument(
        "--confidence", type=float, default=0.95, help="confidence that `fixed` needs (default: %(default)s)"
    )
    parser.add_argument("--runner", metavar="URL", help="a runner's address (default: an embedded runner on loopback)")


def job_request(args: argparse.Namespace, patch: str | None, titles: tuple[str, ...]) -> VerifyRequest:
    """The request that the arguments describe."""
    if not 0 < args.confidence < 1:
        raise BadInput("--confidence is a share between 0 and 1, such as 0.95.")
    if args.runs is not None and args.runs < 1:
        raise BadInput("--runs is a number from 1.")
    reproducer = read_bytes(args.repro)
    return VerifyRequest(
        tree=args.tree,
        config=read_bytes(args.config),
        reproducer=reproducer,
        reproducer_kind="binary" if reproducer.startswith(b"\x7fELF") else "c",
        patch=patch,
        titles=titles,
        cmdline=args.cmdline,
        runs=args.runs,
        confidence=args.confidence,
        runner=args.runner,
        token=runner_token(),
    )


def runner_token() -> str | None:
    """The token for the runner that the command line names."""
    return os.environ.get("KERNFIX_RUNNER_TOKEN")


def judge(request: VerifyRequest, patches: Mapping[str, str | None], progress: Progress) -> dict[str, Judgement]:
    """Verify each patch, showing progress; failures become those of the command line."""
    try:
        return asyncio.run(verify_each(request, patches, progress.event))
    except VerifyRefused as refused:
        raise BadInput(str(refused)) from None
    except VerifyUnavailable as unavailable:
        raise Unavailable(str(unavailable)) from None


def run(args: argparse.Namespace) -> int:
    """Judge a patch, or the tree as it stands."""
    crashes = parse(decode(read_bytes(args.crash))).faults
    if not crashes:
        raise BadInput(f"there is no crash in {args.crash}; name the console log that has it.")
    patch = decode(read_bytes(args.patch)) if args.patch else None
    request = job_request(args, patch, tuple(sorted(crashes[0].titles)))
    with Progress() as progress:
        judgement = judge(request, {"": request.patch}, progress)[""]
    print(judgement.model_dump_json() if args.json else summary(judgement))
    return exit_code(judgement.verdict, is_patch=request.patch is not None or judgement.patched.runs > 0)


def exit_code(verdict: Verdict, *, is_patch: bool) -> int:
    """`fixed` is the good answer for a patch; for a base alone it is that the crash was reproduced."""
    if verdict is Verdict.RUNNER_ERROR:
        return INFRASTRUCTURE
    return GOOD if verdict is (Verdict.FIXED if is_patch else Verdict.SAME_CRASH) else NO


def summary(judgement: Judgement) -> str:
    """The judgement for people."""
    lines = [f"verdict: {judgement.verdict}", f"  {printable(judgement.reason)}"]
    for name, seen in (("baseline", judgement.baseline), ("patched", judgement.patched)):
        if seen.runs:
            titles = "".join(f"\n    {count} × {printable(title)}" for title, count in seen.titles.items())
            lines.append(f"  {name}: {seen.crashes} of {seen.runs} runs crashed{titles}")
    if judgement.confidence is not None:
        lines.append(f"  confidence that the crash is gone: {judgement.confidence:.1%}")
    if judgement.stages:
        spent = ", ".join(
            f"{each.name} {each.seconds:.1f} s{' (cached)' if each.cached else ''}" for each in judgement.stages
        )
        lines.append(f"  stages: {spent}")
    if judgement.bundle:
        lines.append(f"  evidence: {judgement.bundle}")
    return "\n".join(lines)
