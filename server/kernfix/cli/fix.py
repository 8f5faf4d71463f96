"""``kernfix fix``: candidates for the first crash of a log, checked."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kernfix.case.fix import suggest, to_json
from kernfix.cli.exits import GOOD, NO, BadInput, Unavailable
from kernfix.cli.input import read_bytes
from kernfix.cli.progress import Progress
from kernfix.cli.verify import add_job_arguments, job_request, judge
from kernfix.crash import Crash, decode, parse
from kernfix.fix.llm import LLMSettings, load_settings
from kernfix.fix.llm.untrusted import clean, clean_line
from kernfix.fix.model import Candidate, Proposals, Usage
from kernfix.source import Symbols, Tree, open_symbols, open_tree
from kernfix.verify.wire import Verdict

Verdicts = Mapping[str, Mapping[str, Any]]
"""Candidate id → the judgement's document."""

_MAX_ANSWERS = 16
_MAX_SHOWN = 100_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("file", metavar="FILE", help="the console log with the crash, or - for standard input")
    parser.add_argument("--tree", type=Path, required=True, help="the kernel tree; it is only read")
    parser.add_argument("--vmlinux", type=Path, help="the kernel that crashed, for exact lines")
    parser.add_argument(
        "--n", type=_count, default=3, metavar="K", help="how many answers to ask a model for (default: %(default)s)"
    )
    parser.add_argument(
        "--provider",
        choices=("templates", "llm", "all"),
        help="who proposes: built-in templates, the configured model, or both (default: all that is configured)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--verify", action="store_true", help="build and boot each candidate that passes its checks")
    add_job_arguments(parser, required=False)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MAX_ANSWERS:
        raise argparse.ArgumentTypeError(f"a number from 1 to {_MAX_ANSWERS} is wanted")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Propose fixes; the answer is good when one passes its checks."""
    _check_verify(args)
    crash = _crash(args.file)
    tree = _tree(args.tree)
    symbols = _symbols(args.vmlinux)
    llm = _endpoint(args.provider)
    proposals = asyncio.run(
        suggest(crash, tree, symbols=symbols, provider=args.provider, n=args.n, llm=llm, on_candidate=_announce)
    )
    verdicts = _verdicts(args, crash, proposals)
    for problem in proposals.problems:
        _say(problem)
    if args.json:
        candidates = [to_json(each, verdicts.get(each.id)) for each in proposals.candidates]
        print(json.dumps({"candidates": candidates}))
    else:
        print(summary(crash, proposals, verdicts))
    return GOOD if _is_good(proposals, verdicts) else NO


def _is_good(proposals: Proposals, verdicts: Verdicts) -> bool:
    """A candidate that is verified must be found to fix the crash; otherwise its checks are what counts."""
    if verdicts:
        return any(verdict["verdict"] == Verdict.FIXED for verdict in verdicts.values())
    return any(candidate.ok for candidate in proposals.candidates)


def _crash(name: str) -> Crash:
    crashes = parse(decode(read_bytes(name))).faults
    if not crashes:
        raise BadInput(f"there is no crash in {name}; name the console log that has it.")
    if len(crashes) > 1:
        _say(f"{name} holds {len(crashes)} crashes; this is about the first, {clean_line(crashes[0].title)}.")
    return crashes[0]


def _tree(path: Path) -> Tree:
    tree, reason = open_tree(path)
    if tree is None:
        raise BadInput(reason or f"{path} is not a kernel tree.")
    return tree


def _symbols(vmlinux: Path | None) -> Symbols | None:
    if vmlinux is None:
        return None
    symbols, reason = open_symbols(vmlinux)
    if symbols is None:
        raise BadInput(reason or f"{vmlinux} cannot be used.")
    return symbols


def _endpoint(provider: str | None) -> LLMSettings | None:
    """The model endpoint, when it is wanted and configured; what is missing is said, and fatal only where nothing else was asked for."""
    if provider == "templates":
        return None
    llm, reason = load_settings()
    if llm is None and provider is None:
        _say(reason or "")
    elif llm is None:
        raise Unavailable(reason or "no model endpoint is configured.")
    else:
        _say(f"asking {llm.model} at {llm.host}; the crash and the source of its functions are sent there.")
    return llm


def _announce(candidate: Candidate) -> None:
    _say(
        f"{'proposed' if candidate.ok else 'refused'}: {candidate.id} by {candidate.draft.model or candidate.draft.source}"
    )


def _say(text: str) -> None:
    print(f"kernfix fix: {text}", file=sys.stderr)


def _verdicts(args: argparse.Namespace, crash: Crash, proposals: Proposals) -> Verdicts:
    """A verdict for each candidate that passed its checks, where one was asked for."""
    patches = {candidate.id: candidate.diff for candidate in proposals.candidates if candidate.ok}
    if not args.verify or not patches:
        return {}
    request = job_request(args, None, tuple(sorted(crash.titles)))
    with Progress() as progress:
        return {id: judgement.model_dump(mode="json") for id, judgement in judge(request, patches, progress).items()}


def _check_verify(args: argparse.Namespace) -> None:
    """Say what --verify lacks before anything is proposed, not after."""
    lacking = [f"--{name}" for name in ("repro", "config") if args.verify and getattr(args, name) is None]
    if lacking:
        raise BadInput(f"--verify needs {' and '.join(lacking)} as well.")
    for name in (args.repro, args.config) if args.verify else ():
        read_bytes(name)


def summary(crash: Crash, proposals: Proposals, verdicts: Verdicts) -> str:
    """The proposals for people, best first."""
    head = clean_line(crash.title)
    if not proposals.candidates:
        return f"{head}\n\nNo fix is proposed."
    parts = [_candidate(number, each, verdicts.get(each.id)) for number, each in enumerate(proposals.candidates, 1)]
    return "\n\n".join([head, *parts])


def _candidate(number: int, candidate: Candidate, verdict: Mapping[str, Any] | None) -> str:
    draft = candidate.draft
    by = " and ".join(dict.fromkeys(candidate.sources)) + (f" ({clean_line(draft.model, 80)})" if draft.model else "")
    lines = [f"{number}. {candidate.id}  {draft.kind or 'kind not known'}, proposed by {by}"]
    lines += textwrap.wrap(clean(draft.hypothesis, 2000), 100, initial_indent="   ", subsequent_indent="   ")
    lines += [f"   {line}" for line in _checks(candidate)]
    if verdict is not None:
        lines.append(f"   verdict: {verdict.get('verdict')}: {verdict.get('reason')}")
    if draft.source == "llm":
        lines.append(f"   {_cost(draft.usage)}")
    return "\n".join(lines) + "\n\n" + clean(candidate.diff, _MAX_SHOWN).rstrip("\n")


def _checks(candidate: Candidate) -> Iterator[str]:
    passed = [name for name, test in candidate.checks.items() if test.ok]
    if passed:
        yield f"passed: {', '.join(passed)}"
    for name, test in candidate.checks.items():
        if not test.ok:
            yield f"{'note' if name == 'papering-over' else 'failed'}: {name}: {clean_line(test.detail)}"


def _cost(usage: Usage) -> str:
    sent, got = ("unknown" if count is None else str(count) for count in (usage.prompt_tokens, usage.completion_tokens))
    return f"tokens: {sent} sent, {got} received; {usage.seconds or 0:.1f} s"
