"""The problems of the search benchmark: real tables of HPO results, and bbob's functions.

Which problems may be looked at while a searcher is tuned is fixed here, by name. The held-out ones
are for the end: nobody chooses a setting by them.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sparkexp.space import Space
from sparkexp.space.parameters import Choice, Float, Int, Parameter
from sparkexp.trial import ParamValue

__all__ = [
    "GROUPS",
    "Axis",
    "Bbob",
    "Problem",
    "Table",
    "group_of",
    "load",
    "random_bests",
    "save",
]

# The metric is always an error or a loss: less is better.
GROUPS: dict[str, tuple[str, ...]] = {
    "tuning": (
        "hpobench-australian",
        "hpobench-car",
        "hpobench-kc1",
        "hpobench-vehicle",
        "hpolib-naval_propulsion",
        "nasbench201-cifar10",
        "svc-digits",
        "kernel_ridge-diabetes",
        "mlp-digits",
    ),
    "held-out": (
        "hpobench-blood_transfusion",
        "hpobench-credit_g",
        "hpobench-phoneme",
        "hpobench-segment",
        "hpolib-parkinsons_telemonitoring",
        "hpolib-protein_structure",
        "hpolib-slice_localization",
        "nasbench201-cifar100",
        "nasbench201-imagenet",
        "svc-breast_cancer",
        "knn-digits",
        "sgd-digits",
        "boosting-diabetes",
        "forest-digits",
        "svr-diabetes",
        "boosting-breast_cancer",
    ),
    # Sphere, ellipsoid, Rosenbrock, different powers, Rastrigin, Gallagher's 101 peaks; 5 axes.
    "bbob": ("bbob-f1", "bbob-f2", "bbob-f8", "bbob-f14", "bbob-f15", "bbob-f21"),
}
BUDGETS = (40, 100, 300)
RANDOM_RUNS = 600
BBOB_DIMENSION = 5
BBOB_BOUND = 5.0

_UP = {"float": Float, "int": Int}


class Problem(Protocol):
    """What is searched: a space, its objective (less is better), and the best known value."""

    name: str
    space: Space
    best: float

    @property
    def digest(self) -> str:
        """Changes with everything that results depend on."""

    def __call__(self, params: Mapping[str, ParamValue]) -> float:
        """Return the objective of a configuration."""


@dataclass(frozen=True)
class Axis:
    """One hyperparameter of a table.

    Parameters
    ----------
    name : str
        The hyperparameter.
    kind : {'ordinal', 'categorical', 'float', 'int'}
        The first two take the tabulated values and no others; between those of the last two the
        objective is interpolated.
    values : tuple
        The tabulated values, ascending unless they are categories.
    log : bool
        Whether a range is searched, and interpolated, in the logarithm.
    """

    name: str
    kind: str
    values: tuple[ParamValue, ...]
    log: bool = False

    @functools.cached_property
    def parameter(self) -> Parameter:
        """The hyperparameter as sparkexp's spaces have it."""
        if self.kind in _UP:
            return _UP[self.kind](self.values[0], self.values[-1], log=self.log)
        return Choice(self.values, ordered=self.kind == "ordinal")

    @functools.cached_property
    def _places(self) -> dict[ParamValue, int]:
        return {value: k for k, value in enumerate(self.values)}

    @functools.cached_property
    def _grid(self) -> list[float]:
        return [self._scaled(value) for value in self.values]

    def _scaled(self, value: Any) -> float:
        return math.log(value) if self.log else float(value)

    def corners(self, value: ParamValue) -> tuple[tuple[int, float], ...]:
        """Return the tabulated neighbours of a value, each with its weight."""
        if self.kind not in _UP:
            return ((self._places[value], 1.0),)
        grid, x = self._grid, self._scaled(value)
        k = int(np.clip(np.searchsorted(grid, x) - 1, 0, len(grid) - 2))
        share = min(max((x - grid[k]) / (grid[k + 1] - grid[k]), 0.0), 1.0)
        return tuple(pair for pair in ((k, 1 - share), (k + 1, share)) if pair[1] > 0)


class Table:
    """A problem whose configurations were all trained beforehand.

    Where an axis is a range, the objective is linear between the tabulated values of each axis, so
    that the best of the table is the best there is.

    Parameters
    ----------
    name : str
        The problem.
    axes : sequence of Axis
        The hyperparameters.
    curves : numpy.ndarray
        The objective, of the axes' shape and one axis more: the value after each of `levels`.
    levels : sequence of int
        Epochs (or trees, where the model grows by trees); one where only the end is known.
    """

    def __init__(
        self, name: str, axes: Sequence[Axis], curves: np.ndarray, levels: Sequence[int]
    ) -> None:
        shape = (*(len(axis.values) for axis in axes), len(levels))
        if curves.shape != shape or not np.isfinite(curves).all():
            raise ValueError(f"{name}: a table has the shape {shape} and finite values")
        self.name = name
        self.axes = tuple(axes)
        self.levels = tuple(levels)
        self.curves = curves
        self.space = Space({axis.name: axis.parameter for axis in axes})
        self.values = np.ascontiguousarray(curves[..., -1])
        self.best = float(self.values.min())
        self._flat = self.values.ravel().tolist()
        self._strides = [s // 8 for s in self.values.strides]

    @functools.cached_property
    def digest(self) -> str:
        """Changes with the values and with the axes."""
        found = hashlib.sha256(_about(self).encode() + self.curves.tobytes())
        return found.hexdigest()[:12]

    def __call__(self, params: Mapping[str, ParamValue]) -> float:
        """Return the objective of a configuration, trained to the end."""
        return sum(weight * self._flat[place] for place, weight in self._cells(params))

    def at(self, params: Mapping[str, ParamValue], level: int) -> float:
        """Return the objective of a configuration after so many epochs."""
        flat = self.curves.reshape(-1, len(self.levels))
        column = self.levels.index(level)
        return float(sum(w * flat[place, column] for place, w in self._cells(params)))

    def _cells(self, params: Mapping[str, ParamValue]) -> list[tuple[int, float]]:
        corners = [axis.corners(params[axis.name]) for axis in self.axes]
        return [
            (
                sum(k * stride for (k, _), stride in zip(corner, self._strides, strict=True)),
                math.prod(weight for _, weight in corner),
            )
            for corner in itertools.product(*corners)
        ]


class Bbob:
    """A function of the COCO platform, in five dimensions, its first instance.

    Parameters
    ----------
    name : str
        ``bbob-f`` and the function's number.
    """

    def __init__(self, name: str) -> None:
        import cocoex

        self.name = name
        number = int(name.removeprefix("bbob-f"))
        self._function = cocoex.BareProblem("bbob", number, BBOB_DIMENSION, 1)
        self.best = float(self._function.best_value())
        names = [f"x{k}" for k in range(BBOB_DIMENSION)]
        self.space = Space({name: Float(-BBOB_BOUND, BBOB_BOUND) for name in names})

    @property
    def digest(self) -> str:
        """The function is known by its name."""
        return f"{self.name}-{BBOB_DIMENSION}"

    def __call__(self, params: Mapping[str, ParamValue]) -> float:
        """Return the function's value."""
        return float(self._function(np.array(list(params.values()), dtype=float)))


def group_of(name: str) -> str:
    """Return the group in which a problem is."""
    return next(group for group, names in GROUPS.items() if name in names)


def save(table: Table, folder: Path) -> None:
    """Write a table where `load` finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / f"{table.name}.{os.getpid()}.npz"
    np.savez_compressed(scratch, curves=table.curves, about=np.array(_about(table)))
    scratch.replace(folder / f"{table.name}.npz")


def _about(table: Table) -> str:
    axes = [[axis.name, axis.kind, list(axis.values), axis.log] for axis in table.axes]
    return json.dumps({"axes": axes, "levels": list(table.levels)})


def load(name: str, folder: Path) -> Problem:
    """Return a problem.

    Raises
    ------
    FileNotFoundError
        If its table was not made yet.
    """
    if name.startswith("bbob-"):
        return Bbob(name)
    with np.load(folder / f"{name}.npz") as content:
        about = json.loads(str(content["about"]))
        axes = [Axis(n, kind, tuple(values), log) for n, kind, values, log in about["axes"]]
        return Table(name, axes, content["curves"], about["levels"])


def random_bests(problem: Problem, folder: Path) -> dict[int, float]:
    """Return the median of what random search has found at each budget.

    It is kept in `folder`, with what else the report has to know of the problem.
    """
    file = folder / f"{problem.name}.random.json"
    if file.exists():
        found = json.loads(file.read_text())
        if found["digest"] == problem.digest:
            return {int(budget): value for budget, value in found["medians"].items()}
    rng = np.random.default_rng(0)
    genomes = rng.random((RANDOM_RUNS, max(BUDGETS), problem.space.n_dims))
    decode = problem.space.decode
    values = np.array([[problem(decode(genome)) for genome in run] for run in genomes])
    bests = np.minimum.accumulate(values, axis=1)
    medians = {budget: float(np.median(bests[:, budget - 1])) for budget in BUDGETS}
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(
        json.dumps({"digest": problem.digest, "best": problem.best, "medians": medians}) + "\n"
    )
    return medians
