"""Debug information of another kernel is refused, and why is said."""

from __future__ import annotations

import pytest

from kernfix.crash.model import Crash, Frame, Machine, Span, Stack
from kernfix.source.debuginfo import Identity, Symbols

HEAD = Span(0, 0, 1)
BUILD_ID = "0123456789abcdef" * 2 + "01234567"
OURS = Identity("6.12.9", BUILD_ID, "x86_64")
NAMES = ("one", "two", "three", "four")
TABLE = [*((name, number * 64) for number, name in enumerate(NAMES)), ("end", 64 * len(NAMES))]


def crash(kernel: str | None, *sizes: int, arch: str = "x86_64", **rest: object) -> Crash:
    frames = tuple(
        Frame(name, Span(number, 0, 1), offset=8, size=size)._replace(**rest)  # type: ignore[arg-type]
        for number, (name, size) in enumerate(zip(NAMES, sizes, strict=False))
    )
    return Crash("title", HEAD, 0, 9, 0, arch=arch, machine=Machine(kernel=kernel), stacks=(Stack("crash", frames),))


def symbols(ours: Identity = OURS) -> Symbols:
    return Symbols(TABLE, lambda addresses: [() for _ in addresses], "test", ours)


def refusal(kernel: str | None, *sizes: int, ours: Identity = OURS, arch: str = "x86_64", **rest: object) -> str | None:
    return symbols(ours).refusal(crash(kernel, *sizes, arch=arch, **rest))


@pytest.mark.parametrize(
    ("kernel", "sizes"),
    [
        ("6.12.9 #3", (64, 64, 64, 64)),
        (None, (64, 64)),
        (None, ()),
        ("6.12.9 #3", (64, 64, 64, 99)),  # a torn line
        (f"6.12.9 #3 {BUILD_ID}", (1, 2, 3)),  # settled
        (f"6.12.10 #3 {BUILD_ID[:20]}", (64,)),
        ("", (64,)),
    ],
)
def test_fits(kernel: str | None, sizes: tuple[int, ...]) -> None:
    assert refusal(kernel, *sizes) is None


@pytest.mark.parametrize(
    ("kernel", "sizes", "expected"),
    [
        ("6.12.10 #3", (64, 64), "it is of Linux 6.12.9, and the log is of 6.12.10"),
        ("6.12.9-dirty #3", (64, 64), "it is of Linux 6.12.9, and the log is of 6.12.9-dirty"),
        (f"6.12.9 #3 {'f' * 40}", (64, 64), f"its build id is {BUILD_ID}, and the log is of {'f' * 40}"),
        ("6.12.9 #3", (65, 66, 67), "of 3 functions in the log none has the same size in it"),
        (None, (64, 64, 60, 60), "of 4 functions in the log only 2 have the same size in it"),
    ],
)
def test_is_refused(kernel: str | None, sizes: tuple[int, ...], expected: str) -> None:
    assert refusal(kernel, *sizes) == expected


def test_of_another_machine() -> None:
    arm = Identity(None, None, "arm64")
    assert refusal("6.12.9 #3", 1, 2, ours=arm) == "it is of arm64, and the log is of x86_64"
    assert refusal("6.12.9 #3", 64, 64, ours=arm) is None  # its functions say otherwise
    assert refusal(None, 1, ours=Identity(None, None, "riscv"), arch="riscv64") is not None


@pytest.mark.parametrize("rest", [{"module": "frob"}, {"reliable": False}, {"function": "bpf_prog_6deef7357e7b4530_x"}])
def test_frames_that_say_nothing_of_the_kernel(rest: dict[str, object]) -> None:
    assert refusal("6.12.9 #3", 1, 2, 3, **rest) is None


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((64, 64, 64, 64), None),
        ((64, 64, 99, 64), "three has another size in it than in the log"),
        ((64, 64, 99, 99), "four, three have other sizes in it than in the log"),
    ],
)
def test_of_a_near_build(sizes: tuple[int, ...], expected: str | None) -> None:
    assert symbols().doubt(crash("6.12.9 #3", *sizes)) == expected
    assert symbols().doubt(crash(f"6.12.9 #3 {BUILD_ID}", *sizes)) is None
