"""``kernfix demo``: the whole loop on a real kernel."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from kernfix.case.demo import DemoResult, DemoUnavailable, find_source, prepare_tree, run_demo
from kernfix.case.demo.loop import Show
from kernfix.case.demo.tree import PACKAGE, TARBALL
from kernfix.case.fix import to_json
from kernfix.case.locate import LocatedLog, located_json
from kernfix.case.verify import VerifyRefused, VerifyUnavailable
from kernfix.cli.exits import GOOD, NO, BadInput, Unavailable
from kernfix.cli.locate import lines
from kernfix.cli.progress import Progress
from kernfix.cli.verify import runner_token
from kernfix.cli.verify import summary as verdict_summary
from kernfix.fix.llm import load_settings
from kernfix.fix.model import Candidate
from kernfix.verify.wire import Verdict

OBJECTS = 589
"""Objects that a full build of the demo's config compiles, for the progress bar alone."""

LLM_HINT = """\
These candidates came from built-in templates. To have a model propose fixes as well, name its OpenAI-compatible endpoint:
  export KERNFIX_LLM_BASE_URL=http://127.0.0.1:11434/v1 KERNFIX_LLM_MODEL=qwen2.5-coder   # and KERNFIX_LLM_API_KEY if it wants one"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--tree", type=Path, help=f"a Linux 6.12 tree to copy (default: the package {PACKAGE})")
    parser.add_argument(
        "--install", action="store_true", help=f"install the package {PACKAGE} with apt-get if it is missing"
    )
    parser.add_argument(
        "--no-seed", action="store_true", help="leave the bug out: the same loop must end not-reproduced"
    )
    parser.add_argument("--runner", metavar="URL", help="a runner's address (default: an embedded runner on loopback)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args: argparse.Namespace) -> int:
    """Run the demo; the answer is good when a candidate is found to fix the crash."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kernfix" / "demo"
    llm, _ = load_settings()
    with Progress(OBJECTS) as progress:
        show = Show(
            say=progress.say,
            event=progress.event,
            crash=lambda located: None if args.json else progress.say(_crash(located)),
            candidate=lambda candidate: progress.say(_candidate(candidate)),
        )
        try:
            source = find_source(_install(args, progress))
            progress.say(f"kernel source: {source}")
            tree, cached = prepare_tree(source, cache, seeded=not args.no_seed)
            progress.say(
                f"our copy, {'without' if args.no_seed else 'with'} the bug: {tree.root}{' (cached)' if cached else ''}"
            )
            result = asyncio.run(run_demo(tree, show, llm, args.runner, runner_token()))
        except (DemoUnavailable, VerifyRefused) as refused:
            raise BadInput(str(refused)) from None
        except VerifyUnavailable as unavailable:
            raise Unavailable(str(unavailable)) from None
    print(json.dumps(document(result)) if args.json else _ending(result, has_llm=llm is not None))
    return GOOD if result.judgement.verdict is Verdict.FIXED else NO


def _install(args: argparse.Namespace, progress: Progress) -> Path | None:
    """Install the kernel source where the user asked for that; gives the tree that they named."""
    tree: Path | None = args.tree
    if tree is None and args.install and not TARBALL.is_file():
        progress.say(f"installing the package {PACKAGE} with apt-get …")
        root = [] if os.geteuid() == 0 else ["sudo"]
        command = [*root, "apt-get", "install", "-y", "--no-install-recommends", PACKAGE]
        if shutil.which(command[0]) is None or subprocess.run(command, stdout=sys.stderr, check=False).returncode:
            raise Unavailable(f"`{' '.join(command)}` failed; install the package by hand, or name a tree with --tree.")
    return tree


def document(result: DemoResult) -> dict[str, object]:
    """The demo as JSON, in the shapes of the other verbs."""
    verdicts = {id: judgement.model_dump(mode="json") for id, judgement in result.judgements.items()}
    return {
        "crash": located_json(result.located)[0] if result.located else None,
        "candidates": [to_json(each, verdicts.get(each.id)) for each in result.candidates],
        "verify": result.judgement.model_dump(mode="json"),
    }


def _crash(located: LocatedLog) -> str:
    return "\n".join(["", "The kernel crashed. Where that is in the tree:", "", *lines(located), ""])


def _candidate(candidate: Candidate) -> str:
    kind = f" ({candidate.draft.kind})" if candidate.draft.kind else ""
    return f"\nVerifying candidate {candidate.id}{kind}:\n{candidate.draft.hypothesis}\n"


def _ending(result: DemoResult, *, has_llm: bool) -> str:
    parts = ["", verdict_summary(result.judgement)]
    if result.fix:
        parts += ["", result.fix.diff.rstrip("\n")]
    if not has_llm and result.candidates:
        parts += ["", LLM_HINT]
    return "\n".join(parts)
