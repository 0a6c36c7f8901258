"""Whether the driver's own work per trial stays flat: with many trials, and with many slots.

::

    python benchmarks/scalability.py
    python benchmarks/scalability.py --trials 100 1000 --slots 16 --stub-trials 100
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from stub_spark import StubSession

from sparkexp import experiment
from sparkexp.results.result import Result

logger = logging.getLogger("scalability")

SPACE = {"x": [0.0, 1.0], "y": [0.0, 1.0]}
SEED = 20
POPSIZE = 50
# At the end of a search, what grows with its length shows most.
LAST_PART = 0.1


def main() -> int:
    """Run what the command line says and print tables."""
    args = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    content: dict[str, Any] = {}
    if args.trials:
        content["inline"] = [
            _inline(n_trials, search) for search in args.search for n_trials in args.trials
        ]
        print(_inline_table(content["inline"]))
    if args.slots:
        low_s, high_s = args.sleep
        content["stub"] = [
            _stub(slots, args.stub_trials or 10 * slots, low_s, high_s) for slots in args.slots
        ]
        print("\n" + _stub_table(content["stub"]))
    if args.json:
        args.json.write_text(json.dumps(content, indent=1) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0] if __doc__ else None,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--trials",
        type=int,
        nargs="*",
        default=[100, 1_000, 5_000, 20_000],
        help="lengths of searches with engine='inline'; nothing leaves them out",
    )
    parser.add_argument(
        "--search", nargs="+", choices=["random", "evolution"], default=["random", "evolution"]
    )
    parser.add_argument(
        "--slots",
        type=int,
        nargs="*",
        default=[16, 64, 256],
        help="slots of stub sessions; nothing leaves them out",
    )
    parser.add_argument("--stub-trials", type=int, help="trials over a stub (default: 10 a slot)")
    parser.add_argument(
        "--sleep",
        type=float,
        nargs=2,
        default=[0.5, 1.5],
        metavar=("LOW_S", "HIGH_S"),
        help="bounds of a stub job's length",
    )
    parser.add_argument("--json", type=Path, help="a file for all figures")
    return parser


def _no_op(x: float, y: float) -> float:
    # Rugged: a population that converges asks for the same point again, which is not run again.
    return math.sin(1e5 * x) * math.sin(1e5 * y)


def _inline(n_trials: int, search: str) -> dict[str, Any]:
    """Run no-op trials in this process and return what one of them takes."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.time()
        options: dict[str, Any] = {
            "seed": SEED,
            "engine": "inline",
            "logdir": f"{folder}/run",
            "progress": False,
        }
        if search == "random":
            result = experiment.random_search(None, _no_op, SPACE, n_trials=n_trials, **options)
        else:
            generations = max(0, n_trials // POPSIZE - 1)
            result = experiment.evolutionary_search(
                None, _no_op, SPACE, "max", POPSIZE, generations, variant="classic", **options
            )
        seconds = time.time() - started
    figures = {
        "search": search,
        "trials": len(result),
        "ms_per_trial": 1000 * seconds / len(result),
        "ms_per_trial_at_the_end": _ms_at_the_end(result),
    }
    logger.info("inline: %s", figures)
    return figures


def _ms_at_the_end(result: Result) -> float:
    ends = np.sort([trial.ended for trial in result.trials if trial.ended])
    last = ends[-max(2, int(LAST_PART * len(ends))) :]
    return float(1000 * (last[-1] - last[0]) / (len(last) - 1))


def _stub(slots: int, n_trials: int, low_s: float, high_s: float) -> dict[str, Any]:
    """Run trials that sleep over invented slots and return how busy these were."""
    spark = StubSession(slots, low_s, high_s, SEED)
    with tempfile.TemporaryDirectory() as folder:
        processor_s, started = time.process_time(), time.monotonic()
        result = experiment.random_search(
            spark,
            _no_op,
            SPACE,
            n_trials=n_trials,
            seed=SEED,
            logdir=f"{folder}/run",
            progress=False,
        )
        makespan_s = time.monotonic() - started
        processor_s = time.process_time() - processor_s
    succeeded = sum(trial.succeeded for trial in result.trials)
    if succeeded != n_trials:
        raise RuntimeError(f"{n_trials} trials were asked, {succeeded} succeeded")
    first = min(trial.started for trial in result.trials)
    last = max(trial.ended for trial in result.trials)
    figures = {
        "slots": slots,
        "trials": n_trials,
        "makespan_s": makespan_s,
        "utilisation": spark.slept_s / (slots * makespan_s),
        "ideal_utilisation": _ideal(slots, n_trials, low_s, high_s),
        "utilisation_while_trials_ran": spark.slept_s / (slots * (last - first)),
        "most_running": spark.most_running,
        "driver_ms_per_trial": 1000 * processor_s / n_trials,
        "pickle_ms_per_trial": 1000 * spark.pickle_s / n_trials,
    }
    logger.info("stub: %s", figures)
    return figures


def _ideal(slots: int, n_trials: int, low_s: float, high_s: float) -> float:
    """Return the utilisation of a driver that costs nothing: at the end slots run empty."""
    seconds = np.random.default_rng(SEED).uniform(low_s, high_s, n_trials)
    ends = np.zeros(slots)
    for duration in seconds:
        ends[ends.argmin()] += duration
    return float(seconds.sum() / (slots * ends.max()))


def _inline_table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        "| search, engine='inline' | trials | ms per trial | ms per trial in the last tenth |",
        "|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['search']} | {row['trials']:,} | {row['ms_per_trial']:.2f} "
            f"| {row['ms_per_trial_at_the_end']:.2f} |"
        )
    return "\n".join(lines)


def _stub_table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        "| slots (stub session) | trials | makespan s | utilisation | without start-up | ideal "
        "| driver's processor time, ms per trial | of it pickling |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['slots']} | {row['trials']:,} | {row['makespan_s']:.1f} "
            f"| {row['utilisation']:.3f} | {row['utilisation_while_trials_ran']:.3f} "
            f"| {row['ideal_utilisation']:.3f} | {row['driver_ms_per_trial']:.2f} "
            f"| {row['pickle_ms_per_trial']:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
