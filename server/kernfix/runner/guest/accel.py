"""Which accelerator really runs a guest here.

On some machines ``/dev/kvm`` opens and even creates a virtual machine, and the guest then aborts or hangs. So KVM counts only after a
guest with the very kernel at hand ran to its end under it; otherwise QEMU translates (TCG), slower but everywhere.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace

from kernfix.runner.faults import RunnerFault
from kernfix.runner.guest.qemu import Guest, run_guest
from kernfix.runner.state import State
from kernfix.verify.judge import Outcome

PROBE_SECONDS = 15


class Accelerator:
    """The answer for this process, found once, by the first guest that is to run."""

    def __init__(self) -> None:
        self._answer: str | None = None
        self._lock = asyncio.Lock()

    async def choose(self, guest: Guest, state: State) -> str:
        """``kvm`` if `guest` boots and ends under it within seconds, else ``tcg``."""
        async with self._lock:
            if self._answer is None:
                self._answer = "kvm" if await _works(guest, state) else "tcg"
            return self._answer


async def _works(guest: Guest, state: State) -> bool:
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    trial = replace(guest, accel="kvm", boot_seconds=PROBE_SECONDS, run_seconds=PROBE_SECONDS)
    try:
        run = await run_guest(trial, state.cache)
    except RunnerFault:
        return False
    return run.outcome in (Outcome.CLEAN, Outcome.CRASH)
