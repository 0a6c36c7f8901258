"""ASHA: configurations are promoted as soon as they are among the best of their rung."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from sparkexp.arguments import as_int
from sparkexp.errors import InvalidArgumentError
from sparkexp.search.fidelity import Fidelity
from sparkexp.search.proposals import Kind, Proposals, proposals_of
from sparkexp.search.rungs import RungSearcher
from sparkexp.space import Space
from sparkexp.trial import Direction, ParamValue

__all__ = ["AshaSearcher", "bounded"]


class AshaSearcher(RungSearcher):
    """Asynchronous successive halving.

    Whenever a slot is free, the highest rung that has earned a promotion promotes its best
    configuration that was not promoted yet; if none has, a new configuration starts at the
    bottom. A rung earns one promotion for every eta results, and the last one when nothing more
    comes from below, so that the number of trials is known beforehand. (The paper promotes
    whatever is among the best of 1/eta when it arrives, which are some more.)

    Parameters
    ----------
    space : Space, optional
        What is searched; None for a list of configurations.
    direction : {'max', 'min'}
        Whether more or less is better.
    n_configurations : int, optional
        Configurations that start at the bottom, at least 1; all of a grid or list by default.
    fidelity, min, max, eta
        See `Fidelity`.
    proposals : {'random', 'grid', 'evolution'}
        Where configurations come from.
    popsize : int
        Parents of an evolution, at least 4.
    configurations : sequence of Mapping, optional
        The list, where there is no space.
    seed : int, optional
        A whole number of at least 0; by default one is drawn, and `settings` tells it.

    Raises
    ------
    InvalidArgumentError
        If a setting is out of its range.

    References
    ----------
    L. Li, K. Jamieson, A. Rostamizadeh, E. Gonina, J. Ben-tzur, M. Hardt, B. Recht, A. Talwalkar
    (2020). A system for massively parallel hyperparameter tuning. MLSys: algorithm 2.

    Examples
    --------
    >>> space = Space.from_search_dict({'learning_rate': [0.005, 0.00005]})
    >>> searcher = AshaSearcher(space, 'max', 9, 'epochs', 1, 9, 3, seed=1)
    >>> searcher.n_trials
    13
    >>> trial = searcher.ask()
    >>> trial.id, trial.extra
    ('rung-0/trial-00000', {'epochs': 1})
    """

    name: ClassVar[str] = "asha"

    def __init__(
        self,
        space: Space | None = None,
        direction: Direction = "max",
        n_configurations: int | None = None,
        fidelity: str = "epochs",
        min: int = 1,
        max: int = 27,
        eta: float = 3,
        proposals: Kind = "random",
        popsize: int = 10,
        configurations: Sequence[Mapping[str, ParamValue]] | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(space, direction, Fidelity(fidelity, min, max, eta), seed)
        self.popsize = as_int("popsize", popsize, at_least=4)
        self._proposals = proposals_of(proposals, space, configurations, self.popsize, self.seed)
        self._listed = configurations
        self.n_configurations = bounded(n_configurations, self._proposals)

    @property
    def proposals(self) -> Proposals:
        return self._proposals

    @property
    def n_trials(self) -> int:
        """The trials on all rungs, at most: fewer come where too many fail."""
        return sum(self.plan().values())

    def plan(self) -> dict[int, int]:
        """Return how many trials train for how long, at most."""
        counts = [self.n_configurations]
        for _ in range(self.fidelity.top):
            counts.append(self.fidelity.share(counts[-1], complete=True))
        return dict(zip(self.fidelity.levels, counts, strict=True))

    def starts(self) -> dict[int, int]:
        """Return how many of them are a configuration's first trial: those of the bottom."""
        return {self.fidelity.min: self.n_configurations}

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        listed = {} if self._listed is None else {"configurations": [*map(dict, self._listed)]}
        return {
            "direction": self.direction,
            "n_configurations": self.n_configurations,
            **self.fidelity.settings(),
            "proposals": self._proposals.kind,
            "popsize": self.popsize,
            **listed,
            "seed": self.seed,
        }

    def _next(self) -> tuple[int | None, int] | None:
        promotions = list(self._promotions())
        if promotions:
            return promotions[-1]
        return (None, 0) if len(self._points) < self.n_configurations else None

    def _promotions(self) -> Iterator[tuple[int, int]]:
        """Yield the configuration of each rung that has earned a promotion, and where to."""
        complete = len(self._points) == self.n_configurations  # nothing more comes from below
        for rung in range(self.fidelity.top):
            told = self._values[rung]
            complete = complete and len(told) == len(self._trials[rung])
            if len(self._trials[rung + 1]) < self.fidelity.share(len(told), complete=complete):
                waiting = self._waiting(rung, complete)
                if waiting is not None:
                    yield waiting, rung + 1
                    complete = False

    def _waiting(self, rung: int, complete: bool) -> int | None:
        """Return the best of a cohort that has earned it; of any, where a rest is given away."""
        above = self._trials[rung + 1]
        rest = None
        for cohort in range(self._proposals.n_cohorts):
            told = [c for c in self._values[rung] if self._cohorts[c] == cohort]
            best = next((c for c in self._ranked(rung, told) if c not in above), None)
            if best is None:
                continue
            if sum(c in above for c in told) < self.fidelity.share(len(told)):
                return best
            rest = best if rest is None else rest
        return rest if complete else None


def bounded(n: int | None, proposals: Proposals) -> int:
    if n is None and proposals.n_points is None:
        raise InvalidArgumentError("n_configurations says how many to draw, got None: give 40.")
    there_are = proposals.n_points
    if n is None:
        assert there_are is not None
        return there_are
    n = as_int("n_configurations", n, at_least=1)
    return n if there_are is None else min(n, there_are)
