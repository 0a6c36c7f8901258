"""What a trial's process gets, so that its own MLflow calls go to the trial's run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from sparkexp.tracking.base import Attempt, TrialTracker
from sparkexp.tracking.mlflow.content import PARENT, SEARCH, TRIAL

__all__ = ["MLflowTrial"]

URI, RUN_ID, CONTEXT = "MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_RUN_CONTEXT"
EXPERIMENT_ID, EXPERIMENT = "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"


class MLflowTrial(TrialTracker):
    """Sets MLflow's variables for an attempt, and ends the runs that it leaves open.

    sparkexp itself sends nothing from here.

    Parameters
    ----------
    secrets : Mapping[str, str]
        Variables with credentials. They travel with the code of the search, never with a trial:
        Spark's pages and event logs show what comes with a trial.
    """

    name = "MLflow"
    leave_s = 30.0

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = dict(secrets)
        self._run = ""
        self._hidden: dict[str, str] = {}
        self._unwanted: tuple[str, ...] = ()
        self._known: set[str] = set()

    def start(self, attempt: Attempt) -> Mapping[str, str]:
        """Return the variables: a run that is started goes on in the trial's, or is below it."""
        given = attempt.given
        if not given:
            return {}
        own = given["run"]
        # The first run of another attempt must not be the trial's: its parameters may differ.
        self._run = "" if attempt.number else own
        tags = {PARENT: own or given["parent"]}
        if not own:
            tags |= {SEARCH: given["search"], TRIAL: attempt.trial.id}
        variables = {URI: given["uri"], CONTEXT: json.dumps({k: v for k, v in tags.items() if v})}
        if given["experiment"]:
            variables[EXPERIMENT_ID] = given["experiment"]
        else:
            variables[EXPERIMENT] = given["experiment_name"]
        if self._run:
            variables[RUN_ID] = self._run
        self._unwanted = tuple({RUN_ID, EXPERIMENT_ID, EXPERIMENT} - variables.keys())
        return {**self._secrets, **variables}

    def enter(self) -> None:
        """Hide variables of another run, and set a run aside that the caller has active."""
        self._hidden = {n: os.environ.pop(n) for n in self._unwanted if n in os.environ}
        if "mlflow" not in sys.modules:
            return
        import mlflow

        self._known = {run.info.run_id for run in _find_active_runs()}
        if mlflow.active_run() is not None:  # with engine='inline', that of the caller
            mlflow.start_run(run_id=self._run or None, nested=True)

    def leave(self) -> None:
        """Send what MLflow still holds, and end the runs that are open, those of threads too.

        The process ends without doing so itself. All this has `leave_s` seconds.
        """
        try:
            if "mlflow" in sys.modules:
                self._end_runs()
        finally:
            if "mlflow" in sys.modules:
                self._forget_runs()
            os.environ.update(self._hidden)

    def _forget_runs(self) -> None:
        """Leave no run active that could not be ended in time: the process may be the caller's."""
        from mlflow.tracking import fluent

        stack = fluent._active_run_stack.get()
        stack[:] = [run for run in stack if run.info.run_id in self._known]

    def _end_runs(self) -> None:
        import mlflow

        others = {run.info.run_id for run in _find_active_runs()} - self._known
        # MLflow takes the variable away with the first run. Else there is nothing to send, and to
        # ask would open its store, which takes a second for a file.
        if others or (self._run and RUN_ID not in os.environ):
            mlflow.flush_async_logging()
        active = mlflow.active_run()
        while active is not None and active.info.run_id not in self._known:
            mlflow.end_run()
            others.discard(active.info.run_id)
            active = mlflow.active_run()
        for run_id in others:
            mlflow.MlflowClient().set_terminated(run_id)


def _find_active_runs() -> list[Any]:
    """Return the runs that are active in any thread."""
    from mlflow.tracking import fluent

    # Private: a thread's runs can't be seen from another one otherwise. A test guards the name.
    stacks = fluent._active_run_stack.get_all_thread_values()
    return [run for stack in stacks.values() for run in stack]
