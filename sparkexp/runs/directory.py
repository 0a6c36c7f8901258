"""A run's state on disk. Only the driver writes it."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sparkexp.errors import RunDirectoryError
from sparkexp.runs.paths import RunPaths
from sparkexp.storage.filesystems import local_path
from sparkexp.trial import TrialResult

__all__ = [
    "FORMAT_VERSION",
    "RunDirectory",
    "hold_file_lock",
    "run_exists_error",
    "no_run_error",
    "read_settings",
    "write_settings",
]

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1


class RunDirectory:
    """The state of a run: its settings, a record per ended trial, the searcher's state.

    Each file is written under another name and then renamed, so a killed driver leaves no
    incomplete file. All files are JSON: reading somebody else's run executes nothing.

    Parameters
    ----------
    root : str or Path
        The run's log directory.

    Examples
    --------
    >>> import tempfile
    >>> run = RunDirectory.create(tempfile.mkdtemp() + '/run', {'name': 'example'})
    >>> RunDirectory.open(run.paths.root).settings['name']
    'example'
    """

    def __init__(self, root: str | Path, settings: Mapping[str, Any]) -> None:
        self.paths = RunPaths(Path(root))
        self.settings = dict(settings)

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
        with hold_file_lock(self.paths.lock, self.location):
            yield

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
    def create(cls, root: str | os.PathLike[str], settings: Mapping[str, Any]) -> Self:
        """Make the directory of a new run; see `create_run`."""
        run = cls(Path(root).absolute(), settings)
        leftovers = (run.paths.experiment, run.paths.searcher, run.paths.records)
        if any(path.exists() for path in leftovers):
            raise run_exists_error(root)
        try:
            run.paths.records.mkdir(parents=True, exist_ok=True)
            write_settings(run.paths.experiment, run.settings)
        except OSError as error:
            raise RunDirectoryError(
                f"The log directory must be writable, and logdir={str(root)!r} is not: "
                f"{error.strerror or error}. Name a directory that you may write to."
            ) from error
        return run

    @classmethod
    def open(cls, root: str | os.PathLike[str]) -> Self:
        """Read the settings of an existing run; see `open_run`."""
        paths = RunPaths(local_path(root))
        return cls(paths.root, read_settings(paths, root))

    def record(self, result: TrialResult) -> None:
        """Write the record of an ended trial."""
        _write(self.paths.record(result.trial.number), result.to_json())

    def save_searcher(self, state: Mapping[str, Any]) -> None:
        """Write the searcher's state."""
        _write(self.paths.searcher, state)

    def drop_artifacts(self, result: TrialResult) -> None:
        """Remove the artifacts of an ended trial, those of all its attempts."""
        directory = self.paths.trial(result.trial.id)
        for attempt in (directory, *directory.glob("attempt-*")):
            artifacts = self.paths.artifacts(attempt)
            try:
                if artifacts.is_dir():
                    shutil.rmtree(artifacts)
            except OSError as error:
                logger.warning("%s could not be removed: %s", artifacts, error)

    def searcher_state(self) -> dict[str, Any] | None:
        """Return the searcher's state; None if it has not been written yet."""
        return _read(self.paths.searcher) if self.paths.searcher.exists() else None

    def results(self) -> list[TrialResult]:
        """Return the results of the ended trials, in the order of their numbers."""
        results = []
        for path in sorted(self.paths.records.glob("trial-*.json")):
            try:
                results.append(TrialResult.from_json(_read(path)))
            except (KeyError, TypeError, ValueError) as error:
                raise _damage_error(path, error) from error
        return sorted(results, key=lambda result: result.trial.number)


@contextmanager
def hold_file_lock(path: Path, location: str) -> Iterator[None]:
    """Lock a run by a file; see `RunDirectory.lock`."""
    try:
        file = path.open("a")
    except OSError as error:
        raise RunDirectoryError(
            f"A search must be able to write to its log directory, and {str(path.parent)!r} can't "
            f"be written: {error.strerror or error}. Make it writable, or resume a copy of it."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunDirectoryError(
                "A run has one driver at a time, and another process works on "
                f"{location!r}. Wait until it ends, or end it."
            ) from None
        yield


def run_exists_error(root: str | os.PathLike[str]) -> RunDirectoryError:
    """Return the error for a new run in a log directory that has one already."""
    return RunDirectoryError(
        f"A log directory holds one run, and logdir={str(root)!r} already has one. "
        "Name another directory, or leave logdir out for a new one."
    )


def no_run_error(root: str | os.PathLike[str]) -> RunDirectoryError:
    """Return the error for opening a directory without a run."""
    return RunDirectoryError(
        f"{str(root)!r} holds no run of sparkexp: it has no {RunPaths(Path()).experiment.name}. "
        "Name the log directory that the search printed."
    )


def write_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Write a run's settings."""
    _write(path, {"format": FORMAT_VERSION, **settings})


def read_settings(paths: RunPaths, root: str | os.PathLike[str]) -> dict[str, Any]:
    """Return a run's settings; see `open_run`."""
    if not paths.experiment.is_file():
        raise no_run_error(root)
    settings = _read(paths.experiment)
    if settings.pop("format", None) != FORMAT_VERSION:
        raise RunDirectoryError(
            f"This version of sparkexp reads runs of format {FORMAT_VERSION}, and "
            f"{paths.experiment} has another one. Read it with the version that wrote it: "
            f"{settings.get('sparkexp_version', 'unknown')}."
        )
    return settings


def _write(path: Path, content: Mapping[str, Any]) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    # In ASCII, since UTF-8 can't encode some texts (names of files that could not be decoded).
    aside.write_text(json.dumps(content, allow_nan=False), encoding="ascii")
    os.replace(aside, path)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damage_error(path, error) from error
    if not isinstance(content, dict):
        raise _damage_error(path, f"it holds a {type(content).__name__} instead of an object")
    return content


def _damage_error(path: Path, reason: object) -> RunDirectoryError:
    return RunDirectoryError(
        f"{path} is damaged: {reason}. Restore it from a copy. You may also delete a trial's "
        "record, which experiment.resume then runs again, or the searcher's state, which it "
        "rebuilds from the records."
    )
