"""How fast logs are read: the corpus on one core, and a console log of 200 MB from a pipe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

from agreement import Answer, Corpus, Row, share

from kernfix.crash import decode, parse

LOGS = Path(__file__).resolve().parents[1] / "crash" / "logs"

MEGA = 1_000_000
ROUNDS = 10
CRASHES = 20
LARGE, SMALL = 200 * MEGA, 50 * MEGA
MOST_GROWTH = 1.25 * LARGE / SMALL
"""A log four times as long may take five times as long: a quarter more for what a busy machine adds."""


def speed(corpus: Corpus) -> Row:
    """The whole corpus on one core, the best of some rounds, in megabytes (10^6 bytes) for each second of the processor."""
    texts = list(corpus.texts.values())
    size = sum(len(text.encode("utf-8", "surrogateescape")) for text in texts)

    def round_() -> float:
        start = time.process_time()
        for text in texts:
            parse(text)
        return time.process_time() - start

    best = min(round_() for _ in range(ROUNDS))
    return Row("speed over the corpus", size / best / MEGA, "MB/s", 10, of=f"{size / MEGA:.2f} MB, best of {ROUNDS}")


class Run(NamedTuple):
    """One streamed log: wall and processor seconds, peak memory in MB, and (line, title) of the crashes found and of those put in."""

    seconds: float
    processor: float
    peak: float
    found: frozenset[tuple[int, str]]
    expected: frozenset[tuple[int, str]]


def streaming() -> Iterator[Row]:
    """A long console log through a pipe; for the peak to be the parser's own, this process must be small when it starts it."""
    small, large = streamed(SMALL), streamed(LARGE)
    of = f"{LARGE // MEGA} MB log"
    yield Row(f"{of}, from a pipe", large.seconds, "s", 10, at_most=True)
    yield Row(f"{of}, peak memory", large.peak, "MB", 300, at_most=True)
    growth = f"processor time, {LARGE // MEGA} MB over {SMALL // MEGA} MB"
    yield Row(f"{of}, linear", large.processor / small.processor, "x", MOST_GROWTH, at_most=True, of=growth)
    places = sorted(large.expected | large.found)
    answers = (Answer(f"line {place[0]}", place in large.expected, place in large.found, place[1]) for place in places)
    row = share(f"{of}, its {CRASHES} crashes", 100, answers)
    assert row is not None, "the log holds crashes"
    yield row


def streamed(size: int) -> Run:
    """Generate a log, and run ``kernfix parse`` on it in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        log, out = Path(folder, "console.log"), Path(folder, "out.json")
        expected = write_console_log(log, size)
        start = time.perf_counter()
        with out.open("wb") as output:
            feeder = subprocess.Popen(["cat", log], stdout=subprocess.PIPE)
            parser = subprocess.Popen([*KERNFIX, "parse", "--json", "-"], stdin=feeder.stdout, stdout=output)
            assert feeder.stdout is not None
            feeder.stdout.close()
            _, status, usage = os.wait4(parser.pid, 0)
            parser.returncode = os.waitstatus_to_exitcode(status)
            feeder.wait()
        seconds = time.perf_counter() - start
        crashes = json.loads(out.read_bytes())["files"][0]["crashes"] if parser.returncode == 0 else []
    faults = ((crash["start_line"], crash["title"]) for crash in crashes if crash["consequence_of"] is None)
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / MEGA, frozenset(faults), expected)


KERNFIX = (sys.executable, "-m", "kernfix")


def write_console_log(path: Path, size: int) -> frozenset[tuple[int, str]]:
    """Noise with crashes of the tests spread through it; (line, title) of these."""
    noise, line = _noise(), 0
    expected = set()
    with path.open("wb") as file:
        for crash, title, at in _single_crashes():
            line += _fill(file.write, noise, size // (CRASHES + 1) - len(crash))
            expected.add((line + at, title))
            line += crash.count(b"\n")
            file.write(crash)
        _fill(file.write, noise, size - file.tell())
    return frozenset(expected)


def _single_crashes() -> list[tuple[bytes, str, int]]:
    """Logs of the tests that hold one fault alone: bytes, title, line."""
    logs = []
    for path in sorted(LOGS.glob("*.log")):
        data = path.read_bytes().rstrip(b"\n") + b"\n"
        faults = parse(decode(data)).faults
        if len(faults) == 1:
            logs.append((data, faults[0].title, faults[0].start_line))
    assert len(logs) >= CRASHES, f"{LOGS} holds {len(logs)} logs with one fault"
    return logs[:CRASHES]


def _fill(write: Callable[[bytes], object], noise: Iterator[bytes], size: int) -> int:
    """Write blocks of noise, at least `size` bytes; how many lines."""
    lines = written = 0
    while written < size:
        block = next(noise)
        write(block)
        written += len(block)
        lines += block.count(b"\n")
    return lines


_SAYINGS = (
    b"systemd[1]: Started Session %d of User root.\n",
    b'audit: type=1400 audit(1700000000.123:%d): avc:  denied  { read } for  pid=311 comm="cron"\n',
    b"EXT4-fs (loop%d): mounted filesystem without journal. Quota mode: none.\n",
    b"EXT4-fs (loop%d): WARNING: mounting unchecked fs, running e2fsck is recommended\n",
    b"usb 1-1: new high-speed USB device number %d using dummy_hcd\n",
    b"usb 1-1: Product: syz, SerialNumber: %d\n",
    b"loop0: detected capacity change from 0 to %d\n",
    b"IPv6: ADDRCONF(NETDEV_CHANGE): veth%d: link becomes ready\n",
    b"device veth%d_macvtap entered promiscuous mode\n",
    b"8021q: adding VLAN 0 to HW filter on device bond%d\n",
    b"netlink: %d bytes leftover after parsing attributes in process `test'.\n",
    b"INFO: lockdep is turned off. (%d)\n",
    b"random: crng reseeded, %d entropy events in the pool: all is well\n",
    b"BTRFS info (device loop%d): using crc32c checksum algorithm\n",
)


def _noise() -> Iterator[bytes]:
    """Blocks of console lines without a crash: two of three with a caller tag, some without a time stamp."""
    for number in count():
        lines = []
        for no in range(number * 1000, (number + 1) * 1000):
            time_ = b"[%5d.%06d]" % divmod(no * 137, MEGA)
            tag = b"[%6s] " % (b"T%d" % (no % 4999 + 1)) if no % 3 else b" "
            lines.append((b"" if no % 50 == 0 else time_ + tag) + _SAYINGS[no % len(_SAYINGS)] % no)
        yield b"".join(lines)
