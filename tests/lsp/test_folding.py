"""What of a log folds, and what a reader sees of it then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.workspace import PositionCodec

from kernfix import crash
from kernfix.lsp.analysis import Analysis
from kernfix.lsp.features.folding import NOISE, Fold, folds
from kernfix.lsp.text import Text

CORPUS = Path(__file__).resolve().parents[2] / "../shared/corpus/syzkaller/reports.jsonl"

OOPS = """\
[   10.000001] Linux version 6.12.0
[   10.000002] random: crng init done
[   10.000003] fox: hello
[   12.000001] BUG: kernel NULL pointer dereference, address: 0000000000000000
[   12.000002] Oops: Oops: 0000 [#1] PREEMPT SMP
[   12.000003] CPU: 0 UID: 0 PID: 57 Comm: repro Not tainted 6.12.0 #1
[   12.000004] RIP: 0010:fox_tail+0x2a/0x60
[   12.000005] Code: 48 8b 05 00 00 00 00 <8b> 00 c3
[   12.000006] RSP: 0018:ffffc90000123e58 EFLAGS: 00010246
[   12.000007] RAX: 0000000000000000 RBX: 0000000000000010 RCX: 0000000000000000
[   12.000008] FS:  00007f0000000000(0000) GS:ffff88807dc00000(0000) knlGS:0000000000000000
[   12.000009] CS:  0010 DS: 0000 ES: 0000 CR0: 0000000080050033
[   12.000010] Call Trace:
[   12.000011]  <TASK>
[   12.000012]  ? __die+0x23/0x70
[   12.000013]  ? fox_open+0x4d/0x90
[   12.000014]  ? fox_hello+0x4d/0x90
[   12.000015]  fox_ioctl+0x4d/0x90
[   12.000016]  do_syscall_64+0x64/0x140
[   12.000017]  entry_SYSCALL_64_after_hwframe+0x76/0x7e
[   12.000018] RIP: 0033:0x43922b
[   12.000019] Code: 00 48 89 44 24 18 31 c0 48 8d 44 24 60 <89> c2
[   12.000020] RSP: 002b:00007ffe4731be40 EFLAGS: 00000246 ORIG_RAX: 0000000000000010
[   12.000021]  </TASK>
[   12.000022] Modules linked in: fox(OE) hen wolf
[   12.000023]  cow(E) sheep
[   12.000024] CR2: 0000000000000000
[   12.000025] ---[ end trace 0000000000000000 ]---
[   13.000001] fox: bye
[   13.000002] fox: bye bye
"""

SEEN = """\
[   10.000001] Linux version 6.12.0 … 3 lines without a crash
[   12.000001] BUG: kernel NULL pointer dereference, address: 0000000000000000
[   12.000002] Oops: Oops: 0000 [#1] PREEMPT SMP
[   12.000003] CPU: 0 UID: 0 PID: 57 Comm: repro Not tainted 6.12.0 #1
[   12.000004] RIP: 0010:fox_tail+0x2a/0x60
[   12.000005] Code: 48 8b 05 00 00 00 00 <8b> 00 c3
[   12.000006] RSP: 0018:ffffc90000123e58 EFLAGS: 00010246 … registers
[   12.000010] Call Trace:
[   12.000011]  <TASK>
[   12.000012]  ? __die+0x23/0x70 … 3 unreliable frames
[   12.000015]  fox_ioctl+0x4d/0x90
[   12.000016]  do_syscall_64+0x64/0x140 … 2 frames of reporting or entry code
[   12.000018] RIP: 0033:0x43922b … registers
[   12.000021]  </TASK>
[   12.000022] Modules linked in: fox(OE) hen wolf … loaded modules
[   12.000024] CR2: 0000000000000000
[   12.000025] ---[ end trace 0000000000000000 ]---
[   13.000001] fox: bye … 2 lines without a crash
"""


def found(log: str) -> list[Fold]:
    text = Text(log, PositionCodec(types.PositionEncodingKind.Utf16))
    return Analysis("file:///x", text, crash.parse("\n".join(text.lines)).faults).once(folds)


def seen(log: str) -> str:
    """The log with its noise folded, as an editor shows it; each fold is followed by its words."""
    noise = {fold.start: fold for fold in found(log) if fold.kind == NOISE}
    hidden = {line for fold in noise.values() for line in range(fold.start + 1, fold.end + 1)}
    return "".join(
        line + (f" … {noise[number].words}" if number in noise else "") + "\n"
        for number, line in enumerate(log.splitlines())
        if number not in hidden
    )


def check_nested(log: str, ranges: list[Fold]) -> None:
    """The rules of editors: at least a line is hidden, no two begin together, none cross, all are in the document."""
    ordered = sorted(ranges)
    assert len({fold.start for fold in ordered}) == len(ordered)
    for number, fold in enumerate(ordered):
        assert 0 <= fold.start < fold.end <= log.count("\n")
        for other in ordered[number + 1 :]:
            assert other.start > fold.end or other.end <= fold.end, (fold, other)


def test_without_the_noise() -> None:
    assert seen(OOPS) == SEEN
    check_nested(OOPS, found(OOPS))


def test_a_crash_and_its_stacks(kasan_log: str) -> None:
    regions = [(fold.start, fold.end, fold.words) for fold in found(kasan_log) if fold.kind != NOISE]
    assert regions == [
        (1, 28, "KASAN: slab-use-after-free Read in fox_read"),
        (5, 12, "crash stack: 6 frames"),
        (15, 18, "allocation stack: 3 frames"),
        (20, 24, "free stack: 4 frames"),
    ]
    check_nested(kasan_log, found(kasan_log))


@pytest.mark.parametrize("lead", ["> ", "> > ", "<6>", "Nov 23 10:00:00 den kernel: ", "\x1b[31m"])
def test_what_stands_before_a_line_does_not_matter(lead: str) -> None:
    assert found("".join(f"{lead}{line}\n" for line in OOPS.splitlines())) == found(OOPS)


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_do_not_matter(end: str) -> None:
    assert found(OOPS.replace("\n", end)) == found(OOPS)


def kernel(*words: str) -> str:
    """Lines with a time stamp."""
    return "".join(f"[   14.000001] {line}\n" for line in words)


@pytest.mark.parametrize(
    "dump",
    [
        ("sp : ffff80001289b8b0", "x29: ffff80001289b990 x28: 0000000000000001"),  # arm64
        (" gp : ffffffff85899ee0 tp : ffffaf800e1f9900", " t1 : 0000000000000000 t2 : 0000000000000001"),  # riscv
        ("MSR:  800000000280b033 <SF,VEC>  CR: 24000044", "GPR00: c00000000022d784 c00000007a3efa20"),  # powerpc
        ("Krnl GPRS: 0000000000000000 0000000000000001", "           0000000000000002 0000000000000003"),  # s390
        ("pc 9000000000223a4c ra 9000000000223a30", "a0 0000000000000000 a1 0000000000000001"),  # loongarch
        ("$ 0   : 00000000 00000001 80d5a2a0 00000010", "$ 4   : 80d5a2a0 00000000 00000000 00000001"),  # mips
    ],
)
def test_registers_of_other_architectures(dump: tuple[str, ...]) -> None:
    title = "BUG: kernel NULL pointer dereference, address: 0000000000000000"
    log = kernel(title, *dump, "Call trace:", " fox_tail+0x2a/0x60")
    assert [fold[:2] for fold in found(log) if fold.words == "registers"] == [(1, 2)]


@pytest.mark.parametrize(
    "dump",
    [
        ("page: refcount:1 mapcount:0 pfn:0x9d0", "flags: 0x0(zone=0)", "raw: 0000000000000000 ffff888000141780"),
        ("Memory state around the buggy address:", " ffff8880009d0380: fa fb", ">ffff8880009d0480: 00 00", "      ^"),
        ("Object   000000004e0b4b5b: 6b 6b 6b 6b  kkkk", "Redzone  000000004e0b4b6b: bb bb bb bb  ...."),
    ],
)
def test_dumps_of_memory(dump: tuple[str, ...]) -> None:
    title = "BUG: KASAN: slab-out-of-bounds in fox_tail+0x2a/0x60"
    log = kernel(title, "Call Trace:", " fox_tail+0x2a/0x60", "", *dump, "=" * 66)
    assert [fold[:2] for fold in found(log) if fold.words == "memory"] == [(4, 3 + len(dump))]


def test_the_trace_of_a_panic_is_noise() -> None:
    trace = ("Call Trace:", " dump_stack+0x1/0x2", " panic+0x1/0x2", " fox_tail+0x2a/0x60")
    cpu = "CPU: 0 PID: 57 Comm: repro Not tainted 6.12.0 #1"
    log = OOPS.split("[   13.0")[0] + kernel("Kernel panic - not syncing: Fatal exception", cpu, *trace)
    assert seen(log).endswith("] Call Trace: … panic stack: 3 frames\n")


def test_crashes_that_follow_each_other() -> None:
    log = OOPS + OOPS.replace("fox_tail", "fox_head")
    between = [(fold.start, fold.end) for fold in found(log) if fold.words.endswith("without a crash")]
    count = OOPS.count("\n")
    assert between == [(0, 2), (count - 2, count + 2), (2 * count - 2, 2 * count - 1)]
    check_nested(log, found(log))


@pytest.mark.parametrize("log", ["", "\n", "hello\nhello\n", "[ 1.0] BUG: kernel NULL pointer dereference, address: 0"])
def test_nothing_to_fold(log: str) -> None:
    assert found(log) == []


@pytest.mark.corpus
def test_real_logs() -> None:
    if not CORPUS.exists():
        pytest.skip("the corpus of real logs is not here")
    for row in CORPUS.read_text().splitlines():
        log = json.loads(row)["log"].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        check_nested(log, found(log))


async def ask(editor: Any, uri: str) -> list[types.FoldingRange]:
    params = types.FoldingRangeParams(text_document=types.TextDocumentIdentifier(uri=uri))
    return list(await editor.client.text_document_folding_range_async(params) or ())


@pytest.mark.parametrize("name", ["vscode", "neovim", "minimal"])
async def test_of_a_client(start: Any, tmp_path: Path, name: str) -> None:
    editor = await start(name)
    assert editor.server.capabilities.folding_range_provider
    ranges = await ask(editor, editor.open(tmp_path / "console.crash", OOPS))
    assert [(each.start_line, each.end_line, each.kind) for each in ranges] == [
        fold[:3] for fold in sorted(found(OOPS))
    ]
    told = [fold.words for fold in sorted(found(OOPS))]
    assert [each.collapsed_text for each in ranges] == (told if name == "neovim" else [None] * len(told))
    assert all(each.start_character is None and each.end_character is None for each in ranges)
    assert await ask(editor, "file:///nowhere") == []
    assert await ask(editor, editor.open(tmp_path / "note.txt", OOPS, language="plaintext")) == []


def test_the_most_important_come_first() -> None:
    """A client may limit how many it takes."""
    kinds = [fold.words.split(":")[0] for fold in found(OOPS + OOPS)]
    title = "BUG"
    assert kinds[:2] == [title, title]
    assert kinds[2:5] == ["3 lines without a crash", "5 lines without a crash", "2 lines without a crash"]
    assert kinds[5:7] == ["crash stack", "crash stack"]
