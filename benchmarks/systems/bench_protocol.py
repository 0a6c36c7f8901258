"""What all drivers share: read the order, warm up, measure, answer in one line of JSON.

A driver is started by ``benchmarks/overhead.py`` with the order as its only argument and knows
one thing, how to run a function over a list of values in its system.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from bench_workloads import TRAIN

__all__ = ["Order", "Runner", "serve"]

Train = Callable[[float], float]
# Runs the function once for every value, and returns what it returned, in any order.
Runner = Callable[[Train, Sequence[float]], Sequence[float]]


@dataclass(frozen=True)
class Order:
    """What a driver is asked to do.

    Parameters
    ----------
    variant : str
        Which way of using the system, where its driver knows several.
    slots : int
        Trials at the same time.
    scratch : str
        A directory for whatever the system writes.
    workloads : dict
        By the workload's letter: its values, and those of the warm-up.
    """

    variant: str
    slots: int
    scratch: str
    workloads: dict[str, dict[str, list[float]]]


def serve(start: Callable[[Order], AbstractContextManager[Runner]], packages: list[str]) -> None:
    """Answer the order of the command line.

    Parameters
    ----------
    start : Callable
        Starts the system, which is not measured; its context ends it.
    packages : list of str
        Distributions whose versions are reported.
    """
    # Whatever a system prints goes to stderr: stdout takes the answer alone.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    order = Order(**json.loads(sys.argv[1]))
    seconds = {}
    with start(order) as run:
        for letter, values in order.workloads.items():
            _checked(run, TRAIN[letter], values["warm_up"])
            seconds[letter] = _checked(run, TRAIN[letter], values["values"])
    answer.write(json.dumps({"seconds": seconds, "versions": _versions(packages)}) + "\n")
    answer.close()


def _checked(run: Runner, train: Train, values: list[float]) -> float:
    """Return the seconds that a workload takes; a system that loses trials has no figure."""
    started = time.perf_counter()
    results = run(train, values)
    seconds = time.perf_counter() - started
    if len(results) != len(values):
        raise RuntimeError(f"{len(values)} trials were given, and {len(results)} came back")
    return seconds


def _versions(packages: list[str]) -> dict[str, Any]:
    return {"python": sys.version.split()[0], **{name: version(name) for name in packages}}
