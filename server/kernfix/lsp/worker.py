"""The child of `kernfix.lsp.locator`: reads questions on standard input and answers them, until the input ends.

Both ends are the same program in the same installation and share a private pipe, so values travel pickled.
"""

from __future__ import annotations

import os
import pickle
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO

from kernfix.lsp import stdio
from kernfix.lsp.locator import HEADER, Answer, Question
from kernfix.source import Symbols, locate_all, open_symbols


def main() -> None:
    """Answer one question after another."""
    source, sink = stdio.take()
    questions: SimpleQueue[Question] = SimpleQueue()
    threading.Thread(target=_listen, args=(source, questions), daemon=True).start()
    desk = _Desk()
    while True:
        body = pickle.dumps(desk.answer(questions.get()))
        sink.write(len(body).to_bytes(HEADER, "big") + body)
        sink.flush()


def _listen(source: BinaryIO, questions: SimpleQueue[Question]) -> None:
    """Hand questions on. When the parent is gone, so is the need for an answer: end at once, even in the middle of a search."""
    try:
        while len(header := source.read(HEADER)) == HEADER:
            questions.put(pickle.loads(source.read(int.from_bytes(header, "big"))))
    finally:  # in the middle of a question too
        os._exit(0)


class _Desk:
    """Answers questions, and keeps debug information open between them: reading it takes longer than asking it."""

    def __init__(self) -> None:
        self._symbols: dict[tuple[Path, int], tuple[Symbols | None, str | None]] = {}

    def answer(self, question: Question) -> Answer:
        """Where the crashes are; what is wrong with the debug information is said beside it."""
        symbols, problem = self._open(question.vmlinux) if question.vmlinux else (None, None)
        return Answer(locate_all(question.crashes, question.tree, symbols), problem or "")

    def _open(self, vmlinux: Path) -> tuple[Symbols | None, str | None]:
        try:
            key = (vmlinux, vmlinux.stat().st_mtime_ns)
        except OSError as error:
            return None, f"{vmlinux} cannot be read: {error.strerror}."
        if key not in self._symbols:
            self._symbols = {key: open_symbols(vmlinux)}
        return self._symbols[key]


if __name__ == "__main__":
    main()
