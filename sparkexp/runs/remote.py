"""A run on another storage: the driver works on a copy on its own disk, which is kept in step."""

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
from sparkexp.runs.directory import (
    RunDirectory,
    flocked,
    has_a_run,
    holds_no_run,
    read_settings,
    write_settings,
)
from sparkexp.runs.driver_lock import DriverLock, held_by
from sparkexp.runs.paths import RunPaths
from sparkexp.runs.upload import Stamp, Upload, UploadThread, stamp_of
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

# How long a driver waits at its end for a storage that is away.
PATIENCE_S = 60.0
N_THREADS = 8
# In the copy: which driver worked on it.
_DRIVER = ".driver"


class RemoteRun(RunDirectory):
    """A run directory at a URL.

    What the driver writes goes to a copy on this machine, as fast as to any local run, and a
    thread sends it every two seconds. While the driver's lock stands there, the driver's copy is
    what counts: it may know more, after a kill too. Otherwise what is at the URL counts.

    Parameters
    ----------
    place : str
        The URL.
    root : Path
        The copy.
    settings : mapping
        The run's settings.
    whole : bool
        Whether the copy has all that the run has.
    """

    def __init__(self, place: str, root: Path, settings: Mapping[str, Any], whole: bool) -> None:
        super().__init__(root, settings)
        self._place = place
        self._whole = whole
        self._files = RemoteFiles(place)
        self._lock: DriverLock | None = None
        self._thread: UploadThread | None = None
        self._watches_curves = False
        self._curves: dict[str, str] = {}
        self._dropped: list[str] = []

    @classmethod
    def create(cls, root: str | os.PathLike[str], settings: Mapping[str, Any]) -> Self:
        """Make a new run; see `create_run`."""
        place = os.fspath(root).rstrip("/")
        files = check_writable(place)
        scratch = local_copy_of(place)
        names = RunPaths(scratch)
        with storage_errors(place):
            leftovers = {path.name for path in (names.experiment, names.searcher, names.records)}
            if leftovers & set(files.names("")):
                raise has_a_run(place)
            _move_aside(scratch)
            names.records.mkdir(parents=True)
            write_settings(names.experiment, settings)
            if not files.claim(names.experiment.name, names.experiment.read_bytes()):
                raise has_a_run(place)
        return cls(place, scratch, settings, whole=True)

    @classmethod
    def open(cls, root: str | os.PathLike[str]) -> Self:
        """Read the settings of an existing run; see `open_run`."""
        place = os.fspath(root).rstrip("/")
        scratch = local_copy_of(place)
        paths = RunPaths(scratch)
        with storage_errors(place):
            files = RemoteFiles(place)
            holder = held_by(files, paths.lock.name)
            if holder is not None and holder == _driver_of(scratch):
                return cls(place, scratch, read_settings(paths, place), whole=True)
            if files.read(paths.experiment.name) is None:
                raise holds_no_run(place)
            folder = tempfile.mkdtemp(prefix="sparkexp-run-")
            run = cls(place, Path(folder, scratch.name), {}, whole=False)
            weakref.finalize(run, shutil.rmtree, folder, ignore_errors=True)
            _fetch(files, [paths.experiment.name], run.paths.root)
        run.settings = read_settings(run.paths, place)
        return run

    @property
    def place(self) -> str:
        return self._place

    def trial_place(self, trial_id: str, attempt: int = 0) -> str:
        directory = self.paths.trial(trial_id, attempt).relative_to(self.paths.root)
        return join_location(self._place, directory.as_posix())

    def trial_directory(self, trial_id: str, attempt: int = 0) -> Path:
        # What is written here is sent beside what the trial has sent.
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
    def locked(self, curves: bool = False) -> Iterator[None]:
        scratch = local_copy_of(self._place)
        scratch.parent.mkdir(parents=True, exist_ok=True)
        # Beside the copy, which another one may take the place of.
        with flocked(scratch.parent / RunPaths(scratch).lock.name, self._place):
            self._lock = DriverLock(self._files, self.paths.lock.name)
            with storage_errors(self._place):
                self._lock.acquire()
                known = {} if self._whole else self._bring_here(scratch)
            (scratch / _DRIVER).write_text(self._lock.id)
            self._watches_curves = curves
            upload = Upload(
                scratch,
                self._place,
                leave_out=(self.paths.lock.name, self.paths.curves.name, _DRIVER),
                last=self.paths.searcher.name,
                known=known,
            )
            self._thread = UploadThread(upload, also=self._in_each_pass)
            try:
                yield
            except BaseException:
                if (error := self._finish()) is not None:
                    logger.error("%s", error)
                raise
            if (error := self._finish()) is not None:
                raise error

    def _finish(self) -> Exception | None:
        """Send what is left and give the lock back; return what prevented that."""
        assert self._thread is not None and self._lock is not None
        if self._lock.lost is not None:
            return self._lock.lost
        reason = self._thread.finish(PATIENCE_S)
        if reason is None:
            try:
                self._lock.release()
            except Exception as error:  # clients have their own classes
                reason = error
        if reason is None:
            shutil.rmtree(self.paths.root, ignore_errors=True)
            return None
        return StorageError(
            f"All of a run is to be in its log directory, and {self._place!r} could not be "
            f"written for {PATIENCE_S:g} s: {type(reason).__name__}: {reason}. Nothing is lost: "
            f"settings, records and the search's curves are kept in {str(self.paths.root)!r} on "
            "this machine, which experiment.load reads. When the storage is back, "
            "experiment.resume(spark, train, logdir) on this machine sends them and goes on."
        )

    def _in_each_pass(self) -> None:
        assert self._lock is not None
        self._lock.renew()
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
        if self._whole:
            return
        with storage_errors(self._place):
            # The searcher's state first: all trials that it knows of have records then.
            _fetch(self._files, [self.paths.searcher.name], self.paths.root)
            self.paths.records.mkdir(exist_ok=True)
            _fetch(self._files, _below(self._files, self.paths.records.name), self.paths.root)
        self._whole = True

    def _bring_here(self, scratch: Path) -> dict[str, Stamp]:
        """Fetch what a driver goes on from, and return what it is known by."""
        _move_aside(scratch)
        self.paths = paths = RunPaths(scratch)
        paths.records.mkdir(parents=True)
        fetched = _fetch(self._files, [paths.experiment.name, paths.searcher.name], scratch)
        own = [paths.search(evolution).name for evolution in (True, False)]
        for folder in (paths.records.name, *own, paths.curves.name):
            fetched += _fetch(self._files, _below(self._files, folder), scratch)
        self._whole = True
        found = ((name, stamp_of(scratch / name)) for name in fetched)
        return {name: stamp for name, stamp in found if stamp is not None}


def _below(files: RemoteFiles, folder: str) -> list[str]:
    names = files.names(folder)
    return [join_location(folder, name) for name in names if not name.startswith(".")]


def _fetch(files: RemoteFiles, names: Iterable[str], root: Path) -> list[str]:
    """Copy files to a directory and return the names of those that were there."""

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


def _driver_of(scratch: Path) -> str | None:
    try:
        return (scratch / _DRIVER).read_text()
    except OSError:
        return None


def _move_aside(scratch: Path) -> None:
    """Make room for a copy; one of another run, or of an older state, is not thrown away."""
    if scratch.exists():
        when = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}"
        scratch.rename(scratch.with_name(f"{scratch.name}.{when}"))
