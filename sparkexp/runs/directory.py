"""A run's state on disk. Only the driver writes it."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from sparkexp.errors import RunDirectoryError
from sparkexp.runs.file_lock import FileLock, InUseError
from sparkexp.runs.paths import RunPaths
from sparkexp.runs.state_files import (
    damage_error,
    find_root,
    name_sibling,
    read_json,
    read_sealed,
    read_settings,
    write_json,
    write_sealed,
    write_settings,
)
from sparkexp.storage.filesystems import local_path
from sparkexp.storage.regular_files import leads_elsewhere, remove_tree
from sparkexp.trial import TrialResult

__all__ = ["RunDirectory", "new_run_id", "run_exists_error"]

logger = logging.getLogger(__name__)


class RunDirectory:
    """The state of a run: its settings, a record per ended trial, the searcher's state.

    Each file is written under another name and then renamed, so a killed driver leaves no
    incomplete file. All files are JSON: reading somebody else's run executes nothing.

    Parameters
    ----------
    root : str or Path
        The run's log directory.
    settings : mapping
        The run's settings.
    run_id : str
        Tells the run from others; empty for one of an early version.

    Examples
    --------
    >>> import tempfile
    >>> run = RunDirectory.create(tempfile.mkdtemp() + '/run', {'name': 'example'})
    >>> RunDirectory.open(run.paths.root).settings['name']
    'example'
    """

    def __init__(self, root: str | Path, settings: Mapping[str, Any], run_id: str = "") -> None:
        self.paths = RunPaths(Path(root))
        self.settings = dict(settings)
        self._has_new_settings = False
        self.id = run_id
        self._first_root = self.paths.root
        self._held: FileLock | None = None

    @property
    def location(self) -> str:
        """The run's log directory as users see it: an absolute path, or a URL."""
        return str(self.paths.root)

    def trial_location(self, trial_id: str, attempt: int = 0) -> str:
        """Return the directory of an attempt at a trial as users see it: a path, or a URL."""
        return str(self.trial_directory(trial_id, attempt))

    def trial_directory(self, trial_id: str, attempt: int = 0) -> Path:
        """Return the local directory for what the driver writes about an attempt."""
        return self.paths.trial(trial_id, attempt)

    @contextmanager
    def lock(self, curves: bool = False) -> Iterator[None]:
        """Lock the run for this driver; the lock ends with the process, however that ends.

        Parameters
        ----------
        curves : bool
            Whether the driver reads the curves of running trials.

        Raises
        ------
        RunDirectoryError
            If another driver has the lock, or the directory can't be written.
        StorageError
            If some of the run's files could not be sent to its URL.
        """
        self._held = FileLock(self.paths.lock, self.location)
        self._held.acquire()
        try:
            yield
        finally:
            self._held.release()
            self._held = None

    def ensure_root(self) -> bool:
        """Make sure that the run has a directory, and return whether it is still the same one.

        One that was removed or moved away is made again. If another run is there now, or
        another driver, this one goes on beside it. All of the run's state is to be written then.

        Raises
        ------
        OSError
            If there can be none now.
        """
        held, paths = self._held, self.paths
        if held is None:
            return True
        root = find_root(paths.root, self.id)
        whole = paths.experiment.exists() and paths.records.is_dir()
        if whole and root == paths.root and held.is_held():
            return True
        try:
            self._settle(RunPaths(root))
        except InUseError:
            if root != self._first_root:
                raise
            self._settle(RunPaths(name_sibling(root, self.id)))
        if self.paths != paths:
            logger.error(
                "Another search works in %s now: this one goes on in %s, and writes nothing to "
                "the other's.", self._first_root, self.paths.root
            )  # fmt: skip
        return False

    def _settle(self, paths: RunPaths) -> None:
        paths.records.mkdir(parents=True, exist_ok=True)
        assert self._held is not None
        if paths != self.paths or not self._held.is_held():
            # The one that is held may be of the same file: a driver doesn't lock itself out.
            self._held.release()
            self._held = FileLock(paths.lock, str(paths.root))
            self._held.acquire()
        write_settings(paths.experiment, self.settings, self.id)
        self.paths = paths

    def move_to_root(self, result: TrialResult) -> TrialResult:
        """Return a result whose files are where this run is now, not where another run is."""
        was, now = str(self._first_root), str(self.paths.root)
        if was == now or not result.logdir.startswith(f"{was}{os.sep}"):
            return result
        return replace(result, logdir=now + result.logdir.removeprefix(was))

    def check(self) -> None:
        """Check that this driver still has the run.

        Raises
        ------
        RunDirectoryError
            If another driver has taken the run over.
        """

    def refresh_curve(self, number: int) -> None:
        """Fetch the curve that an ended trial has reported, if it isn't on this machine."""

    @classmethod
    def create(
        cls, root: str | os.PathLike[str], settings: Mapping[str, Any], run_id: str | None = None
    ) -> Self:
        """Make the directory of a new run; see `create_run`."""
        run = cls(Path(root).absolute(), settings, run_id or new_run_id())
        leftovers = (run.paths.experiment, run.paths.searcher, run.paths.records)
        if any(os.path.lexists(path) for path in leftovers):
            raise run_exists_error(root)
        try:
            run.paths.records.mkdir(parents=True, exist_ok=True)
            write_settings(run.paths.experiment, run.settings, run.id)
        except OSError as error:
            with suppress(OSError):  # not half a run, which would be in the way later
                run.paths.records.rmdir()
            raise RunDirectoryError(
                f"The log directory must be writable, and logdir={str(root)!r} is not: "
                f"{error.strerror or error}. Name a directory that you may write to."
            ) from error
        return run

    @classmethod
    def open(cls, root: str | os.PathLike[str]) -> Self:
        """Read the settings of an existing run; see `open_run`."""
        paths = RunPaths(local_path(root))
        return cls(paths.root, *read_settings(paths, root))

    def change_metric(self, metric: str | Sequence[str] | None) -> None:
        """Change the metric in the settings; `write_settings` writes them."""
        self.settings["options"] = {**self.settings["options"], "metric": metric}
        self._has_new_settings = True

    def write_settings(self) -> None:
        """Write the settings, if they were changed."""
        if self._has_new_settings:
            write_settings(self.paths.experiment, self.settings, self.id)

    def record(self, result: TrialResult) -> None:
        """Write the record of an ended trial."""
        write_json(self.paths.record(result.trial.number), result.to_json())

    def save_searcher(self, state: Mapping[str, Any]) -> None:
        """Write the searcher's state."""
        write_sealed(self.paths.searcher, state)

    def drop_artifacts(self, result: TrialResult) -> None:
        """Remove the artifacts of an ended trial, those of all its attempts."""
        directory = self.paths.trial(result.trial.id)
        for attempt in (directory, *directory.glob("attempt-*")):
            artifacts = self.paths.artifacts(attempt)
            try:
                if not leads_elsewhere(attempt) and not leads_elsewhere(directory):
                    remove_tree(artifacts)
            except OSError as error:
                logger.warning("%s could not be removed: %s", artifacts, error)

    def searcher_state(self) -> dict[str, Any] | None:
        """Return the searcher's state; None if it has not been written yet."""
        return read_sealed(self.paths.searcher) if os.path.lexists(self.paths.searcher) else None

    def results(self) -> list[TrialResult]:
        """Return the results of the ended trials, in the order of their numbers."""
        if os.path.lexists(self.paths.records) and not self.paths.records.is_dir():
            raise damage_error(self.paths.records, "it is no directory")
        results = []
        for path in sorted(self.paths.records.glob("trial-*.json")):
            record = read_json(path)
            try:
                results.append(TrialResult.from_json(record))
            except (KeyError, TypeError, ValueError) as error:
                raise damage_error(path, error) from error
            if self.paths.record(results[-1].trial.number) != path:
                raise damage_error(path, f"it is of trial {results[-1].trial.number}")
        return sorted(results, key=lambda result: result.trial.number)


def new_run_id() -> str:
    """Return an id that no other run has."""
    return uuid.uuid4().hex


def run_exists_error(root: str | os.PathLike[str]) -> RunDirectoryError:
    """Return the error for a new run in a log directory that has one already."""
    return RunDirectoryError(
        f"A log directory holds one run, and logdir={str(root)!r} already has one. "
        "Name another directory, or leave logdir out for a new one. To go on with that run, call "
        "experiment.resume(spark, train, logdir); experiment.load(logdir) returns its result."
    )
