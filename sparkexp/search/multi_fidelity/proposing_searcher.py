"""The base class of multi-fidelity searchers that take their configurations from proposals."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from sparkexp.checks import as_int
from sparkexp.errors import InvalidArgumentError
from sparkexp.search.base import Searcher
from sparkexp.search.multi_fidelity.fidelity import Fidelity
from sparkexp.search.multi_fidelity.proposals import Kind, Proposals, make_proposals
from sparkexp.search.multi_fidelity.rungs import RungSearcher
from sparkexp.space import Space
from sparkexp.trial import Direction, ParamValue

__all__ = ["ProposingSearcher"]


class ProposingSearcher(RungSearcher):
    """A multi-fidelity searcher of random, grid or evolved configurations.

    Parameters
    ----------
    space : Space, optional
        What is searched; None for a list of configurations.
    direction : {'max', 'min'}
        Whether more or less is better.
    n_configurations : int, optional
        Configurations in all, at least 1; all of a grid or list by default.
    fidelity, min, max, eta
        See `Fidelity`.
    proposals : {'random', 'grid', 'evolution', 'searcher'}
        Where configurations come from.
    popsize : int
        Number of parents for ``proposals='evolution'``, at least 4.
    configurations : sequence of Mapping, optional
        The configurations, if there is no space.
    seed : int, optional
        A whole number of at least 0; by default one is drawn, and `settings` tells it.
    source : Searcher, optional
        A new searcher of the same space, which proposes the configurations and learns the results
        of the lowest rung; ``proposals`` is ``'searcher'`` then.
    """

    popsize: int

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
        source: Searcher | None = None,
    ) -> None:
        super().__init__(space, direction, Fidelity(fidelity, min, max, eta), seed)
        self.popsize = as_int("popsize", popsize, at_least=4)
        kind = proposals if source is None else "searcher"
        self._proposals = make_proposals(
            kind, space, configurations, self.popsize, self.seed, source
        )
        self._source = source
        self._listed = configurations
        self.n_configurations = _check_n_configurations(n_configurations, self._proposals)

    @property
    def proposals(self) -> Proposals:
        return self._proposals

    @property
    def n_trials(self) -> int:
        """The maximum number of trials on all rungs; there are fewer if too many fail."""
        return sum(self.plan().values())

    @abstractmethod
    def plan(self) -> dict[int, int]:
        """Return the maximum number of trials for each level of the fidelity."""

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        listed = {} if self._listed is None else {"configurations": [*map(dict, self._listed)]}
        source = {} if self._source is None else {"source": _record_searcher(self._source)}
        return {
            "direction": self.direction,
            "n_configurations": self.n_configurations,
            **self.fidelity.settings(),
            "proposals": self._proposals.kind,
            "popsize": self.popsize,
            **listed,
            **source,
            "seed": self.seed,
        }


def _record_searcher(searcher: Searcher) -> dict[str, Any]:
    """Return what a searcher is constructed from again, as a dict that `json` can write."""
    return {"searcher": searcher.name, "settings": searcher.settings()}


def _check_n_configurations(n: int | None, proposals: Proposals) -> int:
    if n is None and proposals.n_points is None:
        raise InvalidArgumentError(
            "n_configurations says how many configurations to draw, got None: give for example 40."
        )
    available = proposals.n_points
    if n is None:
        assert available is not None
        return available
    n = as_int("n_configurations", n, at_least=1)
    return n if available is None else min(n, available)
