"""Apply: does the patch fit the base? Explained hunk by hunk when it does not."""

from __future__ import annotations

from kernfix.patch import apply_diff
from kernfix.patch.model import Change
from kernfix.runner.trees import WarmTree


async def apply(patch: str, tree: WarmTree) -> Change:
    """The change that the patch makes; its problems say why it does not fit. Nothing is written."""
    async with tree.locked():
        tree.require()
        return apply_diff(patch, tree.read)
