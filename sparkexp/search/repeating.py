"""Noisy objectives: every configuration runs several times, and the best ones once more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np

from sparkexp.checks import as_int
from sparkexp.errors import InvalidArgumentError
from sparkexp.objective import Objective
from sparkexp.search.base import Searcher
from sparkexp.trial import Direction, ParamValue, State, Trial, TrialResult, params_key

__all__ = ["RepeatingSearcher", "count_affordable"]


def count_affordable(max_trials: int, repeats: int, confirm: int) -> int:
    """Return how many configurations `max_trials` runs are enough for, at least 1.

    Parameters
    ----------
    max_trials : int
        The number of runs. Each configuration takes `repeats` of them.
    repeats, confirm : int
        As `RepeatingSearcher` has them.

    Examples
    --------
    >>> count_affordable(60, repeats=2, confirm=5)
    25
    """
    return max(1, max_trials // repeats - confirm)


class RepeatingSearcher(Searcher):
    """Runs each trial of another searcher several times, and tells it the mean.

    Run r of every configuration has the same seed. So differences between configurations are less
    noisy than the values, and a configuration that is proposed again isn't run again. The mean is
    that of the runs that did not fail; if all failed, the configuration has failed.

    Parameters
    ----------
    inner : Searcher
        Proposes the configurations; not used before.
    directions : sequence of {'max', 'min'}
        Which values are the best.
    repeats : int
        Runs of a configuration, at least 1.
    confirm : int
        How many of the best configurations run `repeats` more times at the end, with other seeds.
    seed : int
        The seeds of the runs are derived from it.
    passes_seed : bool
        Whether the train function gets an argument ``seed``.

    References
    ----------
    B. L. Nelson, F. J. Matejcik (1995). Using common random numbers for indifference-zone
    selection and multiple comparisons in simulation. Management Science 41, 1935-1945.
    """

    name: ClassVar[str] = "repeating"

    def __init__(
        self,
        inner: Searcher,
        directions: Sequence[Direction],
        repeats: int = 1,
        confirm: int = 0,
        seed: int = 0,
        passes_seed: bool = False,
    ) -> None:
        super().__init__(inner.space)
        self._inner = inner
        self.generations, self.popsize = inner.generations, inner.popsize
        self.rungs, self.shows_best = inner.rungs, inner.shows_best
        self.knows_violations = inner.knows_violations
        self.repeats = as_int("repeats", repeats, at_least=1)
        self.confirm = as_int("confirm", confirm, at_least=0)
        self.seed = as_int("seed", seed, at_least=0)
        self.passes_seed = passes_seed
        self.directions = tuple(directions)
        self._objectives = tuple(Objective(direction=each) for each in self.directions)
        if self.confirm and len(self.directions) > 1:
            raise InvalidArgumentError(
                "confirm goes with one metric: with several, no configurations are simply the "
                "best. Leave it out."
            )
        n_runs = self.repeats * (2 if self.confirm else 1)
        self._seeds = [_derive_seed(self.seed, r) for r in range(n_runs)]
        # Values by configuration and run, for configurations with runs that have not ended.
        self._runs: dict[int, dict[int, list[float]]] = {}
        # Violations of constraints by trial, of those configurations, where there are any.
        self._violations: dict[int, float] = {}
        # The best configurations: violation, loss, number, parameters.
        self._best: list[_Ranked] = []
        # The configurations to confirm, once all others have ended, and the first such trial.
        self._confirmed: list[dict[str, ParamValue]] | None = None
        self._first_confirming = 0

    @property
    def inner(self) -> Searcher:
        """The searcher that proposes the configurations."""
        return self._inner

    def plan_rows(self) -> list[tuple[str, str]]:
        """Return the plan rows of the searcher that proposes the configurations."""
        return self._inner.plan_rows()

    def slots_note(self, slots: int) -> str | None:
        """Return the note of the searcher that proposes the configurations."""
        return self._inner.slots_note(math.ceil(slots / self.repeats))

    def progress(self) -> Mapping[str, float]:
        """Return the figures of the searcher that proposes the configurations."""
        return self._inner.progress()

    @property
    def n_trials(self) -> int | None:
        """The number of runs; None if there is no limit."""
        most = self._max_configurations
        return None if most is None else (most + min(self.confirm, most)) * self.repeats

    @property
    def _max_configurations(self) -> int | None:
        """The number of configurations to be asked."""
        ends = [] if self._inner.n_trials is None else [self._inner.n_trials]
        if self._limit is not None and self.confirm:  # the confirming runs count, too
            ends.append(count_affordable(self._limit, self.repeats, self.confirm))
        return min(ends, default=None)

    @property
    def order_matters(self) -> bool:
        """Whether it matters to the searcher that proposes the configurations."""
        return self._inner.order_matters

    @property
    def restores_exactly(self) -> bool:
        """Whether the searcher that proposes the configurations is restored exactly."""
        return self._inner.restores_exactly

    @property
    def extras(self) -> Mapping[str, Sequence[ParamValue]]:
        """The seed, if it is passed, and the extras of the inner searcher."""
        return {**self._inner.extras, **({"seed": self._seeds} if self.passes_seed else {})}

    @property
    def done(self) -> bool:
        """Whether no further trial will be asked, whatever is told."""
        if self._to_ask_again:
            return False
        if not self.confirm:
            return self._all_asked and self._n_asked % self.repeats == 0
        return (
            self._confirmed is not None
            and self._n_asked == self._first_confirming + len(self._confirmed) * self.repeats
        )

    @property
    def _all_asked(self) -> bool:
        return self._inner.done or self._inner.n_asked == self._max_configurations

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        return {**self._inner.settings(), "repeats": self.repeats, "confirm": self.confirm}

    def own_settings(self) -> dict[str, Any]:
        """Return what the constructor takes besides the searcher and the directions."""
        return {
            "repeats": self.repeats,
            "confirm": self.confirm,
            "seed": self.seed,
            "passes_seed": self.passes_seed,
        }

    def _propose(self, number: int) -> Trial | None:
        if self._confirmed is None:
            k, run = divmod(number, self.repeats)
            asked = self._find_open(k) if run else self._ask_inner()
            if asked is not None:
                return self._make_run(asked, number, run)
            if not self._all_asked or self._inner.open_trials():
                return None
            self._confirmed = [params for *_, params in self._best]
            self._first_confirming = number
        k, run = divmod(number - self._first_confirming, self.repeats)
        if k >= len(self._confirmed):
            return None
        run += self.repeats
        extra = {"seed": self._seeds[run]} if self.passes_seed else {}
        return Trial(number, self._confirmed[k], extra=extra, repetition=run)

    def _ask_inner(self) -> Trial | None:
        return None if self._inner.n_asked == self._max_configurations else self._inner.ask()

    def _find_open(self, k: int) -> Trial:
        return next(trial for trial in self._inner.open_trials() if trial.number == k)

    def _make_run(self, asked: Trial, number: int, run: int) -> Trial:
        extra = dict(asked.extra)
        if self.passes_seed:
            extra["seed"] = self._seeds[run]
        parent = asked.parent
        if parent is not None:  # the same run of the parent
            group, _, of_parent = parent.rpartition("-")
            parent = f"{group}-{int(of_parent) * self.repeats + run:05d}"
        return Trial(number, asked.params, asked.generation, parent, extra=extra, repetition=run)

    def _learn(self, result: TrialResult) -> None:
        number = result.trial.number
        if self._confirmed is not None and number >= self._first_confirming:
            return
        k, run = divmod(number, self.repeats)
        runs = self._runs.setdefault(k, {})
        values = result.values or (() if result.value is None else (result.value,))
        runs[run] = list(values)
        if result.violation and values:
            self._violations[number] = result.violation
        if len(runs) == self.repeats:
            del self._runs[k]
            self._tell_inner(self._find_open(k), [runs[run] for run in range(self.repeats)])

    def _tell_inner(self, asked: Trial, runs: list[list[float]]) -> None:
        valued = [values for values in runs if values]
        first = asked.number * self.repeats
        excesses = [self._violations.pop(first + k, 0.0) for k in range(self.repeats)]
        if not valued:
            self._inner.tell(TrialResult(asked, State.FAILED))
            return
        # Divided first, as a sum of large floats overflows.
        columns = zip(*valued, strict=True)
        means = tuple(sum(v / len(valued) for v in column) for column in columns)
        values = means if len(means) > 1 else ()
        violation = sum(excess / len(valued) for excess in excesses)
        self._inner.tell(
            TrialResult(asked, State.SUCCEEDED, means[0], values=values, violation=violation)
        )
        if self.confirm:
            loss = self._objectives[0].loss(means[0])
            self._rank((violation, loss, asked.number, dict(asked.params)))

    def _rank(self, entry: _Ranked) -> None:
        ranked = sorted([*self._best, entry], key=_rank_key)
        different = {params_key(params): None for *_, params in ranked}
        firsts = [
            next(entry for entry in ranked if params_key(entry[3]) == key) for key in different
        ]
        self._best = firsts[: self.confirm]

    def _state(self) -> dict[str, Any]:
        return {
            "inner": self._inner.state(),
            "runs": [[k, sorted(runs.items())] for k, runs in sorted(self._runs.items())],
            "violations": sorted(self._violations.items()),
            "best": [[*entry[1:], entry[0]] for entry in self._best],
            "confirmed": self._confirmed,
            "first_confirming": self._first_confirming,
        }

    def _restore(self, memory: Mapping[str, Any]) -> None:
        self._inner.restore(memory["inner"])
        for _ in self._inner.open_trials():
            self._inner.ask()  # their runs are open here, or are asked next
        self._runs = {k: dict((r, list(v)) for r, v in runs) for k, runs in memory["runs"]}
        self._violations = dict(memory.get("violations", ()))
        # Entries of earlier versions have no violation.
        self._best = [
            (sum(violation), loss, number, dict(params))
            for loss, number, params, *violation in memory["best"]
        ]
        self._confirmed = memory["confirmed"]
        self._first_confirming = memory["first_confirming"]


# Violation, loss, number, parameters.
_Ranked: TypeAlias = tuple[float, float, int, dict[str, ParamValue]]


def _rank_key(entry: _Ranked) -> tuple[float, float, int]:
    return entry[:3]


def _derive_seed(base: int, run: int) -> int:
    """Return the seed of a run: 31 bits, which every library takes."""
    return int(np.random.SeedSequence([base, run]).generate_state(1)[0]) >> 1
