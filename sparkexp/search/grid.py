"""Searchers whose trials are fixed beforehand: all of a grid, or those of a list."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sparkexp.errors import InvalidArgumentError, SpaceError
from sparkexp.search.base import Searcher
from sparkexp.space import Space
from sparkexp.space.values import check_names, to_native
from sparkexp.trial import ParamValue, Trial, TrialResult

__all__ = ["GridSearcher", "ListSearcher"]

# The largest grid that is filtered by `where` before the first trial.
MAX_FILTERED = 1_000_000


class _FixedSearcher(Searcher):
    """Proposes the k-th configuration as trial k; results change nothing."""

    knows_violations = True

    @abstractmethod
    def _get_params(self, k: int) -> dict[str, ParamValue]: ...

    def configuration(self, k: int) -> dict[str, ParamValue]:
        """Return the k-th configuration."""
        return self._get_params(k)

    def _propose(self, number: int) -> Trial:
        if number < len(self._initial_params):
            return Trial(number, self._initial_params[number])
        return Trial(number, self._get_params(number))

    def _learn(self, result: TrialResult) -> None:
        pass

    def _state(self) -> dict[str, Any]:
        return {}

    def _restore(self, memory: Mapping[str, Any]) -> None:
        pass


class GridSearcher(_FixedSearcher):
    """All combinations of the parameters' values; the last parameter varies fastest.

    Parameters
    ----------
    space : Space
        Without continuous parameters.

    Raises
    ------
    SpaceError
        If a parameter is continuous.

    Examples
    --------
    >>> searcher = GridSearcher(Space.from_grid_dict({'units': [16, 32], 'dropout': [0.5, 0.6]}))
    >>> searcher.n_trials
    4
    >>> [dict(searcher.ask().params) for _ in range(2)]
    [{'units': 16, 'dropout': 0.5}, {'units': 16, 'dropout': 0.6}]
    """

    name: ClassVar[str] = "grid"
    _more_initial = "more values in the grid"

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        for name, parameter in space.parameters.items():
            if parameter.n_values is None:
                raise SpaceError(
                    f"{name}: a grid needs a list of values, got {parameter}: give a list, or a "
                    "Float with step."
                )
        self._n_trials = space.n_configurations or 0
        self._space = space
        # Indices of the initial configurations, ascending; the others follow them.
        self._first: list[int] = []
        self._allowed: list[int] | None = None
        if space.where is not None:
            if self._n_trials > MAX_FILTERED:
                raise SpaceError(
                    f"A grid with where= has at most {MAX_FILTERED:,} combinations, each of "
                    f"which is checked, got {self._n_trials:,}. Search it at random, or use fewer."
                )
            numbers = range(self._n_trials)
            self._allowed = [k for k in numbers if space.allows(space.configuration(k))]
            self._n_trials = len(self._allowed)

    @property
    def n_trials(self) -> int:
        """The number of allowed combinations."""
        return self._n_trials

    def settings(self) -> dict[str, Any]:
        """Return an empty dict: the space says all."""
        return {}

    def _get_params(self, k: int) -> dict[str, ParamValue]:
        k -= len(self._first)  # the initial configurations come first
        for index in self._first:
            k += index <= k
        return self._space.configuration(k if self._allowed is None else self._allowed[k])

    def _set_initial(self, initial: Sequence[Mapping[str, ParamValue]]) -> None:
        super()._set_initial(initial)
        indices = [self._space.index_of(params) for params in initial]
        if self._allowed is not None:
            indices = [self._allowed.index(index) for index in indices]
        self._first = sorted(set(indices))
        if len(self._first) < len(indices):
            raise InvalidArgumentError("initial names a combination of the grid twice.")


class ListSearcher(_FixedSearcher):
    """Exactly the configurations of a list, in its order.

    Parameters
    ----------
    configurations : sequence of Mapping[str, int | float | str | bool]
        At least one. They may have different parameters, or none.

    Raises
    ------
    SpaceError
        If there is none, or a name or a value can't be used.

    Examples
    --------
    >>> searcher = ListSearcher([{'dropout': 0.5}, {'dropout': 0.6, 'units': 16}])
    >>> searcher.n_trials, searcher.ask().params
    (2, {'dropout': 0.5})
    """

    name: ClassVar[str] = "list"

    def __init__(self, configurations: Sequence[Mapping[str, ParamValue]]) -> None:
        super().__init__(None)
        if not isinstance(configurations, (list, tuple)) or not configurations:
            raise SpaceError(
                f"Configurations are a list of at least one dict, got {configurations!r}: write "
                "[{'learning_rate': 0.001}, {'learning_rate': 0.01}]."
            )
        self._configurations = [_check_configuration(k, c) for k, c in enumerate(configurations)]

    @property
    def n_trials(self) -> int:
        """The length of the list."""
        return len(self._configurations)

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        return {"configurations": [dict(c) for c in self._configurations]}

    def _get_params(self, k: int) -> dict[str, ParamValue]:
        return dict(self._configurations[k])

    def _max_initial(self) -> int:
        return 0


def _check_configuration(k: int, given: Mapping[str, ParamValue]) -> dict[str, ParamValue]:
    try:
        check_names(given)
    except SpaceError as error:
        raise SpaceError(f"Configuration {k}: {error}") from None
    configuration = {}
    for name, value in given.items():
        try:
            configuration[name] = to_native(value)
        except SpaceError as error:
            raise SpaceError(f"Configuration {k}, {name}: {error}") from None
    return configuration
