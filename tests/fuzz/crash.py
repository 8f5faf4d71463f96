"""``make fuzz``: looks for a log that breaks the parser of crashes, guided by what its code does (atheris, libFuzzer).

Arguments are libFuzzer's; a file instead of them is tried once, which is how a finding is seen again. What is worth keeping stays in the
user's cache, so that the next run begins where this one ended.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["kernfix.crash"]):
    from invariants import check_bytes, check_text

    from kernfix.crash import decode
    from kernfix.crash.formats import FAMILIES

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kernfix" / "fuzz" / "crash"
CORPUS = HERE.parents[2] / "shared" / "corpus" / "syzkaller" / "reports.jsonl"
LONGEST = 1 << 20


def check(data: bytes) -> None:
    """Bytes as a log; where they hold surrogates, which no log decodes to, also the text."""
    check_bytes(data)
    try:
        text = data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return
    if text != decode(data):
        check_text(text)


# --- seeds -----------------------------------------------------------------------------------------------------------------------------


def seeds() -> Iterator[bytes]:
    """The logs of the tests, and those of the corpus where there is one."""
    for path in sorted((HERE.parent / "crash" / "logs").glob("*.log")):
        yield path.read_bytes()
    if CORPUS.exists():
        for line in CORPUS.read_text().splitlines():
            yield json.loads(line)["log"].encode("utf-8", "surrogateescape")


SEEDS = list(seeds())

# --- mutations: a list of lines to another ---------------------------------------------------------------------------------------------

Lines = list[bytes]
Chance = random.Random

PREFIXES = (
    b"> ",
    b"| ",
    b"[ 1.2]",
    b"[    1.000000] ",
    b"[ T1] ",
    b"[   C1] ",
    b"<6>",
    b"login: ",
    b"** 3 printk messages dropped ** ",
    b"Jan  1 00:00:00 host kernel: ",
    b"2024-01-01T00:00:00+00:00 host kernel: ",
    b"6,1234,5678,-,caller=T1;",
    b"kern  :info  : ",
    b"\x1b[31m",
    b"\x1b[",
)
ODD = (
    b"\x00",
    b"\r",
    b"\x1b[0m",
    b"\x1b",
    b"\t",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xed\xb2\x80",
    b"\xc3",
    b"\xce\xb1",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
)
BULK = (
    b"x",
    b" ",
    b"(",
    b"[<",
    b"BUG: ",
    b"a.c:1 ",
    b" at: ",
    b"f+0x1/0x2 ",
    b"[inline] ",
    b"\x1b[0m",
    b"0",
    b"+0x",
    b"_R",
    b"::",
)
WORDS = (
    *(family.keyword.encode() for family in FAMILIES),
    b"Call Trace:",
    b"Allocated by task 1:",
    b"Freed by task 2:",
    b"** replaying previous printk message **",
    b"Kernel panic - not syncing: Fatal exception",
    b"Sending NMI from CPU 0 to CPUs 1:",
    b"NMI backtrace for cpu 1",
    b"1 lock held by a/1:",
    b" #0: ffff888000000000 (&a){+.+.}-{0:0}, at: f+0x1/0x2",
    b"Code: 00 <0f> 0b",
    b"serialport: VM disconnected.",
)


def _slice(lines: Lines, chance: Chance) -> Lines:
    start = chance.randrange(len(lines))
    return lines[start : start + 1 + chance.randrange(min(60, len(lines)))]


def _put(lines: Lines, more: Lines, chance: Chance) -> Lines:
    at = chance.randrange(len(lines) + 1)
    return lines[:at] + more + lines[at:]


def _each(lines: Lines, chance: Chance, change: Callable[[bytes], bytes]) -> Lines:
    """Some lines in a row changed."""
    start = chance.randrange(len(lines))
    end = start + 1 + chance.randrange(min(40, len(lines)))
    return lines[:start] + [change(line) for line in lines[start:end]] + lines[end:]


def splice(lines: Lines, chance: Chance) -> Lines:
    """Lines of another log."""
    return _put(lines, _slice(chance.choice(SEEDS).split(b"\n"), chance), chance)


def mix(lines: Lines, chance: Chance) -> Lines:
    """Lines of another log between these."""
    other = iter(_slice(chance.choice(SEEDS).split(b"\n"), chance))
    mixed: Lines = []
    for line in lines:
        mixed += [line] if chance.random() < 0.5 else [line, next(other, b"")]
    return [*mixed, *other]


def repeat(lines: Lines, chance: Chance) -> Lines:
    """Lines over and over."""
    return _put(lines, _slice(lines, chance) * chance.choice((1, 1, 2, 10, 200)), chance)


def drop(lines: Lines, chance: Chance) -> Lines:
    """Lines left out."""
    start = chance.randrange(len(lines))
    return lines[:start] + lines[start + 1 + chance.randrange(10) :] or [b""]


def shuffle(lines: Lines, chance: Chance) -> Lines:
    """Lines in another order."""
    some = _slice(lines, chance)
    return _put([line for line in lines if line not in some], chance.sample(some, len(some)), chance)


def prefix(lines: Lines, chance: Chance) -> Lines:
    """Prefixes before lines, some of them nested deep."""
    before = b"".join(chance.choices(PREFIXES, k=chance.choice((1, 2, 5, 40)))) * chance.choice((1, 1, 1, 30))
    return _each(lines, chance, lambda line: before + line)


def unprefix(lines: Lines, chance: Chance) -> Lines:
    """Lines without the time and the caller."""
    return _each(lines, chance, lambda line: re.sub(rb"^(?:<\d>)?\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?", b"", line))


def caller(lines: Lines, chance: Chance) -> Lines:
    """Lines of another caller."""
    tag = b"][%5s] " % chance.choice((b"T1", b"T2", b"C0", b"C1"))
    return _each(lines, chance, lambda line: re.sub(rb"\](?:\[ *[TC]\d+\])? ", lambda _: tag, line, count=1))


def odd(lines: Lines, chance: Chance) -> Lines:
    """Bytes that are no text, or end lines elsewhere, somewhere in lines."""
    what = chance.choice(ODD)

    def change(line: bytes) -> bytes:
        at = chance.randrange(len(line) + 1)
        return line[:at] + what + line[at:]

    return _each(lines, chance, change)


def word(lines: Lines, chance: Chance) -> Lines:
    """A headline, or what else means something, somewhere in a line or alone."""
    what = chance.choice(WORDS)
    at = chance.randrange(len(lines))
    cut = chance.randrange(len(lines[at]) + 1)
    return [*lines[:at], lines[at][:cut] + what + lines[at][cut:] if chance.random() < 0.5 else what, *lines[at:]]


def lengthen(lines: Lines, chance: Chance) -> Lines:
    """A line that the kernel does not print."""
    piece = chance.choice(BULK)
    size = chance.choice((1_000, 1_100, 20_000, LONGEST))
    at = chance.randrange(len(lines))
    cut = chance.randrange(len(lines[at]) + 1)
    long = lines[at][:cut] + piece * (size // len(piece)) + lines[at][cut:]
    return [*lines[:at], long, *lines[at + 1 :]]


def break_(lines: Lines, chance: Chance) -> Lines:
    """A line cut in two."""
    at = chance.randrange(len(lines))
    cut = chance.randrange(len(lines[at]) + 1)
    return [*lines[:at], lines[at][:cut], lines[at][cut:], *lines[at + 1 :]]


def ends(lines: Lines, chance: Chance) -> Lines:
    """Other line ends."""
    if chance.random() < 0.2:
        return [b"\r".join(lines)]
    return [line + b"\r" for line in lines]


CHANGES = (splice, splice, mix, repeat, drop, shuffle, prefix, unprefix, caller, odd, word, word, break_, ends)
OWN, LONG = 0.6, 0.005
"""How often a change of ours is made rather than libFuzzer's, and how often a log may get long, which slows everything."""
SHORT = 16_000
"""Bytes that are kept of the others."""


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """What libFuzzer tries next."""
    chance = Chance(seed)
    if chance.random() > OWN:
        return bytes(atheris.Mutate(data, min(max_size, len(data) + 512)))
    lines = data.split(b"\n")
    long = chance.random() < LONG
    for change in [*([lengthen] if long else []), *chance.choices(CHANGES, k=chance.choice((1, 1, 2, 4)))]:
        lines = change(lines, chance)
    text = b"\n".join(lines)
    if len(text) > SHORT and not long:
        start = text.find(b"\n", chance.randrange(len(text) - SHORT)) + 1
        text = text[start : start + SHORT]
    return text[:max_size]


# --- the run ---------------------------------------------------------------------------------------------------------------------------


def main() -> None:
    """Run libFuzzer with our folders, unless it is told to try a file."""
    given = sys.argv[1:]
    options = [
        f"-max_len={LONGEST + 100_000}",
        "-len_control=0",
        "-timeout=60",
        f"-dict={HERE / 'crash.dict'}",
        f"-artifact_prefix={CACHE}/",
    ]
    folders = [CACHE / "found", CACHE / "seeds"]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for no, seed in enumerate(SEEDS):
        (folders[1] / f"{no:04}").write_bytes(seed)
    if all(argument.startswith("-") for argument in given):
        given = [*given, *map(str, folders)]
    atheris.Setup([sys.argv[0], *options, *given], check, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
