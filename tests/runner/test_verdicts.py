"""Every verdict of the design, from a real kernel that is made to do just that."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kernfix.case.verify import VerifyRefused, VerifyRequest, verify
from kernfix.patch import apply_edits, unified_diff
from kernfix.patch.model import Edit
from kernfix.source import open_tree
from kernfix.source.archive import stamp
from kernfix.verify.wire import Event, Judgement, Limits, Verdict

pytestmark = pytest.mark.kernel

CORE = "kernel/events/core.c"
TITLE = "UBSAN: array-index-out-of-bounds in perf_swevent_init"
CHECK = "if (event_id >= PERF_COUNT_SW_MAX)"
TOP = "if (event->attr.type != PERF_TYPE_SOFTWARE)\n\t\treturn -ENOENT;\n\n\t/*\n\t * no branch"
BOOT = "idr_init(&pmu_idr);"
CLEAN_REPRODUCER = b"int main(void) { return 0; }\n"


def request(kernel: Any, **changes: Any) -> VerifyRequest:
    base = VerifyRequest(
        tree=kernel.tree,
        config=kernel.config,
        reproducer=kernel.reproducer,
        titles=(TITLE,),
        baseline_runs=1,
        limits=Limits(boot_seconds=60, run_seconds=30),
    )
    return replace(base, **changes)


def patch(kernel: Any, search: str, replacement: str) -> str:
    tree, reason = open_tree(kernel.tree)
    assert tree is not None, reason
    change = apply_edits([Edit(CORE, search, replacement)], tree.read)
    assert not change.problems
    return unified_diff(change)


def check(wanted: Verdict, asked: VerifyRequest, saying: str = "") -> Judgement:
    """Verify for real, on an embedded runner over HTTP; the user's tree must be as it was."""
    before = stamp(asked.tree)
    judgement = asyncio.run(verify(asked, lambda event: None))
    assert judgement.verdict is wanted, judgement
    assert saying in judgement.reason
    assert judgement.bundle is not None
    assert stamp(asked.tree) == before
    return judgement


def test_fixed(real_kernel: Any) -> None:
    fix = patch(real_kernel, CHECK, "if (event_id < 0 || event_id >= PERF_COUNT_SW_MAX)")
    judgement = check(Verdict.FIXED, request(real_kernel, patch=fix, baseline_runs=5))
    assert (judgement.baseline.crashes, judgement.baseline.titles) == (5, {TITLE: 5})
    assert (judgement.patched.crashes, judgement.patched.runs) == (0, 4)
    assert judgement.confidence is not None
    assert judgement.confidence >= 0.95
    stages = {stage.name for stage in judgement.stages}
    assert {"fetch", "apply", "build:baseline", "build:patched", "boot:patched", "reproduce:patched"} <= stages


def test_fixed_by_papering_over_is_said(real_kernel: Any) -> None:
    """Nothing crashes any more if nothing is done any more."""
    leave = patch(real_kernel, TOP, f"return -ENOENT;\n\n\t{TOP}")
    judgement = check(Verdict.FIXED, request(real_kernel, patch=leave, baseline_runs=5), "papered over")
    assert judgement.patched.crashes == 0


def test_same_crash(real_kernel: Any) -> None:
    no_help = patch(real_kernel, CHECK, "if (event_id > PERF_COUNT_SW_MAX - 1)")
    judgement = check(Verdict.SAME_CRASH, request(real_kernel, patch=no_help), TITLE)
    assert judgement.patched.titles == {TITLE: 1}


def test_base_alone_reproduces_the_report(real_kernel: Any) -> None:
    check(Verdict.SAME_CRASH, request(real_kernel), "as reported")


def test_base_alone_shows_another_crash(real_kernel: Any) -> None:
    check(
        Verdict.DIFFERENT_CRASH,
        request(real_kernel, titles=("KASAN: use-after-free Read in elsewhere",)),
        "not as reported",
    )


def test_different_crash(real_kernel: Any) -> None:
    bug = patch(real_kernel, CHECK, "BUG_ON(event_id < 0);\n\n\tif (event_id >= PERF_COUNT_SW_MAX)")
    judgement = check(Verdict.DIFFERENT_CRASH, request(real_kernel, patch=bug), "kernel BUG")
    assert judgement.patched.crashes == 1


def test_hang(real_kernel: Any) -> None:
    spin = patch(real_kernel, CHECK, "while (event_id < 0)\n\t\tcpu_relax();\n\n\tif (event_id >= PERF_COUNT_SW_MAX)")
    judgement = check(
        Verdict.HANG, request(real_kernel, patch=spin, limits=Limits(boot_seconds=60, run_seconds=6)), "6 s"
    )
    assert judgement.patched.crashes == 0


def test_boot_failed_with_a_panic(real_kernel: Any) -> None:
    panic = patch(real_kernel, BOOT, f'panic("not today");\n\n\t{BOOT}')
    check(Verdict.BOOT_FAILED, request(real_kernel, patch=panic), "not today")


def test_boot_failed_in_silence(real_kernel: Any) -> None:
    spin = patch(real_kernel, BOOT, f"while (true)\n\t\tcpu_relax();\n\n\t{BOOT}")
    check(Verdict.BOOT_FAILED, request(real_kernel, patch=spin, limits=Limits(boot_seconds=10)), "within 10 s")


def test_build_failed(real_kernel: Any) -> None:
    broken = patch(real_kernel, CHECK, "if (no_such_name >= PERF_COUNT_SW_MAX)")
    check(Verdict.BUILD_FAILED, request(real_kernel, patch=broken), "no_such_name")


def test_patch_failed(real_kernel: Any) -> None:
    fix = patch(real_kernel, CHECK, "if (event_id < 0)")
    judgement = check(Verdict.PATCH_FAILED, request(real_kernel, patch=fix.replace("\t\tbreak;", "\t\tleave;")), CORE)
    assert judgement.baseline.runs == 0, "nothing is built or run for a patch that does not apply"


def test_not_reproduced(real_kernel: Any) -> None:
    fix = patch(real_kernel, CHECK, "if (event_id < 0 || event_id >= PERF_COUNT_SW_MAX)")
    judgement = check(Verdict.NOT_REPRODUCED, request(real_kernel, patch=fix, reproducer=CLEAN_REPRODUCER))
    assert judgement.patched.runs == 0, "without a baseline crash nothing is said of the patch"


def test_inconclusive(real_kernel: Any) -> None:
    fix = patch(real_kernel, CHECK, "if (event_id < 0 || event_id >= PERF_COUNT_SW_MAX)")
    check(Verdict.INCONCLUSIVE, request(real_kernel, patch=fix, runs=1), "needs")


def test_reproducer_that_does_not_compile(real_kernel: Any) -> None:
    with pytest.raises(VerifyRefused, match="does not compile"):
        asyncio.run(verify(request(real_kernel, reproducer=b"int main(void) { return no; }\n"), lambda event: None))


def test_guest_that_goes_away_is_no_pass(real_kernel: Any) -> None:
    """The base crashes; the patched guest restarts itself without a word before the reproducer has ended."""
    leave = patch(
        real_kernel, CHECK, "if (event_id < 0)\n\t\temergency_restart();\n\n\tif (event_id >= PERF_COUNT_SW_MAX)"
    )
    check(Verdict.HANG, request(real_kernel, patch=leave), "went away")


def workers(kernel: Any) -> set[str]:
    """What works on jobs in this cache: builds and guests, whose sandbox names it, and runners started by this process."""
    cache, found = str(kernel.tree.parents[1]).encode(), set()
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            words = (path / "cmdline").read_bytes()
            parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
            if cache + b"/runner" in words or (b"kernfix\0runner" in words and int(parent) == os.getpid()):
                found.add(path.name)
    return found


def test_cancelled_in_the_build(real_kernel: Any) -> None:
    """No process of the job is left, and the warm tree serves the next job as if nothing had been."""
    slow = patch(
        real_kernel, "#include <linux/perf_event.h>", "#include <linux/perf_event.h>\n#define KERNFIX_TEST_CANCEL 1"
    )

    async def cancel_in_build() -> None:
        building = asyncio.Event()

        def watch(event: Event) -> None:
            if event.stage == "build:patched":
                building.set()

        task = asyncio.create_task(verify(request(real_kernel, patch=slow), watch))
        await asyncio.wait_for(building.wait(), 1800)
        await asyncio.sleep(1)
        assert workers(real_kernel), "there is something to be left over"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_in_build())
    assert workers(real_kernel) == set()
    test_same_crash(real_kernel)
