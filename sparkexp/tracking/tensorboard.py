"""What a search writes for TensorBoard: one declaration, and the session of each trial.

Tags in the directory of a trial:

- `OBJECTIVE_TAG`, `DURATION_TAG`: the objective, and the seconds that the train function ran.
- `returned_tag(name)`: the numbers that the train function returned.
- `reported_tag(name)`: what `experiment.report` gets; the name as it is, wherever it doesn't
  collide with the tags above. (Two writers of one tag overwrite each other's points.)

Every function leaves an `OSError` of the file system to its caller.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from sparkexp.tracking.events import EventFile, is_plottable, scalars_summary
from sparkexp.tracking.hparams import (
    HParamSpec,
    Interval,
    MetricSpec,
    experiment_config,
    session_end,
    session_start,
)
from sparkexp.trial import Trial, TrialResult

__all__ = [
    "DURATION_TAG",
    "GENERATION",
    "OBJECTIVE_TAG",
    "reported_tag",
    "returned_tag",
    "write_experiment",
    "write_session_end",
    "write_session_start",
]

OBJECTIVE_TAG = "objective"
DURATION_TAG = "duration_s"
GENERATION = "generation"  # a hyperparameter, unless the train function has one of this name
_RETURNED = "returned/"
_REPORTED = "reported/"


def returned_tag(name: str) -> str:
    """Return the tag of a number that the train function returned under this name.

    Examples
    --------
    >>> returned_tag('accuracy')
    'returned/accuracy'
    """
    return _RETURNED + name


def reported_tag(name: str) -> str:
    """Return the tag of a metric that the train function reports under this name.

    Examples
    --------
    >>> reported_tag('accuracy'), reported_tag('objective')
    ('accuracy', 'reported/objective')
    """
    ours = name in (OBJECTIVE_TAG, DURATION_TAG) or name.startswith((_RETURNED, _REPORTED))
    return _REPORTED + name if ours else name


def write_experiment(
    directory: str | os.PathLike[str],
    specs: Iterable[HParamSpec],
    metrics: Iterable[MetricSpec] = (),
    *,
    objective: str = "",
    generations: int | None = None,
    description: str = "",
    created: float | None = None,
) -> None:
    """Declare the hyperparameters and metrics of a search, once.

    Parameters
    ----------
    directory : str or path
        Directory of a run of its own below the log directory.
    specs : iterable of HParamSpec
        The parameters of the search space.
    metrics : iterable of MetricSpec
        Columns between the objective and the duration, which are always there. Metrics that
        aren't declared are missing in the table.
    objective : str
        Heading of the objective's column, such as ``'accuracy (max)'``.
    generations : int, optional
        Number of the last generation where trials have one.
    description : str
        Markdown.
    created : float, optional
        Unix time in seconds; now by default.
    """
    specs = list(specs)
    if generations is not None and GENERATION not in {spec.name for spec in specs}:
        specs.append(HParamSpec(GENERATION, Interval(0, generations)))
    columns = [MetricSpec(OBJECTIVE_TAG, objective), *metrics, MetricSpec(DURATION_TAG)]
    summary = experiment_config(specs, columns, description=description, created=created)
    with EventFile(directory) as events:
        events.add_summary(summary)


def write_session_start(
    directory: str | os.PathLike[str],
    trial: Trial,
    started: float,
    *,
    specs: Iterable[HParamSpec] = (),
    group: str | None = None,
) -> None:
    """Start the trial's session; before user code, so that a running trial is seen.

    Parameters
    ----------
    directory : str or path
        Directory of this attempt of the trial.
    trial : Trial
        Its parameters become the hyperparameters, and its generation one more of them.
    started : float
        Unix time in seconds.
    specs : iterable of HParamSpec
        As given to `write_experiment`: needed where choices of different types are to be shown
        as strings. A parameter without one keeps its type.
    group : str, optional
        Name of the table's row, the trial's id by default. TensorBoard merges rows of one name
        (the attempts of a trial belong together), also across searches: where several are
        browsed in one log directory, the name needs the search's own in front.
    """
    known = {spec.name: spec for spec in specs}
    params = {
        name: known[name].coerce(value) if name in known else value
        for name, value in trial.params.items()
    }
    if trial.generation is not None:
        params.setdefault(GENERATION, trial.generation)
    with EventFile(directory) as events:
        group = trial.id if group is None else group
        events.add_summary(session_start(params, group, started), wall_time=started)


def write_session_end(directory: str | os.PathLike[str], result: TrialResult) -> None:
    """Write the trial's final numbers and its status, to an event file of their own.

    What isn't finite is left out: one NaN blanks an axis of TensorBoard's parallel coordinates.

    Parameters
    ----------
    directory : str or path
        Where the trial's session was started. TensorBoard doesn't list a session without start.
    result : TrialResult
        What became of the trial; a trial that was cancelled is shown as failed.
    """
    ended = result.ended or time.time()
    scalars = {returned_tag(name): value for name, value in result.metrics.items()}
    if result.value is not None:
        scalars[OBJECTIVE_TAG] = result.value
    if result.started:
        scalars[DURATION_TAG] = result.seconds
    summary = scalars_summary({tag: v for tag, v in scalars.items() if is_plottable(v)})
    summary.MergeFrom(session_end(result.state, ended))
    with EventFile(directory) as events:
        events.add_summary(summary, wall_time=ended)
