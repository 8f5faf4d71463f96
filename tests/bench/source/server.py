"""How fast the language server answers while it has the index made, and how much memory it takes."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rows import Given, Row, lines

LOG = """\
[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000000
[    1.000000] RIP: 0010:vfs_read+0x2a/0x60
[    1.000000] Call Trace:
[    1.000000]  <TASK>
[    1.000000]  ksys_read+0x4d/0x90
[    1.000000]  </TASK>
"""
CAPABILITIES = {"window": {"workDoneProgress": True}}
IDLE_SECONDS = 20
EVERY_SECONDS = 0.005
PATIENCE = 600


class Answer(NamedTuple):
    """How long one answer took, how much processor time the server's loop had until then, and how long its threads and ours waited for a
    processor; in ms.
    """

    waited: float
    worked: float
    queued: float


def rows(given: Given) -> Iterator[Row]:
    """The figures of one server, first with the index switched off, then with an index to make from nothing."""
    with tempfile.TemporaryDirectory(dir=given.tree.parent) as folder:
        with _server(given.tree, folder, index=False) as idle:
            until = time.monotonic() + IDLE_SECONDS
            before = _answers(idle, lambda: time.monotonic() > until)
        with _server(given.tree, folder, index=True) as busy:
            during = _answers(busy, lambda: busy.is_over)
            memory = busy.most_memory()
        assert list(Path(folder, "kernfix/index").glob("*.db")), "no index was made"
    waited, idle_waited = (sorted(answer.waited for answer in answers) for answers in (during, before))
    of = f"{len(waited)} answers; p99.9 {_most_but_few(waited):.1f}, median {statistics.median(waited):.1f} ms; without an index "
    of += (
        f"{idle_waited[-1]:.1f}, p99.9 {_most_but_few(idle_waited):.1f}, median {statistics.median(idle_waited):.1f} ms"
    )
    yield Row("server: longest answer while the index is made", waited[-1], "ms", 20, True, of)
    slowest = max(during, key=lambda answer: answer.waited - answer.queued)
    rest = slowest.waited - slowest.queued
    of = "what the server itself makes a user wait, whatever else the machine does"
    yield Row("server: the same without waiting for a processor", rest, "ms", 20, True, of)
    worked, idle_worked = (max(answer.worked for answer in answers) for answers in (during, before))
    of = f"processor time, which no other process can add to; without an index {idle_worked:.1f} ms"
    yield Row("server: most that its loop had to do until an answer", worked, "ms", 20, True, of)
    yield Row("server: memory while the index is made", memory, "MB", 200, True, "the most that its process had")


def _most_but_few(waited: list[float]) -> float:
    return waited[int(len(waited) * 0.999)]


def _answers(server: _Server, is_over: Callable[[], bool]) -> list[Answer]:
    """One cheap request after another, as long as it is not over."""
    found = []
    deadline = time.monotonic() + PATIENCE
    while not is_over():
        assert time.monotonic() < deadline, "the index is not made in time"
        time.sleep(EVERY_SECONDS)
        worked, queued, own = *_scheduled(server.pid), _scheduled(os.getpid())[1]
        began = time.perf_counter()
        server.ask("textDocument/documentSymbol", {"textDocument": {"uri": server.uri}})
        waited = (time.perf_counter() - began) * 1000
        worked_then, queued_then = _scheduled(server.pid)
        own_then = _scheduled(os.getpid())[1]
        found.append(Answer(waited, worked_then - worked, queued_then - queued + own_then - own))
    return found


def _scheduled(pid: int) -> tuple[float, float]:
    """How long the first thread of a process ran, and all waited for a processor, in ms (Documentation/scheduler/sched-stats.rst)."""
    ran = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    waited = (int(file.read_text().split()[1]) for file in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    return ran / 1e6, sum(waited) / 1e6


class _Server:
    """A client of a real server process."""

    def __init__(self, process: subprocess.Popen[bytes], uri: str) -> None:
        self.uri = uri
        self.pid = process.pid
        self.is_over = False
        self._process = process
        self._number = 0
        self._answered = threading.Condition()
        self._answers: dict[int, Any] = {}
        self._progress = ""
        threading.Thread(target=self._listen, daemon=True).start()

    def tell(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def ask(self, method: str, params: Any) -> Any:
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        with self._answered:
            there = self._answered.wait_for(lambda: self._number in self._answers, PATIENCE)
            assert there, f"no answer to {method}"
            return self._answers.pop(self._number)

    def most_memory(self) -> float:
        """In MB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024

    def _send(self, document: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **document}).encode()
        assert self._process.stdin
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _listen(self) -> None:
        stream = self._process.stdout
        assert stream
        while header := stream.readline():
            if header.startswith(b"Content-Length:"):
                size = int(header.split(b":")[1])
            elif not header.strip():
                self._take(json.loads(stream.read(size)))

    def _take(self, message: dict[str, Any]) -> None:
        if "method" not in message:
            with self._answered:
                self._answers[message["id"]] = message
                self._answered.notify_all()
        elif "id" in message:
            self._send({"id": message["id"], "result": None})
        elif message["method"] == "$/progress":
            self.is_over |= message["params"]["value"]["kind"] == "end"


@contextmanager
def _server(tree: Path, cache: str, *, index: bool) -> Iterator[_Server]:
    """A server with a log of the tree that it has located."""
    command = [sys.executable, "-m", "kernfix", "lsp"]
    env = {**os.environ, "XDG_CACHE_HOME": cache}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
        server = _Server(process, (tree / "bench.crash").as_uri())
        folders = [{"uri": tree.as_uri(), "name": tree.name}]
        options = {"index": index}
        server.ask(
            "initialize",
            {
                "capabilities": CAPABILITIES,
                "processId": None,
                "rootUri": tree.as_uri(),
                "workspaceFolders": folders,
                "initializationOptions": options,
            },
        )
        server.tell("initialized", {})
        item = {"uri": server.uri, "languageId": "kernel-crash", "version": 1, "text": LOG}
        server.tell("textDocument/didOpen", {"textDocument": item})
        server.ask("textDocument/documentLink", {"textDocument": {"uri": server.uri}})
        yield server
        server.ask("shutdown", None)
        server.tell("exit", None)


def main() -> None:
    """The rows for a tree alone."""
    tree = Path(sys.argv[1]).resolve()
    for line in lines(rows(Given(tree, tree, tree))):
        print(line, flush=True)


if __name__ == "__main__":
    main()
