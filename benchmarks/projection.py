"""A model of synchronous training with 8 to 256 workers. No measurement: a projection of some.

::

    python benchmarks/projection.py figures.json          # of distributed.py --json
    python benchmarks/projection.py --step-ms 230 --gradient-mb 100 --overhead-ms 0

A step takes what it takes alone, then what a gang adds whatever its size, then the all-reduce:

    t(n) = step + overhead + 2 (n - 1) latency + 2 (n - 1) / n * bytes / bandwidth

The last two terms are those of a ring, which sends no byte more than is necessary (Patarasuk and
Yuan 2009). The sum begins when backpropagation has ended, as in sparkexp: nothing overlaps. Slow
workers, other traffic and switches that are full are not in the model.

References
----------
P. Patarasuk, X. Yuan: Bandwidth Optimal All-reduce Algorithms for Clusters of Workstations.
Journal of Parallel and Distributed Computing 69(2), 2009.

P. Goyal et al.: Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour. arXiv:1706.02677,
2017.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SIZES = (2, 8, 16, 32, 64, 128, 256)
# Gbit/s and µs. The latencies are assumed: a message of TCP through the kernel and a switch.
ETHERNET = ((10.0, 50.0), (25.0, 30.0), (100.0, 20.0))


@dataclass(frozen=True)
class Network:
    """What connects the workers.

    Parameters
    ----------
    name : str
        In the table.
    gbit_per_s : float
        Bandwidth of a worker, in each direction.
    latency_us : float
        Of one message, what the software does included.
    """

    name: str
    gbit_per_s: float
    latency_us: float


@dataclass(frozen=True)
class Step:
    """A training step.

    Parameters
    ----------
    name : str
        In the table.
    step_ms : float
        Of a worker by itself.
    gradient_bytes : float
        What is summed.
    overhead_ms : float
        What a gang adds to a step, whatever its size, beside the sum.
    """

    name: str
    step_ms: float
    gradient_bytes: float
    overhead_ms: float = 0.0


def ring_ms(gradient_bytes: float, network: Network, n: int) -> float:
    """Return how long a ring of `n` workers needs to sum vectors."""
    seconds = 2 * (n - 1) * network.latency_us / 1e6
    seconds += 2 * (n - 1) / n * gradient_bytes / (network.gbit_per_s * 1e9 / 8)
    return 1000 * seconds


def efficiency(step: Step, network: Network, n: int) -> float:
    """Return the step time alone over that in a gang of `n`: 1 is a throughput n times as high."""
    return step.step_ms / (
        step.step_ms + step.overhead_ms + ring_ms(step.gradient_bytes, network, n)
    )


# ResNet-50 as Goyal et al. trained it. A worker is one of their servers of 8 GPUs: 256 GPUs are 32
# servers with 50 Gbit/s each; 25 million parameters are 100 MB. One server took 29 hours, NVIDIA's
# report says: for 90 epochs of 1.28 million images with batch 256, that is 232 ms a step.
GOYAL_STEP_MS = 29 * 3_600_000 / (90 * 1.28e6 / 256)
GOYAL = Step("ResNet-50, a server of 8 GPUs a worker", GOYAL_STEP_MS, 100e6)
GOYAL_NETWORK = Network("50 Gbit/s", 50.0, 20.0)
GOYAL_WORKERS = 32
GOYAL_REPORTED = 0.9


def main() -> int:
    """Project what the command line gives and print the tables."""
    args = _parser().parse_args()
    content = json.loads(args.figures.read_text()) if args.figures else {}
    networks = [
        Network(f"{gbit:g} Gbit/s, {latency:g} µs", gbit, latency)
        for gbit, latency in args.network or ETHERNET
    ]
    if content:
        networks.append(_loopback(content["loopback"]))
    steps = steps_from(content) if content else []
    if args.step_ms:
        steps.append(
            Step(f"{args.step_ms:g} ms", args.step_ms, 1e6 * args.gradient_mb, args.overhead_ms)
        )
    if not steps:
        print("Give figures.json, or --step-ms and --gradient-mb.", file=sys.stderr)
        return 2
    print(report(steps, networks))
    if args.json:
        table = {
            step.name: {
                network.name: {str(n): efficiency(step, network, n) for n in SIZES}
                for network in networks
            }
            for step in steps
        }
        args.json.write_text(json.dumps({"projected_efficiency": table}, indent=1) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0] if __doc__ else None,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("figures", type=Path, nargs="?", help="of distributed.py --json")
    parser.add_argument(
        "--network",
        type=float,
        nargs=2,
        action="append",
        default=None,
        metavar=("GBIT_PER_S", "LATENCY_US"),
        help="may be repeated (default: 10 50, 25 30 and 100 20, assumed values of Ethernet)",
    )
    parser.add_argument("--step-ms", type=float, help="a step of a worker by itself")
    parser.add_argument("--gradient-mb", type=float, default=0.0, help="what is summed, in MB")
    parser.add_argument("--overhead-ms", type=float, default=0.0, help="what a gang adds")
    parser.add_argument("--json", type=Path, help="a file for the projected efficiencies")
    return parser


def _loopback(sums: Mapping[str, Any]) -> Network:
    gbit, latency = 8e-9 * sums["bytes_per_second"], 1e6 * sums["latency_s"]
    return Network(f"as loopback here: {gbit:.1f} Gbit/s, {latency:.0f} µs", gbit, latency)


def steps_from(content: Mapping[str, Any]) -> list[Step]:
    """Return the measured steps of distributed.py.

    The overhead is what its gang needs beside the sum that the model has for it: at least 0.
    """
    loopback = _loopback(content["loopback"])
    found = []
    for name, row in content["figures"].items():
        if not row["rounds"]:
            continue
        alone, together = row["independent"]["min_ms"], row["synchronous"]["min_ms"]
        modelled = ring_ms(row["gradient_bytes"], loopback, content["loopback"]["workers"])
        overhead = max(0.0, together - alone - modelled)
        found.append(Step(name, alone, row["gradient_bytes"], overhead))
    return found


def report(steps: Sequence[Step], networks: Sequence[Network]) -> str:
    """Return the projected efficiencies as tables, and the paper's beside the model's."""
    parts = ["**A model, not a measurement**: efficiency by the number of workers."]
    for step in steps:
        lines = [
            f"| {step.name}: {step.step_ms:.2f} ms, gradients {step.gradient_bytes / 1e6:.2f} MB, "
            f"overhead {step.overhead_ms:.2f} ms | " + " | ".join(map(str, SIZES)) + " |",
            "|---" * (len(SIZES) + 1) + "|",
        ]
        for network in networks:
            cells = [f"{efficiency(step, network, n):.0%}" for n in SIZES]
            lines.append(f"| {network.name} | " + " | ".join(cells) + " |")
        parts.append("\n".join(lines))
    parts.append(
        f"Beside it, Goyal et al. 2017: about {GOYAL_REPORTED:.0%} from 8 to 256 GPUs (ResNet-50, "
        "batch 8192). The model says "
        f"{efficiency(GOYAL, GOYAL_NETWORK, GOYAL_WORKERS):.0%} for {GOYAL_WORKERS} servers of 8 "
        f"GPUs, 100 MB of gradients and {GOYAL_NETWORK.name}, if nothing overlaps; they let the "
        "sums overlap with backpropagation."
    )
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
