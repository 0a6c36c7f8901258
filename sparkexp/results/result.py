"""What a search returns: its trials, the best of them, as objects and as a table."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparkexp.analysis.description import SearchDescription
from sparkexp.analysis.ranking import (
    rank_configurations,
    sort_best_first,
)
from sparkexp.errors import NoBestTrialError
from sparkexp.objective import Objective
from sparkexp.results.best_trial import (
    BestTrial,
    explain_no_best,
    explain_no_value,
    find_best,
    find_front,
)
from sparkexp.results.curves import make_curves_frame
from sparkexp.results.short_text import describe_left_out, make_headline, make_short_table
from sparkexp.results.stored_artifacts import load_model
from sparkexp.results.table import make_configurations_frame, make_trials_frame
from sparkexp.runs import RunDirectory, damage_error
from sparkexp.runs.paths import model_file
from sparkexp.search.spec import read_description, specs_of
from sparkexp.texts.printable import printable
from sparkexp.trial import Direction, State, TrialResult

if TYPE_CHECKING:
    import pandas as pd

    from sparkexp.analysis.axes import Axis
    from sparkexp.results.plots import Backend, Kind
    from sparkexp.tracking import TensorBoardServer

__all__ = ["BestTrial", "Result"]


@dataclass(frozen=True)
class Result:
    """All trials of a search.

    Parameters
    ----------
    trials : tuple of TrialResult
        In the order of their numbers.
    logdir : str
        The run's log directory, a path or a URL.
    search : SearchDescription
        What the search was.
    stopped : str, optional
        Why the search ended before its last trial; None if it did not.

    Examples
    --------
    >>> from sparkexp import experiment
    >>> result = experiment.launch(
    ...     None, lambda x: x**2, {'x': [1, 2, 3]}, engine='inline', progress=False)
    >>> result.best.params, result.best.value
    ({'x': 3}, 9.0)
    >>> print(result.to_pandas()[['id', 'x', 'value', 'status']].head(1).to_string(index=False))
                    id  x  value    status
    trials/trial-00000  1    1.0 SUCCEEDED
    """

    trials: tuple[TrialResult, ...]
    logdir: str
    search: SearchDescription
    stopped: str | None = None

    @classmethod
    def of_run(cls, run: RunDirectory) -> Result:
        """Return the results in a run's directory; the search may still be running.

        Raises
        ------
        RunDirectoryError
            If it is damaged.
        """
        try:
            search = read_description(run.settings)
        except Exception as error:  # settings that were changed
            raise damage_error(run.paths.experiment, repr(error)) from error
        return cls(tuple(run.results()), run.location, search)

    @property
    def name(self) -> str:
        """The run's name."""
        return self.search.name

    @property
    def searcher(self) -> str:
        """The name of the searcher, such as ``'grid'`` or ``'surrogate'``."""
        return self.search.searcher

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What was optimised."""
        return self.search.objectives

    @property
    def direction(self) -> Direction:
        """Whether the largest or the smallest value is the best, of the first objective."""
        return self.objectives[0].direction

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The direction of each objective."""
        return tuple(objective.direction for objective in self.objectives)

    @property
    def metric(self) -> str | None:
        """The name of the first objective; None where the train function returned a number."""
        return self.objectives[0].name

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the objectives; none where the only one has none."""
        return tuple(each.name for each in self.objectives if each.name is not None)

    def __len__(self) -> int:
        return len(self.trials)

    @property
    def best(self) -> BestTrial:
        """The succeeded trial with the best value, the earliest one of equals.

        With ``constraint=`` it is the best of those that satisfy the constraints, or the one that
        violates them least if none does: its ``violation`` is above 0 then.

        In a multi-fidelity search it is the best one on the highest rung that was reached. With
        ``repeats`` it is the configuration with the best mean, among those with most runs.

        Raises
        ------
        NoBestTrialError
            If no trial succeeded with a value, or there are several objectives, of which `front`
            has the best trials; the message says why.
        """
        found = self.find_best()
        if found is None:
            raise NoBestTrialError(explain_no_best(self.trials, self.objectives))
        return found

    @property
    def front(self) -> list[BestTrial]:
        """The trials that no other beats in all objectives: the Pareto front.

        They are sorted by the first objective, the best first; ``values`` has all objectives. With
        one objective it is the best trial.

        Examples
        --------
        >>> from sparkexp import experiment
        >>> def train(x):
        ...     return {'accuracy': x, 'latency': x**2 if x < 3 else 1.0}
        >>> result = experiment.launch(None, train, {'x': [1, 2, 3]}, direction=['max', 'min'],
        ...     metric=['accuracy', 'latency'], engine='inline', progress=False)
        >>> [(trial.params['x'], trial.values) for trial in result.front]
        [(3, (3.0, 1.0))]
        """
        if self._several:
            return find_front(self.trials, self.objectives, self.search.parsed)
        found = self.find_best()
        return [] if found is None else [found]

    def best_model(
        self, name: str = "model", *, custom_objects: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the Keras model that the best trial saved with ``experiment.save_model``.

        Parameters
        ----------
        name : str
            The name that it was saved under.
        custom_objects : Mapping[str, Any], optional
            Its own layers and functions by name, as for ``keras.saving.load_model``. Those that
            this script or notebook defines are found without it.

        Raises
        ------
        NoBestTrialError
            If there is no best trial.
        RunDirectoryError
            If the best trial has saved none.
        """
        return load_model(self.best.load_artifact(model_file(name), Path), custom_objects)

    def failures(self) -> dict[str, str]:
        """Return what went wrong in the failed trials, by their ids.

        Returns
        -------
        dict of str
            The traceback, or a sentence; then the last lines that the trial wrote. All of its
            output is in ``output.log`` in its directory.
        """
        failed = (r for r in self.trials if r.state is State.FAILED)
        return {
            r.trial.id: f"{r.error}\n\nLast lines of its output:\n{r.output}"
            if r.output
            else r.error or ""
            for r in failed
        }

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with a row per trial.

        Returns
        -------
        pandas.DataFrame
            Columns ``id, generation, parent``, one per argument of the train function (parameters,
            then others, such as ``epochs``), ``value, status, seconds, host, gpu, logdir, error,
            reused_from``, then one per metric, with the objective among them, which ``value`` has
            under a fixed name. An argument or metric with the name of another column is
            called ``param_<name>`` or ``metric_<name>``. ``seconds`` is the time in the train
            function; 0 for a reused one. With several objectives ``value`` is the first, and
            ``front`` tells who is on the Pareto front. With ``constraint=``, ``violation`` is
            what exceeds 0, and 0 where all constraints are satisfied.
        """
        front = self.front if self._several else None
        return make_trials_frame(self.trials, front, constrained=self._constrained)

    def to_read(self) -> pd.DataFrame:
        """Return the table for reading: the best trials first, the objective in one column.

        Returns
        -------
        pandas.DataFrame
            As `to_pandas`. With ``repeats`` the runs of the best configuration come first, with
            several objectives those of the front.
        """
        trials = sort_best_first(self.trials, self.objectives)
        if self._several:
            frame = make_trials_frame(trials, self.front, constrained=self._constrained)
            return frame.drop(columns="value")
        return make_trials_frame(trials, without=self.metrics, constrained=self._constrained)

    def configurations(self) -> pd.DataFrame:
        """Return a table with a row per configuration: means and spread of its runs.

        Returns
        -------
        pandas.DataFrame
            A column per parameter, then ``n_runs``, ``mean`` and ``std`` of the value (the
            standard deviation between runs; missing for one), best first: those with most runs,
            as for `best`. Failed runs do not count.

        Examples
        --------
        >>> from sparkexp import experiment
        >>> result = experiment.launch(None, lambda x, seed: x + seed % 3, {'x': [1, 5]},
        ...                            repeats=4, engine='inline', progress=False)
        >>> result.configurations()[['x', 'n_runs']].to_dict('list')
        {'x': [5, 1], 'n_runs': [4, 4]}
        """
        return make_configurations_frame(rank_configurations(self.trials, self.objectives[0]))

    def curves(self) -> pd.DataFrame:
        """Return a table of all that the trials reported while they ran.

        Returns
        -------
        pandas.DataFrame
            A row per trial and step: ``id``, ``step``, and a column per metric, with NaN where a
            trial did not report it there. Trials with a reused value have no rows. The metrics
            are in single precision (24 bits), as they were reported to TensorBoard; what trials
            returned are doubles.

        Raises
        ------
        StorageError
            If the log directory is a URL that can't be read.

        Examples
        --------
        >>> from sparkexp import experiment
        >>> def train(x):
        ...     for step in range(2):
        ...         experiment.report(step, loss=x / (step + 1))
        ...     return x
        >>> result = experiment.launch(None, train, {'x': [6, 4]}, engine='inline', progress=False)
        >>> result.curves().pivot(index='step', columns='id', values='loss').to_numpy().tolist()
        [[6.0, 4.0], [3.0, 2.0]]
        """
        return make_curves_frame(self.trials)

    def plot(self, kind: Kind = "history", *, backend: Backend = "matplotlib") -> Any:
        """Return a plot of the search; a notebook shows it.

        Parameters
        ----------
        kind : {'history', 'parallel', 'slice', 'importance', 'generations', 'front'}
            ``history``: the objective of every trial, and the best so far. ``parallel``: a line
            per trial through its parameters. ``slice``: the objective against each parameter.
            ``importance``: how much of what tells good trials from bad ones each parameter
            explains by itself (PED-ANOVA). ``generations``: best, mean, worst, diversity and
            acceptance of an evolution. ``front``: the first two of several objectives. With
            ``repeats`` all but the history shows a configuration with its mean.
        backend : {'matplotlib', 'plotly'}
            The library that draws.

        Returns
        -------
        matplotlib.figure.Figure or plotly.graph_objects.Figure
            ``.savefig('history.png')`` or ``.write_html('history.html')`` saves it.

        Raises
        ------
        InvalidArgumentError
            If there is no such kind, or this search has nothing of it to show.
        EnvironmentUnfitError
            If the library is not installed: ``pip install 'sparkexp[plots]'``.

        Examples
        --------
        >>> from sparkexp import experiment
        >>> result = experiment.launch(
        ...     None, lambda x: x**2, {'x': [1, 2, 3]}, engine='inline', progress=False)
        >>> result.plot().savefig('history.png')
        """
        from sparkexp.results.plots import draw

        return draw(
            kind,
            self.trials,
            self._make_axes(),
            self.objectives,
            backend,
            self.search.shows_best,
        )

    def tensorboard(self, *, port: int = 0) -> TensorBoardServer:
        """Start TensorBoard on the run; a notebook shows it inline.

        Parameters
        ----------
        port : int
            Port to listen on; 0 for a free one.

        Returns
        -------
        TensorBoardServer
            ``.url`` and ``.links`` are where to look, ``.stop()`` ends it. It ends with this
            process at the latest.

        Raises
        ------
        EnvironmentUnfitError
            If TensorBoard doesn't come up.
        """
        from sparkexp.tracking import start_tensorboard

        return start_tensorboard(self.logdir, port=port)

    @property
    def _several(self) -> bool:
        return len(self.objectives) > 1

    @property
    def _constrained(self) -> bool:
        return bool(self.search.constraints)

    def _make_axes(self) -> list[Axis]:
        from sparkexp.analysis.axes import Axis

        specs = self.search.parameters or specs_of(r.trial.params for r in self.trials)
        return [Axis(spec) for spec in specs]

    def __repr__(self) -> str:
        without = explain_no_value(self.trials) if self.stopped is None else ""
        return printable(f"<{make_headline(self)}{'; ' * bool(without)}{without}>")

    def __str__(self) -> str:
        table = make_short_table(self).to_string(index=False, float_format="{:.4g}".format)
        return printable(f"{make_headline(self)}\n{table}{describe_left_out(self)}")

    def _repr_html_(self) -> str:
        table = make_short_table(self).to_html(index=False, border=0, float_format="%.4g".__mod__)
        left_out = html.escape(describe_left_out(self).strip())
        page = f"<p>{html.escape(make_headline(self))}</p>{table}<p>{left_out}</p>"
        return printable(page)

    def find_best(self) -> BestTrial | None:
        """Return the best trial as `best` does; None where there is none."""
        if self._several:
            return None
        return find_best(self.trials, self.objectives[0], self.search.parsed)
