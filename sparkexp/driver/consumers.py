"""Tells the consumers, in a fixed order, that a trial ended; one that fails stops no other."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from sparkexp.trial import TrialResult

__all__ = ["Consumers", "TrialConsumer"]

logger = logging.getLogger(__name__)


class TrialConsumer(Protocol):
    """Something that is told of every trial that ended."""

    def trial_ended(self, result: TrialResult, earlier: bool = False) -> None:
        """Process a trial that ended.

        Parameters
        ----------
        result : TrialResult
            The result; cancelled trials have one, too.
        earlier : bool
            Whether an earlier process ran the trial and recorded it.
        """


class Consumers:
    """Tells consumers of every trial that ended, one after another.

    `run_search` sets the order. First come the trial's warnings (`HostHealth`) and its record
    (`Records`). Then come those that rely on the record (`ArtifactRetention`), those that decide
    on other trials (`Pruner`, `Limits`), and those that show the trial (`Progress`, `Trackers`).

    If a consumer raises an exception, it is logged, once for each consumer. The other consumers
    are still told of the trial, and the one that failed is told of the next trial.

    Parameters
    ----------
    consumers : sequence of TrialConsumer
        In the order in which they are told of a trial.
    """

    def __init__(self, consumers: Sequence[TrialConsumer] = ()) -> None:
        self._consumers = tuple(consumers)
        self._failed: set[int] = set()

    def trial_ended(self, result: TrialResult, earlier: bool = False) -> None:
        """Tell all consumers."""
        for k, consumer in enumerate(self._consumers):
            try:
                consumer.trial_ended(result, earlier)
            except Exception:
                if k not in self._failed:
                    self._failed.add(k)
                    name = type(consumer).__name__
                    logger.warning(
                        "%s could not process %s. The search goes on (this is logged once).",
                        name, result.trial.id, exc_info=True,
                    )  # fmt: skip
