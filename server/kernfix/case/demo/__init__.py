"""The demo: a real historical bug, put back into a real kernel by our own edit, taken through the whole loop.

The folder `perf_swevent` holds the edit, the reproducer and the smallest config that carries the bug. Nothing of the kernel's text is
in it but the short anchors of the edit.
"""

from kernfix.case.demo.loop import DemoResult, run_demo
from kernfix.case.demo.tree import DemoUnavailable, find_source, prepare_tree

__all__ = ["DemoResult", "DemoUnavailable", "find_source", "prepare_tree", "run_demo"]
