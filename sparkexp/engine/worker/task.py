"""Runs an attempt at a trial on an executor; Spark ships these functions there."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparkexp.context.checkpoints import CHECKPOINTS
from sparkexp.engine.base import TrialTask
from sparkexp.engine.gpu import VISIBLE_DEVICES, pin_gpus, visible_devices
from sparkexp.engine.transfer.remote_trial import run_with_remote_logdir
from sparkexp.engine.transfer.unpacking import unpack_modules
from sparkexp.engine.worker.child import run_here
from sparkexp.engine.worker.executor_id import find_executor_id
from sparkexp.engine.worker.outcome import Outcome, failure
from sparkexp.engine.worker.process import run_isolated
from sparkexp.errors import EnvironmentUnfitError
from sparkexp.objective import Objective, select_values, sum_violations
from sparkexp.runs import RunPaths
from sparkexp.storage.filesystems import is_remote
from sparkexp.storage.regular_files import check_regular
from sparkexp.storage.remote_files import join_location
from sparkexp.tracking import AttemptTrackers, TrialTracker
from sparkexp.trial import State, Trial, TrialResult

if TYPE_CHECKING:
    import pyarrow
    from pyspark import TaskContext

__all__ = [
    "ORDER",
    "RESULT_SCHEMA",
    "extract_order",
    "find_shared",
    "make_spark_function",
    "read_gpu_addresses",
    "run_attempt",
    "remove_order",
]

RESULT_SCHEMA = "result string"
# The property of a Spark job that names its trial.
ORDER = "sparkexp.order"
NO_TRIAL = Trial(-1, {})
# The directory, below a trial's, of the checkpoints from which its gang goes on.
TRAINING = "training"
# How much of a failed trial's output travels with its result.
TAIL_LINES = 50
TAIL_BYTES = 16_000


def extract_order(task: TrialTask) -> dict[str, Any]:
    """Return the part of a task that differs from trial to trial, in a form `json` can write."""
    return {
        "trial": task.trial.to_json(),
        "known": {
            "parent_value": task.trial.parent_value,
            "parent_violation": task.trial.parent_violation,
            "checkpoint": task.trial.checkpoint,
            "tracking": {name: dict(given) for name, given in task.trial.tracking.items()},
        },
        "gpus": task.gpus,
        "first_attempt": task.first_attempt,
    }


def remove_order(task: TrialTask) -> TrialTask:
    """Return a task without that part: it is the same for all trials."""
    return replace(task, trial=NO_TRIAL, gpus=None, first_attempt=0)


def _apply_order(task: TrialTask, order: str | None) -> TrialTask:
    """Put the part that `extract_order` returned back into a task that lacks it."""
    if order is None or task.trial != NO_TRIAL:
        return task
    given = json.loads(order)
    trial = Trial(**given["trial"], **given["known"])
    gpus = None if given["gpus"] is None else tuple(given["gpus"])
    return replace(task, trial=trial, gpus=gpus, first_attempt=given["first_attempt"])


def make_spark_function(
    task: TrialTask,
) -> Callable[[Iterator[pyarrow.RecordBatch]], Iterator[pyarrow.RecordBatch]]:
    """Return the function that Spark maps over one row to run a trial on an executor.

    Parameters
    ----------
    task : TrialTask
        A trial's whole task, or what `remove_order` left of it: then the job carries the rest in
        its property `ORDER`.
    """

    def run_on_executor(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        import pyarrow
        from pyspark import TaskContext

        for _ in batches:
            pass  # Spark does not reuse a worker that left some of its input unread
        context = TaskContext.get()
        here = _apply_order(task, context.getLocalProperty(ORDER))
        here = replace(here, modules=unpack_modules(task.modules))
        attempt = here.first_attempt + context.attemptNumber()
        here = replace(here, place=replace(here.place, attempt=attempt))
        if attempt > task.max_retries:
            result = _give_up(here, attempt)
        else:
            result = run_attempt(here, attempt, read_gpu_addresses(context))
        yield pyarrow.RecordBatch.from_pydict({"result": [json.dumps(result.to_json())]})

    return run_on_executor


def read_gpu_addresses(context: TaskContext) -> tuple[str, ...]:
    """Return the addresses of the GPUs that Spark gave to a task."""
    gpu = context.resources().get("gpu")
    return tuple(gpu.addresses) if gpu else ()


def _give_up(task: TrialTask, attempt: int) -> TrialResult:
    """Return the result of a trial that lost its executor or worker in every attempt."""
    error = (
        f"The trial was started {attempt} times, and each time its executor or its worker process "
        f"was lost (max_retries={task.max_retries}). Check the memory: executors that take "
        "more than they asked for are killed."
    )
    return TrialResult(
        task.trial,
        State.FAILED,
        error=error,
        attempt=attempt - 1,
        host=socket.gethostname(),
        executor=find_executor_id(),
    )


def run_attempt(task: TrialTask, attempt: int = 0, addresses: tuple[str, ...] = ()) -> TrialResult:
    """Run one attempt at a trial here, with its GPUs, directory and trackers.

    Parameters
    ----------
    task : TrialTask
        The trial.
    attempt : int
        0, or more where Spark runs the trial again.
    addresses : tuple of str
        The GPU addresses that Spark gave to the task.
    """
    task = find_shared(task)
    if is_remote(task.logdir):
        return run_with_remote_logdir(task, lambda here: run_attempt(here, attempt, addresses))
    # Beside the log directory, where another run has been started there meanwhile.
    task = task.follow_root()
    paths = RunPaths(Path(task.logdir))
    directory = paths.trial(task.trial.id, attempt)
    if task.place.rank:  # the chief's files are the trial's, and it alone is tracked
        directory = paths.worker(directory, task.place.rank)
        task = replace(
            task,
            trackers=(),
            reads_reports=False,
            objectives=(Objective(),),
            needs_value=False,
            constraints=(),
        )
    task = replace(task, place=replace(task.place, directory=str(directory)))
    warnings: tuple[str, ...] = ()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        warnings = (f"The trial's directory could not be made: {error}",)
    trackers = AttemptTrackers(_load_trackers(task.trackers))
    environment = trackers.start(task.trial, str(directory), attempt, paths.root.name)
    task = replace(task, trackers=(), attempt=trackers, tracking_environment=environment)
    warnings += trackers.take_warnings()
    try:
        devices = _choose_devices(task, addresses)
        with pin_gpus(devices):
            gpu = os.environ.get(VISIBLE_DEVICES, "")
            outcome = _run_train(task, str(directory), paths)
    except EnvironmentUnfitError as error:
        gpu, outcome = "", failure(str(error))
    if task.place.rank:
        _keep_output_only(directory)
    result = _make_result(task, outcome, attempt, str(directory), gpu, warnings)
    if result.state is State.FAILED and task.isolation != "none":
        result = replace(result, output=_read_tail(paths.output(directory)))
    if task.place.size > 1 and result.error:
        result = replace(result, error=_name_worker(task, result, paths.output(directory)))
    if task.is_root_own:
        trackers.end(result)
    return replace(result, warnings=(*result.warnings, *trackers.take_warnings()))


def _name_worker(task: TrialTask, result: TrialResult, output: Path) -> str:
    """Return the error of a member of a gang, which says whose it is."""
    assert task.gang is not None and result.error is not None
    rank, workers, error = task.place.rank, task.gang.workers, result.error
    name = f"Worker {rank}" if rank < workers else f"Parameter server {rank - workers}"
    if error.startswith(("Traceback", "…")):
        return f"{error}\n\n{name} on {result.host} has raised it; its output is in {output}."
    error = f"{name} on {result.host}: {error}"
    if task.timeout_s is not None and result.seconds >= task.timeout_s:
        error += ". All workers have this limit, and another one may be the cause of it: look at "
        error += "the output.log of each."
    return error


def find_shared(task: TrialTask) -> TrialTask:
    """Return the task with the directory of its gang's checkpoints, where it has a gang."""
    if task.gang is None or task.place.shared:
        return task
    here = task if is_remote(task.logdir) else task.follow_root()
    shared = join_location(here.logdir, task.trial.id, TRAINING)
    return replace(task, place=replace(task.place, shared=shared))


def _keep_output_only(directory: Path) -> None:
    """Remove what another worker than the chief has saved: each of them saves the same."""
    for path in (RunPaths.artifacts(directory), directory / CHECKPOINTS):
        shutil.rmtree(path, ignore_errors=True)


def _load_trackers(trackers: tuple[TrialTracker, ...] | bytes) -> tuple[TrialTracker, ...]:
    if isinstance(trackers, bytes):
        import cloudpickle

        loaded: tuple[TrialTracker, ...] = cloudpickle.loads(trackers)
        return loaded
    return trackers


def _run_train(task: TrialTask, directory: str, paths: RunPaths) -> Outcome:
    if task.isolation == "none":
        return run_here(task, directory)
    import cloudpickle

    task = replace(task, attempt=cloudpickle.dumps(task.attempt))
    return run_isolated(task, directory, paths.output(Path(directory)))


def _choose_devices(task: TrialTask, addresses: tuple[str, ...]) -> str | None:
    """Return the trial's ``CUDA_VISIBLE_DEVICES``; None if it is to stay as it is."""
    if task.gpus is not None:
        return ",".join(task.gpus)
    if addresses:
        return visible_devices(addresses, os.environ.get(VISIBLE_DEVICES))
    return None


def _make_result(
    task: TrialTask,
    outcome: Outcome,
    attempt: int,
    directory: str,
    gpu: str,
    warnings: tuple[str, ...],
) -> TrialResult:
    return TrialResult(
        trial=task.trial,
        state=outcome.state,
        value=outcome.value,
        metrics=outcome.metrics,
        values=select_values(task.objectives, outcome.metrics),
        error=outcome.error,
        started=outcome.started,
        ended=outcome.ended,
        host=socket.gethostname(),
        gpu=gpu,
        attempt=attempt,
        logdir=directory,
        imported=outcome.imported,
        warnings=(*warnings, *outcome.warnings),
        executor=find_executor_id(),
        continued=outcome.continued,
        notes=outcome.notes,
        fault=outcome.fault,
        loss=outcome.loss,
        stops_search=outcome.stops_search,
        violation=sum_violations(task.constraints, outcome.metrics),
    )


def _read_tail(path: Path) -> str:
    """Return the last lines of a trial's output."""
    try:
        check_regular(path.stat())
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-TAIL_LINES:])
