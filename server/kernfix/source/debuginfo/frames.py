"""What to ask debug information for the frames of a crash."""

from __future__ import annotations

from kernfix.crash.model import Crash, Frame, Stack
from kernfix.source.debuginfo.model import Query

_DUMPERS = ("dump_", "__dump_", "show_stack", "__switch_to", "context_switch", "__schedule", "schedule")
"""Functions on top of a trace that the kernel took of itself; there every entry is a return address."""
_CALLERS = ("KCSAN", "KMSAN")
"""Reports whose traces begin where the checker's own function returns to."""


def queries_of(crash: Crash) -> dict[Frame, Query]:
    """The query of every frame that has an offset, and of every place where a lock was taken, which is a return address, too."""
    stacked = (
        pair for stack in crash.stacks for pair in zip(stack.frames, _exact(stack, crash.type or ""), strict=True)
    )
    taken = ((lock.frame, False) for lock in crash.locks if lock.frame)
    return {
        frame: Query(
            frame.holder,
            frame.offset,
            frame.size,
            returns=not exact,
            module=frame.module,
            build_id=frame.build_id,
            address=int(frame.address, 16) if frame.address and not frame.caller else None,
        )
        for frame, exact in (*stacked, *taken)
        if frame.offset is not None
    }


def _exact(stack: Stack, type_: str) -> list[bool]:
    """Whether each frame is where the processor was, and not where a call returns to.

    That is so for a frame that was read from a register, for the same place once more below it (arm64 and riscv begin their traces with
    it), and for the first of a crash's stack, unless the kernel took that of itself.
    """
    at_fault = {_place(frame) for frame in stack.frames if frame.register}
    first = stack.kind == "crash" and not type_.startswith(_CALLERS)
    return [
        frame.register is not None
        or _place(frame) in at_fault
        or (number == 0 and first and not frame.function.startswith(_DUMPERS))
        for number, frame in enumerate(stack.frames)
    ]


def _place(frame: Frame) -> tuple[str, int | None, int | None]:
    return frame.holder, frame.offset, frame.size
