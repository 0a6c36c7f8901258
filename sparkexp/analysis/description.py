"""What a search is, as data: for its plan, its trackers, its result and whoever shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sparkexp.analysis.specs import ParameterSpec
from sparkexp.objective import Objective

if TYPE_CHECKING:  # executors load no numpy
    from sparkexp.space import ArchitectureSpace, Choice

__all__ = ["SearchDescription"]


@dataclass(frozen=True)
class SearchDescription:
    """A search, apart from what it has found.

    Parameters
    ----------
    name : str
        The run's name.
    objectives : tuple of Objective
        What is optimised, at least one.
    searcher : str
        The name of the searcher, such as ``'grid'`` or ``'surrogate'``.
    settings : Mapping[str, Any]
        Its settings.
    parameters : tuple of ParameterSpec
        What is searched.
    extras : tuple of ParameterSpec
        Arguments of the trials that are not searched, such as ``epochs``.
    generations : int, optional
        The number of the last generation, where trials have one.
    popsize : int, optional
        Configurations of a generation, where that is known.
    rungs : tuple of str
        What trials get on the rungs of a multi-fidelity search, such as ``'epochs=9'``.
    repeats : int
        Runs of every configuration.
    confirm : int
        How many of the best configurations run again at the end.
    asynchronous : bool
        Whether trials enter the population one by one, in the order in which they end.
    shows_best : bool
        Whether the best trials so far are shown as the population; see `Searcher.shows_best`.
    prunes : bool
        Whether trials may be ended early, by a pruning rule.
    constraints : tuple of str
        The entries that trials return and that have to be at most 0.
    about : str
        Markdown: what the search is, and how to repeat it.
    parsed : Mapping[str, ArchitectureSpace | Choice]
        The parameters of whose values the train function gets objects instead of texts; empty on
        executors, where their classes may not be found.

    Examples
    --------
    >>> SearchDescription('mnist', generations=3, confirm=2).last_generation
    4
    """

    name: str
    objectives: tuple[Objective, ...] = (Objective(),)
    searcher: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    parameters: tuple[ParameterSpec, ...] = ()
    extras: tuple[ParameterSpec, ...] = ()
    generations: int | None = None
    popsize: int | None = None
    rungs: tuple[str, ...] = ()
    repeats: int = 1
    confirm: int = 0
    asynchronous: bool = False
    shows_best: bool = False
    prunes: bool = False
    about: str = field(default="", compare=False)
    constraints: tuple[str, ...] = ()
    parsed: Mapping[str, ArchitectureSpace | Choice] = field(default_factory=dict, compare=False)

    @property
    def architectures(self) -> dict[str, ArchitectureSpace]:
        """The parameters that are architecture spaces."""
        from sparkexp.space import ArchitectureSpace

        return {n: p for n, p in self.parsed.items() if isinstance(p, ArchitectureSpace)}

    @property
    def last_generation(self) -> int | None:
        """The largest generation that is shown: confirming runs come after all others."""
        return None if self.generations is None else self.generations + (self.confirm > 0)

    @property
    def has_population(self) -> bool:
        """Whether it has a population; with several objectives a front is shown instead."""
        return self.generations is not None and len(self.objectives) == 1

    @property
    def is_repeated(self) -> bool:
        """Whether a configuration may have several runs."""
        return self.repeats > 1 or self.confirm > 0
