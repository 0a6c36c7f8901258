"""Hosts on which trials keep failing that succeed elsewhere."""

from __future__ import annotations

from collections import Counter

from sparkexp.trial import State, TrialResult

__all__ = ["HostHealth"]

# Failures on a host before it is suspected, and how much more often than elsewhere they come.
MIN_FAILURES = 3
MIN_RATIO = 3.0


class HostHealth:
    """Counts failures by host, and complains once of each host that stands out.

    Examples
    --------
    >>> from sparkexp.trial import Trial
    >>> hosts = HostHealth()
    >>> def ended(host, state):
    ...     return hosts.complaints(TrialResult(Trial(0, {}), state, host=host))
    >>> for _ in range(4):
    ...     _ = ended('good', State.SUCCEEDED), ended('bad', State.FAILED)
    >>> hosts.suspects
    {'bad'}
    """

    def __init__(self) -> None:
        self._ended: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self.suspects: set[str] = set()

    def complaints(self, result: TrialResult) -> list[str]:
        """Take note of a result, and return what there is to say of its host for the first time.

        Parameters
        ----------
        result : TrialResult
            A trial that ended; reused and cancelled ones tell nothing.
        """
        host = result.host
        if not host or result.reused_from is not None or result.state is State.CANCELLED:
            return []
        self._ended[host] += 1
        self._failed[host] += result.state is State.FAILED
        here, here_of = self._failed[host], self._ended[host]
        there, there_of = self._failed.total() - here, self._ended.total() - here_of
        if host in self.suspects or here < MIN_FAILURES or there_of < MIN_FAILURES:
            return []
        if here / here_of < MIN_RATIO * there / there_of or here_of > 2 * here:
            return []
        self.suspects.add(host)
        return [
            f"Trials keep failing on host {host}: {here} of {here_of}, elsewhere {there} of "
            f"{there_of}. Look at the errors there, or take it out of the cluster."
        ]
