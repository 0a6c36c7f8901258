"""Any sampler of Optuna, through Optuna's own ask and tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from sparkexp.checks import as_direction, as_int
from sparkexp.errors import EnvironmentUnfitError, InvalidArgumentError
from sparkexp.objective import Objective
from sparkexp.search.base import KnownResult, Searcher
from sparkexp.space import ArchitectureSpace, Axis, Choice, Float, Int, Parameter, Space
from sparkexp.space.unit_interval import cell_middle
from sparkexp.trial import Direction, ParamValue, Trial, TrialResult

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study

__all__ = ["OptunaSearcher", "is_sampler"]

# How often a sampler is asked at most until `where` allows its configuration.
TRIES_TO_ASK = 20
# They stop Optuna's own loop, which does not run here.
REFUSED = ("GridSampler", "BruteForceSampler")


def is_sampler(given: object) -> bool:
    """Tell whether something is a sampler of Optuna, without importing Optuna."""
    return any(
        cls.__name__ == "BaseSampler" and cls.__module__.startswith("optuna.")
        for cls in type(given).__mro__
    )


class OptunaSearcher(Searcher):
    """A study of Optuna in memory, whose sampler proposes the trials.

    A range becomes a float or int distribution with its log or step, an unordered choice a
    categorical one, an ordered choice an int distribution over the positions of its values.
    Parameters whose condition does not hold are not suggested. Failed trials are told as failed.

    The sampler's random generator can't be saved: a restored searcher adds all trials to a new
    study, from which the sampler given to it goes on.

    Parameters
    ----------
    space : Space
        What is searched.
    direction : {'max', 'min'} or a sequence of these
        Whether more or less is better, per objective.
    n_trials : int, optional
        The number of trials, at least 1; None for no limit.
    sampler : optuna.samplers.BaseSampler or str
        The sampler. The name of its class is enough to show a recorded search, but not to `ask`.

    Raises
    ------
    InvalidArgumentError
        If a setting is out of its range, or the sampler can't be used.
    EnvironmentUnfitError
        If Optuna is not installed.

    References
    ----------
    T. Akiba, S. Sano, T. Yanase, T. Ohta, M. Koyama (2019). Optuna: a next-generation
    hyperparameter optimization framework. KDD, 2623-2631.
    """

    name: ClassVar[str] = "optuna"
    space: Space

    def __init__(
        self,
        space: Space,
        direction: Direction | Sequence[Direction] = "max",
        n_trials: int | None = None,
        sampler: BaseSampler | str = "",
    ) -> None:
        super().__init__(space)
        given = [direction] if isinstance(direction, str) else direction
        self.directions = tuple(as_direction(each) for each in given)
        self._objectives = tuple(Objective(direction=each) for each in self.directions)
        self._n_trials = None if n_trials is None else as_int("n_trials", n_trials, at_least=1)
        self._sampler_name = sampler if isinstance(sampler, str) else type(sampler).__name__
        self._numbers: dict[int, int] = {}
        self._told: list[tuple[dict[str, ParamValue], list[float]]] = []
        self._study: Study | None = None
        if not isinstance(sampler, str):
            self._study = self._create_study(sampler)

    @property
    def n_trials(self) -> int | None:
        """The number of trials; None if there is no limit."""
        return self._n_trials

    @property
    def order_matters(self) -> bool:
        """True: a sampler uses all results that it knows when it is asked."""
        return True

    @property
    def restores_exactly(self) -> bool:
        """False: a sampler's random generator can't be saved."""
        return False

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        return {
            "direction": list(self.directions) if self._several else self.directions[0],
            "n_trials": self._n_trials,
            "sampler": self._sampler_name,
        }

    def _create_study(self, sampler: BaseSampler) -> Study:
        optuna = _import_optuna()
        if not isinstance(sampler, optuna.samplers.BaseSampler):
            raise InvalidArgumentError(f"A sampler of Optuna is needed, got {sampler!r}.")
        if self._sampler_name in REFUSED:
            raise InvalidArgumentError(
                f"{self._sampler_name} ends Optuna's own loop, which does not run here. Write "
                "searcher='grid' for all combinations."
            )
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # hides "a new study created"
        try:
            directions = ["maximize" if o.maximised else "minimize" for o in self._objectives]
            return optuna.create_study(sampler=sampler, directions=directions)
        finally:
            optuna.logging.set_verbosity(verbosity)

    @property
    def _several(self) -> bool:
        return len(self.directions) > 1

    def _require_study(self) -> Study:
        if self._study is None:
            raise InvalidArgumentError(
                f"The sampler, a {self._sampler_name}, is needed to go on: hand it over again."
            )
        return self._study

    def _learn_known(self, known: Sequence[KnownResult]) -> bool:
        if self._study is not None:  # else the search is only shown
            complete = _import_optuna().trial.TrialState.COMPLETE
            for each in known:
                self._add(each.params, complete, [each.value])
        return True

    def _propose(self, number: int) -> Trial:
        if number < len(self._initial_params):
            self._add_running(number, self._initial_params[number])
            return Trial(number, self._initial_params[number])
        study = self._require_study()
        root = _make_distributions(self.space.top_level)
        params: dict[str, ParamValue] = {}
        for _ in range(TRIES_TO_ASK):
            suggestion = study.ask(root)
            params = self._suggest_params(suggestion)
            if self.space.allows(params):
                self._numbers[number] = suggestion.number
                return Trial(number, params)
            study.tell(suggestion, state=_import_optuna().trial.TrialState.FAIL)
        params = self.space.decode(self.space.encode(params))
        self._add_running(number, params)
        return Trial(number, params)

    def _suggest_params(self, suggestion: Any) -> dict[str, ParamValue]:
        values: dict[str, ParamValue] = {}
        for name, parameter in self.space.parameters.items():
            condition = self.space.conditions.get(name)
            if condition is None or condition.holds(values):
                axes = _name_axes(name, parameter)
                raw = {key: _suggest(suggestion, key, axis) for key, axis in axes.items()}
                values[name] = _from_optuna(parameter, list(raw.values()))
        return values

    def _learn(self, result: TrialResult) -> None:
        number, study = self._numbers.pop(result.trial.number), self._require_study()
        values = list(result.values) if self._several else [result.value]
        known = [value for value in values if value is not None]
        if len(known) < len(self.directions):
            known = []
        self._told.append((dict(result.trial.params), known))
        if known:
            study.tell(number, known)
        else:
            study.tell(number, state=_import_optuna().trial.TrialState.FAIL)

    def _add_running(self, number: int, params: Mapping[str, ParamValue]) -> None:
        self._numbers[number] = self._add(params, _import_optuna().trial.TrialState.RUNNING)

    def _add(
        self, params: Mapping[str, ParamValue], state: Any, values: Sequence[float] = ()
    ) -> int:
        """Add a trial that the study has not proposed; return its number in the study."""
        study = self._require_study()
        parameters = self.space.parameters
        trial = _import_optuna().trial.create_trial(
            state=state,
            values=list(values) or None,
            params={k: v for n, p in params.items() for k, v in _to_optuna(n, parameters[n], p)},
            distributions=_make_distributions({name: parameters[name] for name in params}),
        )
        study.add_trial(trial)
        return len(study.get_trials(deepcopy=False)) - 1

    def _state(self) -> dict[str, Any]:
        return {"told": [[params, values] for params, values in self._told]}

    def _restore(self, memory: Mapping[str, Any]) -> None:
        states = _import_optuna().trial.TrialState
        for params, values in memory["told"]:
            self._told.append((dict(params), list(values)))
            self._add(params, states.COMPLETE if values else states.FAIL, values)
        for trial in self.open_trials():
            self._add_running(trial.number, trial.params)


def _import_optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise EnvironmentUnfitError(
            "This search needs Optuna, which is not installed: pip install 'sparkexp[optuna]'."
        ) from error
    return optuna


def _name_axes(name: str, parameter: Parameter) -> Mapping[str, Axis]:
    """Return what Optuna takes for a parameter: for an architecture, each of its decisions."""
    if isinstance(parameter, ArchitectureSpace):
        return parameter.name_axes(name)
    return {name: parameter}


def _uses_numbers(parameter: Choice) -> bool:
    """Tell whether Optuna gets the positions of a choice's options, not the options."""
    # Optuna compares options with ==, for which 1 and True are equal.
    return bool(parameter.ordered) or len(set(parameter.options)) < parameter.n_values


def _make_distributions(parameters: Mapping[str, Parameter]) -> dict[str, BaseDistribution]:
    return {
        key: _make_distribution(axis)
        for name, parameter in parameters.items()
        for key, axis in _name_axes(name, parameter).items()
    }


def _make_distribution(parameter: Axis) -> BaseDistribution:
    found = _import_optuna().distributions
    distribution: BaseDistribution
    if isinstance(parameter, Choice):
        n = parameter.n_values
        if parameter.ordered:
            distribution = found.IntDistribution(0, n - 1)
        else:
            options = range(n) if _uses_numbers(parameter) else parameter.options
            distribution = found.CategoricalDistribution(tuple(options))
    else:
        # The last step, not the bound: Optuna warns of a bound between two steps.
        high = parameter.decode(1.0)
        kind = found.IntDistribution if isinstance(parameter, Int) else found.FloatDistribution
        step = parameter.step or (1 if isinstance(parameter, Int) else None)
        distribution = kind(parameter.low, high, log=parameter.log, step=step)
    return distribution


def _suggest(suggestion: Any, name: str, parameter: Axis) -> Any:
    """Return the value of a parameter that Optuna has suggested, or suggests now."""
    if name in suggestion.params:
        return suggestion.params[name]
    distribution: Any = _make_distribution(parameter)
    if isinstance(parameter, Choice) and not parameter.ordered:
        return suggestion.suggest_categorical(name, distribution.choices)
    is_float = isinstance(parameter, Float)
    suggest = suggestion.suggest_float if is_float else suggestion.suggest_int
    bounds = {"step": distribution.step, "log": distribution.log}
    return suggest(name, distribution.low, distribution.high, **bounds)


def _from_optuna(parameter: Parameter, raw: Sequence[Any]) -> ParamValue:
    """Convert what Optuna suggested, a value for each axis, to a value of the parameter."""
    if isinstance(parameter, ArchitectureSpace):
        axes = zip(parameter.axes, raw, strict=True)
        return parameter.decode([axis.encode(choice) for axis, choice in axes])
    return _axis_from_optuna(parameter, raw[0])


def _axis_from_optuna(parameter: Axis, raw: Any) -> ParamValue:
    if isinstance(parameter, Choice) and _uses_numbers(parameter):
        return parameter.decode(cell_middle(int(raw), parameter.n_values))
    if isinstance(parameter, Float):
        raw = min(max(float(raw), parameter.low), parameter.high)
        if parameter.step is None:
            return float(raw)
    return parameter.decode(parameter.encode(raw))  # sums of steps have rounding errors


def _to_optuna(name: str, parameter: Parameter, value: ParamValue) -> Iterator[tuple[str, Any]]:
    """Yield name and value of each axis for Optuna."""
    if isinstance(parameter, ArchitectureSpace):
        axes = parameter.name_axes(name).items()
        for (key, axis), u in zip(axes, parameter.encode(value), strict=True):
            yield key, axis.decode(u)
    elif isinstance(parameter, Choice) and _uses_numbers(parameter):
        yield name, int(parameter.encode(value) * parameter.n_values)
    else:
        yield name, value
