"""The best trials of a search, as its result names them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from sparkexp.analysis.ranking import Configuration, find_front_configurations, rank_configurations
from sparkexp.errors import SpaceError
from sparkexp.objective import Objective
from sparkexp.results.curves import read_curve
from sparkexp.results.stored_artifacts import list_artifacts, load_artifact
from sparkexp.space import Architecture, ArchitectureSpace, Choice
from sparkexp.texts.counts import count
from sparkexp.trial import ParamValue, TrialResult

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BestTrial", "explain_no_best", "explain_no_value", "find_best", "find_front"]

Parsed = Mapping[str, ArchitectureSpace | Choice]


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
    violation : float
        By how much it violates the constraints; above 0 only if no trial satisfies them.
    parsed : Mapping[str, ArchitectureSpace | Choice]
        The parameters of whose values the train function gets objects instead of texts.
    extra : Mapping[str, ParamValue]
        What the train function gets besides the parameters.
    """

    id: str
    params: dict[str, int | float | str | bool]
    value: float
    metrics: dict[str, float]
    logdir: str
    values: tuple[float, ...] = ()
    n_runs: int = 1
    spread: float | None = None
    violation: float = 0.0
    _parsed: ClassVar[Parsed]
    _extra: ClassVar[Mapping[str, ParamValue]]
    parsed: InitVar[Parsed] = MappingProxyType({})
    extra: InitVar[Mapping[str, ParamValue]] = MappingProxyType({})

    def __post_init__(self, parsed: Parsed, extra: Mapping[str, ParamValue]) -> None:
        # No fields: `dataclasses.asdict` returns what `json` can write.
        object.__setattr__(self, "_parsed", dict(parsed))
        object.__setattr__(self, "_extra", dict(extra))

    @classmethod
    def of(
        cls,
        configuration: Configuration,
        parsed: Parsed = MappingProxyType({}),
    ) -> BestTrial:
        """Return a configuration as a best trial, with the id of its first run."""
        first = configuration.runs[0]
        return cls(
            first.trial.id,
            dict(first.trial.params),
            configuration.value,
            configuration.metrics,
            first.logdir,
            values=configuration.values,
            n_runs=len(configuration.runs),
            spread=configuration.spread,
            violation=configuration.violation,
            parsed=parsed,
            extra=first.trial.extra,
        )

    @property
    def arguments(self) -> dict[str, Any]:
        """What the train function got: ``train(**result.best.arguments)`` is the same trial.

        They are the parameters, with objects (None, tuples, lists, architectures) where `params`
        has texts, and what trials get besides, such as epochs or a seed.

        Examples
        --------
        >>> from sparkexp import experiment
        >>> result = experiment.launch(
        ...     None, lambda widths: sum(widths), {'widths': [(8,), (8, 4)]}, engine='inline',
        ...     progress=False)
        >>> result.best.params, result.best.arguments
        ({'widths': '(8, 4)'}, {'widths': (8, 4)})
        """
        texts: Mapping[str, Any] = self.params
        objects = {n: p.parse(texts[n]) for n, p in self._parsed.items() if n in texts}
        return {**self.params, **self._extra, **objects}

    @property
    def architecture(self) -> Architecture:
        """The trial's architecture: ``architecture.build(...)`` returns a model of it.

        Raises
        ------
        SpaceError
            If it has none or several, or the class of their space is not defined here.
        """
        found = list(self.architectures)
        if len(found) != 1:
            listed = ", ".join(map(repr, found))
            way_out = (
                f"Take one of best.architectures, by its name: {listed}."
                if found
                else f"Its parameters are {', '.join(self.params) or 'none'}: see best.params."
            )
            raise SpaceError(
                "best.architecture is for a search with one architecture space, and this trial "
                f"has {len(found)}. {way_out}"
            )
        return self.architectures[found[0]]

    @property
    def architectures(self) -> dict[str, Architecture]:
        """The trial's architectures by the parameters' names, where it has several."""
        found = self.arguments.items()
        return {name: value for name, value in found if isinstance(value, Architecture)}

    @property
    def artifacts(self) -> list[str]:
        """The files that the trial left in ``experiment.artifact_dir()``."""
        return list_artifacts(self.logdir)

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

    def curve(self, name: str) -> pd.Series[float]:
        """Return a metric that the trial reported while it ran.

        Parameters
        ----------
        name : str
            Its name, such as ``'val_loss'``; for what `keras.callbacks.TensorBoard` wrote,
            ``'train/epoch_loss'``.

        Returns
        -------
        pandas.Series
            The values, with the steps as index; in single precision (24 bits), as they were
            reported to TensorBoard, while `value` and `metrics` are doubles.

        Raises
        ------
        InvalidArgumentError
            If the trial has not reported it; the message names what it has.
        StorageError
            If the log directory is a URL that can't be read.

        Examples
        --------
        >>> from sparkexp import experiment
        >>> def train(x):
        ...     for step in range(3):
        ...         experiment.report(step, loss=x / (step + 1))
        ...     return x
        >>> result = experiment.launch(None, train, {'x': [6]}, engine='inline', progress=False)
        >>> result.best.curve('loss').to_dict()
        {0: 6.0, 1: 3.0, 2: 2.0}
        """
        return read_curve(self.id, self.logdir, name)


def find_best(
    trials: Iterable[TrialResult],
    objective: Objective,
    parsed: Parsed = MappingProxyType({}),
) -> BestTrial | None:
    """Return the configuration with the best value, the first of equals.

    Only those that satisfy the constraints compete; if there are none, the one that violates them
    least is returned.

    Where configurations ran several times, only those with the most runs compete: the mean of few
    runs may be good by chance. Where trials have rungs, only those of the highest rung compete.
    """
    best = next(iter(rank_configurations(trials, objective)), None)
    return None if best is None else BestTrial.of(best, parsed)


def find_front(
    trials: Iterable[TrialResult],
    objectives: Sequence[Objective],
    parsed: Parsed = MappingProxyType({}),
) -> list[BestTrial]:
    """Return the configurations that no other dominates, the best in the first objective first.

    Of several with the same values, only the first is returned.
    """
    front = find_front_configurations(trials, objectives)
    return [BestTrial.of(each, parsed) for each in front]


def explain_no_best(trials: Sequence[TrialResult], objectives: Sequence[Objective]) -> str:
    """Return why a search has no best trial."""
    if len(objectives) > 1:
        return (
            "There is no best trial of a search with several objectives: result.front has "
            "those that no other beats in all of them."
        )
    succeeded = [r for r in trials if r.succeeded]
    if not trials:
        return "There is no best trial: no trial ended."
    if not succeeded:
        first = next((r.reason for r in trials if r.error), None) or "no error recorded"
        return (
            f"There is no best trial: none of the {count(len(trials), 'trial')} succeeded. The "
            f"first error: {first} (all of them: result.failures())."
        )
    if any(r.metrics for r in succeeded):
        return (
            "There is no best trial: the train function returned several metrics "
            f"({', '.join(map(repr, succeeded[0].metrics))}). Name one with metric=."
        )
    return (
        "There is no best trial: the train function returned nothing. Return the metric that "
        "should be compared."
    )


def explain_no_value(trials: Sequence[TrialResult]) -> str:
    """Return what is missing where trials succeeded and none has a value; else nothing."""
    succeeded = [r for r in trials if r.succeeded]
    if not succeeded or any(r.value is not None or r.metrics for r in succeeded):
        return ""
    what = "no number" if any(r.notes for r in succeeded) else "nothing"
    return f"no value: the train function returned {what}"
