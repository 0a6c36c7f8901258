"""Runs searches for ``benchmarks/search.py``, in the Python that has their packages.

Its only argument is the order; results are added to the cache one by one, missing ones only.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from problems import Problem, load
from results import Key, Record, append, read
from samplers import Order, make
from simulate import Run, durations, simulate

PROGRESS_S = 20.0


def main() -> None:
    order = json.loads(sys.argv[1])
    cache = Path(order["cache"])
    digests = {system["name"]: system["digest"] for system in order["systems"]}
    problems = {name: load(name, cache / "tables") for name in order["problems"]}
    tables = {name: problem.digest for name, problem in problems.items()}
    known = read(cache / "results", digests, tables)
    shown, n_run = time.monotonic(), 0
    for system, problem, seed, slots in _searches(order, problems):
        key = Key(system["name"], system["digest"], problem.name, problem.digest, seed, slots)
        missing = [n for n in order["budgets"][str(slots)] if (key, n) not in known]
        for budgets in [[n] for n in missing] if system["by_budget"] else [missing]:
            if budgets:
                append(_search(key, problem, budgets), cache / "results")
                n_run += 1
        if time.monotonic() - shown > PROGRESS_S:
            shown = time.monotonic()
            print(f"{n_run} searches; seed {seed}, {problem.name}, {key.system}", file=sys.stderr)


def _searches(
    order: dict[str, Any], problems: dict[str, Problem]
) -> Iterator[tuple[dict[str, Any], Problem, int, int]]:
    """Yield what to run, seed by seed, so that an interrupted run covers all problems."""
    for seed in range(order["seeds"]):
        for slots in map(int, order["budgets"]):
            for problem in problems.values():
                for system in order["systems"]:
                    if seed < system["seeds"]:
                        yield system, problem, seed, slots


def _search(key: Key, problem: Problem, budgets: list[int]) -> Record:
    started = time.process_time()
    n_trials = max(budgets)
    sampler = make(key.system, problem.space, Order(n_trials, key.slots, key.seed))
    try:
        lengths = durations(key.problem, key.seed, n_trials)
        run: Run = simulate(sampler, problem, n_trials, key.slots, lengths)
    finally:
        sampler.close()
    seconds = round(time.process_time() - started, 3)
    return Record(key, run.bests(budgets), run.makespans(budgets), seconds)


if __name__ == "__main__":
    main()
