"""Finds hosts and executors on which trials fail more often than on others."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict

from sparkexp.trial import State, TrialResult

__all__ = ["HostHealth"]

logger = logging.getLogger(__name__)

# A host or executor is suspected from so many failures on, if its failure rate is so many times
# the rate of the others.
MIN_FAILURES = 3
MIN_RATIO = 3.0
ALL = "all hosts"


class HostHealth:
    """Counts failures by executor and by host, and warns once of each that stands out.

    An executor is compared with the others of its host, a host with the others of the cluster.

    Examples
    --------
    >>> from sparkexp.trial import Trial
    >>> hosts = HostHealth()
    >>> def end_trial(host, state):
    ...     return hosts.check(TrialResult(Trial(0, {}), state, host=host, executor='1'))
    >>> for _ in range(4):
    ...     _ = end_trial('good', State.SUCCEEDED), end_trial('bad', State.FAILED)
    >>> hosts.suspects
    {'host bad'}
    """

    def __init__(self) -> None:
        self._ended: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._executors: defaultdict[str, set[str]] = defaultdict(set)
        self.suspects: set[str] = set()
        self._said: set[str] = set()

    def trial_ended(self, result: TrialResult, earlier: bool = False) -> None:
        """Log the trial's warnings, each once, and those about its executor and host."""
        if earlier or result.state is State.CANCELLED:
            return
        for warning in (*result.warnings, *self.check(result)):
            if warning not in self._said:
                self._said.add(warning)
                logger.warning("%s: %s", result.trial.id, warning)

    def check(self, result: TrialResult) -> list[str]:
        """Count a result, and return a warning if its executor or host newly stands out.

        Parameters
        ----------
        result : TrialResult
            A trial that ended; reused and cancelled trials are not counted.
        """
        if not result.host or result.reused_from is not None or result.state is State.CANCELLED:
            return []
        host = f"host {result.host}"
        executor = f"executor {result.executor} of {host}"
        for place in (executor, host, ALL):
            self._ended[place] += 1
            self._failed[place] += result.state is State.FAILED
        self._executors[host].add(result.executor)
        if self.suspects & {host, executor}:
            return []
        if self._stands_out(executor, among=host):
            return [self._suspect(executor, executor, host)]
        if self._stands_out(host, among=ALL):
            names = ", ".join(sorted(self._executors[host] - {""}))
            return [self._suspect(host, f"{host} (executor {names})" if names else host, ALL)]
        return []

    def _stands_out(self, place: str, among: str) -> bool:
        here, here_of, there, there_of = self._count_failures(place, among)
        if here < MIN_FAILURES or there_of < MIN_FAILURES or here_of > 2 * here:
            return False
        return here / here_of >= MIN_RATIO * there / there_of

    def _count_failures(self, place: str, among: str) -> tuple[int, int, int, int]:
        """Return how many trials failed and how many ended: at a place, then at the others."""
        here, here_of = self._failed[place], self._ended[place]
        return here, here_of, self._failed[among] - here, self._ended[among] - here_of

    def _suspect(self, place: str, named: str, among: str) -> str:
        self.suspects.add(place)
        here, here_of, there, there_of = self._count_failures(place, among)
        return (
            f"Trials keep failing on {named}: {here} of {here_of}, elsewhere {there} of "
            f"{there_of}. Look at the errors there, or take it out of the cluster."
        )
