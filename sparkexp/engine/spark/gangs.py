"""Runs the gangs of workers that train one model: sees to their slots, restarts, and results."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sparkexp.engine.base import TrialTask
from sparkexp.engine.gang import Gang
from sparkexp.engine.spark.jobs import TrialJobs
from sparkexp.engine.spark.slots import is_local, setting
from sparkexp.engine.worker.member import remove_checkpoints
from sparkexp.errors import EnvironmentUnfitError
from sparkexp.trial import Loss, State, TrialResult

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["Gangs", "check_gang", "choose_result", "name_member", "tell_way_on"]

logger = logging.getLogger(__name__)

# How long a gang that was lost waits for the slots of all its workers to come back, since Spark
# starts a lost executor anew; then for as many as it needs at least.
ALL_BACK_S = 20.0
SLOTS_BACK_S = 300.0
LOOK_S = 0.5
# How long a new session's executors may take that its settings promise, and others.
PROMISED_S = 60.0
SETTLE_S = 3.0
# How long parameter servers have to end when their workers have ended.
GOODBYE_S = 20.0


def check_gang(
    spark: SparkSession, gang: Gang, count_slots: Callable[[], int], where: str
) -> None:
    """Check that a gang finds its slots; wait for executors that are about to come.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    gang : Gang
        The workers.
    count_slots : Callable
        Returns the number of tasks of a worker's size that the session can run at a time now.
    where : str
        The session, in a few words.

    Raises
    ------
    EnvironmentUnfitError
        If it never would.
    """
    key = "spark.dynamicAllocation.enabled"
    if gang.is_synchronous and gang.workers > 1 and setting(spark, key) == "true":
        raise EnvironmentUnfitError(
            f"Synchronous workers start all at once, which Spark can't do with {key}=true. Set it "
            "to false, with as many executors as the workers need, or use strategy='async'."
        )
    slots = _await_executors(spark, gang, count_slots)
    if gang.smallest > slots:
        raise EnvironmentUnfitError(
            f"{_count_members(gang)} run at the same time, each in a slot of its own, "
            f"and {where} has {slots} slot{'s' * (slots != 1)}. {_find_way_out(spark, gang)}"
        )


def _count_members(gang: Gang) -> str:
    """Return the workers and servers that a gang needs, in words."""
    at_least = "At least " if gang.min_workers else ""
    workers = gang.min_workers or gang.workers
    servers = f" and {gang.n_servers} server{'s' * (gang.n_servers > 1)}" * (gang.n_servers > 0)
    return f"{at_least}{workers} worker{'s' * (workers > 1)}{servers}"


def _find_way_out(spark: SparkSession, gang: Gang) -> str:
    """Return what to do about too few slots."""
    if is_local(spark):
        return (
            f"Start the session with master 'local[{gang.smallest}]' (sparkexp run … --master "
            f"'local[{gang.smallest}]'), though more workers than cores are not faster, or ask "
            "for fewer workers."
        )
    return (
        "Ask for fewer workers, add executors, or give each worker less (cpus_per_worker and "
        "gpus_per_worker, in a search cpus_per_trial and gpus_per_trial)."
    )


def _await_executors(spark: SparkSession, gang: Gang, count_slots: Callable[[], int]) -> int:
    """Return the slots, once there are enough for a gang, or no more come."""
    slots, since = count_slots(), time.monotonic()
    if is_local(spark):
        return slots
    patience_s = PROMISED_S if _count_promised(spark) >= gang.smallest else SETTLE_S
    while slots < gang.size and time.monotonic() - since < patience_s:
        if slots >= gang.smallest and time.monotonic() - since > SETTLE_S:
            break
        time.sleep(LOOK_S)
        if (now := count_slots()) != slots:
            slots, since = now, time.monotonic()
    return slots


def _count_promised(spark: SparkSession) -> int:
    """Return how many tasks fit what the session has asked for; 0 if its settings don't say."""
    cores = int(setting(spark, "spark.cores.max") or 0)
    if not cores:
        instances = int(setting(spark, "spark.executor.instances") or 0)
        cores = instances * int(setting(spark, "spark.executor.cores") or 1)
    return cores // int(setting(spark, "spark.task.cpus") or 1)


class Gangs:
    """Runs attempts of gangs.

    Parameters
    ----------
    jobs : TrialJobs
        Runs them as Spark's jobs.
    count_slots : Callable
        Returns the number of tasks that the session can run at the same time now.
    is_over : Callable
        Takes a trial's number and returns whether the trial is to end.
    """

    def __init__(
        self, jobs: TrialJobs, count_slots: Callable[[], int], is_over: Callable[[int], bool]
    ) -> None:
        self._jobs = jobs
        self._count_slots = count_slots
        self._is_over = is_over
        #: The numbers of trials whose result is certain while some of their members still run.
        self.ending: set[int] = set()

    def run(self, task: TrialTask, gpus: tuple[tuple[str, ...], ...] | None) -> TrialResult:
        """Run one attempt of a synchronous gang and return the trial's result."""
        gang, number = task.gang, task.trial.number
        assert gang is not None
        n_workers = self._await_slots(gang, task)
        if n_workers == 0:
            error = (
                f"{gang.smallest} workers need as many slots, which did not come back within "
                f"{SLOTS_BACK_S:.0f} s. Look for lost executors; min_workers= lets a training go "
                "on with fewer workers."
            )
            return TrialResult(
                task.trial,
                State.FAILED,
                error=error,
                ended=time.time(),
                attempt=task.first_attempt,
            )
        if n_workers < gang.workers:
            logger.warning("%s goes on with %d workers.", task.trial.id, n_workers)
        if self._is_over(number):
            return TrialResult(task.trial, State.CANCELLED, error="The trial was cancelled.")
        return choose_result(self._jobs.run_gang(task, n_workers, gpus))

    def run_apart(self, task: TrialTask, run: Callable[[TrialTask], TrialResult]) -> TrialResult:
        """Run an asynchronous gang, each member as a job of its own; return the trial's result.

        A member that is lost is run again alone, as any trial is.

        Parameters
        ----------
        task : TrialTask
            The trial.
        run : Callable
            Runs one member, again if it is lost, and returns its result.
        """
        gang = task.gang
        assert gang is not None
        number = task.trial.number
        results: list[TrialResult | None] = [None] * gang.size
        some_ended = threading.Condition()

        def run_member(rank: int) -> None:
            place = replace(task.place, rank=rank, size=gang.size)
            result = run(replace(task, place=place))
            with some_ended:
                results[rank] = result
                some_ended.notify()

        for rank in range(gang.size):
            target = self._jobs.inherit_properties(lambda rank=rank: run_member(rank))  # type: ignore[misc]
            threading.Thread(target=target, name=f"sparkexp-worker-{rank}", daemon=True).start()
        with some_ended:
            # Until those that still run can't change the result.
            while not _has_failed(results) and None in results[: gang.workers]:
                some_ended.wait(LOOK_S)
            # Servers end by themselves once their workers have said goodbye.
            deadline = time.monotonic() + GOODBYE_S
            while None in results and not _has_failed(results) and time.monotonic() < deadline:
                some_ended.wait(LOOK_S)
            while None in results:
                self.ending.add(number)
                self._jobs.cancel(task.trial)
                some_ended.wait(LOOK_S)
        ended = [result for result in results if result is not None]
        if number in self.ending:
            self.ending.remove(number)
            ended = [r for r in ended if r.state is not State.CANCELLED] or ended
        if all(result.succeeded for result in ended):
            remove_checkpoints(task)
        return choose_result(ended)

    def _await_slots(self, gang: Gang, task: TrialTask) -> int:
        """Wait for the gang's slots, and return with how many workers it starts; 0 for none."""
        started = time.monotonic()
        if task.first_attempt:
            time.sleep(SETTLE_S)  # Spark still counts an executor that was lost just now
        while not self._is_over(task.trial.number):
            slots, waited = self._count_slots(), time.monotonic() - started
            if slots >= gang.workers:
                break
            if slots >= gang.smallest and (task.first_attempt == 0 or waited > ALL_BACK_S):
                return slots
            if waited > SLOTS_BACK_S:
                return 0
            time.sleep(LOOK_S)
        return gang.workers


def _has_failed(results: Sequence[TrialResult | None]) -> bool:
    return any(result is not None and result.state is State.FAILED for result in results)


def name_member(task: TrialTask) -> str:
    """Return the name of what a task runs, for messages."""
    if task.gang is None:
        return task.trial.id
    if task.gang.is_synchronous:  # all of it starts again
        return f"The gang of {task.trial.id}"
    rank = task.place.rank
    name = f"Worker {rank}" if rank < task.gang.workers else f"Server {rank - task.gang.workers}"
    return f"{name} of {task.trial.id}"


def tell_way_on(result: TrialResult) -> TrialResult:
    """Return the result of a gang that isn't started again, with what the user can do."""
    way = (
        f"It was started {result.attempt + 1} times, and is not started again. experiment.resume("
        "spark, train, logdir, retry_failed=True) goes on from the last checkpoint."
    )
    return replace(result, error=f"{result.error}\n\n{way}")


def choose_result(results: Sequence[TrialResult]) -> TrialResult:
    """Return the result that counts of those of a gang: the first failure, or else the chief's.

    A worker that has lost another one, or was ended for it, doesn't tell what went wrong.

    Parameters
    ----------
    results : sequence of TrialResult
        The members' results, the chief's first.
    """
    failed = [result for result in results if result.state is State.FAILED]
    if not failed:
        warnings = dict.fromkeys(text for result in results for text in result.warnings)
        return replace(results[0], warnings=tuple(warnings))
    order: tuple[Loss | None, ...] = (Loss.KILLED, None, Loss.ENDED, Loss.PEER)
    first = min(failed, key=lambda result: (order.index(result.loss), result.ended))
    if first.loss is Loss.ENDED:
        error = (
            f"Worker {results.index(first)} on {first.host} stopped answering the others of its "
            "gang, and was ended."
        )
        first = replace(first, error=error)
    return replace(first, logdir=results[0].logdir)
