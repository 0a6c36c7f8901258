"""The contract of all searchers, and the bookkeeping that they share."""

from __future__ import annotations

import functools
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sparkexp.checks import as_int
from sparkexp.errors import InvalidArgumentError
from sparkexp.space import Space
from sparkexp.trial import Direction, ParamValue, Trial, TrialResult

__all__ = ["KnownResult", "SeededSearcher", "Searcher"]

# How many points are drawn at most until `where` allows one.
TRIES_TO_DRAW = 1000


@dataclass(frozen=True)
class KnownResult:
    """The value of a configuration from an earlier search.

    Parameters
    ----------
    params : Mapping[str, int | float | str | bool]
        The configuration.
    value : float
        Its value.
    violation : float
        By how much it violates the constraints of the search; see `TrialResult`.
    """

    params: Mapping[str, ParamValue]
    value: float
    violation: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the result as a dict that `json` can write."""
        record = {"params": dict(self.params), "value": self.value}
        return {**record, "violation": self.violation} if self.violation else record


class Searcher(ABC):
    """Proposes trials and learns from their results.

    The contract, for whoever drives a searcher:

    - All calls come from one thread, the driver's loop. A searcher does no I/O and starts nothing.
    - `ask` returns the next trial, or None if there is nothing to propose now. After None, ask
      again when a result has been told; `done` is true when no further trial will come.
    - Any number of trials may be asked and not yet told. `tell` takes the result of each exactly
      once, in any order, failed ones too (their value is None).
    - Trials are numbered from 0 in the order asked. At most `n_trials` are asked.
    - Values are native Python types within the bounds of the space, and its `where` allows the
      configuration.
    - Unless `order_matters`, its trials depend on its settings and on the values told, never on
      the order in which they were told.
    - ``restore(state())`` on a new searcher with the same settings makes it propose what this one
      would have proposed; if `restores_exactly` is false, it only takes over the results. Trials
      asked but not told are asked again first, with their numbers. A result may also be told for
      such a trial without asking for it again.

    To write a searcher, implement `_propose` and `_learn`, and `_state` and `_restore` for what it
    remembers. Numbers, open trials and the random generator are kept here. The attributes describe
    the searcher; their defaults are those of a searcher without generations and rungs.

    Parameters
    ----------
    space : Space or None
        What is searched; None where the trials are not taken from a space.

    Attributes
    ----------
    directions : tuple of {'max', 'min'}
        Per objective, which value is the best; empty if the searcher does not use it.
    generations : int or None
        The number of the last generation, from 0; None where trials have no generation, or there
        is no last one.
    popsize : int or None
        The size of the population, as many trials as a generation has; None where there is none.
    rungs : tuple of str
        What a trial gets on each rung of a multi-fidelity search, from the lowest rung up, such
        as ``'epochs=9'``; empty if there are no rungs.
    repeats : int
        How often every configuration runs.
    confirm : int
        How many of the best configurations run once more at the end.
    knows_violations : bool
        Whether the searcher may be used with ``constraint=``: it reads `TrialResult.violation`, or
        does not learn from results.
    shows_best : bool
        Whether the best trials so far are shown as the population, because its members say little
        about the progress of the search.
    """

    name: ClassVar[str] = ""
    _more_initial: ClassVar[str] = "more trials (max_trials=)"
    directions: tuple[Direction, ...] = ()
    generations: int | None = None
    popsize: int | None = None
    rungs: tuple[str, ...] = ()
    repeats: int = 1
    confirm: int = 0
    shows_best: bool = False
    knows_violations: bool = False

    def __init__(self, space: Space | None) -> None:
        self.space = space
        self._limit: int | None = None
        self._n_asked = 0
        self._open: dict[int, Trial] = {}
        # Open trials of a restored searcher that are still to be asked again.
        self._to_ask_again: list[int] = []
        self._initial_params: tuple[dict[str, ParamValue], ...] = ()
        self._known: tuple[KnownResult, ...] = ()

    @final
    def start_from(
        self, initial: Sequence[Mapping[str, ParamValue]] = (), known: Sequence[KnownResult] = ()
    ) -> bool:
        """Set the initial configurations and the known results, before the first `ask`.

        Parameters
        ----------
        initial : sequence of Mapping[str, int | float | str | bool]
            The first trials, checked against the space.
        known : sequence of KnownResult
            Configurations of the space with their values. They are not asked.

        Returns
        -------
        bool
            Whether the searcher uses the known results.

        Raises
        ------
        InvalidArgumentError
            If there are more initial configurations than the searcher can take.
        """
        most = self._max_initial()
        if most is not None and len(initial) > most:
            raise InvalidArgumentError(
                f"This {self.name} search begins with at most {most} configurations, got initial= "
                f"with {len(initial)}. Leave some out, or use {self._more_initial}."
            )
        self._known = tuple(known)
        used = bool(known) and self._learn_known(self._known)
        if initial:
            self._set_initial(initial)
        return used

    def _max_initial(self) -> int | None:
        """Return the largest number of initial configurations; None if there is no limit."""
        return self.n_trials

    def _set_initial(self, initial: Sequence[Mapping[str, ParamValue]]) -> None:
        """Store the initial configurations; there is at least one.

        `ask` gives trial k the k-th of them, whatever `_propose` returns. Where trials have rungs,
        `_propose` gives the k-th of them to configuration k, which runs as several trials.
        """
        self._initial_params = tuple(dict(params) for params in initial)

    def _learn_known(self, known: Sequence[KnownResult]) -> bool:
        """Learn the known results; return whether the searcher uses them."""
        return False

    @property
    @abstractmethod
    def n_trials(self) -> int | None:
        """The number of trials at most; None if there is no limit."""

    @property
    def inner(self) -> Searcher:
        """The searcher that proposes the configurations; itself, unless another one does."""
        return self

    @property
    def extras(self) -> Mapping[str, Sequence[ParamValue]]:
        """The values of the arguments that trials pass besides those of the space, by name."""
        return {}

    @property
    def order_matters(self) -> bool:
        """Whether the trials depend on the order in which results are told."""
        return False

    @property
    def restores_exactly(self) -> bool:
        """Whether a restored searcher proposes what this one would have proposed."""
        return True

    @property
    def done(self) -> bool:
        """Whether no further trial will be asked, whatever is told."""
        return not self._to_ask_again and self._n_asked == self.n_trials

    @property
    def n_asked(self) -> int:
        """The number of trials asked so far; the next one has this number."""
        return self._n_asked

    def limit(self, max_trials: int | None) -> None:
        """Set how many trials the search runs at most; None for no limit.

        A searcher needs it if its last trials are of another kind. `n_trials` may stay above it.
        """
        self._limit = max_trials

    def plan_rows(self) -> list[tuple[str, str]]:
        """Return headings and texts that the plan of the search shows besides the settings."""
        return []

    def slots_note(self, slots: int) -> str | None:
        """Return what the plan notes if so many trials in flight don't suit the searcher."""
        return None

    def progress(self) -> Mapping[str, float]:
        """Return figures of the searcher's inside, by name, for curves over the trials.

        They change with every result at most, and are finite. A searcher that has nothing to show
        returns no figures.
        """
        return {}

    @property
    def is_new(self) -> bool:
        """Whether it is unused: no trial was asked, and `start_from` has set nothing."""
        return not (self._n_asked or self._initial_params or self._known)

    def open_trials(self) -> list[Trial]:
        """Return the trials asked and not yet told."""
        return [self._open[number] for number in sorted(self._open)]

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write.

        The constructor takes the same names, besides the space. A seed that was drawn is included.
        """

    @final
    def ask(self) -> Trial | None:
        """Return the next trial, or None if there is nothing to propose now."""
        if self._to_ask_again:
            return self._open[self._to_ask_again.pop(0)]
        if self._n_asked == self.n_trials:
            return None
        trial = self._propose(self._n_asked)
        if trial is not None:
            if trial.number < len(self._initial_params) and trial.rung is None:
                trial = replace(trial, params=self._initial_params[trial.number])
            self._n_asked += 1
            self._open[trial.number] = trial
        return trial

    @final
    def tell(self, result: TrialResult) -> None:
        """Learn how a trial ended.

        Raises
        ------
        InvalidArgumentError
            If the trial was not asked, or its result was told before.
        """
        number = result.trial.number
        if self._open.get(number) != result.trial:
            reason = "was told before" if number < self._n_asked else "was not asked"
            reason = "is not the trial that was asked" if number in self._open else reason
            raise InvalidArgumentError(
                f"A result is told once for every trial asked, but {result.trial.id} {reason}."
            )
        del self._open[number]
        if number in self._to_ask_again:
            self._to_ask_again.remove(number)
        self._learn(result)

    @final
    def state(self) -> dict[str, Any]:
        """Return all that `restore` needs, as a dict that `json` can write."""
        return {
            "made_by": self._fingerprint,
            "n_asked": self._n_asked,
            "open": [trial.to_json() for trial in self.open_trials()],
            "memory": self._state(),
        }

    @staticmethod
    def knows_only(state: Mapping[str, Any], numbers: Set[int]) -> bool:
        """Tell whether a saved state has learned the results of these trials only.

        Parameters
        ----------
        state : Mapping[str, Any]
            What `state` returned.
        numbers : set of int
            Numbers of trials.
        """
        still_open = {record["number"] for record in state["open"]}
        return set(range(state["n_asked"])) - still_open <= numbers

    @final
    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state` returned.

        Raises
        ------
        InvalidArgumentError
            If this searcher was used before, or has another class, space or settings.
        """
        if self._n_asked:
            raise InvalidArgumentError("A state is restored into a searcher not yet used.")
        if state.get("made_by") != self._fingerprint:
            raise InvalidArgumentError(
                f"The state was saved by another searcher than this {self.name!r} with the "
                f"settings {self.settings()}: construct it with the space and the settings that "
                "were recorded, the seed included."
            )
        self._n_asked = state["n_asked"]
        self._open = {record["number"]: Trial(**record) for record in state["open"]}
        self._to_ask_again = sorted(self._open)
        self._restore(state["memory"])

    @abstractmethod
    def _propose(self, number: int) -> Trial | None:
        """Return a new trial with this number, or None while there is nothing to propose."""

    @abstractmethod
    def _learn(self, result: TrialResult) -> None:
        """Learn the result of a trial, which was asked and is told for the first time."""

    @abstractmethod
    def _state(self) -> dict[str, Any]:
        """Return what else `restore` needs, as a dict that `json` can write."""

    @abstractmethod
    def _restore(self, memory: Mapping[str, Any]) -> None:
        """Take over what `_state` returned."""

    @functools.cached_property
    def _fingerprint(self) -> str:
        # A digest: the state is written after every trial, a list of configurations can be long.
        space = None if self.space is None else self.space.to_json()
        made: list[Any] = [self.name, space, self.settings()]
        if self._initial_params or self._known:
            known = [list(each.to_json().values()) for each in self._known]
            made += [self._initial_params, known]
        return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:16]


class SeededSearcher(Searcher):
    """A searcher of a space whose random numbers all come from one seed.

    Parameters
    ----------
    space : Space
        What is searched.
    seed : int, optional
        A whole number of at least 0; by default one is drawn, which `settings` returns.
    """

    space: Space

    def __init__(self, space: Space, seed: int | None) -> None:
        super().__init__(space)
        if seed is None:
            # 32 bits: enough to differ, and short enough to be typed again.
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        self.seed = as_int("seed", seed, at_least=0)
        self._rng = np.random.Generator(np.random.PCG64(self.seed))

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        return {"seed": self.seed}

    def _draw_allowed(self, draw: Callable[[], NDArray[np.float64]]) -> NDArray[np.float64]:
        """Draw points until `where` allows one; after many tries, return a repaired one.

        In a narrow space the point comes from the space instead.
        """
        if self.space.is_narrow:
            return self.space.draw_point(self._rng)
        for _ in range(TRIES_TO_DRAW):
            if self.space.admits(genome := draw()):
                return genome
        return self.space.repair(genome)

    def _state(self) -> dict[str, Any]:
        return {"rng": self._rng.bit_generator.state}

    def _restore(self, memory: Mapping[str, Any]) -> None:
        self._rng.bit_generator.state = memory["rng"]
