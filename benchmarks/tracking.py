"""What TensorBoard's files cost: the executor per trial, the driver at 5,000 trials.

::

    python benchmarks/tracking.py
    python benchmarks/tracking.py --trials 1000 --repeat 200     # seconds
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sparkexp import experiment
from sparkexp.analysis.description import SearchDescription
from sparkexp.analysis.specs import Interval, ParameterSpec
from sparkexp.context.reporter import Reporter
from sparkexp.tracking import AttemptTrackers
from sparkexp.tracking.tensorboard import (
    SearchLog,
    TrialSession,
)
from sparkexp.trial import State, Trial, TrialResult

N_PARAMS = 5
POPSIZE = 50
# A no-op trial takes a search on Spark at least this long with two slots: overhead.py, workload a.
SPARK_TRIAL_S = 0.04


def main() -> int:
    """Run what the command line says and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeat", type=int, default=1000, help="trials on the executor")
    parser.add_argument("--trials", type=int, default=5000, help="trials of the search")
    parser.add_argument("--logdir", type=Path, help="where to write; a temporary one by default")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.logdir) as folder:
        figures = {
            "executor": executor(Path(folder, "trials"), args.repeat),
            "driver": driver(Path(folder, "driver"), args.trials),
            "search": search(Path(folder, "search"), args.trials),
            "memory_mb": memory_mb(),
        }
    print(_table(figures, args.trials))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def _specs() -> tuple[ParameterSpec, ...]:
    return tuple(
        ParameterSpec(f"p{k}", Interval(0.0001, 1.0), log=k == 0) for k in range(N_PARAMS)
    )


def _trial(number: int, popsize: int = POPSIZE) -> Trial:
    rng = np.random.default_rng(number)
    params = {f"p{k}": float(0.0001 + 0.99 * rng.random()) for k in range(N_PARAMS)}
    generation = number // popsize
    parent = Trial(number - popsize, {}, generation - 1).id if generation else None
    return Trial(number, params, generation, parent)


def executor(folder: Path, repeat: int) -> dict[str, float]:
    """Return milliseconds per trial, and what it leaves on disk."""
    search = SearchDescription("tracking", parameters=_specs())
    _timed(lambda: _one_trial(folder / "warm-up", _trial(0), search))
    times = [
        _timed(lambda k=k: _one_trial(folder / f"trial-{k}", _trial(k), search))  # type: ignore[misc]
        for k in range(repeat)
    ]
    files = [path for path in folder.rglob("events*")]
    n = repeat + 1
    return {
        "ms": 1000 * statistics.median(times),
        "ms_99": 1000 * sorted(times)[int(0.99 * repeat)],
        "bytes": sum(path.stat().st_size for path in files) / n,
        "files": len(files) / n,
    }


def _one_trial(directory: Path, trial: Trial, search: SearchDescription) -> None:
    """Do what an executor does around a train function that reports three times."""
    trackers = AttemptTrackers([TrialSession(search)])
    trackers.start(trial, str(directory))
    with Reporter(trackers) as reporter:
        for step in range(3):
            reporter.report(step, {"loss": 1 / (1 + step)})
    result = TrialResult(trial, State.SUCCEEDED, 0.5, {"a": 0.5, "b": 1.0}, started=1.0, ended=2.0)
    trackers.end(result)


def driver(folder: Path, n_trials: int) -> dict[str, float]:
    """Return what the search's own run costs: results are handed to it, nothing else happens."""
    description = SearchDescription(
        "tracking", parameters=_specs(), generations=n_trials // POPSIZE - 1, popsize=POPSIZE
    )
    log = SearchLog(folder, description)
    results = [
        TrialResult(t, State.SUCCEEDED, sum(t.params.values()), {"a": 1.0}, started=1.0, ended=2.0)
        for t in map(_trial, range(n_trials))
    ]
    log.add(results[0])  # imports
    began = time.process_time()
    times = [_timed(lambda r=r: log.add(r)) for r in results[1:]]  # type: ignore[misc]
    at_end = _timed(lambda: log.close(True))
    cpu_s = time.process_time() - began
    files = list(folder.iterdir())
    return {
        "s": sum(times),
        "cpu_s": cpu_s,
        "ms_median": 1000 * statistics.median(times),
        "ms_generation": 1000 * statistics.median(times[POPSIZE - 2 :: POPSIZE]),
        "s_at_end": at_end,
        "files": len(files),
        "mb": sum(path.stat().st_size for path in files) / 1e6,
    }


def search(folder: Path, n_trials: int) -> dict[str, float]:
    """Return the seconds of a whole search of no-op trials in this process."""
    space = {f"p{k}": [0.0, 1.0] for k in range(N_PARAMS)}

    def train(**params: float) -> float:
        return sum(params.values())

    train.__signature__ = _signature()  # type: ignore[attr-defined]

    def run() -> None:
        experiment.evolutionary_search(
            None, train, space, "max", POPSIZE, n_trials // POPSIZE - 1, seed=1,
            variant="classic", logdir=folder, engine="inline", progress=False,
        )  # fmt: skip

    seconds = _timed(run)
    return {"s": seconds, "ms_per_trial": 1000 * seconds / n_trials}


def _signature() -> Any:
    import inspect

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([inspect.Parameter(f"p{k}", kind) for k in range(N_PARAMS)])


def memory_mb() -> float:
    """Return the resident memory of a process that writes a trial, without anything else."""
    code = (
        "import sys\n"
        "from sparkexp.tracking.tensorboard import write_session_end, write_session_start\n"
        "from sparkexp.trial import State, Trial, TrialResult\n"
        "trial = Trial(0, {'x': 1.0})\n"
        "write_session_start(sys.argv[1], trial, 1.0)\n"
        "write_session_end(sys.argv[1], TrialResult(trial, State.SUCCEEDED, 1.0))\n"
        # getrusage would count what this process held when it forked.
        "print([x for x in open('/proc/self/status') if 'VmHWM' in x][0].split()[1])\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        out = subprocess.run(
            [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True
        )
    return int(out.stdout) / 1e3


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _table(figures: dict[str, Any], n_trials: int) -> str:
    per_trial, log, whole = figures["executor"], figures["driver"], figures["search"]
    own_s = log["s"] + log["s_at_end"]
    rows = [
        ("executor: a trial's files",
         f"{per_trial['ms']:.2f} ms (99 %: {per_trial['ms_99']:.2f})"),
        ("executor: written per trial", f"{per_trial['bytes']:.0f} bytes in "
                                        f"{per_trial['files']:.1f} files"),
        ("process that writes a trial", f"{figures['memory_mb']:.0f} MB resident"),
        (f"driver: {n_trials} trials", f"{log['s']:.2f} s, {log['ms_median']:.3f} ms a trial, "
                                       f"{log['ms_generation']:.1f} ms a generation"),
        ("driver: summary and pictures at the end", f"{log['s_at_end']:.2f} s"),
        ("driver: processor time of both", f"{log['cpu_s']:.2f} s"),
        ("driver: the search's own run", f"{log['files']} file, {log['mb']:.1f} MB"),
        ("share of a search of no-op trials on Spark, two slots",
         f"{100 * own_s / (n_trials * SPARK_TRIAL_S):.2f} %, in processor time "
         f"{100 * log['cpu_s'] / (n_trials * SPARK_TRIAL_S):.2f} %"),
        ("whole search of no-op trials in one process",
         f"{whole['s']:.1f} s, {whole['ms_per_trial']:.2f} ms a trial"),
        ("peak memory of this benchmark",
         f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB"),
    ]  # fmt: skip
    lines = [
        "| what | figure |",
        "|---|---|",
        *(f"| {what} | {figure} |" for what, figure in rows),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
