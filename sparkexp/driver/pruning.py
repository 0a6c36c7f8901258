"""Reads the curves of running trials, and finds those that a rule wants to end early."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from sparkexp.context.curve import extract_curve, match_metric, read_reports
from sparkexp.driver.pruning_rule import Curve, PruningRule
from sparkexp.objective import Objective
from sparkexp.runs import RunDirectory
from sparkexp.trial import State, Trial, TrialResult

__all__ = ["Pruner"]

logger = logging.getLogger(__name__)

# Reading curves takes at most about this share of the time, however many trials run.
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_PER_LOOK = 0.02


# After so many trials that succeeded without a curve to compare, the user is told.
MAX_SILENT = 3


class Pruner:
    """Reads the curves of running trials, and names those that a rule wants to end.

    Where the objective has no name and trials report several metrics, it is the metric whose value
    the first trials have returned.

    Parameters
    ----------
    rule : PruningRule
        Decides which trials end.
    objective : Objective
        What is optimised.
    run : RunDirectory
        Holds the trials' curves.
    """

    def __init__(self, rule: PruningRule, objective: Objective, run: RunDirectory) -> None:
        self._rule: PruningRule | None = rule
        self._objective = objective
        self._metric = objective.name
        self._run = run
        self._others: list[Curve] = []
        self._curves: dict[int, Curve] = {}
        self._seen: dict[int, int] = {}
        self._ended: set[int] = set()
        self._next_look = 0.0
        self._turn = 0
        self._has_warned = False
        self._n_silent = 0

    def trial_ended(self, result: TrialResult, earlier: bool = False) -> None:
        """Add the curve of a trial that succeeded to those that others are compared with."""
        number = result.trial.number
        self._curves.pop(number, None)
        if result.state is State.SUCCEEDED and result.reused_from is None:
            self._run.refresh_curve(number)
            if self._metric is None and result.value is not None:
                self._metric = self._find_metric(number, result.value)
            curve = self._read(number)
            if curve.points:
                self._others.append(curve)
            else:
                self._count_silent(number)

    def _count_silent(self, number: int) -> None:
        """Warn if no trial of the first few has reported what can be compared."""
        self._n_silent += 1
        if self._others or self._has_warned or self._n_silent < MAX_SILENT:
            return
        self._has_warned = True
        found = {name for each in read_reports(self._path(number)) for name in each.metrics}
        reported = f", only {', '.join(map(repr, sorted(found)))}" if found else ""
        what = "anything" if self._metric is None else repr(self._metric)
        logger.warning(
            "prune= can end no trial: none of the first %d has reported %s%s. Call "
            "experiment.report(step, …) in the train function, or hand fit an "
            "experiment.keras_callback(), with the metric's own name.", MAX_SILENT, what, reported,
        )  # fmt: skip

    def look(self, running: Sequence[Trial], *, at_once: bool = False) -> list[Trial]:
        """Return the running trials that have to end, each once.

        A call takes a limited time, however many trials run. The next call goes on with the
        trials that this one had no time for.

        Parameters
        ----------
        running : sequence of Trial
            The trials that run.
        at_once : bool
            Whether to look even if the last look was a moment ago.
        """
        now = time.monotonic()
        if not running or (now < self._next_look and not at_once):
            return []
        self._next_look = now + SECONDS_BETWEEN_LOOKS
        found = []
        for k in range(len(running)):
            trial = running[(self._turn + k) % len(running)]
            if self._should_end(trial.number):
                self._ended.add(trial.number)
                found.append(trial)
            if time.monotonic() - now > SECONDS_PER_LOOK:
                self._turn = (self._turn + k + 1) % len(running)
                break
        return found

    def has_named(self, trial: Trial) -> bool:
        """Tell whether `look` has named this trial."""
        return trial.number in self._ended

    def last_value(self, trial: Trial) -> float | None:
        """Return the last value that a running trial reported; None if there is none."""
        curve = self._curves.get(trial.number)
        return curve.values[-1] if curve and curve.points else None

    def _should_end(self, number: int) -> bool:
        if number in self._ended:
            return False
        try:
            changed = self._path(number).stat().st_mtime_ns
        except OSError:
            return False  # it has reported nothing yet
        if self._seen.get(number) == changed:
            return False
        self._seen[number] = changed
        curve = self._curves[number] = self._read(number)
        return self._ask_rule(curve) if curve.points else False

    def _ask_rule(self, curve: Curve) -> bool:
        if self._rule is None:
            return False
        try:
            return self._rule.should_prune(curve, self._others, self._objective)
        except Exception:  # an error of the user's rule must not end the search
            logger.warning(
                "%r has raised an error: the search goes on without pruning.", self._rule,
                exc_info=True,
            )  # fmt: skip
            self._rule = None
            return False

    def _read(self, number: int) -> Curve:
        return Curve(extract_curve(read_reports(self._path(number)), self._metric))

    def _find_metric(self, number: int, value: float) -> str | None:
        """Return the name of the objective among several metrics; None if it isn't needed."""
        reports = read_reports(self._path(number))
        if all(len(report.metrics) == 1 for report in reports):
            return None
        found = match_metric(reports, value)
        if found is None and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "prune= can't tell which of the metrics that trials report is the objective: what "
                "trial %d has returned, %g, is none of them. Return the last or the best value of "
                "one, or a dict with metric= as its name.", number, value,
            )  # fmt: skip
        return found

    def _path(self, number: int) -> Path:
        return self._run.paths.curve(number)
