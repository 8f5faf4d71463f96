"""Fetch: the job's base becomes the source of a warm tree of our own. The user's tree is only read."""

from __future__ import annotations

import asyncio
import hashlib
import shlex
import shutil
from pathlib import Path

from kernfix.runner import process, sandbox
from kernfix.runner.blobs import Blobs
from kernfix.runner.faults import BadRequest, RunnerFault
from kernfix.runner.state import State
from kernfix.runner.trees import WarmTree
from kernfix.source.archive import archive_command, stamp
from kernfix.source.tree import open_tree
from kernfix.verify.wire import LocalTree, Snapshot

SECONDS = 1800
KEPT_TREES = 4


async def fetch(base: LocalTree | Snapshot, config: str, compiler: str, state: State) -> tuple[WarmTree, bool]:
    """The warm tree for this base, config (SHA-256) and compiler (its version line), and whether it was there already."""
    words = "\0".join((await asyncio.to_thread(_identity, base), config, compiler))
    tree = WarmTree(state.trees / hashlib.sha256(words.encode()).hexdigest()[:24])
    async with tree.locked():
        if tree.filled:
            return tree, True
        await _fill(base, tree, state)
    await asyncio.to_thread(_forget_old, state)
    return tree, False


def _forget_old(state: State) -> None:
    """Remove the warm trees used longest ago, beyond the few that are kept: each is gigabytes, and every edited base makes one."""
    trees = [tree for tree in map(WarmTree, state.trees.iterdir()) if tree.filled]
    for tree in sorted(trees, key=WarmTree.last_used, reverse=True)[KEPT_TREES:]:
        tree.remove_unused()


def _identity(base: LocalTree | Snapshot) -> str:
    """What tells one base from another: a commit, the content hash of an upload, or the state of a folder's files."""
    if isinstance(base, Snapshot):
        return base.blob
    root = Path(base.path)
    if not root.is_dir():
        raise BadRequest(f"there is no folder {base.path} on the runner's machine")
    return base.commit or stamp(root)


async def _fill(base: LocalTree | Snapshot, tree: WarmTree, state: State) -> None:
    partial = tree.folder / "src.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    if isinstance(base, Snapshot):
        producer = ["gzip", "-dc", str(Blobs(state.blobs).path(base.blob))]
    else:
        producer = archive_command(Path(base.path), base.commit)
    # Into a new folder, with our own user as owner: names that lead out of it are refused by tar itself. A killed runner takes both
    # ends of the pipe with it, so that none goes on writing when the next one begins anew.
    consumer = ["tar", "-C", str(partial), "--no-same-owner", "-xf", "-"]
    ends = (shlex.join([*sandbox.PARENT_DIES, *end]) for end in (producer, consumer))
    pipe = [*sandbox.PARENT_DIES, "bash", "-o", "pipefail", "-c", " | ".join(ends)]
    done = await process.run(pipe, seconds=SECONDS, env=sandbox.environment())
    if done.code:
        shutil.rmtree(partial, ignore_errors=True)
        raise RunnerFault(f"cannot copy the tree: {done.tail[-1] if done.tail else f'exit code {done.code}'}")
    reason = open_tree(partial)[1]
    if reason is not None:
        shutil.rmtree(partial, ignore_errors=True)
        raise BadRequest(reason.replace(str(partial), "the base").rstrip("."))
    partial.rename(tree.source)
