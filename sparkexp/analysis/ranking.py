"""Which trials of a search are the best."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparkexp.analysis.dominance import sort_into_fronts
from sparkexp.objective import Objective
from sparkexp.trial import State, TrialResult, params_key

__all__ = [
    "Configuration",
    "Runs",
    "Standings",
    "sort_best_first",
    "merge_by_configuration",
    "merge_by_proposal",
    "make_configuration",
    "list_configurations",
    "find_front_configurations",
    "group_runs",
    "compute_losses",
    "select_objective",
    "rank_configurations",
    "sort_configurations",
]


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
        return _compute_mean([r.value for r in self.runs if r.value is not None])

    @property
    def values(self) -> tuple[float, ...]:
        """The means of all objectives, where there are several."""
        return tuple(
            _compute_mean(column) for column in zip(*(r.values for r in self.runs), strict=True)
        )

    @property
    def metrics(self) -> dict[str, float]:
        """The means of the numbers that all runs returned."""
        names = [n for n in self.runs[0].metrics if all(n in r.metrics for r in self.runs)]
        return {name: _compute_mean([r.metrics[name] for r in self.runs]) for name in names}

    def objective(self, k: int = 0) -> float:
        """The mean of one of the objectives."""
        return self.values[k] if self.runs[0].values else self.value

    @property
    def violation(self) -> float:
        """The mean of the violations of constraints; 0 if all runs satisfy them."""
        return _compute_mean([r.violation for r in self.runs])

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


class Standings:
    """Knows the best configuration at any time while trials end, as `find_best` finds it.

    Parameters
    ----------
    objective : Objective
        What is optimised.
    k : int
        The number of that objective, from 0.
    """

    def __init__(self, objective: Objective, k: int = 0) -> None:
        self.objective = objective
        self._k = k
        self._runs: dict[Hashable, dict[Hashable, TrialResult]] = {}
        self._ranks: dict[Hashable, tuple[float, ...]] = {}
        self._best: Hashable = None
        self.best: Configuration | None = None

    def add(self, result: TrialResult) -> None:
        """Take in a trial that ended."""
        if result.state is State.CANCELLED:
            return
        key = _configuration_key(result)
        runs = self._runs.setdefault(key, {})
        runs.setdefault(result.trial.repetition, result)
        each = make_configuration(runs.values())
        if each is None:
            return
        loss = self.objective.loss(each.objective(self._k))
        rank = (each.n_ended, each.rung, -each.violation, -loss, -each.runs[0].trial.number)
        self._ranks[key] = rank
        if key != self._best and (self.best is None or rank > self._ranks[self._best]):
            self._best, self.best = key, each
        elif key == self._best:  # its mean may have become worse
            self._best = max(self._ranks, key=self._ranks.__getitem__)
            self.best = make_configuration(self._runs[self._best].values())

    @property
    def value(self) -> float | None:
        """The best configuration's value, or mean; None without one."""
        return None if self.best is None else self.best.objective(self._k)


class Runs:
    """Gathers the runs of each proposal of a searcher, until all of them have ended.

    Parameters
    ----------
    repeats : int
        Runs of each proposal.
    """

    def __init__(self, repeats: int = 1) -> None:
        self._repeats = repeats
        self._open: dict[int, list[TrialResult]] = {}

    def add(self, result: TrialResult) -> TrialResult | None:
        """Take in a trial that ended; return the proposal that it completes, with its means.

        Confirming runs belong to no proposal.
        """
        repetition = result.trial.repetition
        if repetition is None:
            return result
        if repetition >= self._repeats:
            return None
        runs = self._open.setdefault(result.trial.number - repetition, [])
        runs.append(result)
        if len(runs) < self._repeats:
            return None
        del self._open[result.trial.number - repetition]
        return _merge_runs(runs)


def merge_by_proposal(trials: Iterable[TrialResult]) -> list[TrialResult]:
    """Return one result per proposal of an evolution, with the means of its runs."""
    runs: dict[int, list[TrialResult]] = {}
    for result in trials:
        if result.trial.generation is not None:  # confirming runs have none
            first = result.trial.number - (result.trial.repetition or 0)
            runs.setdefault(first, []).append(result)
    return [_merge_runs(each) for each in runs.values()]


def merge_by_configuration(trials: Iterable[TrialResult]) -> list[TrialResult]:
    """Return one result per configuration, with the means of its runs, failed ones too."""
    return [_merge_runs(runs) for runs in group_runs(trials)]


def rank_configurations(
    trials: Iterable[TrialResult], objective: Objective
) -> list[Configuration]:
    """Return the configurations, the best first: those with most runs, as in `find_best`."""
    return sort_configurations(list_configurations(trials), objective)


def sort_configurations(
    found: Iterable[Configuration], objective: Objective
) -> list[Configuration]:
    """Return the configurations, the best first.

    Those with most runs come first, then those on the highest rung, then those that satisfy the
    constraints or violate them least, then those with the best value.
    """
    return sorted(
        found,
        key=lambda c: (
            -c.n_ended,
            -c.rung,
            c.violation,
            objective.loss(c.value),
            c.runs[0].trial.number,
        ),
    )


def list_configurations(trials: Iterable[TrialResult]) -> list[Configuration]:
    """Return the configurations in order; without repetitions each trial is one."""
    found = map(make_configuration, group_runs(trials))
    return [each for each in found if each is not None]


def group_runs(trials: Iterable[TrialResult]) -> list[list[TrialResult]]:
    """Return the runs that ended as a list per configuration, each repetition once."""
    runs: dict[Hashable, dict[Hashable, TrialResult]] = {}
    for result in trials:
        if result.state is not State.CANCELLED:
            runs.setdefault(_configuration_key(result), {}).setdefault(
                result.trial.repetition, result
            )
    return [list(results.values()) for results in runs.values()]


def make_configuration(runs: Iterable[TrialResult]) -> Configuration | None:
    """Return the configuration with these runs; None where no run has a value."""
    ended = sorted(runs, key=lambda r: r.trial.number)
    valued = tuple(r for r in ended if r.succeeded and r.value is not None)
    return Configuration(valued, len(ended)) if valued else None


def find_front_configurations(
    trials: Iterable[TrialResult], objectives: Sequence[Objective]
) -> list[Configuration]:
    """Return the configurations that `find_front` returns, with all runs."""
    found = [c for c in list_configurations(trials) if len(c.values) == len(objectives)]
    # Those that satisfy the constraints; if there are none, those that violate them least.
    least = min((each.violation for each in found), default=0.0)
    first: dict[tuple[float, ...], Configuration] = {}
    for each in found:
        if each.violation == least:
            first.setdefault(each.values, each)
    if not first:
        return []
    valued = list(first.values())
    losses = compute_losses(valued, objectives)
    order = sorted(sort_into_fronts(losses)[0], key=lambda k: losses[k].tolist())
    return [valued[k] for k in order]


def compute_losses(
    configurations: Sequence[Configuration], objectives: Sequence[Objective]
) -> NDArray[np.float64]:
    """Return the objectives of configurations as losses, of shape ``(n, n_objectives)``."""
    signs = np.array([objective.loss_sign for objective in objectives])
    losses: NDArray[np.float64] = signs * np.array([each.values for each in configurations])
    return losses


def sort_best_first(
    trials: Sequence[TrialResult], objectives: Sequence[Objective]
) -> list[TrialResult]:
    """Return the trials in the order in which a table shows them.

    The trials of the best configuration come first; with several objectives, those of the front.
    The trials without a value come last.
    """
    leading = find_front_configurations(trials, objectives) if len(objectives) > 1 else []
    order = [*leading, *rank_configurations(trials, objectives[0])]
    ranks: dict[Hashable, int] = {}
    for each in order:
        ranks.setdefault(_configuration_key(each.runs[0]), len(ranks))
    return sorted(
        trials,
        key=lambda r: (
            ranks.get(_configuration_key(r), len(ranks)),
            r.value is None,
            r.trial.number,
        ),
    )


def select_objective(results: Iterable[TrialResult], k: int) -> list[TrialResult]:
    """Return the results as if one of their objectives were the only one."""
    return [replace(r, value=r.values[k], values=()) if r.values else r for r in results]


def _configuration_key(result: TrialResult) -> Hashable:
    """Return the key that all runs of a configuration share."""
    trial = result.trial
    if trial.repetition is None:
        return trial.number
    return params_key({k: v for k, v in trial.arguments.items() if k not in trial.extra})


def _merge_runs(runs: Sequence[TrialResult]) -> TrialResult:
    """Return the first run with the means of all runs, as if it had been the only one."""
    runs = sorted(runs, key=lambda r: r.trial.number)
    first, found = runs[0], make_configuration(runs)
    if first.trial.repetition is None:
        return first
    shared = {
        name: value
        for name, value in first.trial.extra.items()
        if len(runs) == 1 or all(r.trial.extra.get(name) == value for r in runs)
    }
    merged = replace(
        first, trial=replace(first.trial, extra=shared), ended=max(r.ended for r in runs)
    )
    if found is None:
        return replace(merged, value=None, values=())
    return replace(
        merged,
        state=State.SUCCEEDED,
        error=None,
        value=found.value,
        values=found.values,
        violation=found.violation,
    )


def _compute_mean(values: Sequence[float]) -> float:
    if len(set(values)) == 1:
        return values[0]  # exactly, which a sum of parts isn't
    # Divided first: a sum of floats can be larger than a float.
    return sum(value / len(values) for value in values)
