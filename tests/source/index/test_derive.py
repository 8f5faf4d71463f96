"""What macros make."""

from __future__ import annotations

import json
import time

import pytest

from kernfix.source.index.derive import Makers, by_macro, derive
from kernfix.source.index.model import Maker, Use

SHOW = Maker("SHOW", "", ((0, "_show"),))
STORE = Maker("STORE", "", (("store_", 0),))
BOTH = (Maker("BOTH", "SHOW", ((0,),)), Maker("BOTH", "STORE", ((0,),)))
DEEP = Maker("DEEP", "BOTH", ((1, "_x_", 0),))


def check(makers: list[Maker], macro: str, arguments: tuple[str, ...], *names: str) -> None:
    assert sorted(Makers(by_macro([json.dumps(makers)])).made(macro, arguments)) == sorted(names)


@pytest.mark.parametrize(
    ("macro", "arguments", "names"),
    [
        ("SHOW", ("temp",), ("temp_show",)),
        ("STORE", ("temp",), ("store_temp",)),
        ("BOTH", ("temp", "more"), ("temp_show", "store_temp")),
        ("DEEP", ("a", "b"), ("b_x_a_show", "store_b_x_a")),
        ("SHOW", ("",), ()),
        ("SHOW", (), ()),
        ("DEEP", ("a",), ()),
        ("UNKNOWN", ("a",), ()),
    ],
)
def test_names(macro: str, arguments: tuple[str, ...], names: tuple[str, ...]) -> None:
    check([SHOW, STORE, *BOTH, DEEP], macro, arguments, *names)


def test_a_fixed_name() -> None:
    check([Maker("M", "", (("fixed",),))], "M", (), "fixed")


def test_macros_that_come_to_themselves() -> None:
    check([Maker("A", "B", ((0,),)), Maker("B", "A", ((0,),)), Maker("B", "", ((0, "_b"),))], "A", ("x",), "x_b")


def test_a_bomb_is_bounded() -> None:
    makers = [Maker(f"M{n}", f"M{n + 1}", ((0, str(k)),)) for n in range(20) for k in range(12)]
    makers += [Maker(f"M{n}", "", ((0, "_end"),)) for n in range(20)]
    began = time.process_time()
    assert len(list(Makers(by_macro([json.dumps(makers)])).made("M0", ("x",)))) == 200
    assert time.process_time() - began < 2


def test_whose_macro_it_is() -> None:
    """One's own before a header's, a header's before another source's."""
    texts = {
        1: json.dumps([Maker("M", "", ((0, "_own"),))]),
        2: json.dumps([Maker("M", "", ((0, "_header"),)), Maker("N", "", ((0, "_header"),))]),
        3: json.dumps([Maker("N", "", ((0, "_other"),)), Maker("O", "", ((0, "_other"),))]),
    }
    uses = [Use(macro, ("x",), 7, 9) for macro in "MNO"]
    rows = sorted(derive([(1, uses), (4, uses)], texts, headers={2}))
    assert [(name, number) for name, number, *_ in rows] == [
        ("x_header", 1), ("x_header", 4), ("x_other", 1), ("x_other", 4), ("x_own", 1),
    ]  # fmt: skip
    assert {row[2:] for row in rows} == {(7, 2, 2)}
