"""A run at a URL: the driver works on a local copy, and a thread sends what changes."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
import uuid
import weakref
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sparkexp.errors import StorageError
from sparkexp.runs.directory import RunDirectory, new_run_id, run_exists_error
from sparkexp.runs.driver_lock import DriverLock, read_holder_id
from sparkexp.runs.file_lock import hold_file_lock
from sparkexp.runs.paths import RunPaths
from sparkexp.runs.state_files import no_run_error, read_settings, write_settings
from sparkexp.runs.upload import Stamp, Upload, UploadThread, read_stamp
from sparkexp.storage.remote_files import (
    RemoteFiles,
    check_writable,
    join_location,
    local_copy_of,
    storage_errors,
)
from sparkexp.trial import TrialResult

__all__ = ["RemoteRun"]

logger = logging.getLogger(__name__)

# How long a driver waits at the end of a search for a storage that can't be reached.
END_TIMEOUT_S = 60.0
N_THREADS = 8
# In the local copy: the id of the driver that worked on it.
_DRIVER = ".driver"


class RemoteRun(RunDirectory):
    """A run directory at a URL.

    The driver writes to a copy on this machine, as fast as to a local run, and a thread sends the
    changes every two seconds. While the lock at the URL is that of the copy's driver, the copy
    counts: it may have more than the URL, also after the driver was killed. Otherwise the files at
    the URL count.

    Parameters
    ----------
    location : str
        The run's URL.
    root : Path
        The directory of the local copy.
    settings : mapping
        The run's settings.
    complete : bool
        Whether the copy has all of the run's state.
    run_id : str
        Tells the run from others; empty for one of an early version.
    """

    def __init__(
        self,
        location: str,
        root: Path,
        settings: Mapping[str, Any],
        complete: bool,
        run_id: str = "",
    ) -> None:
        super().__init__(root, settings, run_id)
        self._location = location
        self._complete = complete
        self._files = RemoteFiles(location)
        self._lock: DriverLock | None = None
        self._upload: Upload | None = None
        self._thread: UploadThread | None = None
        self._watches_curves = False
        self._curves: dict[str, str] = {}
        self._dropped: list[str] = []

    @classmethod
    def create(
        cls, root: str | os.PathLike[str], settings: Mapping[str, Any], run_id: str | None = None
    ) -> Self:
        """Make a new run; see `create_run`."""
        run_id = run_id or new_run_id()
        location = os.fspath(root).rstrip("/")
        files = check_writable(location)
        local_copy = local_copy_of(location)
        names = RunPaths(local_copy)
        with storage_errors(location):
            leftovers = {path.name for path in (names.experiment, names.searcher, names.records)}
            if leftovers & set(files.names("")):
                raise run_exists_error(location)
            _move_aside(local_copy)
            names.records.mkdir(parents=True)
            write_settings(names.experiment, settings, run_id)
            if not files.claim(names.experiment.name, names.experiment.read_bytes()):
                raise run_exists_error(location)
        return cls(location, local_copy, settings, complete=True, run_id=run_id)

    @classmethod
    def open(cls, root: str | os.PathLike[str]) -> Self:
        """Read the settings of an existing run; see `open_run`."""
        location = os.fspath(root).rstrip("/")
        local_copy = local_copy_of(location)
        paths = RunPaths(local_copy)
        with storage_errors(location):
            files = RemoteFiles(location)
            holder = read_holder_id(files, paths.lock.name)
            if holder is not None and holder == _read_driver_id(local_copy):
                settings, run_id = read_settings(paths, location)
                return cls(location, local_copy, settings, complete=True, run_id=run_id)
            if files.read(paths.experiment.name) is None:
                raise no_run_error(location)
            folder = tempfile.mkdtemp(prefix="sparkexp-run-")
            run = cls(location, Path(folder, local_copy.name), {}, complete=False)
            weakref.finalize(run, shutil.rmtree, folder, ignore_errors=True)
            _fetch(files, [paths.experiment.name, paths.mlflow.name], run.paths.root)
        run.settings, run.id = read_settings(run.paths, location)
        return run

    @property
    def location(self) -> str:
        return self._location

    def trial_location(self, trial_id: str, attempt: int = 0) -> str:
        directory = self.paths.trial(trial_id, attempt).relative_to(self.paths.root)
        return join_location(self._location, directory.as_posix())

    def trial_directory(self, trial_id: str, attempt: int = 0) -> Path:
        # What the driver writes here is sent to the trial's directory at the URL.
        directory = self.paths.trial(trial_id, attempt)
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def results(self) -> list[TrialResult]:
        self._fetch_state()
        return super().results()

    def searcher_state(self) -> dict[str, Any] | None:
        self._fetch_state()
        return super().searcher_state()

    def drop_artifacts(self, result: TrialResult) -> None:
        self._dropped.append(result.trial.id)

    def check(self) -> None:
        if self._lock is not None and self._lock.lost is not None:
            raise self._lock.lost

    def refresh_curve(self, number: int) -> None:
        if self._thread is None or self._thread.error is not None:
            return
        curve = self.paths.curve(number)
        try:
            _fetch(self._files, [curve.relative_to(self.paths.root).as_posix()], self.paths.root)
        except Exception as error:  # clients have their own classes
            logger.warning("The curve of trial %d could not be read: %s", number, error)

    @contextmanager
    def lock(self, curves: bool = False) -> Iterator[None]:
        local_copy = local_copy_of(self._location)
        local_copy.parent.mkdir(parents=True, exist_ok=True)
        # The lock is beside the copy, since another copy may replace it.
        with hold_file_lock(local_copy.parent / RunPaths(local_copy).lock.name, self._location):
            self._lock = DriverLock(self._files, self.paths.lock.name)
            with storage_errors(self._location):
                self._lock.acquire()
                fetched = {} if self._complete else self._fetch_run(local_copy)
            (local_copy / _DRIVER).write_text(self._lock.id)
            self._watches_curves = curves
            self._upload = Upload(
                local_copy,
                self._location,
                leave_out=(self.paths.lock.name, self.paths.curves.name, _DRIVER),
                last=self.paths.searcher.name,
                already_sent=fetched,
            )
            self._thread = UploadThread(self._upload, on_pass=self._run_pass)
            try:
                yield
            except BaseException:
                if (error := self._finish()) is not None:
                    logger.error("%s", error)
                raise
            if (error := self._finish()) is not None:
                raise error

    def _finish(self) -> Exception | None:
        """Send what is left and release the lock; return the error if that fails."""
        assert self._thread is not None and self._lock is not None
        if self._lock.lost is not None:
            return self._lock.lost
        reason = self._thread.finish(END_TIMEOUT_S)
        if reason is None:
            try:
                self._lock.release()
            except Exception as error:  # clients have their own classes
                reason = error
        if reason is None:
            shutil.rmtree(self.paths.root, ignore_errors=True)
            return None
        return StorageError(
            f"A log directory must be writable until all of the run is in it, and "
            f"{self._location!r} could not be written for {END_TIMEOUT_S:g} s: "
            f"{type(reason).__name__}: {reason}. Nothing is lost: settings, records and the "
            f"search's curves are in {str(self.paths.root)!r} on this machine, which "
            "experiment.load reads. When the storage is back, "
            "experiment.resume(spark, train, logdir) on this machine sends them and goes on."
        )

    def _run_pass(self) -> None:
        assert self._lock is not None
        if not self._lock.renew() and self._upload is not None:
            logger.warning("%s was removed: all of it is sent again.", self._location)
            self._upload.forget()
        if self._watches_curves:
            folder = self.paths.curves.name
            stamps = self._files.stamps(folder)
            changed = [name for name, stamp in stamps.items() if self._curves.get(name) != stamp]
            _fetch(self._files, [join_location(folder, name) for name in changed], self.paths.root)
            self._curves = stamps
        while self._dropped:
            trial = self._dropped[0]
            attempts = [n for n in self._files.names(trial) if n.startswith("attempt-")]
            for parts in ((), *((attempt,) for attempt in attempts)):
                self._files.remove(join_location(trial, *parts, self.paths.artifacts(Path()).name))
            self._dropped.remove(trial)

    def _fetch_state(self) -> None:
        if self._complete:
            return
        with storage_errors(self._location):
            # The searcher's state comes first: then all trials in it have records.
            _fetch(self._files, [self.paths.searcher.name], self.paths.root)
            self.paths.records.mkdir(exist_ok=True)
            _fetch(self._files, _list_names(self._files, self.paths.records.name), self.paths.root)
        self._complete = True

    def _fetch_run(self, local_copy: Path) -> dict[str, Stamp]:
        """Fetch the state of the run and the driver's event files; return their stamps."""
        _move_aside(local_copy)
        self.paths = paths = RunPaths(local_copy)
        paths.records.mkdir(parents=True)
        fetched = _fetch(
            self._files,
            [paths.experiment.name, paths.searcher.name, paths.mlflow.name],
            local_copy,
        )
        own = [paths.search(evolution).name for evolution in (True, False)]
        lines = [f"{folder}/{line}" for folder in own for line in paths.LINES]
        for folder in (paths.records.name, *own, *lines, paths.curves.name):
            names = [n for n in _list_names(self._files, folder) if n not in lines]
            fetched += _fetch(self._files, names, local_copy)
        self._complete = True
        found = ((name, read_stamp(local_copy / name)) for name in fetched)
        return {name: stamp for name, stamp in found if stamp is not None}


def _list_names(files: RemoteFiles, folder: str) -> list[str]:
    names = files.names(folder)
    return [join_location(folder, name) for name in names if not name.startswith(".")]


def _fetch(files: RemoteFiles, names: Iterable[str], root: Path) -> list[str]:
    """Copy files to a local directory; return the names of those that exist."""

    def fetch(name: str) -> str | None:
        content = files.read(name)
        if content is None:
            return None
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.{os.getpid()}")
        aside.write_bytes(content)
        os.replace(aside, target)
        return name

    with ThreadPoolExecutor(N_THREADS, "sparkexp-fetch") as pool:
        return [name for name in pool.map(fetch, names) if name is not None]


def _read_driver_id(local_copy: Path) -> str | None:
    try:
        return (local_copy / _DRIVER).read_text()
    except OSError:
        return None


def _move_aside(local_copy: Path) -> None:
    """Rename an existing local copy; it may be of another run, or have what was not sent."""
    if local_copy.exists():
        when = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}"
        local_copy.rename(local_copy.with_name(f"{local_copy.name}.{when}"))
