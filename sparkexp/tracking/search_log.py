"""What the driver writes for TensorBoard while a search runs."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from sparkexp.tracking.hparams import HParamSpec, MetricSpec
from sparkexp.tracking.tensorboard import returned_tag, write_experiment, write_session_end
from sparkexp.trial import Direction, TrialResult

__all__ = ["SearchLog"]

logger = logging.getLogger(__name__)


class SearchLog:
    """Declares the search's parameters and metrics as soon as the metrics are known.

    TensorBoard shows the declared columns alone and takes the first declaration it finds; until
    there is one it infers them.

    Parameters
    ----------
    directory : str or path
        The driver's own run below the log directory.
    specs : tuple of HParamSpec
        The search space.
    metric : str, optional
        Name of the objective among what the train function returns.
    direction : {'max', 'min'}
        Which value is the best.
    generations : int, optional
        Number of the last generation where trials have one.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        specs: tuple[HParamSpec, ...],
        metric: str | None,
        direction: Direction,
        generations: int | None,
    ) -> None:
        self._directory = directory
        self._specs = specs
        self._metric = metric
        self._direction = direction
        self._generations = generations
        self._declared = False

    def ended(self, result: TrialResult) -> None:
        """Take note of a trial that ended."""
        if result.succeeded:
            self._declare(tuple(result.metrics))

    def lost(self, result: TrialResult, directory: Path) -> None:
        """End the session of a trial whose executor can't do it any more.

        Parameters
        ----------
        result : TrialResult
            What the driver knows of the trial.
        directory : Path
            Where the trial's session was started, if it was.
        """
        if not directory.is_dir():
            return
        try:
            write_session_end(directory, result)
        except OSError as error:
            logger.warning("%s could not be marked as ended: %s", directory, error)

    def close(self) -> None:
        """Declare at least the parameters, if no trial succeeded."""
        self._declare(())

    def _declare(self, metrics: tuple[str, ...]) -> None:
        if self._declared:
            return
        self._declared = True
        try:
            write_experiment(
                self._directory,
                self._specs,
                # The objective has its own column.
                [MetricSpec(returned_tag(n), n) for n in metrics if n != self._metric],
                objective=f"{self._metric or 'objective'} ({self._direction})",
                generations=self._generations,
            )
        except OSError as error:
            logger.warning("TensorBoard's table could not be declared: %s", error)
