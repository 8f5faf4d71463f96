"""How well the parser agrees with syzkaller's own expectations, and with captured logs of real bugs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kernfix.crash import Crash, decode, parse

SHARED = Path(__file__).resolve().parents[2] / "../shared"
CORPUS = SHARED / "corpus" / "syzkaller"
BENCH = SHARED / "bench"

FLOORS = {
    "found": 1.0,
    "title": 0.985,
    "type": 0.99,
    "alt_titles": 0.985,
    "corrupted": 0.98,
    "panicked": 1.0,
    "suppressed": 1.0,
}
"""Shares of x86 cases that must agree; "found" counts all cases, also those without a crash."""
FRAMES_FLOOR = 0.96
GUILTY_FLOOR = 0.95

pytestmark = pytest.mark.corpus


def cases(name: str) -> list[dict[str, Any]]:
    path = CORPUS / name
    if not path.exists():
        pytest.skip(f"no corpus of crash logs at {CORPUS}")
    return [json.loads(line) for line in path.read_text().splitlines()]


def first(log: str) -> Crash | None:
    return next(iter(parse(log).crashes), None)


def x86_reports() -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    frames = {case["id"]: case for case in cases("frames.jsonl")}
    wanted = ("x86_64", "i386", "unknown")
    return [case for case in cases("reports.jsonl") if frames.get(case["id"], {}).get("arch") in wanted], frames


def test_crashes_are_found_where_there_are_any() -> None:
    wrong = [
        case["id"]
        for case in cases("reports.jsonl")
        if case["title"] != "" and (first(case["log"]) is None) != (case["title"] is None)
    ]
    assert not wrong


def test_agreement_on_x86() -> None:
    reports, _ = x86_reports()
    right: Counter[str] = Counter()
    for case in reports:
        crash = first(case["log"])
        assert crash is not None, case["id"]
        right["found"] += 1
        right["title"] += crash.title == case["title"]
        right["type"] += crash.type == case["type"]
        right["alt_titles"] += sorted(crash.alt_titles) == case["alt_titles"]
        right["corrupted"] += (crash.corrupted is not None) == case["corrupted"]
        right["panicked"] += crash.panicked == case["panicked"]
        right["suppressed"] += crash.suppressed == case["suppressed"]
        assert crash.start_byte == case["upstream"]["start_pos"], case["id"]
    shares = {name: right[name] / len(reports) for name in FLOORS}
    assert all(shares[name] >= floor for name, floor in FLOORS.items()), shares


def test_frames_on_x86() -> None:
    reports, frames = x86_reports()
    scored = [case for case in reports if frames[case["id"]]["primary"] and frames[case["id"]]["agrees"]]
    right = 0
    for case in scored:
        crash = first(case["log"])
        stack = crash.stack("crash") if crash else None
        have = {(frame.span.line, frame.function) for frame in stack.frames} if stack else set()
        right += {(frame["line"], frame["func"]) for frame in frames[case["id"]]["primary"]["frames"]} <= have
    assert right / len(scored) >= FRAMES_FLOOR, f"{right} of {len(scored)}"


def test_guilty_files() -> None:
    scored = [case for case in cases("guilty.jsonl") if not case["raw"]]
    right = sum(
        (crash := first(case["log"])) is not None and crash.guilty_file == case["guilty_file"] for case in scored
    )
    assert right / len(scored) >= GUILTY_FLOOR, f"{right} of {len(scored)}"


EXPECTED = {
    "fown-irq-inversion": "possible deadlock in f_getown",
    "illinois-divide": "divide error in tcp_illinois_info",
    "ip-tunnel-find-rcu": "WARNING: suspicious RCU usage in ip_tunnel_find",
    "keyctl-read-negative": "KASAN: null-ptr-deref Read in user_read",
    "mt-slots-warn": "WARNING in input_mt_init_slots",
    "packet-owner-map": "KASAN: invalid-free in bitmap_free",
    "sfb-put-atomic": "BUG: sleeping function called from invalid context in tcf_chain0_head_change_cb_del",
    "sock-diag-family": "UBSAN: array-index-out-of-bounds in sock_diag_rcv_msg",
    "timerfd-cancel-race": "BUG: corrupted list in sys_timerfd_settime",
    "unix-oob-consumed": "KASAN: slab-use-after-free Read in unix_stream_read_actor",
    "watch-queue-filter": "KASAN: slab-out-of-bounds Write in watch_queue_set_filter",
}
SEVERAL = {"sfb-put-atomic": 3}
"""Bugs whose log holds more than one fault; the others have one, and the panic that follows is no second."""


@pytest.mark.parametrize("bug", EXPECTED)
def test_captured_logs(bug: str) -> None:
    folder = BENCH / bug
    if not folder.exists():
        pytest.skip(f"no captured logs at {BENCH}")
    log = decode((folder / "report.txt").read_bytes())
    crashes = parse(log).crashes
    assert crashes[0].title == EXPECTED[bug]
    assert len(crashes) == SEVERAL.get(bug, 1)
    assert crashes[0].corrupted is None
    headline = json.loads((folder / "bug.json").read_text())["crash_title"]
    near = log.split("\n")[crashes[0].start_line - 3 : crashes[0].end_line]
    assert any(headline in line for line in near)
    stack = crashes[0].stack("crash")
    assert stack is not None
    assert crashes[0].function in {frame.function for frame in stack.frames}
