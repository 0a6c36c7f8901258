"""Which trials of a search are the best."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sparkexp.artifacts import artifact_names, load_artifact
from sparkexp.dominance import fronts
from sparkexp.trial import Direction, State, TrialResult, params_key

__all__ = [
    "BestTrial",
    "Configuration",
    "best_of",
    "configurations_of",
    "front_of",
    "grouped_runs",
]


@dataclass(frozen=True)
class BestTrial:
    """The best trial of a search, or one of the best.

    Parameters
    ----------
    id : str
        The trial's id.
    params : dict
        Its parameters.
    value : float
        Its objective, the first of several.
    metrics : dict
        All numbers that the train function returned.
    logdir : str
        Its directory.
    values : tuple of float
        All objectives, where there are several.
    n_runs : int
        Runs of which the values are the means, where the configuration was repeated.
    spread : float, optional
        Standard deviation of the value between these runs.
    """

    id: str
    params: dict[str, int | float | str | bool]
    value: float
    metrics: dict[str, float]
    logdir: str
    values: tuple[float, ...] = ()
    n_runs: int = 1
    spread: float | None = None

    @property
    def artifacts(self) -> list[str]:
        """The files that the trial left in ``experiment.artifact_dir()``."""
        return artifact_names(self.logdir)

    def load_artifact(self, name: str, loader: Callable[[Path], Any] | None = None) -> Any:
        """Return a file that the trial left in ``experiment.artifact_dir()``, read or as a path.

        Nothing is unpickled.

        Parameters
        ----------
        name : str
            Its name, or its path below the directory.
        loader : Callable, optional
            Reads it, given its path: ``load_artifact('test.csv', pandas.read_csv)``. By default
            ``.json`` is parsed, ``.npy`` and ``.npz`` become arrays, ``.txt``, ``.md`` and
            ``.log`` texts; of everything else, and of a directory, the path is returned.

        Raises
        ------
        RunDirectoryError
            If the trial has no such file.
        InvalidArgumentError
            If the name leads out of the directory.
        """
        return load_artifact(self.id, self.logdir, name, loader)


@dataclass(frozen=True)
class Configuration:
    """The runs of a configuration that succeeded with a value, each once.

    Parameters
    ----------
    runs : tuple of TrialResult
        At least one.
    n_ended : int
        How many runs ended, failed ones too.
    """

    runs: tuple[TrialResult, ...]
    n_ended: int = 1

    @property
    def value(self) -> float:
        """The mean of the value."""
        return _mean([r.value for r in self.runs if r.value is not None])

    @property
    def values(self) -> tuple[float, ...]:
        """The means of all objectives, where there are several."""
        return tuple(_mean(column) for column in zip(*(r.values for r in self.runs), strict=True))

    @property
    def rung(self) -> int:
        """The rung of the runs; 0 where trials have none."""
        return self.runs[0].trial.rung or 0

    @property
    def spread(self) -> float | None:
        """The standard deviation of the value between runs; None with one."""
        if len(self.runs) < 2:
            return None
        values = np.array([r.value for r in self.runs if r.value is not None])
        scale = float(np.abs(values).max()) or 1.0  # squares can be larger than a float
        return scale * float(np.std(values / scale, ddof=1))

    def best(self) -> BestTrial:
        """Return this as what `Result.best` is; the first run gives the trial's id."""
        first = self.runs[0]
        names = [n for n in first.metrics if all(n in r.metrics for r in self.runs)]
        return BestTrial(
            first.trial.id,
            dict(first.trial.params),
            self.value,
            {name: _mean([r.metrics[name] for r in self.runs]) for name in names},
            first.logdir,
            self.values,
            len(self.runs),
            self.spread,
        )


def configurations_of(trials: Iterable[TrialResult]) -> list[Configuration]:
    """Return what was run, in order; without repetitions each trial stands for itself."""
    found = []
    for results in grouped_runs(trials):
        valued = tuple(r for r in results if r.succeeded and r.value is not None)
        if valued:
            found.append(Configuration(valued, len(results)))
    return found


def grouped_runs(trials: Iterable[TrialResult]) -> list[list[TrialResult]]:
    """Return the runs that ended, those of a configuration together, each repetition once."""
    runs: dict[Hashable, dict[Hashable, TrialResult]] = {}
    for result in trials:
        trial = result.trial
        key: Hashable = trial.number
        if trial.repetition is not None:
            key = params_key({k: v for k, v in trial.arguments.items() if k not in trial.extra})
        if result.state is not State.CANCELLED:
            runs.setdefault(key, {}).setdefault(trial.repetition, result)
    return [list(results.values()) for results in runs.values()]


def best_of(trials: Iterable[TrialResult], direction: Direction) -> BestTrial | None:
    """Return the configuration with the best value, the first of equals.

    Where configurations ran several times, one with fewer runs than another does not compete: its
    mean may be good by chance. Where trials have rungs, it is one of the highest.
    """
    sign = 1.0 if direction == "max" else -1.0
    found = configurations_of(trials)
    most = max((each.n_ended for each in found), default=0)
    full = [each for each in found if each.n_ended == most]
    best = max(full, key=lambda each: (each.rung, sign * each.value), default=None)
    return None if best is None else best.best()


def front_of(trials: Iterable[TrialResult], directions: Sequence[Direction]) -> list[BestTrial]:
    """Return the configurations that no other dominates, by their first objective.

    Of those with the same values the first stands for all.
    """
    signs = np.array([-1.0 if direction == "max" else 1.0 for direction in directions])
    first: dict[tuple[float, ...], Configuration] = {}
    for each in configurations_of(trials):
        if len(each.values) == len(directions):
            first.setdefault(each.values, each)
    if not first:
        return []
    valued = list(first.values())
    losses = signs * np.array([each.values for each in valued])
    ranked = sorted(fronts(losses)[0], key=lambda k: losses[k].tolist())
    return [valued[k].best() for k in ranked]


def _mean(values: Sequence[float]) -> float:
    if len(set(values)) == 1:
        return values[0]  # exactly, which a sum of parts isn't
    # Divided first: a sum of floats can be larger than a float.
    return sum(value / len(values) for value in values)
