"""Runs one worker of a gang on an executor, and watches over the others with it."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sparkexp.engine.base import TrialTask
from sparkexp.engine.place import Place
from sparkexp.engine.transfer.unpacking import unpack_modules
from sparkexp.engine.worker.process import end_trial
from sparkexp.engine.worker.task import find_shared, read_gpu_addresses, run_attempt
from sparkexp.storage.filesystems import is_remote
from sparkexp.storage.regular_files import remove_tree
from sparkexp.storage.remote_files import RemoteFiles
from sparkexp.trial import Loss, State, TrialResult

if TYPE_CHECKING:
    import pyarrow
    from pyspark import BarrierTaskContext

__all__ = ["Watch", "make_gang_function", "remove_checkpoints"]

logger = logging.getLogger(__name__)

# How often the workers tell each other whether they still run; large gangs, which all ask the
# driver, do it less often.
ROUND_S = 2.0
ROUND_S_PER_WORKER = 1 / 16
# By it, the reason of a result is found behind a traceback.
CAUSED = "The above exception was the direct cause of the following exception:"
RUNNING, SUCCEEDED, FAILED = "running", "succeeded", "failed"


def make_gang_function(
    task: TrialTask, gpus: tuple[tuple[str, ...], ...] | None = None
) -> Callable[[Iterator[pyarrow.RecordBatch]], Iterator[pyarrow.RecordBatch]]:
    """Return the function that Spark maps over as many partitions as the gang has workers.

    Parameters
    ----------
    task : TrialTask
        The trial's whole task.
    gpus : tuple of tuple of str, optional
        The GPUs of each worker where the driver assigns them.
    """

    def run_worker(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        import pyarrow
        from pyspark import BarrierTaskContext

        for _ in batches:
            pass
        context = BarrierTaskContext.get()
        place = _find_place(context, task.first_attempt)
        here = replace(task, modules=unpack_modules(task.modules), place=place)
        if gpus is not None:
            here = replace(here, gpus=gpus[place.rank])
        watch = Watch(context, place)
        result = watch.correct(run_attempt(here, place.attempt, read_gpu_addresses(context)))
        if watch.finish(result) and place.rank == 0:
            remove_checkpoints(task)
        yield pyarrow.RecordBatch.from_pydict({"result": [json.dumps(result.to_json())]})

    return run_worker


def _find_place(context: BarrierTaskContext, attempt: int) -> Place:
    """Return this worker's place; all workers of the gang call it at the same time."""
    rank = context.partitionId()
    infos = context.getTaskInfos()
    host = infos[rank].address.rsplit(":", 1)[0]
    # TensorFlow binds the port a moment later. Where somebody else takes it meanwhile, the gang
    # starts again.
    with socket.socket() as probe:
        probe.bind(("", 0))
        addresses = context.allGather(f"{host}:{probe.getsockname()[1]}")
    return Place(rank, len(infos), tuple(addresses), attempt, host=host)


class Watch:
    """Tells the other workers how this one's trial ends, and ends it where one of them has failed.

    In each round every worker says whether its trial still runs. Where one has failed, the others
    end theirs, so that the gang's slots are free. A killed worker has failed; a frozen one lets
    those fail that wait for it. Where an executor is lost, Spark itself ends the gang.

    Parameters
    ----------
    context : BarrierTaskContext
        Of the worker's task.
    place : Place
        The worker.
    """

    def __init__(self, context: BarrierTaskContext, place: Place) -> None:
        self._context = context
        self._rank = place.rank
        self._period_s = max(ROUND_S, ROUND_S_PER_WORKER * place.size)
        self._state = RUNNING
        self._states = [RUNNING]
        self._has_ended = threading.Event()
        self._failed: int | None = None  # the rank of the worker that has failed
        self._thread = threading.Thread(target=self._watch, name="sparkexp-gang", daemon=True)
        if place.size > 1:
            self._thread.start()

    def correct(self, result: TrialResult) -> TrialResult:
        """Return the result; if others have a part in how the trial ended, with the reason."""
        if result.loss is Loss.PEER and SUCCEEDED in self._states and FAILED not in self._states:
            return replace(result, error=self._tell_missing(result), loss=None)
        if self._failed is None or result.loss is not Loss.KILLED:
            return result
        error = f"The worker was ended: worker {self._failed} of its gang had failed."
        return replace(result, error=error, loss=Loss.ENDED)

    def _tell_missing(self, result: TrialResult) -> str:
        """Return the error of a worker that waited for one whose train function was at its end."""
        gone = self._states.index(SUCCEEDED)
        return (
            f"{result.error}\n\n{CAUSED}\n\nWorker {gone} had returned from the train function, "
            f"and worker {self._rank} waited for it: all workers must call fit, evaluate, "
            "gang().sum and gang().broadcast, and an optimizer's apply, equally often. Call them "
            "on every worker, not within `if gang().is_chief`."
        )

    def finish(self, result: TrialResult) -> bool:
        """Tell the others how the trial has ended, wait for all, and return if all succeeded."""
        self._state = FAILED if result.state is State.FAILED else SUCCEEDED
        self._has_ended.set()
        if self._thread.ident is None:  # it is alone
            return result.succeeded
        self._thread.join()
        return self._states.count(SUCCEEDED) == len(self._states)

    def _watch(self) -> None:
        while RUNNING in self._states:
            self._has_ended.wait(self._period_s)
            try:
                states = self._context.allGather(self._state)
            except Exception as error:  # the job was cancelled, or an executor is lost
                logger.info("The workers of the gang can't be asked any more: %r", error)
                return
            self._states = states
            if FAILED in states and self._failed is None and self._state == RUNNING:
                self._failed = states.index(FAILED)
                end_trial()


def remove_checkpoints(task: TrialTask) -> None:
    """Remove the checkpoints of a gang whose training has ended: nobody goes on from them."""
    location = find_shared(task).place.shared
    try:
        if is_remote(location):
            RemoteFiles(location).remove()
        else:
            remove_tree(Path(location))
    except Exception as error:  # clients have their own classes
        logger.info("The checkpoints in %s could not be removed: %s", location, error)
