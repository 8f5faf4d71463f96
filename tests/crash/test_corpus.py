"""How well the parser agrees with syzkaller's own expectations (``make score`` shows it), and with captured logs of real bugs."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kernfix.crash import decode, parse

TESTS = Path(__file__).resolve().parents[1]
BENCH = TESTS.parents[1] / "shared" / "bench"
LOG = TESTS / "crash" / "logs" / "two-crashes.log"


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


agreement = load(TESTS / "score" / "agreement.py")


@pytest.fixture(scope="module")
def corpus() -> Any:
    if not (agreement.CORPUS / "reports.jsonl").is_file():
        pytest.skip(f"no corpus of crash logs at {agreement.CORPUS}")
    return agreement.Corpus.read(agreement.CORPUS)


@pytest.mark.corpus
@pytest.mark.parametrize(
    "question",
    [question for question in agreement.QUESTIONS if question.target is not None],
    ids=lambda question: question.name.replace(" ", "-"),
)
def test_agreement(question: Any, corpus: Any) -> None:
    row = agreement.asked(question, corpus)
    assert row is not None
    assert row.reached, f"{row.value:.2f} % ({row.of}): {row.misses}"


# --- the score itself, on a corpus of one log and one that holds no crash --------------------------------------------------------------


def stated(**other: object) -> dict[str, Any]:
    """A case of the corpus that states what is in the log, but for what is given."""
    text = decode(LOG.read_bytes())
    one, two = parse(text).crashes
    fields = {name: of(one) for name, of in agreement.FIELDS.items()}
    reports = [{"pos": crash.start_byte, "title": crash.title} for crash in (one, two)]
    upstream = {"start_pos": one.start_byte, "end_pos": 0, "frame": "", "corrupted_reason": None, "guilty_file": None}
    given = {"id": "one", "log": text, "frame": None, "start": None, "upstream": {**upstream, "reports": reports}}
    return {**given, **fields, **other}


def shares(folder: Path, *reports: dict[str, Any]) -> dict[str, float]:
    (folder / "reports.jsonl").write_text("".join(json.dumps(case) + "\n" for case in reports))
    corpus = agreement.Corpus.read(folder)
    rows = [row for question in agreement.QUESTIONS if (row := agreement.asked(question, corpus))]
    return {row.name.strip(): row.value for row in rows}


def test_a_log_that_is_read_as_stated_scores_in_full(tmp_path: Path) -> None:
    found = shares(tmp_path, stated(), stated(id="none", log="all is well\n", title=None))
    assert found["all fields of a report"] == found["no crash where there is none"] == 100
    assert found["all successive crashes"] == found["titles of successive crashes"] == 100
    assert "guilty file" not in found, "nothing was asked"


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("title", "KASAN: use-after-free Read in elsewhere"),
        ("alt_titles", ["bad-access in elsewhere"]),
        ("type", "REBOOT"),
        ("corrupted", True),
        ("suppressed", True),
        ("panicked", True),
        ("executor", {"proc": 1, "id": 2}),
    ],
)
def test_any_field_that_differs_fails_its_log(name: str, other: object, tmp_path: Path) -> None:
    found = shares(tmp_path, stated(), stated(id="two", **{name: other}))
    assert found["all fields of a report"] == 50
    assert found[name.replace("alt_titles", "alternative titles")] == 50


def test_a_crash_where_there_is_none_and_none_where_there_is_one_are_misses(tmp_path: Path) -> None:
    found = shares(tmp_path, stated(title=None), stated(id="two", log="all is well\n"))
    assert found["no crash where there is none"] == found["all fields of a report"] == found["title"] == 0
    assert found["all successive crashes"] == 0


@pytest.mark.parametrize("change", [{}, {"off": 1}, {"func": "elsewhere"}, {"inline": True}, {"reliable": False}])
def test_frames_are_compared_as_a_whole(change: dict[str, Any], tmp_path: Path) -> None:
    case = stated()
    stack = parse(case["log"]).crashes[0].stack("crash")
    assert stack is not None
    frames = [
        {"line": frame.span.line, "func": frame.function, "off": frame.offset, "size": frame.size}
        for frame in stack.frames
        if frame.register is None
    ]
    frames[-1] |= change
    truth = {"id": "one", "agrees": True, "primary": {"frames": frames}, "fault": [], "title_func": None}
    (tmp_path / "frames.jsonl").write_text(json.dumps(truth))
    found = shares(tmp_path, case)
    assert found["frames of the main stack"] == (0 if change else 100)
    assert found["frames, each by itself"] == pytest.approx(100 * (len(frames) - bool(change)) / len(frames))


# --- captured logs ---------------------------------------------------------------------------------------------------------------------

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


@pytest.mark.corpus
@pytest.mark.parametrize("bug", EXPECTED)
def test_captured_logs(bug: str) -> None:
    folder = BENCH / bug
    if not folder.exists():
        pytest.skip(f"no captured logs at {BENCH}")
    log = decode((folder / "report.txt").read_bytes())
    crashes = parse(log).faults
    assert crashes[0].title == EXPECTED[bug]
    assert len(crashes) == SEVERAL.get(bug, 1)
    assert crashes[0].corrupted is None
    headline = json.loads((folder / "bug.json").read_text())["crash_title"]
    near = log.split("\n")[crashes[0].start_line - 3 : crashes[0].end_line]
    assert any(headline in line for line in near)
    stack = crashes[0].stack("crash")
    assert stack is not None
    assert crashes[0].function in {frame.function for frame in stack.frames}
