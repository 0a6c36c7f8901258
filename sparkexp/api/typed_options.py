"""The options as dicts with types, written by `docs.write_options` from the tables.

>>> quiet: ResumeOptions = {'engine': 'inline', 'progress': False}
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

from sparkexp.api.fidelity_options import HalvingName
from sparkexp.driver.options import EngineName
from sparkexp.driver.pruning_rule import PruningRule
from sparkexp.engine import Engine, Gang, Isolation
from sparkexp.space.constraint import Where
from sparkexp.tracking import Tracker

__all__ = ["FidelityOptions", "ResumeOptions", "RunOptions"]


class ResumeOptions(TypedDict, total=False):
    """Keyword options of `resume`, and of all searches.

    Parameters
    ----------
    metric : str or list of str, optional
        Where the train function returns a dict: the entry to optimise, or a list of several, with
        a direction for each. With several, the best trials are ``result.front``.
    parallelism : int, optional
        Trials at the same time, at least 1. By default as many as the executors can run, also when
        executors come or go meanwhile.
    trial_timeout : float, optional
        Seconds that a trial may run; then it is killed, with all processes that it started, and
        its state is FAILED.
    timeout : float, optional
        Seconds for the whole search; then the running trials are ended, and the result so far is
        returned. A search that is resumed has as many seconds again.
    max_failures : int or {'auto'}, default 'auto'
        How many trials may fail; one more failure ends the search. By default a search ends if its
        first 20 trials fail (or as many as there are slots, if these are more) and all parameters
        have had several values; once a trial has succeeded, any number may fail. None sets no
        limit.
    target : float, optional
        A value that is good enough: the search ends when a trial reaches it, or with `repeats`
        when the mean of a configuration does. In a multi-fidelity search only trials on the
        highest rung reach it.
    patience : int, optional
        How many trials in a row may end without a better value; then the search ends. With
        `repeats`, it counts configurations. Failed trials count; those that take over the value of
        an equal one don't. In a multi-fidelity search only trials on the highest rung count.
    stop_when : Callable, optional
        Called with the `Result` so far when a trial has ended; if what it returns is true, the
        search ends, and a text is given as the reason. It must be fast, since no trial is started
        meanwhile. As long as there is no best trial, `result.best` in it means no. If it raises
        anything else, there is a warning, and the search goes on. Hand it to `resume` again. A
        trial can end a search, too: `stop_search`.
    max_trials : int, optional
        The budget: how many trials to run at most.
    max_retries : int, default 2
        How often a trial is run again after its executor was lost. A trial that fails in the train
        function itself is never run again.
    cpus_per_trial : int, optional
        Cores of a trial, by default ``spark.task.cpus``.
    gpus_per_trial : float, optional
        GPUs of a trial, a whole number or a fraction that shares one, such as 0.5; by default
        ``spark.task.resource.gpu.amount``.
    workers_per_trial : int or Gang, default 1
        How many workers train the model of a trial together, each in a slot of its own. ``Gang(4,
        batch_size='worker')`` says more: see `distribute`.
    limit_threads : bool, default True
        Whether numeric libraries get only as many threads as the trial has cores. False leaves
        them to their own defaults, which take all cores of the machine.
    where : Callable, optional
        Takes a configuration as a dict and tells whether it may be tried, such as ``lambda p:
        p['low'] < p['high']``. A grid leaves out the others. A search that has a constraint is
        resumed with the same one, since the log directory can't hold a function.
    data : object, optional
        Data for every trial: it becomes the first argument of the train function, with one copy
        for all trials on a host. Arrays, a pandas or Spark DataFrame, or any object that can be
        pickled. Arrays are mapped into memory; other trials don't see what a trial changes in
        them.
    engine : {'spark', 'inline'} or Engine, default 'spark'
        Where trials run: ``'inline'`` runs them one after another in this process, for debugging.
        The session may then be None. An instance of a subclass of `sparkexp.engine.Engine` runs
        them in its own way.
    isolation : {'fork', 'spawn', 'none'}, default 'fork'
        The process of a trial: ``'fork'`` forks it from a worker that has the heavy modules
        loaded, ``'spawn'`` starts it anew (for what can't be forked), ``'none'`` runs the trial in
        the worker itself (for debugging).
    py_files : sequence of str, optional
        Further ``.py``, ``.zip`` or ``.egg`` files that the train function imports. The modules
        that the function itself imports are found without this.
    progress : bool, default True
        Whether to show the plan before the search and the progress in it.
    prune : {'median'}, dict or PruningRule, optional
        Which trials are ended early: with ``'median'`` those whose `report` curve is worse than
        the curves of others. That is: a trial whose best value so far is worse than the median of
        the means so far of the trials that succeeded (Golovin et al. 2017), once 5 have succeeded,
        and after 3 reports of its own; ``{'min_trials': 5, 'warmup': 3}`` sets other numbers. Its
        state is then PRUNED, and the last value that it reported counts. The train function has to
        report `metric`; without a name, the reported metric counts whose last or best value it
        returns.
    keep : {'all', 'best'} or int, default 'all'
        Which artifacts, the files in `artifact_dir`, stay on disk: those of all trials, of the
        best one, or of this many of the best. With several objectives, at least those of the
        Pareto front stay. The artifacts of other trials are removed when better trials have ended.
    on_trial_end : Callable, optional
        Called with the `TrialResult` of each trial that has ended, in a thread of its own; if it
        returns true, the search ends. If it raises, the search goes on without it.
    trackers : list of {'tensorboard'} and Tracker, default ('tensorboard',)
        The trackers that follow the search: TensorBoard by its name, instances of trackers of your
        own, or several of them. With an empty list there are none; the run's records are kept all
        the same.
    mlflow : str, optional
        The experiment of MLflow that gets a run for the search and one for each trial.
    """

    metric: str | Sequence[str] | None
    parallelism: int | None
    trial_timeout: float | None
    timeout: float | None
    max_failures: int | str | None
    target: float | None
    patience: int | None
    stop_when: Callable[[Any], Any] | None
    max_trials: int | None
    max_retries: int
    cpus_per_trial: int | None
    gpus_per_trial: float | None
    workers_per_trial: int | Gang
    limit_threads: bool
    where: Where | None
    data: object
    engine: EngineName | Engine
    isolation: Isolation
    py_files: Sequence[str]
    progress: bool
    prune: str | Mapping[str, int] | PruningRule | None
    keep: str | int
    on_trial_end: Callable[[Any], Any] | None
    trackers: Sequence[str | Tracker]
    mlflow: str | None


class RunOptions(ResumeOptions, total=False):
    """Keyword options of all searches, those of `ResumeOptions` included.

    Parameters
    ----------
    constraint : str or list of str, optional
        Where the train function returns a dict: the entry, or a list of several, that has to be at
        most 0. The best trial, and the front, are then among the trials that satisfy all of them;
        if none does, those that violate them least. For what is known before a trial there is
        `where`.
    name : str, optional
        Name of the run. By default that of the train function.
    logdir : str or path, optional
        Directory of the run: a path under which all executors see the same directory, or a URL
        such as ``s3://bucket/run`` or ``hdfs://namenode:8020/run``. By default
        ``sparkexp-runs/<name>-<date>-<time>-<id>`` below the working directory.
    dry_run : bool, default False
        Whether only to show the plan, and to check on one executor that the train function can be
        loaded with its modules. It is not called, and nothing is left on disk. The result has one
        trial, whose ``output`` names the modules and their versions.
    initial : list of dict, or DataFrame, optional
        Configurations that are tried first, such as the one in use. Parameters that one of them
        leaves out are drawn at random. In a DataFrame a missing cell leaves its parameter out;
        None is a value where it is one of the parameter's own.
    warm_start : Result, path or list of (dict, float or dict), optional
        An earlier search, or its log directory: its trials in this space are told to the searcher
        without being run again. Results from elsewhere are a list of pairs, a configuration and
        its value, or a dict of the numbers that `metric` and `constraint` name. Evolutions and
        Optuna's samplers learn from them; random, Sobol and grid search do not, and say so.
    repeats : int, default 1
        Runs of every configuration, for noisy objectives: the searcher is told their mean, and
        `max_trials` counts all of them. The runs have different seeds if the train function has an
        argument ``seed``.
    confirm : int, default 0
        How many of the best configurations are run ``repeats`` times more at the end, with other
        seeds. `Result.best` is then the one of them with the best mean of all its runs.
    """

    constraint: str | Sequence[str] | None
    name: str | None
    logdir: str | os.PathLike[str] | None
    dry_run: bool
    initial: Sequence[Mapping[str, Any]]
    warm_start: Any
    repeats: int
    confirm: int


class FidelityOptions(RunOptions, total=False):
    """Keyword options of a search with ``fidelity=``, those of `RunOptions` included.

    Parameters
    ----------
    fidelity : str, optional
        The argument of the train function that says how long it trains, such as ``'epochs'``.
        Every trial gets it: first a small one, and the best configurations get further trials with
        larger ones. `checkpoint_dir` lets them go on where their last trial has ended.
    min : int, optional
        The fidelity of a configuration's first trial, by default 1.
    max : int, optional
        The full fidelity, by default 27. The best trial of a search is the best one with `max`.
    eta : float, optional
        The factor by which each promotion raises the fidelity: at least 1.5, by default 3. About
        one in eta configurations is promoted; with a model, about one in ``sqrt(eta)``.
    search : {'asha', 'hyperband', 'surrogate-asha', 'dehb'}, optional
        How configurations are promoted. ``'asha'``, the default of all searches but evolutions,
        promotes without waiting for other trials. ``'hyperband'`` also starts configurations on
        higher rungs, since short trainings may mislead. Only evolutions have the other two.
        ``'surrogate-asha'``, their default, fits a model to the results of all rungs; the model
        picks children and promotions, and one in ``sqrt(eta)`` is promoted. ``'dehb'`` has a
        population on each rung.
    """

    fidelity: str | None
    min: int | None
    max: int | None
    eta: float | None
    search: HalvingName | None
