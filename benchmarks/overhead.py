"""What a trial costs in sparkexp and in other systems, measured in one interleaved run.

::

    python benchmarks/overhead.py --quick
    python benchmarks/overhead.py --rounds 5 --json figures.json > figures.md

Systems take turns, round by round, in an order that rotates. A turn is a process of its own, in
the system's own virtual environment: it starts the session, warms up, and then measures the calls
of the workloads alone.
"""

from __future__ import annotations

import argparse
import datetime
import heapq
import json
import logging
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from drivers import SYSTEMS, DriverError, run_driver, usable_python
from environments import InstallError
from report import Column, ratios, table

logger = logging.getLogger("overhead")

MEAN_S = 0.5
SIGMA = 1.0
SEED = 20
PROBE = {"a": {"values": [0.0, 1.0], "warm_up": [0.0]}}
REFERENCES_A = {"job-per-trial-rdd": "÷ RDD jobs", "job-per-trial-arrow": "÷ mapInArrow jobs"}
REFERENCE_C = "warm-processes"


def main() -> int:
    """Run the benchmark of the command line and print its tables."""
    args = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    order = {"slots": args.slots, "workloads": _workloads(args)}
    pythons, problems = _prepare(args, order)
    rounds = _rounds(args, order, pythons, problems)
    figures = {letter: _figures(letter, rounds, order) for letter in order["workloads"]}
    text = _report(args, order, figures, rounds, problems)
    print(text)
    if args.json:
        content = {
            "date": datetime.date.today().isoformat(),
            "order": order,
            "rounds": rounds,
            "figures": figures,
            "not_runnable": problems,
        }
        args.json.write_text(json.dumps(content, indent=1) + "\n")
    return 0 if rounds and any(rounds) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0] if __doc__ else None,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--foreign-rounds",
        type=int,
        help="rounds in which foreign systems take part; some need minutes each (default: all)",
    )
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--trials-a", type=int, default=200, help="no-op trials")
    parser.add_argument("--trials-b", type=int, default=40, help="trials of uneven length")
    parser.add_argument("--trials-c", type=int, default=20, help="small Keras trials")
    parser.add_argument("--warm-up", type=int, default=20, help="no-op trials before the measured")
    parser.add_argument("--quick", action="store_true", help="one round, small sizes")
    parser.add_argument("--workloads", default="abc", help="letters of the workloads")
    parser.add_argument(
        "--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), metavar="SYSTEM"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(__file__).resolve().parent.parent / ".bench-envs",
        help="where the foreign systems' environments are kept",
    )
    parser.add_argument("--timeout", type=float, default=1800.0, help="seconds for one turn")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    return parser


def _workloads(args: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """Return the values of every trial, the same for all systems."""
    if args.quick:
        args.rounds, args.trials_a, args.trials_b, args.trials_c, args.warm_up = 1, 20, 8, 4, 4
    rng = np.random.default_rng(SEED)
    # The mean of a lognormal distribution is exp(mu + sigma^2 / 2).
    seconds = rng.lognormal(np.log(MEAN_S) - SIGMA**2 / 2, SIGMA, args.trials_b)
    seconds *= MEAN_S / seconds.mean()
    slots = args.slots
    known = {
        "a": {
            "values": [float(i) for i in range(args.trials_a)],
            "warm_up": [float(i) for i in range(args.warm_up)],
        },
        "b": {"values": seconds.tolist(), "warm_up": [0.05] * 2 * slots},
        "c": {
            "values": np.geomspace(1e-4, 1e-2, args.trials_c).tolist(),
            "warm_up": [1e-3] * 2 * slots,
        },
    }
    return {letter: known[letter] for letter in args.workloads}


def _prepare(
    args: argparse.Namespace, order: Mapping[str, Any]
) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the interpreters of the systems that run, and why others don't."""
    pythons, problems = {}, {}
    for name in args.systems:
        try:
            pythons[name] = usable_python(
                SYSTEMS[name], {**order, "workloads": PROBE}, args.cache.resolve()
            )
        except (DriverError, InstallError) as error:
            problems[name] = str(error)
    return pythons, problems


def _rounds(
    args: argparse.Namespace,
    order: Mapping[str, Any],
    pythons: Mapping[str, Path],
    problems: dict[str, str],
) -> list[dict[str, dict[str, Any]]]:
    """Return the answers of all turns, by round and system."""
    foreign_rounds = args.rounds if args.foreign_rounds is None else args.foreign_rounds
    rounds = []
    for number in range(args.rounds):
        answers = {}
        names = list(pythons)
        turn = number % max(1, len(names))
        for name in names[turn:] + names[:turn]:
            system = SYSTEMS[name]
            if system.environment is not None and number >= foreign_rounds:
                continue
            load = os.getloadavg()[0]
            try:
                answer = run_driver(system, pythons[name], order, args.timeout)
            except DriverError as error:
                problems[name] = f"round {number + 1}: {error}"
                logger.warning("%s: %s", name, error)
                continue
            answers[name] = {**answer, "load_before": load}
            logger.info("round %d, %s: %s", number + 1, name, answer["seconds"])
        rounds.append(answers)
    return rounds


def _figures(
    letter: str, rounds: Sequence[Mapping[str, Any]], order: Mapping[str, Any]
) -> dict[str, list[float | None]]:
    """Return a workload's figure for each system and round."""
    values = order["workloads"][letter]["values"]
    scale = {
        "a": 1000 / len(values),  # ms per trial
        "b": 1 / _list_schedule(values, order["slots"]),
        "c": order["slots"] / len(values),  # seconds of a slot per trial
    }[letter]
    return {
        name: [
            answers[name]["seconds"][letter] * scale if name in answers else None
            for answers in rounds
        ]
        for name in SYSTEMS
        if any(name in answers for answers in rounds)
    }


def _list_schedule(seconds: Sequence[float], slots: int) -> float:
    """Return the makespan where each trial starts, in order, on the slot that is free first."""
    ends = [0.0] * slots
    for duration in seconds:
        heapq.heapreplace(ends, ends[0] + duration)
    return max(ends)


def _report(
    args: argparse.Namespace,
    order: Mapping[str, Any],
    figures: Mapping[str, Column],
    rounds: Sequence[Mapping[str, Any]],
    problems: Mapping[str, str],
) -> str:
    labels = {name: SYSTEMS[name].label for name in SYSTEMS if name in args.systems}
    parts = [_circumstances(args, rounds)]
    for letter, column in figures.items():
        n_trials = len(order["workloads"][letter]["values"])
        columns: dict[str, tuple[Column, int]]
        if letter == "a":
            title, columns = f"(a) {n_trials} no-op trials", {"ms per trial": (column, 0)}
            for reference, heading in REFERENCES_A.items():
                columns[heading] = (ratios(column, reference), 2)
        elif letter == "b":
            title = f"(b) {n_trials} trials of uneven length"
            columns = {"makespan ÷ ideal list schedule": (column, 3)}
        else:
            title, columns = f"(c) {n_trials} Keras trials", {"s per trial": (column, 2)}
            columns["÷ warm process"] = (ratios(column, REFERENCE_C), 2)
        parts.append(table(title, labels, columns))
    parts += [f"Not runnable: {labels[name]}: {reason}" for name, reason in problems.items()]
    return "\n\n".join(parts)


def _circumstances(args: argparse.Namespace, rounds: Sequence[Mapping[str, Any]]) -> str:
    versions: dict[str, str] = {}
    loads = [0.0]
    for answers in rounds:
        for answer in answers.values():
            versions |= answer["versions"]
            loads.append(answer["load_before"])
    listed = ", ".join(f"{name} {number}" for name, number in sorted(versions.items()))
    return (
        f"{datetime.date.today().isoformat()}, {platform.system()}, {os.cpu_count()} cores, "
        f"{args.slots} slots, {args.rounds} round(s); load before a turn at most "
        f"{max(loads):.1f}. Medians (min–max), ratios within a round. {listed}."
    )


if __name__ == "__main__":
    sys.exit(main())
