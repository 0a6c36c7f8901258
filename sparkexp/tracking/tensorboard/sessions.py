"""What a search writes for TensorBoard: one declaration, and the session of each trial.

Tags in the directory of a trial:

- `OBJECTIVE_TAG`, `DURATION_TAG`: the objective, and the seconds that the train function ran.
- `ACCEPTED_TAG`: in an evolution, 1 if the trial entered the population, else 0.
- `GENERATION`: in an evolution, the trial's generation.
- `VIOLATION_TAG`: where there are constraints, by how much the trial violates them.
- `returned_tag(name)`: the numbers that the train function returned.
- `reported_tag(name)`: what `experiment.report` gets; the name as it is, wherever it doesn't
  collide with the tags above. (Two writers of one tag overwrite each other's points.)

Every function leaves an `OSError` of the file system to its caller.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sparkexp.analysis.selection import was_accepted
from sparkexp.analysis.specs import MISSING
from sparkexp.objective import Objective
from sparkexp.tracking.tensorboard.events import EventFile, is_plottable, make_scalars_summary
from sparkexp.tracking.tensorboard.hparams import (
    Interval,
    MetricSpec,
    ParameterSpec,
    make_experiment_config,
    make_session_end,
    make_session_start,
)
from sparkexp.trial import ParamValue, State, Trial, TrialResult

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

__all__ = [
    "ACCEPTED_TAG",
    "DURATION_TAG",
    "GENERATION",
    "OBJECTIVE_TAG",
    "make_declaration",
    "is_ours",
    "reported_name",
    "reported_tag",
    "returned_tag",
    "row_name",
    "write_experiment",
    "write_session_end",
    "write_session_start",
]

OBJECTIVE_TAG = "objective"
DURATION_TAG = "duration_s"
ACCEPTED_TAG = "accepted"
PRUNED_TAG = "pruned"
# A metric. Sessions have it as a hyperparameter, too, unless the train function has one of this
# name: earlier versions declared it as one, and a run of theirs may be resumed.
GENERATION = "generation"
ACCEPTED_HEADING = "in the population"
VIOLATION_TAG = "constraints/violation"
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
    return _REPORTED + name if is_ours(name) else name


def reported_name(tag: str) -> str | None:
    """Return the name under which the train function reported a tag; None for a tag of ours.

    Examples
    --------
    >>> [reported_name(tag) for tag in ('accuracy', 'reported/objective', 'objective')]
    ['accuracy', 'objective', None]
    """
    if tag.startswith(_REPORTED):
        return tag.removeprefix(_REPORTED)
    return None if is_ours(tag) else tag


def is_ours(tag: str) -> bool:
    """Tell whether a tag in a trial's directory is one that sparkexp writes itself."""
    fixed = (OBJECTIVE_TAG, DURATION_TAG, ACCEPTED_TAG, PRUNED_TAG, GENERATION, VIOLATION_TAG)
    return tag in fixed or tag.startswith((_RETURNED, _REPORTED))


def row_name(trial: Trial, run: str) -> str:
    """Return the name of the trial's row in the table.

    TensorBoard cuts it after some 15 characters, and merges rows of one name, also across the
    searches below one log directory: so what tells rows apart comes first, the search last.

    Parameters
    ----------
    trial : Trial
        The trial.
    run : str
        Name of the search's log directory.

    Examples
    --------
    >>> row_name(Trial(7, {}, generation=2), 'demo')
    'trial-00007 of demo'
    """
    return f"{trial.id.rpartition('/')[2]} of {run}"


def write_experiment(
    directory: str | os.PathLike[str],
    specs: Iterable[ParameterSpec],
    metrics: Iterable[MetricSpec] = (),
    **details: Any,
) -> None:
    """Declare the hyperparameters and metrics of a search, once, in a file of its own.

    Parameters
    ----------
    directory : str or path
        Directory of a run of its own below the log directory.
    specs, metrics, **details
        See `make_declaration`.
    """
    with EventFile(directory) as events:
        events.add_summary(make_declaration(specs, metrics, **details))


def make_declaration(
    specs: Iterable[ParameterSpec],
    metrics: Iterable[MetricSpec] = (),
    *,
    objective: str = "",
    evolves: bool = False,
    accepted: bool = True,
    pruned: bool = False,
    constrained: bool = False,
    more_objectives: Iterable[MetricSpec] = (),
    description: str = "",
    created: float | None = None,
) -> Summary:
    """Return the summary that declares the hyperparameters and metrics of a search.

    Parameters
    ----------
    specs : iterable of ParameterSpec
        The parameters of the search space.
    metrics : iterable of MetricSpec
        Columns after those that are always there: the objective, whether the trial entered the
        population and its generation (where there are some), and the duration. Metrics that
        aren't declared are missing in the table; TensorBoard shows the first five columns until
        the user ticks more.
    objective : str
        Heading of the objective's column, such as ``'accuracy (max)'``.
    evolves : bool
        Whether trials have generations: there is a column then.
    accepted : bool
        Whether a trial's own value decides if it enters the population: there is a column then.
    pruned : bool
        Whether trials may be ended early: there is a column that says which were.
    constrained : bool
        Whether there are constraints: a column says by how much each trial violates them.
    more_objectives : iterable of MetricSpec
        The objectives after the first: columns beside it.
    description : str
        Markdown.
    created : float, optional
        Unix time in seconds; now by default.
    """
    specs = list(specs)
    # A linear axis hides values that are decades apart: their logarithm gets its own column.
    logs = [
        ParameterSpec(s.shown_name, _take_log10(s.domain))
        for s in specs
        if s.log and not s.optional
    ]
    # TensorBoard ticks the first five: the user's own come first.
    unticked = {spec.name for spec in logs}
    objectives = [MetricSpec(OBJECTIVE_TAG, objective), *more_objectives]
    entered = [MetricSpec(ACCEPTED_TAG, ACCEPTED_HEADING)] if accepted and evolves else []
    born = [MetricSpec(GENERATION)] if evolves else []
    cut = [MetricSpec(PRUNED_TAG)] if pruned else []
    if constrained:
        objectives.append(MetricSpec(VIOLATION_TAG, "violation"))
    columns = [*objectives, *entered, *cut, *born, MetricSpec(DURATION_TAG), *metrics]
    return make_experiment_config(
        [*specs, *logs],
        columns,
        unticked=unticked,
        description=description,
        created=created,
    )


def write_session_start(
    directory: str | os.PathLike[str],
    trial: Trial,
    started: float,
    *,
    specs: Iterable[ParameterSpec] = (),
    group: str | None = None,
    last_generation: int | None = None,
) -> None:
    """Start the trial's session; before user code, so that a running trial is seen.

    Parameters
    ----------
    directory : str or path
        Directory of this attempt of the trial.
    trial : Trial
        Its arguments become the hyperparameters, and its generation one more of them.
    started : float
        Unix time in seconds.
    specs : iterable of ParameterSpec
        As given to `write_experiment`: needed where choices of different types are to be shown
        as strings. A parameter without one keeps its type.
    group : str, optional
        Name of the table's row, the trial's id by default. TensorBoard merges rows of one name
        (the attempts of a trial belong together), also across searches: where several are
        browsed in one log directory, the name needs the search's own in front.
    last_generation : int, optional
        Largest generation that is shown, where the search has generations. A trial without one,
        which confirms a configuration after all generations, gets this: TensorBoard's parallel
        coordinates leave out a trial that lacks a column.
    """
    params: dict[str, ParamValue] = trial.arguments
    for spec in specs:
        if spec.name in params:
            value = params[spec.name] = spec.coerce(params[spec.name])
            if spec.log and isinstance(value, float) and value > 0:
                params[spec.shown_name] = math.log10(value)
        elif spec.optional or (isinstance(spec.domain, tuple) and MISSING in spec.domain):
            params[spec.name] = MISSING
    generation = last_generation if trial.generation is None else trial.generation
    if generation is not None:
        params.setdefault(GENERATION, generation)
    with EventFile(directory) as events:
        group = trial.id if group is None else group
        events.add_summary(make_session_start(params, group, started), wall_time=started)


def write_session_end(
    directory: str | os.PathLike[str],
    result: TrialResult,
    objective: Objective = Objective(),  # noqa: B008  # frozen
    prunes: bool = False,
    last_generation: int | None = None,
    constrained: bool = False,
) -> None:
    """Write the trial's final numbers and its status, to an event file of their own.

    What isn't finite is left out: one NaN blanks an axis of TensorBoard's parallel coordinates.

    Parameters
    ----------
    directory : str or path
        Where the trial's session was started. TensorBoard doesn't list a session without start.
    result : TrialResult
        What became of the trial; a trial that was cancelled is shown as failed.
    objective : Objective
        What is optimised, the first of several.
    prunes : bool
        Whether the search ends trials early: each says whether it was.
    last_generation : int, optional
        As in `write_session_start`.
    constrained : bool
        Whether there are constraints: each says by how much it violates them.
    """
    ended = result.ended or time.time()
    scalars = {returned_tag(name): value for name, value in result.metrics.items()}
    if result.value is not None:
        scalars[OBJECTIVE_TAG] = result.value
    if result.started:
        scalars[DURATION_TAG] = result.seconds
    if (accepted := was_accepted(result, objective)) is not None:
        scalars[ACCEPTED_TAG] = float(accepted)
    generation = last_generation if result.trial.generation is None else result.trial.generation
    if generation is not None:
        scalars[GENERATION] = float(generation)
    if constrained and result.value is not None:
        scalars[VIOLATION_TAG] = result.violation
    if prunes:
        scalars[PRUNED_TAG] = float(result.state is State.PRUNED)
    summary = make_scalars_summary({tag: v for tag, v in scalars.items() if is_plottable(v)})
    summary.MergeFrom(make_session_end(result.state, ended))
    with EventFile(directory) as events:
        events.add_summary(summary, wall_time=ended)


def _take_log10(domain: Interval | tuple[ParamValue, ...]) -> Interval:
    numbers = (domain.low, domain.high) if isinstance(domain, Interval) else domain
    logs = [math.log10(n) for n in numbers if isinstance(n, (int, float)) and n > 0]
    return Interval(min(logs), max(logs))
