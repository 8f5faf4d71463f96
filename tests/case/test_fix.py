"""From console text to candidates in a tree, and the document that comes out."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from kernfix.case.fix import suggest, to_json
from kernfix.crash import Crash, parse
from kernfix.fix.llm import load_settings
from kernfix.fix.model import Candidate, Proposals
from kernfix.source import Located, Tree, open_tree

LOG = """\
[   19.832787] ------------[ cut here ]------------
[   19.832788] UBSAN: array-index-out-of-bounds in drivers/toy.c:8:14
[   19.834848] index -1 is out of range for type 'int [4]'
[   19.836130] CPU: 0 UID: 0 PID: 50 Comm: repro Not tainted 6.12.0 #6
[   19.838916] Call Trace:
[   19.839134]  <TASK>
[   19.839334]  dump_stack_lvl+0x8e/0xa0
[   19.840905]  dump_stack+0x14/0x20
[   19.841042]  __ubsan_handle_out_of_bounds+0xc9/0x100
[   19.841648]  toy_size+0x36c/0x380
[   19.841767]  toy_ioctl+0xfa/0x220
[   19.842044]  do_syscall_64+0x63/0x100
[   19.842144]  entry_SYSCALL_64_after_hwframe+0x4b/0x53
[   19.842244]  </TASK>
[   19.842344] ---[ end trace ]---
"""
TOY = """\
static int sizes[4];

static int toy_size(int slot)
{
	if (slot >= 4)
		return -ENOENT;

	return sizes[slot];
}

static long toy_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return toy_size(arg);
}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    files = {
        "Makefile": "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\n",
        "Kconfig": "",
        "kernel/fork.c": "",
        "drivers/toy.c": TOY,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found, reason = open_tree(tmp_path)
    assert found is not None, reason
    return found


def crash() -> Crash:
    return parse(LOG).crashes[0]


def test_a_log_and_a_tree_give_a_checked_fix(tree: Tree) -> None:
    seen: list[Candidate] = []
    proposals = asyncio.run(suggest(crash(), tree, on_candidate=seen.append))
    [candidate] = proposals.candidates
    assert candidate.ok
    assert seen == [candidate]
    assert "-\tif (slot >= 4)\n+\tif (slot < 0 || slot >= 4)\n" in candidate.diff
    assert (tree.root / "drivers/toy.c").read_text() == TOY


def test_what_was_located_already_is_not_located_again(tree: Tree) -> None:
    assert asyncio.run(suggest(crash(), tree, Located(()))) == Proposals()


def test_a_tree_without_the_file_gives_nothing(tree: Tree) -> None:
    (tree.root / "drivers/toy.c").unlink()
    assert asyncio.run(suggest(crash(), tree)).candidates == ()


def test_an_endpoint_is_used_once_it_is_named(tree: Tree) -> None:
    """Nobody listens there; the templates' candidate comes all the same, and the problem is told."""
    llm, _ = load_settings(base_url="http://127.0.0.1:9/v1", model="m")
    proposals = asyncio.run(suggest(crash(), tree, llm=llm, n=1))
    assert len(proposals.candidates) == 1
    assert "cannot be reached" in proposals.problems[0]


@pytest.mark.parametrize("verdict", [None, {"verdict": "fixed", "reason": "x"}])
def test_the_document_has_the_shape_of_fix_json(tree: Tree, verdict: dict[str, str] | None) -> None:
    [candidate] = asyncio.run(suggest(crash(), tree)).candidates
    document = json.loads(json.dumps(to_json(candidate, verdict)))
    assert list(document) == ["id", "source", "model", "hypothesis", "kind", "diff", "checks", "verdict", "usage"]
    assert document["source"] == "template"
    assert document["model"] is None
    assert document["kind"] == "root-cause"
    assert document["verdict"] == verdict
    assert set(document["checks"]) == {"applies", "size", "parses", "papering-over"}
    assert set(document["checks"]["applies"]) == {"ok", "detail", "seconds"}
    assert document["usage"] == {"prompt_tokens": None, "completion_tokens": None, "seconds": None}
