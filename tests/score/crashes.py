"""``make score [CORPUS=FOLDER]``: how well, and how fast, crashes are read.

One row for each figure, then the cases that miss, with the reason as far as the values themselves tell it. Exit status 1: a target is
missed; 2: the folder named holds no corpus. Without an argument, and without a corpus beside the checkout, nothing is measured, and that
is said.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from agreement import CORPUS, QUESTIONS, Corpus, Row, asked
from pace import speed, streaming

_LONGEST = 240


def table(rows: Iterable[Row]) -> Iterator[str]:
    """One line for each row."""
    for row in rows:
        sign = "<=" if row.at_most else ">="
        target = f"{sign} {row.target:g} {row.unit}" if row.target is not None else ""
        verdict = "" if row.target is None else "reached" if row.reached else "NOT REACHED"
        yield f"{row.name:36} {row.value:9.2f} {row.unit:5} {target:12} {verdict:12} {row.of}".rstrip()


def missed(row: Row) -> Iterator[str]:
    """The cases of a row that miss."""
    for miss in row.misses:
        why = f"  ({_short(miss.why)})" if miss.why else ""
        yield f"  {miss.case}: {_short(miss.want)}  !=  {_short(miss.got)}{why}"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def reasons(rows: Iterable[Row]) -> Iterator[str]:
    """Why cases miss, and how many of them; a case that misses in several rows counts once for each reason."""
    told = {(miss.case, why) for row in rows for miss in row.misses for why in miss.why.split("; ") if why}
    counted = Counter(why for _, why in told)
    yield from (f"{number:6}  {why}" for why, number in counted.most_common())


def as_json(rows: Iterable[Row]) -> str:
    """One document."""
    shown = [
        {**row._asdict(), "reached": row.reached, "misses": [miss._asdict() for miss in row.misses]} for row in rows
    ]
    return json.dumps({"rows": shown}, indent=1)


def as_text(rows: list[Row]) -> Iterator[str]:
    """The table, and below it what misses."""
    yield from table(rows)
    targets = [row for row in rows if row.target is not None and row.misses]
    for row in targets:
        yield f"\n{row.name}: wanted != got"
        yield from missed(row)
    if targets:
        yield "\nwhy they miss"
        yield from reasons(targets)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and say whether all targets are reached."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="a corpus of the same shape")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    args = parser.parse_args(arguments)
    folder = args.folder or CORPUS
    if not (folder / "reports.jsonl").is_file():
        print(f"{'error' if args.folder else 'skipped'}: no corpus at {folder}", file=sys.stderr)
        return 2 if args.folder else 0
    streams = list(streaming())
    corpus = Corpus.read(folder)
    answers = [row for question in QUESTIONS if (row := asked(question, corpus))]
    rows = sorted([*answers, speed(corpus), *streams], key=lambda row: row.target is None)
    print(as_json(rows) if args.json else "\n".join(as_text(rows)))
    return 0 if all(row.reached for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
