"""How long an editor waits for the language server: process start to the answer to ``initialize``, next to the smallest pygls server.

Prints one JSON document. The two are started in turns, so that a busy machine slows both.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

PAIRS = 11
SMALLEST = "from pygls.lsp.server import LanguageServer; LanguageServer('smallest', '1').start_io()"
COMMANDS = {
    "kernfix": [sys.executable, "-m", "kernfix", "lsp"],
    "smallest": [sys.executable, "-c", SMALLEST],
}
REQUEST = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"processId": None, "rootUri": None, "capabilities": {}},
}


def seconds(command: list[str]) -> float:
    """From the start of the process to the last byte of the answer."""
    body = json.dumps(REQUEST).encode()
    start = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin
    assert process.stdout
    process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    process.stdin.flush()
    size = 0
    while (line := process.stdout.readline().strip()) or not size:
        if line.lower().startswith(b"content-length:"):
            size = int(line.split(b":")[1])
    answer = json.loads(process.stdout.read(size))
    took = time.perf_counter() - start
    process.kill()
    process.wait()
    if "capabilities" not in answer.get("result", {}):
        sys.exit(f"not an answer to initialize: {answer}")
    return took


def main() -> None:
    """Start both in turns and compare the medians."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for command in COMMANDS.values():
        seconds(command)  # warm the file cache and the byte code
    for _ in range(PAIRS):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    ratios = [ours / bare for ours, bare in zip(times["kernfix"], times["smallest"], strict=True)]
    report = {
        "pairs": PAIRS,
        **{f"{name}_seconds": round(median, 3) for name, median in medians.items()},
        "ratio": round(statistics.median(ratios), 3),
        "ratio_of_medians": round(medians["kernfix"] / medians["smallest"], 3),
        "limit": 1.2,
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
