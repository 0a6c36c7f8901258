"""Who hears of a trial's end, in which order, and what happens when one of them fails."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from sparkexp.trial import TrialResult

__all__ = ["Consumers", "TrialConsumer"]

logger = logging.getLogger(__name__)


class TrialConsumer(Protocol):
    """Something that hears of every trial that ended."""

    def trial_ended(self, result: TrialResult, earlier: bool = False) -> None:
        """Take in a trial that ended.

        Parameters
        ----------
        result : TrialResult
            What became of it; of a cancelled one, too.
        earlier : bool
            Whether an earlier process ran and recorded it.
        """


class Consumers:
    """Tells consumers of every trial that ended, one after another.

    The order is that of `run_search`: the trial's warnings (`HostHealth`), its record (`Records`),
    then what may rely on the record (`ArtifactRetention`), what decides on other trials (`Pruner`,
    `Limits`), and at last what shows it (`Progress`, `Trackers`).

    An exception of one is logged, once for each consumer, and costs nothing else: the others hear
    of the trial, and it hears of the next one.

    Parameters
    ----------
    consumers : sequence of TrialConsumer
        In the order in which they hear of a trial.
    """

    def __init__(self, consumers: Sequence[TrialConsumer] = ()) -> None:
        self._consumers = tuple(consumers)
        self._failed: set[int] = set()

    def trial_ended(self, result: TrialResult, earlier: bool = False) -> None:
        """Tell all of them."""
        for k, consumer in enumerate(self._consumers):
            try:
                consumer.trial_ended(result, earlier)
            except Exception:
                if k not in self._failed:
                    self._failed.add(k)
                    name = type(consumer).__name__
                    logger.warning(
                        "%s could not take in %s. The search goes on (said once).",
                        name, result.trial.id, exc_info=True,
                    )  # fmt: skip
