"""Reads runs from disk, or resumes them."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparkexp.api.keywords import LEFT_OUT, Configurations, collect_keywords, public_call
from sparkexp.driver.options import CALLBACKS, ROWS, ROWS_TO_RESUME, EngineName, Options
from sparkexp.driver.pruning_rule import PruningRule, drop_own_rule
from sparkexp.driver.start import start_search
from sparkexp.engine import Engine, Gang, Isolation
from sparkexp.errors import InvalidArgumentError
from sparkexp.results.result import Result
from sparkexp.runs import RunDirectory, damage_error, open_run
from sparkexp.search import Searcher
from sparkexp.search.optuna_search import is_sampler
from sparkexp.search.own_searcher import check_again
from sparkexp.search.registry import UnknownSearcherError
from sparkexp.search.spec import Search
from sparkexp.space import Space
from sparkexp.space.constraint import Where
from sparkexp.space.recorded_architecture import UnknownSpaceError
from sparkexp.texts.near_names import find_nearest
from sparkexp.tracking import Tracker

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from pyspark.sql import SparkSession

__all__ = ["load", "resume"]

logger = logging.getLogger(__name__)

# A recorded option has its default from the run.
RESUME_ROWS = {
    name: dataclasses.replace(row, default=None) if row.recorded else row
    for name, row in ROWS_TO_RESUME.items()
}
REFUSED = {
    name: f"A run that is resumed takes no {name}=; leave it out."
    for name, row in ROWS.items()
    if not row.resumed
}


@public_call(RESUME_ROWS, REFUSED)
def resume(
    spark: SparkSession | None,
    train: Callable[..., Any],
    logdir: str | os.PathLike[str],
    *,
    searcher: BaseSampler | Searcher | None = None,
    metric: str | Sequence[str] | None = LEFT_OUT,
    parallelism: int | None = LEFT_OUT,
    trial_timeout: float | None = LEFT_OUT,
    timeout: float | None = LEFT_OUT,
    max_failures: int | str | None = LEFT_OUT,
    target: float | None = LEFT_OUT,
    patience: int | None = LEFT_OUT,
    stop_when: Callable[[Any], Any] | None = None,
    max_trials: int | None = LEFT_OUT,
    max_retries: int = LEFT_OUT,
    cpus_per_trial: int | None = LEFT_OUT,
    gpus_per_trial: float | None = LEFT_OUT,
    workers_per_trial: int | Gang = LEFT_OUT,
    limit_threads: bool = LEFT_OUT,
    where: Where | None = None,
    data: object = None,
    engine: EngineName | Engine = LEFT_OUT,
    isolation: Isolation = LEFT_OUT,
    py_files: Sequence[str] = LEFT_OUT,
    progress: bool = True,
    prune: str | Mapping[str, int] | PruningRule | None = LEFT_OUT,
    keep: str | int = LEFT_OUT,
    retry_failed: bool = False,
    on_trial_end: Callable[[Any], Any] | None = None,
    trackers: Sequence[str | Tracker] = ("tensorboard",),
    mlflow: str | None = LEFT_OUT,
) -> Result:
    """Go on with a search whose driver ended: killed, interrupted, or out of time.

    Trials that had ended are not run again; trials that were running are. A generational search
    ends with the result that it would have had without the interruption.

    An option that is left out has the value of the interrupted search. The exceptions are
    ``progress``, ``trackers`` and ``retry_failed``, which hold for one process. What a log
    directory can't hold is asked for: ``where``, ``data``, and an engine, a searcher or a sampler
    of your own. Without ``stop_when`` and ``on_trial_end`` it goes on, with a warning. The seconds
    of ``timeout`` begin anew. ``metric`` may be corrected as long as no trial has a value: what
    the trials returned under its name counts, and they are not run again.

    Parameters
    ----------
    spark : SparkSession or None
        Classic or Connect; None with ``engine='inline'``.
    train : Callable
        The train function of the search.
    logdir : str or path
        The log directory of the run, a path or a URL.
    searcher : optuna.samplers.BaseSampler or Searcher, optional
        For a search with a sampler of Optuna or a searcher of your own: a new one with the same
        settings, since a log directory can't hold them. A sampler is told all trials that ended,
        and goes on from there; a searcher goes on from its saved state.

    Returns
    -------
    Result
        All trials, including those of the earlier process.

    Raises
    ------
    RunDirectoryError
        If there is no run, it is damaged, another version wrote it, or its driver still runs.
    StorageError
        If its storage can't be reached.
    TrainFunctionError, InvalidArgumentError, EnvironmentUnfitError
        As for `launch`.

    Examples
    --------
    >>> def train(x):
    ...     return x
    >>> from sparkexp.experiment import launch
    >>> result = launch(None, train, {'x': [1, 2, 3]}, engine='inline', progress=False,
    ...                 max_trials=2, logdir='example')
    >>> len(result), result.stopped
    (2, 'max_trials=2 were run')
    >>> len(resume(None, train, 'example', engine='inline', progress=False, max_trials=None))
    3
    """
    options = collect_keywords(locals(), RESUME_ROWS)
    if isinstance(budget := options.get("max_trials"), Configurations):
        options["max_trials"] = budget.count_trials()
    run = _open(logdir)
    if "metric" in options:
        _correct_metric(run, options["metric"], bool(options.get("retry_failed")))
    try:
        _check_unrecorded(run, options)
        constraint = _check_where(run, options.get("where"))
        _check_searcher(run, searcher, constraint)
    except (AttributeError, KeyError, TypeError) as error:
        raise damage_error(run.paths.experiment, repr(error)) from error
    try:
        search = Search.from_json(run.settings, constraint, searcher)
        recorded = dict(run.settings["options"])
        str(run.settings["name"])
        # The files may have moved.
        Options.check({**drop_own_rule(recorded, {"prune": None}), "py_files": ()})
    except (UnknownSearcherError, UnknownSpaceError):
        raise
    except Exception as error:  # settings that are none of ours
        raise damage_error(run.paths.experiment, repr(error)) from error
    checked = Options.check({**drop_own_rule(recorded, options), **options})
    search.searcher.limit(checked.max_trials)
    return start_search(spark, train, search, checked, run)


def _check_unrecorded(run: RunDirectory, options: Mapping[str, Any]) -> None:
    """Check that what the log directory doesn't hold is handed over again."""
    for name, given in run.settings.get("unrecorded", {}).items():
        if options.get(name) is not None:
            continue
        if name in CALLBACKS:
            logger.warning(
                "This run was started with %s=, which a log directory can't hold: the search goes "
                "on without it. To have it, hand it over again: resume(…, %s=…).",
                name, name,
            )  # fmt: skip
        else:
            raise InvalidArgumentError(
                f"This run was started with {name}=, an object of the class {given}, which a log "
                "directory can't hold. Hand the same over again: resume(spark, train, logdir, "
                f"{name}=…)."
            )
    files = run.settings.get("options", {}).get("py_files", ())
    gone = [path for path in files if not os.path.isfile(path)]
    if gone and "py_files" not in options:
        raise InvalidArgumentError(
            f"This run was started with py_files=, and there is no {gone[0]!r} any more. Hand the "
            f"files over again, from where they are: py_files=[{os.path.basename(gone[0])!r}]."
        )


def _correct_metric(run: RunDirectory, given: Any, retries: bool) -> None:
    """Change the metric of a run, if no trial has a value yet."""
    metric = Options.check({"metric": given}).metric
    metric = metric if metric is None or isinstance(metric, str) else list(metric)
    recorded = run.settings.get("options", {}).get("metric")
    if metric == recorded:
        return
    results = run.results()
    if any(result.value is not None for result in results):
        raise InvalidArgumentError(
            "A run that is resumed keeps its metric, since its trials are compared by it: it is "
            f"{recorded!r}, got {metric!r}. Leave metric out, or start a new search with "
            "warm_start=."
        )
    names = [] if metric is None else [metric] if isinstance(metric, str) else metric
    n_before = max(1, len(run.settings.get("directions") or []))
    if max(1, len(names)) != n_before:
        raise InvalidArgumentError(
            f"A metric that is corrected has as many names as before, {n_before}, got {metric!r}. "
            "Start a new search for others."
        )
    known = {name: None for result in results for name in result.metrics}
    for name in names:
        if known and name not in known and not retries:
            guess = find_nearest(name, list(known))
            hint = f" Did you mean {guess!r}?" if guess else ""
            raise InvalidArgumentError(
                f"The metric of a run that is resumed must be one of those that its trials "
                f"returned, {', '.join(map(repr, known))}, got {name!r}.{hint} If the train "
                "function returns it now, say retry_failed=True."
            )
    run.change_metric(metric)


def _check_where(run: RunDirectory, given: Where | None) -> Where | None:
    """Check that a constraint is given if, and only if, the search had one; return it."""
    had = bool(run.settings.get("where"))
    if had and given is None:
        raise InvalidArgumentError(
            "This search has a constraint, where=, and its log directory can't hold a function. "
            "Hand the same one over again: resume(spark, train, logdir, where=…)."
        )
    if given is not None and not had:
        raise InvalidArgumentError(
            "This search was started without where=, and goes on as it was: leave it out."
        )
    return given


def _check_searcher(run: RunDirectory, given: object, where: Where | None) -> None:
    if run.settings.get("own_searcher") is not None:
        check_again(given, run.settings, Space.from_json(run.settings["space"], where))
    else:
        _check_sampler(run, given)


def _check_sampler(run: RunDirectory, given: object) -> None:
    had = run.settings["searcher"] == "optuna"
    if not had and given is not None:
        raise InvalidArgumentError(
            f"The searcher of this run is {run.settings['searcher']!r}, and the log directory "
            "holds all of it: leave searcher out."
        )
    name = str(run.settings["settings"]["sampler"]) if had else ""
    of_optuna = str(run.settings.get("given") or "optuna.").startswith("optuna.")
    written = f"optuna.samplers.{name}()" if of_optuna else f"{run.settings['given']}(…)"
    if had and (not is_sampler(given) or type(given).__name__ != name):
        raise InvalidArgumentError(
            f"This run was searched by Optuna's {name}, which a log directory can't hold, got "
            f"searcher={given!r}. Hand it over again: resume(spark, train, logdir, "
            f"searcher={written})."
        )


def load(logdir: str | os.PathLike[str]) -> Result:
    """Return the result of a run from its log directory, also while the run goes on.

    Parameters
    ----------
    logdir : str or path
        The log directory of the run, a path or a URL.

    Raises
    ------
    RunDirectoryError
        If there is no run, it is damaged, or another version wrote it.
    StorageError
        If its storage can't be reached.

    Examples
    --------
    >>> from sparkexp.experiment import launch
    >>> result = launch(None, lambda x: x, {'x': [1, 2]}, engine='inline', progress=False)
    >>> load(result.logdir).best.params
    {'x': 2}
    """
    return Result.of_run(_open(logdir))


def _open(logdir: str | os.PathLike[str]) -> RunDirectory:
    location = Options.check({"logdir": logdir}).resolve_logdir()
    if location is None:
        raise InvalidArgumentError("logdir must name the log directory of a run, got None.")
    return open_run(location)
