"""What synchronous training costs: one worker, n independent ones, n that train one model.

::

    python benchmarks/distributed.py --json figures.json > figures.md    # 6 minutes
    python benchmarks/distributed.py --workloads cnn-256 --rounds 10
    python benchmarks/distributed.py --first-step                        # with Spark

Each worker is a process of one thread, pinned to a core of its own, with the same batch in all
phases (weak scaling). They stay up: connecting, building and tracing are not measured. Phases take
turns, in an order that rotates. The control is what is called alone, in another process.

A round of a workload counts only if nobody else used the cores: if in its independent phase wall
time and processor time of a worker differ by more than --tolerance, it is thrown away.
"""

from __future__ import annotations

import argparse
import datetime
import json
import logging
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from gang_process import WORKLOADS, Measured, Prepare, Reduce, Turn, Workload
from gang_workers import BenchmarkError, Worker, ask, start_workers

logger = logging.getLogger("distributed")

PHASES = ("alone", "control", "independent", "synchronous")
# Bytes of the vectors whose sum is timed by itself.
REDUCED = (4, 1 << 16, 1 << 20, 1 << 22, 1 << 24)
# By phase, what each worker measured.
Round = dict[str, list[Measured]]


def main() -> int:
    """Run the benchmark of the command line and print its tables."""
    args = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("py4j").setLevel(logging.WARNING)
    if args.first_step:
        from first_step import measure_first_step, report_first_step

        first = measure_first_step(args.sessions, args.calls)
        print(_circumstances(args), report_first_step(first), sep="\n\n")
        _write(args, {"first_step": first})
        return 0
    cores = sorted(os.sched_getaffinity(0))
    if not 2 <= args.workers <= len(cores):
        print(
            f"--workers must be from 2 to the {len(cores)} cores that this process may use, got "
            f"{args.workers}: each worker is pinned to a core of its own.",
            file=sys.stderr,
        )
        return 2
    workloads = {
        name: replace(WORKLOADS[name], steps=args.steps or WORKLOADS[name].steps)
        for name in args.workloads
    }
    loads = [os.getloadavg()[0]]
    try:
        measured = _measure_all(args, cores[: args.workers], workloads, loads)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    gradients, rounds, loopback = measured
    figures = {
        name: summarise(rounds[name], args.tolerance, gradients[name]) for name in workloads
    }
    print(_circumstances(args, max(loads)), report(figures), _tell_sums(loopback), sep="\n\n")
    _write(args, {"figures": figures, "loopback": loopback, "rounds": _plain(rounds)})
    return 0 if all(row["rounds"] for row in figures.values()) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0] if __doc__ else None,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--workers", type=int, default=2, help="the gang's size")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument(
        "--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="WORKLOAD"
    )
    parser.add_argument("--steps", type=int, help="steps in a turn (default: a good half second)")
    parser.add_argument("--sums", type=int, default=200, help="timed sums of each size")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.1,
        help="how much wall and processor time of the independent phase may differ",
    )
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for one answer")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    parser.add_argument(
        "--first-step", action="store_true", help="time to the first step, and nothing else"
    )
    parser.add_argument("--sessions", type=int, default=4, help="of --first-step")
    parser.add_argument("--calls", type=int, default=4, help="of each kind in a session")
    return parser


def _measure_all(
    args: argparse.Namespace,
    cores: Sequence[int],
    workloads: Mapping[str, Workload],
    loads: list[float],
) -> tuple[dict[str, int], dict[str, list[Round]], dict[str, Any]]:
    """Return the gradients' bytes and the rounds, by workload, and the sums by themselves."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        phases = start_workers(cores, Path(folder), args.timeout, stack)
        gradients = _prepare(phases, workloads)
        rounds = {name: _measure(phases, name, args.rounds, loads) for name in workloads}
        loopback = _measure_sums(phases["synchronous"], args.sums)
    return gradients, rounds, loopback


def _prepare(
    phases: Mapping[str, Sequence[Worker]], workloads: Mapping[str, Workload]
) -> dict[str, int]:
    """Build and trace all workloads; return the bytes of their gradients."""
    gradients = {}
    for name, workload in workloads.items():
        for phase in ("control", "independent", "synchronous"):
            gradients[name] = ask(phases[phase], Prepare(name, workload))[0]
        logger.info("%s is prepared", name)
    return gradients


def _measure(
    phases: Mapping[str, Sequence[Worker]], name: str, n_rounds: int, loads: list[float]
) -> list[Round]:
    rounds: list[Round] = []
    for number in range(n_rounds):
        turn = number % len(PHASES)
        rounds.append({})
        for phase in PHASES[turn:] + PHASES[:turn]:
            rounds[-1][phase] = ask(phases[phase], Turn(name))
        loads.append(os.getloadavg()[0])
        shown = {phase: round(_ms(rounds[-1][phase])[0], 2) for phase in PHASES}
        logger.info("%s, round %d of %d: %s ms", name, number + 1, n_rounds, shown)
    return rounds


def _measure_sums(gang: Sequence[Worker], repeats: int) -> dict[str, Any]:
    """Return how long sums take, and the latency and bandwidth that say so best."""
    seconds = {size: max(ask(gang, Reduce(size, repeats))) for size in REDUCED}
    latency, bandwidth = fit_line(seconds, len(gang))
    return {
        "workers": len(gang),
        "seconds": {str(size): value for size, value in seconds.items()},
        "latency_s": latency,
        "bytes_per_second": bandwidth,
    }


def fit_line(seconds: Mapping[int, float], n: int) -> tuple[float, float]:
    """Return the latency and bandwidth of a ring all-reduce that takes such times.

    Parameters
    ----------
    seconds : Mapping[int, float]
        By the bytes that each of `n` workers has.
    n : int
        Workers.
    """
    sizes = np.array([*seconds], float)
    times = np.array([*seconds.values()])
    matrix = np.stack([np.full(len(sizes), 2.0 * (n - 1)), 2 * (n - 1) / n * sizes], 1)
    # By relative errors, else only the largest counts.
    latency, per_byte = np.linalg.lstsq(matrix / times[:, None], np.ones(len(times)), rcond=None)[
        0
    ]
    return float(latency), float(1 / per_byte)


def _ms(measured: Sequence[Measured]) -> tuple[float, float, float]:
    """Return ms a step of wall and processor, and the share of the all-reduce: workers' means."""
    wall = [1000 * turn.wall_s / turn.steps for turn in measured]
    processor = [1000 * turn.processor_s / turn.steps for turn in measured]
    share = [turn.reduce_s / turn.wall_s for turn in measured]
    return statistics.fmean(wall), statistics.fmean(processor), statistics.fmean(share)


def is_quiet(measured: Sequence[Measured], tolerance: float) -> bool:
    """Tell whether nobody else used the cores of independent workers."""
    return all(abs(turn.wall_s / turn.processor_s - 1) <= tolerance for turn in measured)


def summarise(rounds: Sequence[Round], tolerance: float, gradient_bytes: int) -> dict[str, Any]:
    """Return the figures of a workload, from the rounds that count."""
    kept = [one for one in rounds if is_quiet(one["independent"], tolerance)]
    row: dict[str, Any] = {
        "rounds": len(kept),
        "thrown_away": len(rounds) - len(kept),
        "gradient_bytes": gradient_bytes,
    }
    if not kept:
        return row
    for phase in PHASES:
        walls, processors, shares = zip(*(_ms(one[phase]) for one in kept), strict=True)
        row[phase] = {
            "min_ms": min(walls),
            "median_ms": statistics.median(walls),
            "processor_min_ms": min(processors),
            "processor_median_ms": statistics.median(processors),
            "reduce_share": statistics.median(shares),
        }
    row["efficiency"] = row["independent"]["min_ms"] / row["synchronous"]["min_ms"]
    row["efficiency_median"] = statistics.median(
        _ms(one["independent"])[0] / _ms(one["synchronous"])[0] for one in kept
    )
    row["control_difference"] = row["control"]["min_ms"] / row["alone"]["min_ms"] - 1
    return row


def report(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table of all workloads."""
    lines = [
        "| workload | alone | independent | synchronous | efficiency | time in the all-reduce "
        "| A/A difference | processor time: alone, independent, synchronous | rounds |",
        "|---" * 9 + "|",
    ]
    for name, row in figures.items():
        count = f"{row['rounds']}, {row['thrown_away']} thrown away"
        if not row["rounds"]:
            lines.append(f"| {name} |" + " – |" * 7 + f" {count} |")
            continue
        phases = [row[phase] for phase in ("alone", "independent", "synchronous")]
        walls = [f"{phase['min_ms']:.2f} ({phase['median_ms']:.2f})" for phase in phases]
        processor = ", ".join(f"{phase['processor_min_ms']:.2f}" for phase in phases)
        cells = [
            name,
            *walls,
            f"{row['efficiency']:.0%} ({row['efficiency_median']:.0%})",
            f"{row['synchronous']['reduce_share']:.0%}",
            f"{row['control_difference']:+.1%}",
            processor,
            count,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "ms a step: minimum (median) over rounds of the workers' mean. Efficiency: independent ÷ "
        "synchronous, of the minima (median of the rounds' ratios). Time in the all-reduce: as "
        "the gang's telemetry has it, waiting for the others included.",
    ]
    for name, row in figures.items():
        if row["thrown_away"]:
            lines.append(
                f"{name}: {row['thrown_away']} of {row['rounds'] + row['thrown_away']} rounds "
                "were thrown away, since something else used the cores."
            )
    return "\n".join(lines)


def _tell_sums(loopback: Mapping[str, Any]) -> str:
    listed = ", ".join(
        f"{int(size):,} bytes {1000 * value:.2f} ms" for size, value in loopback["seconds"].items()
    )
    return (
        f"Sums alone, {loopback['workers']} workers over loopback, the fastest: {listed}. As a "
        f"ring: latency {1e6 * loopback['latency_s']:.0f} µs, "
        f"{8e-9 * loopback['bytes_per_second']:.1f} Gbit/s."
    )


def _circumstances(args: argparse.Namespace, load: float | None = None) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "keras", "pyspark"))
    parts = [
        f"{datetime.date.today().isoformat()}, {platform.system()}, {os.cpu_count()} cores",
        "" if load is None else f"{args.workers} workers, load at most {load:.1f}",
        f"Python {platform.python_version()}, {versions}",
    ]
    return "; ".join(part for part in parts if part) + "."


def _plain(rounds: Mapping[str, Sequence[Round]]) -> dict[str, Any]:
    return {
        name: [
            {phase: [asdict(turn) for turn in turns] for phase, turns in one.items()}
            for one in found
        ]
        for name, found in rounds.items()
    }


def _write(args: argparse.Namespace, content: Mapping[str, Any]) -> None:
    if args.json:
        about = {"date": datetime.date.today().isoformat(), "workers": args.workers}
        args.json.write_text(json.dumps({**about, **content}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
