"""The table of options: a row for each keyword that all searches take."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sparkexp.driver.option_checks import (
    accept_any,
    allow_none,
    check_bool,
    check_callable,
    check_constraint,
    check_engine,
    check_files,
    check_gpus,
    check_initial,
    check_keep,
    check_max_failures,
    check_metric,
    check_number,
    check_prune,
    check_seconds,
    check_text,
    check_trackers,
    check_workers,
    require_choice,
    require_int,
)
from sparkexp.driver.option_row import option
from sparkexp.driver.pruning_rule import PruningRule
from sparkexp.engine import Engine, Gang, Isolation
from sparkexp.space.constraint import Where
from sparkexp.tracking import Tracker

__all__ = ["EngineName", "OptionTable"]

EngineName = Literal["spark", "inline"]


@dataclass(frozen=True)
class OptionTable:
    """The options of a search, checked; each field is a row of the table.

    After a change here, run ``python -m docs.write_options``: it updates the signatures of the
    calls and the table of docs/options.md.
    """

    metric: str | Sequence[str] | None = option(
        None,
        "str or list of str",
        allow_none(check_metric),
        "Where the train function returns a dict: the entry to optimise, or a list of several, "
        "with a direction for each.",
        "With several, the best trials are ``result.front``.",
        recorded=True,
    )
    constraint: str | Sequence[str] | None = option(
        None,
        "str or list of str",
        allow_none(check_constraint),
        "Where the train function returns a dict: the entry, or a list of several, that has to be "
        "at most 0.",
        "The best trial, and the front, are then among the trials that satisfy all of them; if "
        "none does, those that violate them least. For what is known before a trial there is "
        "`where`.",
        recorded=True,
        resumed=False,
        page="docs/searching.md#constraints",
    )
    name: str | None = option(
        None,
        "str",
        allow_none(check_text),
        "Name of the run.",
        "By default that of the train function.",
        resumed=False,
        default_words="the function's name",
    )
    logdir: str | os.PathLike[str] | None = option(
        None,
        "str or path",
        accept_any,
        "Directory of the run: a path under which all executors see the same directory, or a URL "
        "such as ``s3://bucket/run`` or ``hdfs://namenode:8020/run``.",
        "By default ``sparkexp-runs/<name>-<date>-<time>-<id>`` below the working directory.",
        resumed=False,
        default_words="`sparkexp-runs/<name>-<date>-<time>-<id>`",
        page="docs/storage.md",
    )
    parallelism: int | None = option(
        None,
        "int",
        allow_none(require_int(1)),
        "Trials at the same time, at least 1.",
        "By default as many as the executors can run, also when executors come or go meanwhile.",
        recorded=True,
        default_words="all slots",
    )
    trial_timeout: float | None = option(
        None,
        "float",
        allow_none(check_seconds),
        "Seconds that a trial may run; then it is killed, with all processes that it started, and "
        "its state is FAILED.",
        recorded=True,
    )
    timeout: float | None = option(
        None,
        "float",
        allow_none(check_seconds),
        "Seconds for the whole search; then the running trials are ended, and the result so far "
        "is returned.",
        "A search that is resumed has as many seconds again.",
        recorded=True,
    )
    max_failures: int | str | None = option(
        "auto",
        "int or {'auto'}",
        allow_none(check_max_failures),
        "How many trials may fail; one more failure ends the search.",
        "By default a search ends if its first 20 trials fail (or as many as there are slots, if "
        "these are more) and all parameters have had several values; once a trial has succeeded, "
        "any number may fail. None sets no limit.",
        recorded=True,
        default_words="the first 20 in a row",
    )
    target: float | None = option(
        None,
        "float",
        allow_none(check_number),
        "A value that is good enough: the search ends when a trial reaches it, or with `repeats` "
        "when the mean of a configuration does.",
        "In a multi-fidelity search only trials on the highest rung reach it.",
        recorded=True,
    )
    patience: int | None = option(
        None,
        "int",
        allow_none(require_int(1)),
        "How many trials in a row may end without a better value; then the search ends.",
        "With `repeats`, it counts configurations. Failed trials count; those that take over the "
        "value of an equal one don't. In a multi-fidelity search only trials on the highest rung "
        "count.",
        recorded=True,
    )
    stop_when: Callable[[Any], Any] | None = option(
        None,
        "Callable",
        allow_none(check_callable),
        "Called with the `Result` so far when a trial has ended; if what it returns is true, the "
        "search ends, and a text is given as the reason.",
        "It must be fast, since no trial is started meanwhile. As long as there is no best trial, "
        "`result.best` in it means no. If it raises anything else, there is a warning, and the "
        "search goes on. Hand it to `resume` again. A trial can end a search, too: `stop_search`.",
    )
    max_trials: int | None = option(
        None,
        "int",
        allow_none(require_int(1)),
        "The budget: how many trials to run at most.",
        recorded=True,
        default_words="10 in `random_search`, 110 in `evolutionary_search`, all of a grid",
    )
    max_retries: int = option(
        2,
        "int",
        require_int(0),
        "How often a trial is run again after its executor was lost.",
        "A trial that fails in the train function itself is never run again.",
        recorded=True,
    )
    cpus_per_trial: int | None = option(
        None,
        "int",
        allow_none(require_int(1)),
        "Cores of a trial, by default ``spark.task.cpus``.",
        recorded=True,
        default_words="the session's",
    )
    gpus_per_trial: float | None = option(
        None,
        "float",
        allow_none(check_gpus),
        "GPUs of a trial, a whole number or a fraction that shares one, such as 0.5; by default "
        "``spark.task.resource.gpu.amount``.",
        recorded=True,
        default_words="the session's",
    )
    workers_per_trial: int | Gang = option(
        1,
        "int or Gang",
        check_workers,
        "How many workers train the model of a trial together, each in a slot of its own.",
        "``Gang(4, batch_size='worker')`` says more: see `distribute`.",
        recorded=True,
        page="docs/distributed.md",
    )
    limit_threads: bool = option(
        True,
        "bool",
        check_bool,
        "Whether numeric libraries get only as many threads as the trial has cores.",
        "False leaves them to their own defaults, which take all cores of the machine.",
        recorded=True,
    )
    where: Where | None = option(
        None,
        "Callable",
        accept_any,
        "Takes a configuration as a dict and tells whether it may be tried, such as "
        "``lambda p: p['low'] < p['high']``.",
        "A grid leaves out the others. A search that has a constraint is resumed with the same "
        "one, since the log directory can't hold a function.",
    )
    data: object = option(
        None,
        "object",
        accept_any,
        "Data for every trial: it becomes the first argument of the train function, with one copy "
        "for all trials on a host.",
        "Arrays, a pandas or Spark DataFrame, or any object that can be pickled. Arrays are "
        "mapped into memory; other trials don't see what a trial changes in them.",
    )
    engine: EngineName | Engine = option(
        "spark",
        "{'spark', 'inline'} or Engine",
        check_engine,
        "Where trials run: ``'inline'`` runs them one after another in this process, for "
        "debugging.",
        "The session may then be None. An instance of a subclass of `sparkexp.engine.Engine` runs "
        "them in its own way.",
        recorded=True,
    )
    isolation: Isolation = option(
        "fork",
        "{'fork', 'spawn', 'none'}",
        require_choice(Isolation),
        "The process of a trial: ``'fork'`` forks it from a worker that has the heavy modules "
        "loaded, ``'spawn'`` starts it anew (for what can't be forked), ``'none'`` runs the trial "
        "in the worker itself (for debugging).",
        recorded=True,
    )
    py_files: Sequence[str] = option(
        (),
        "sequence of str",
        check_files,
        "Further ``.py``, ``.zip`` or ``.egg`` files that the train function imports.",
        "The modules that the function itself imports are found without this.",
        recorded=True,
    )
    progress: bool = option(
        True,
        "bool",
        check_bool,
        "Whether to show the plan before the search and the progress in it.",
    )
    dry_run: bool = option(
        False,
        "bool",
        check_bool,
        "Whether only to show the plan, and to check on one executor that the train function can "
        "be loaded with its modules.",
        "It is not called, and nothing is left on disk. The result has one trial, whose "
        "``output`` names the modules and their versions.",
        resumed=False,
    )
    initial: Sequence[Mapping[str, Any]] = option(
        (),
        "list of dict, or DataFrame",
        check_initial,
        "Configurations that are tried first, such as the one in use.",
        "Parameters that one of them leaves out are drawn at random. In a DataFrame a missing "
        "cell leaves its parameter out; None is a value where it is one of the parameter's own.",
        resumed=False,
    )
    warm_start: Any = option(
        None,
        "Result, path or list of (dict, float or dict)",
        accept_any,
        "An earlier search, or its log directory: its trials in this space are told to the "
        "searcher without being run again.",
        "Results from elsewhere are a list of pairs, a configuration and its value, or a dict "
        "of the numbers that `metric` and `constraint` name. "
        "Evolutions and Optuna's samplers learn from them; random, Sobol and grid search do not, "
        "and say so.",
        resumed=False,
    )
    repeats: int = option(
        1,
        "int",
        require_int(1),
        "Runs of every configuration, for noisy objectives: the searcher is told their mean, and "
        "`max_trials` counts all of them.",
        "The runs have different seeds if the train function has an argument ``seed``.",
        resumed=False,
    )
    confirm: int = option(
        0,
        "int",
        require_int(0),
        "How many of the best configurations are run ``repeats`` times more at the end, with "
        "other seeds.",
        "`Result.best` is then the one of them with the best mean of all its runs.",
        resumed=False,
    )
    prune: str | Mapping[str, int] | PruningRule | None = option(
        None,
        "{'median'}, dict or PruningRule",
        check_prune,
        "Which trials are ended early: with ``'median'`` those whose `report` curve is worse than "
        "the curves of others.",
        "That is: a trial whose best value so far is worse than the median of the means so far "
        "of the trials that succeeded (Golovin et al. 2017), once 5 have succeeded, and after 3 "
        "reports of its own; ``{'min_trials': 5, 'warmup': 3}`` sets other numbers. Its state is "
        "then PRUNED, and the last value that it reported counts. The train function has to "
        "report `metric`; without a name, the reported metric counts whose last or best value it "
        "returns.",
        recorded=True,
        page="docs/multi_fidelity.md#functions-that-know-no-fidelity",
    )
    keep: str | int = option(
        "all",
        "{'all', 'best'} or int",
        check_keep,
        "Which artifacts, the files in `artifact_dir`, stay on disk: those of all trials, of the "
        "best one, or of this many of the best.",
        "With several objectives, at least those of the Pareto front stay. The artifacts of other "
        "trials are removed when better trials have ended.",
        recorded=True,
    )
    retry_failed: bool = option(
        False,
        "bool",
        check_bool,
        "Whether trials that failed are run again, for example since the function was mended.",
        "If no trial has succeeded the search begins anew. Else the searcher, which knows of "
        "their failures, is not told their new results.",
        begins=False,
    )
    on_trial_end: Callable[[Any], Any] | None = option(
        None,
        "Callable",
        allow_none(check_callable),
        "Called with the `TrialResult` of each trial that has ended, in a thread of its own; if "
        "it returns true, the search ends.",
        "If it raises, the search goes on without it.",
        page="docs/extending.md",
    )
    trackers: Sequence[str | Tracker] = option(
        ("tensorboard",),
        "list of {'tensorboard'} and Tracker",
        check_trackers,
        "The trackers that follow the search: TensorBoard by its name, instances of trackers of "
        "your own, or several of them.",
        "With an empty list there are none; the run's records are kept all the same.",
        default_words="`['tensorboard']`",
        page="docs/extending.md",
    )
    mlflow: str | None = option(
        None,
        "str",
        allow_none(check_text),
        "The experiment of MLflow that gets a run for the search and one for each trial.",
        recorded=True,
        page="docs/mlflow.md",
    )
