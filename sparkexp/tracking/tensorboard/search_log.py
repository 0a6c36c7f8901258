"""What the driver writes for TensorBoard while a search runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sparkexp.analysis.description import SearchDescription
from sparkexp.errors import StorageError
from sparkexp.tracking.tensorboard.events import EventFile
from sparkexp.tracking.tensorboard.hparams import MetricSpec
from sparkexp.tracking.tensorboard.reading import read_events, read_scalar_metrics
from sparkexp.tracking.tensorboard.sessions import (
    is_ours,
    make_declaration,
    returned_tag,
    write_session_end,
)
from sparkexp.trial import TrialResult

if TYPE_CHECKING:
    from sparkexp.tracking.tensorboard.views import SearchViews

__all__ = ["SearchLog"]

logger = logging.getLogger(__name__)

# The most columns beside the fixed ones; more make the table unreadable.
MAX_METRICS = 12


class SearchLog:
    """Declares the search's parameters and metrics, and writes its views as trials end.

    TensorBoard shows only the declared columns, and takes the first declaration that it finds;
    until there is one, it infers the columns. If something can't be written, there is one warning,
    and the search goes on.

    Parameters
    ----------
    directory : str or path
        The driver's own run below the log directory.
    search : SearchDescription
        What the search is.
    """

    def __init__(self, directory: str | os.PathLike[str], search: SearchDescription) -> None:
        self._directory = directory
        self._search = search
        self._declared = False
        # One file for all: TensorBoard's own loader doesn't return to an older file.
        self._events = EventFile(directory)
        self._views: SearchViews | None = None
        self._broken = False

    def add_earlier(self, result: TrialResult) -> None:
        """Take in a trial that ended in an earlier process."""
        self._call_views("add_earlier", result)

    def add(self, result: TrialResult) -> None:
        """Take in a trial that ended."""
        if result.succeeded:
            self._declare(result)
        self._call_views("add", result)

    def add_figures(self, n_ended: int, figures: Mapping[str, float]) -> None:
        """Take in what the searcher shows of its inside after so many trials."""
        self._call_views("add_figures", n_ended, figures)

    def end_session(self, result: TrialResult, directory: Path) -> None:
        """End the session of a trial whose executor can no longer do it.

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
            search = self._search
            write_session_end(
                directory,
                result,
                search.objectives[0],
                search.prunes,
                search.last_generation,
                bool(search.constraints),
            )
        except OSError as error:
            logger.warning("%s could not be marked as ended: %s", directory, error)

    def close(self, complete: bool = False) -> None:
        """Write the summary and the pictures; declare the parameters, if no trial succeeded.

        Parameters
        ----------
        complete : bool
            Whether the search came to its end.
        """
        self._declare(None)
        if self._views is not None:
            self._call_views("finish", complete)
        try:
            self._events.close()
        except OSError as error:
            logger.warning("%s could not be written to its end: %s", self._directory, error)

    def _call_views(self, method: str, *arguments: object) -> None:
        if self._broken:
            return
        try:
            if self._views is None:
                self._views = self._open_views()
            getattr(self._views, method)(*arguments)
        except Exception as error:
            # Pictures of a search are never worth the search.
            self._broken = True
            logger.warning(
                "The search's own page in TensorBoard can't be written any more: %s. The search "
                "and its trials' pages go on.",
                error,
                exc_info=not isinstance(error, OSError),
            )

    def _open_views(self) -> SearchViews:
        from sparkexp.tracking.tensorboard.views import (
            SearchViews,  # loads numpy, which executors don't need
        )

        return SearchViews(self._events, self._search)

    def _declare(self, result: TrialResult | None) -> None:
        if self._declared:
            return
        self._declared = True
        try:
            if _is_declared(self._directory):
                return
            metrics = [] if result is None else self._find_metrics(result)
            search = self._search
            summary = make_declaration(
                (*search.parameters, *search.extras),
                metrics,
                objective=search.objectives[0].heading,
                evolves=search.last_generation is not None,
                accepted=not search.is_repeated and len(search.objectives) == 1,
                pruned=search.prunes,
                constrained=bool(search.constraints),
                more_objectives=[
                    MetricSpec(returned_tag(objective.label), objective.heading)
                    for objective in search.objectives[1:]
                ],
            )
            self._events.add_summary(summary)
            self._events.flush()
        except OSError as error:
            logger.warning("TensorBoard's table could not be declared: %s", error)

    def _find_metrics(self, result: TrialResult) -> list[MetricSpec]:
        """Return what the train function returned, reported, and wrote through Keras."""
        # The objectives have their own columns.
        objectives = {each.name for each in self._search.objectives}
        names = [name for name in result.metrics if name not in objectives]
        returned = [MetricSpec(returned_tag(name), name) for name in names]
        written = self._read_written(result)
        reported = [
            MetricSpec(found.tag, _make_heading(found, result), found.group)
            for found in written
            if found.group or not is_ours(found.tag)
        ]
        # A trial that was ended early has returned nothing. TensorBoard ticks the first columns,
        # and its parallel coordinates leave out trials that lack a ticked one.
        found = [*reported, *returned] if self._search.prunes else [*returned, *reported]
        return found[:MAX_METRICS]

    def _read_written(self, result: TrialResult) -> list[MetricSpec]:
        try:
            return read_scalar_metrics(result.logdir) if result.logdir else []
        except StorageError as error:
            logger.warning("TensorBoard's table lacks what trials reported: %s", error)
            return []


def _make_heading(found: MetricSpec, result: TrialResult) -> str:
    if found.group:
        return f"{found.group} {found.tag.removeprefix('epoch_')}"
    return f"{found.tag} (reported)" if found.tag in result.metrics else found.tag


def _is_declared(directory: str | os.PathLike[str]) -> bool:
    from tensorboard.plugins.hparams.metadata import EXPERIMENT_TAG

    return any(
        value.tag == EXPERIMENT_TAG
        for event in read_events(directory)
        for value in event.summary.value
    )
