"""How long ``kernfix parse`` takes on a 1 MB console log, as a whole process, next to a Python that only imports json and reads the file.

Prints one JSON document. The two are run in turns, so that a busy machine slows both.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAIRS = 9
SIZE = 1_000_000
CRASH = Path(__file__).resolve().parents[1] / "crash" / "logs"


def log() -> bytes:
    """Boot noise around one crash of the tests."""
    crash = next(iter(sorted(CRASH.glob("kasan*.log")))).read_bytes()
    noise = b"".join(
        b"[%5d.%06d] systemd[1]: Started unit number %d.\n" % (n // 1000, n % 1000, n) for n in range(40_000)
    )
    half = (SIZE - len(crash)) // 2
    cut = noise.rfind(b"\n", 0, half) + 1
    return noise[:cut] + crash + noise[cut : 2 * cut]


def seconds(command: list[str]) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Run both in turns and compare the medians."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "console.log"
        path.write_bytes(log())
        commands = {
            "kernfix parse": [sys.executable, "-m", "kernfix", "parse", "--json", str(path)],
            "reading alone": [sys.executable, "-c", f"import json, pathlib; pathlib.Path({str(path)!r}).read_text()"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for command in commands.values():
            seconds(command)  # warm the file cache and the byte code
        for _ in range(PAIRS):
            for name, command in commands.items():
                times[name].append(seconds(command))
        size = path.stat().st_size
    medians = {name: round(statistics.median(taken), 4) for name, taken in times.items()}
    ratio = medians["kernfix parse"] / medians["reading alone"]
    print(json.dumps({"bytes": size, "pairs": PAIRS, "median_seconds": medians, "ratio": round(ratio, 2)}, indent=1))


if __name__ == "__main__":
    main()
