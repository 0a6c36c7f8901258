"""The search loop: asks the searcher for trials, keeps the slots full, hands on the results."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Hashable, Iterable
from dataclasses import replace

from sparkexp.driver.consumers import Consumers
from sparkexp.driver.interrupts import Interrupts
from sparkexp.driver.limits import Limits
from sparkexp.driver.progress import Progress
from sparkexp.driver.pruning import Pruner
from sparkexp.driver.records import Records
from sparkexp.driver.trackers import Trackers
from sparkexp.engine import Engine
from sparkexp.runs import RunDirectory
from sparkexp.search import Searcher
from sparkexp.trial import State, Trial, TrialResult, params_key

__all__ = ["SearchLoop"]

# Time for cancelled trials to come back; Spark needs about three seconds to kill a worker.
CANCEL_S = 15.0
# Executors may come, and time limits pass, while no trial ends.
POLL_S = 0.5
CANCELLED = "cancelled from outside (jobs were cancelled twice; resume runs their trials)"


class SearchLoop:
    """One search from its first trial to its last.

    A configuration that was evaluated before, or is being evaluated, isn't run again: the
    searcher is told the value of the other trial, and the result names that trial.

    Parameters
    ----------
    searcher : Searcher
        Proposes the trials.
    engine : Engine
        Runs them.
    run : RunDirectory
        Holds the trials' directories.
    consumers : Consumers
        Are told of every trial that ended, after the searcher.
    limits : Limits
        End the search before the searcher is done.
    interrupts : Interrupts
        Delay Ctrl-C while results are recorded.
    progress : Progress
        Shows how many trials run.
    trackers : Trackers
        Are told of every trial that starts.
    reuse : bool
        Whether equal configurations share a value.
    recorded : iterable of TrialResult
        Trials that ended in an earlier process. If the searcher proposes a trial with the same
        number and parameters again, it gets the recorded result. Those that were cancelled are
        run again.
    retry_failed : bool
        Whether those that failed are run again, too.
    pruner : Pruner, optional
        Names the running trials that have to end early.
    records : Records, optional
        Tries again to write what could not be written.
    """

    def __init__(
        self,
        searcher: Searcher,
        engine: Engine,
        run: RunDirectory,
        *,
        consumers: Consumers,
        limits: Limits,
        interrupts: Interrupts,
        progress: Progress,
        trackers: Trackers,
        reuse: bool = True,
        recorded: Iterable[TrialResult] = (),
        retry_failed: bool = False,
        pruner: Pruner | None = None,
        records: Records | None = None,
    ) -> None:
        self._searcher = searcher
        self._engine = engine
        self._run = run
        self._consumers = consumers
        self._limits = limits
        self._interrupts = interrupts
        self._progress = progress
        self._trackers = trackers
        self._reuse = reuse
        self._pruner = pruner
        self._records = records
        self._results: list[TrialResult] = []
        self._evaluated: dict[Hashable, TrialResult] = {}
        self._running: dict[Hashable, Trial] = {}
        self._twins: defaultdict[Hashable, list[Trial]] = defaultdict(list)
        self._values: dict[str, float | None] = {}
        self._violations: dict[str, float] = {}
        self._directories: dict[str, str] = {}
        self._n_run = 0
        self._is_cancelled = False
        if pruner is not None:
            engine.on_report = lambda: self._prune(at_once=True)
        self._recorded: dict[int, TrialResult] = {}
        # Results to be replaced: the searcher knows these trials as ended. They are run first.
        self._replaced: deque[TrialResult] = deque()
        self._known: set[int] = set()
        again = {State.CANCELLED, *([State.FAILED] if retry_failed else [])}
        asked_again = {trial.number: trial for trial in searcher.open_trials()}
        n_asked = searcher.n_asked
        for result in recorded:
            number = result.trial.number
            is_known = number < n_asked and number not in asked_again
            if is_known and result.state in again:
                self._replaced.append(result)
                self._known.add(number)
            elif is_known:
                self._keep(result, earlier=True)  # the searcher's saved state has it
            elif result.state not in again:
                self._recorded[number] = result

    def run(self) -> str | None:
        """Run the search; return why it ended early, or None if the searcher is done.

        Raises
        ------
        AllTrialsFailedError
            If the first trials failed with one error that lies in the call.
        """
        while (stopped := self._stop_reason()) is None:
            self._run.check()
            if self._records is not None:
                self._records.look()
            with self._interrupts.shield():
                self._fill_slots()
            running = list(self._running.values())
            self._progress.show(min(len(running), self._engine.slots), running)
            if not self._running:
                return self._limits.asked_to_stop or self._explain_end()
            self._prune()
            self._trackers.send_reports(list(self._running.values()))
            ended = self._engine.wait(self._choose_wait_s())
            with self._interrupts.shield():
                for result in ended:
                    self._end(result)
        self.cancel()
        self._progress.show(0)
        return stopped

    @property
    def n_ended(self) -> int:
        """How many trials have ended."""
        return len(self._results)

    def results(self) -> list[TrialResult]:
        """Return the results so far, in the order of the trials' numbers."""
        return sorted((*self._results, *self._replaced), key=lambda result: result.trial.number)

    def cancel(self) -> None:
        """End the running trials and record them as cancelled, unless they ended meanwhile.

        The searcher is not told of cancelled trials: a resumed search runs them again.
        """
        self._engine.cancel()
        deadline = time.monotonic() + CANCEL_S
        while self._running and (left := deadline - time.monotonic()) > 0:
            for result in self._engine.wait(left):
                if result.state is State.CANCELLED:
                    self._record_cancelled(result)
                else:
                    self._end(result)
        for trial in list(self._running.values()):
            self._record_cancelled(TrialResult(trial, State.CANCELLED, ended=time.time()))

    def _stop_reason(self) -> str | None:
        if self._is_cancelled:
            return CANCELLED
        running = [trial.number for trial in self._running.values()]
        return self._limits.stop_reason(running, self._engine.slots)

    def _prune(self, at_once: bool = False) -> None:
        """End the running trials that the pruner names."""
        if self._pruner is not None:
            for trial in self._pruner.look(list(self._running.values()), at_once=at_once):
                self._engine.stop(trial)

    def _mark_pruned(self, result: TrialResult) -> TrialResult:
        """Return a result as PRUNED, with its last value, if the pruner ended the trial."""
        if self._pruner is None or result.state is not State.CANCELLED:
            return result
        if not self._pruner.has_named(result.trial):
            return result
        return replace(
            result,
            state=State.PRUNED,
            value=self._pruner.last_value(result.trial),
            error=None,
            ended=result.ended or time.time(),
            logdir=self._run.trial_location(result.trial.id, result.attempt),
        )

    def _choose_wait_s(self) -> float:
        """Return how many seconds to wait for a result before checking slots and time again."""
        left = self._limits.seconds_left()
        return POLL_S if left is None else min(POLL_S, left)

    def _fill_slots(self) -> None:
        ahead = 0 if self._searcher.order_matters else self._engine.ahead
        while len(self._running) < self._engine.slots + ahead and not self._is_spent():
            if self._limits.asked_to_stop:  # results that are reused come without a pause
                return
            trial = self._replaced.popleft().trial if self._replaced else self._searcher.ask()
            if trial is None:
                return
            key = self._key(trial)
            recorded = self._recorded.pop(trial.number, None)
            if recorded is not None and recorded.trial == trial:
                self._tell(recorded)
            elif key in self._evaluated:
                self._tell(_reuse_result(self._evaluated[key], trial))
            elif key in self._running:
                self._twins[key].append(trial)
            else:
                self._running[key] = trial
                self._engine.submit(self._trackers.announce(self._add_parent(trial)))

    def _add_parent(self, trial: Trial) -> Trial:
        """Return the trial with its parent's value (for its row in the table) or checkpoints."""
        if trial.parent is None:
            return trial
        if trial.rung is not None:
            return replace(trial, checkpoint=self._directories.get(trial.parent))
        return replace(
            trial,
            parent_value=self._values.get(trial.parent),
            parent_violation=self._violations.get(trial.parent, 0.0),
        )

    def _is_spent(self) -> bool:
        limit = self._limits.max_trials
        return limit is not None and self._n_run + len(self._running) >= limit

    def _explain_end(self) -> str | None:
        if self._searcher.done or not self._is_spent():
            return None
        return f"max_trials={self._limits.max_trials} were run"

    def _key(self, trial: Trial) -> Hashable:
        if not self._reuse:
            return trial.number
        return params_key(trial.arguments), trial.repetition

    def _end(self, result: TrialResult) -> None:
        """Process a trial that ended, and the trials that waited for its value."""
        key = self._key(result.trial)
        result = self._mark_pruned(result)
        if result.state is State.CANCELLED:  # not by this search
            self._is_cancelled = True
            self._record_cancelled(result)
            return
        del self._running[key]
        self._tell(result)
        for twin in self._twins.pop(key, []):
            self._tell(_reuse_result(result, twin))

    def _record_cancelled(self, result: TrialResult) -> None:
        key = self._key(result.trial)
        del self._running[key]
        self._twins.pop(key, None)
        self._keep(result)

    def _tell(self, result: TrialResult) -> None:
        """Tell a result to the searcher, then to the consumers."""
        if result.trial.number not in self._known:
            self._searcher.tell(result)
        self._keep(result)
        self._trackers.searcher_progressed(self._searcher.progress())

    def _keep(self, result: TrialResult, earlier: bool = False) -> None:
        """Store what later trials need from this one, and tell the consumers."""
        self._results.append(result)
        self._values[result.trial.id] = result.value
        self._violations[result.trial.id] = result.violation
        if result.trial.rung is not None and result.succeeded:
            origin = result.reused_from or result.trial.id
            directory = self._run.trial_location(origin, result.attempt)
            self._directories[result.trial.id] = directory
        if result.reused_from is None and result.state is not State.CANCELLED:
            self._n_run += 1
            if result.logdir:  # else it was lost with its executor, whatever its configuration
                self._evaluated.setdefault(self._key(result.trial), result)
        self._consumers.trial_ended(result, earlier)


def _reuse_result(result: TrialResult, trial: Trial) -> TrialResult:
    """Return the result for a trial whose configuration another trial evaluated."""
    return replace(
        result,
        trial=trial,
        reused_from=result.reused_from or result.trial.id,
        submitted=0.0,
        started=0.0,
        ended=0.0,
        host="",
        gpu="",
        executor="",
        warnings=(),
    )
