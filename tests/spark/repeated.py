"""Runs the fault tests again and again beside busy loops: do they hold on a loaded machine?

::

    python -m tests.spark.repeated --times 10 --busy 2
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILES = (
    "tests/engine/test_contract.py",
    "tests/spark/test_faults.py",
    "tests/spark/test_cluster_faults.py",
    "tests/spark/test_connect.py",
    "tests/spark/test_connect_server.py",
)


def main() -> int:
    """Run them as often as asked and say how each time ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument(
        "--busy", type=int, default=2, help="processes that do nothing but compute"
    )
    parser.add_argument("--output", type=Path, default=Path("faults.log"))
    args = parser.parse_args()
    n_failed = 0
    with busy(args.busy), args.output.open("a") as log:
        for number in range(args.times):
            started = time.monotonic()
            command = [sys.executable, "-m", "pytest", "-q", *FILES]
            ended = subprocess.run(command, stdout=log, stderr=log)
            n_failed += ended.returncode != 0
            minutes = (time.monotonic() - started) / 60
            said = "passed" if ended.returncode == 0 else "FAILED"
            load = os.getloadavg()[2]
            print(f"run {number + 1}: {said}, {minutes:.1f} min, load {load:.1f}", flush=True)
    return min(1, n_failed)


@contextmanager
def busy(n_processes: int) -> Iterator[None]:
    """Keep as many processors busy."""
    loop = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(loop) for _ in range(n_processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
