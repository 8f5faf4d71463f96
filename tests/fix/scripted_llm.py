"""A chat-completions endpoint on loopback that does what a script says, good or bad: ``python scripted_llm.py PORT SCRIPT.json``.

The script is a JSON list with one object per expected request, in order; the last one serves all further requests. Members, all optional:

``status`` (200), ``headers`` ({}), ``body`` (text sent as it is) · ``answer`` (text to stream as a proper completion, in pieces of
``piece`` characters) · ``events`` (list of ``data:`` payloads: objects are dumped, strings sent as they are) · ``raw`` (list of strings,
latin-1, each written on its own) · ``wait`` (seconds before the headers) · ``pause`` (seconds between pieces) · ``repeat`` (send the
pieces so many times) · ``refuse`` (list of request members: answer 400 if the request has one of them) · ``finish`` (finish_reason,
``stop``) · ``usage`` (object). With port 0 a free port is taken; ``READY PORT`` is printed.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Step = dict[str, Any]


class ScriptedLLM(ThreadingHTTPServer):
    """The endpoint. `requests` are the JSON bodies it got, `authorizations` the headers; `hung_up` is set when a client left early."""

    daemon_threads = True

    def __init__(self, script: list[Step], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.authorizations: list[str | None] = []
        self.asked = threading.Event()
        self.hung_up = threading.Event()
        self.lock = threading.Lock()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        self.hung_up.set()


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedLLM

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            step = self.server.script[min(len(self.server.requests), len(self.server.script) - 1)]
            self.server.requests.append({"path": self.path, **body})
            self.server.authorizations.append(self.headers.get("Authorization"))
        self.server.asked.set()
        refused = [name for name in step.get("refuse", ()) if name in body]
        if refused:
            step = {"status": 400, "body": json.dumps({"error": {"message": f"unsupported: {refused[0]}"}})}
        time.sleep(step.get("wait", 0))
        self._answer(step)

    def _answer(self, step: Step) -> None:
        self.send_response(step.get("status", 200))
        for name, value in {
            "Content-Type": "text/event-stream",
            "Connection": "close",
            **step.get("headers", {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        for _ in range(step.get("repeat", 1)):
            for piece in _pieces(step):
                self.wfile.write(piece)
                self.wfile.flush()
                time.sleep(step.get("pause", 0))

    def log_message(self, *args: object) -> None:
        pass


def _pieces(step: Step) -> Iterator[bytes]:
    if "body" in step:
        yield step["body"].encode()
    for text in step.get("raw", ()):
        yield text.encode("latin-1")
    for event in step.get("events", ()):
        yield _event(event)
    if "answer" in step:
        yield from _completion(step)


def _event(event: Any) -> bytes:
    return b"data: " + (event if isinstance(event, str) else json.dumps(event)).encode() + b"\n\n"


def _completion(step: Step) -> Iterator[bytes]:
    answer = step["answer"] if isinstance(step["answer"], str) else json.dumps(step["answer"])
    size = step.get("piece", 40)
    yield b": welcome\n\n"
    yield _event({"model": "scripted", "choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]})
    for start in range(0, len(answer), size):
        yield _event({"choices": [{"index": 0, "delta": {"content": answer[start : start + size]}}]})
    yield _event({"choices": [{"index": 0, "delta": {}, "finish_reason": step.get("finish", "stop")}]})
    yield _event({"choices": [], "usage": step.get("usage", {"prompt_tokens": 7, "completion_tokens": 3})})
    yield b"data: [DONE]\n\n"


def main() -> None:
    server = ScriptedLLM(json.loads(Path(sys.argv[2]).read_text()), int(sys.argv[1]))
    print("READY", server.server_port, flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    main()
