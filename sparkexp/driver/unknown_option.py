"""The message for an unknown option: it names the nearest option, and all others."""

from __future__ import annotations

from collections.abc import Collection

from sparkexp.texts.near_names import find_nearest

__all__ = ["describe_unknown_option"]

# What options are called elsewhere: in hops-util-py, Ray Tune, KerasTuner, Optuna and Hyperopt,
# and in other calls of ours.
_ELSEWHERE = {
    "algo": "searcher",
    "callback": "on_trial_end",
    "callbacks": "on_trial_end",
    "cpus_per_worker": "cpus_per_trial",
    "directions": "direction",
    "directory": "logdir",
    "early_stop_fn": "stop_when",
    "early_stopping": "patience",
    "executions_per_trial": "repeats",
    "executors": "parallelism",
    "experiment_name": "name",
    "factor": "eta",
    "gpus_per_worker": "gpus_per_trial",
    "grace_period": "min",
    "local_dir": "logdir",
    "log_dir": "logdir",
    "loss_threshold": "target",
    "max_concurrent": "parallelism",
    "max_concurrent_trials": "parallelism",
    "max_epochs": "max",
    "max_evals": "max_trials",
    "max_restarts": "max_retries",
    "mode": "direction",
    "n_iter": "max_trials",
    "n_jobs": "parallelism",
    "num_samples": "max_trials",
    "num_trials": "max_trials",
    "objective": "metric",
    "optimization_key": "metric",
    "population": "popsize",
    "project_name": "name",
    "pruner": "prune",
    "random_state": "seed",
    "reduction_factor": "eta",
    "resources_per_trial": "cpus_per_trial",
    "rstate": "seed",
    "sampler": "searcher",
    "samples": "max_trials",
    "scheduler": "fidelity",
    "search_alg": "searcher",
    "space": "search_dict",
    "storage": "logdir",
    "storage_path": "logdir",
    "study_name": "name",
    "time_budget_s": "timeout",
    "tuner": "searcher",
    "verbose": "progress",
    "workers": "workers_per_trial",
}
_LOCAL = "trials write to local disk by themselves where logdir= is a URL. Leave it out"
_NEEDLESS = {"local_logger": _LOCAL, "local_logdir": _LOCAL}


def describe_unknown_option(name: str, names: Collection[str], owner: str = "There is") -> str:
    """Return the message for an option that a call doesn't have.

    Parameters
    ----------
    name : str
        The unknown option.
    names : collection of str
        The options that the call has.
    owner : str
        The start of the sentence: the call and its verb.

    Examples
    --------
    >>> describe_unknown_option('sed', ['direction', 'seed'], 'random_search has')
    "random_search has no option 'sed'. Did you mean 'seed'? The options are: direction, seed."
    >>> describe_unknown_option('samples', ['max_trials', 'seed'])
    "There is no option 'samples'. Did you mean 'max_trials'? The options are: max_trials, seed."
    """
    if name in _NEEDLESS:
        return f"{owner} no option {name!r}, and needs none: {_NEEDLESS[name]}."
    elsewhere = _ELSEWHERE.get(name)
    guess = elsewhere if elsewhere in names else find_nearest(name, names)
    hint = f" Did you mean {guess!r}?" if guess else ""
    return f"{owner} no option {name!r}.{hint} The options are: {', '.join(names)}."
