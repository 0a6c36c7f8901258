"""Checkpoints, which pass from one trial of a configuration to its next trial."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

from sparkexp.storage.regular_files import leads_elsewhere

__all__ = ["CHECKPOINTS", "CUT_OFF", "Checkpoints"]

CHECKPOINTS = "checkpoints"
CUT_OFF = "another run is in the log directory now"


class Checkpoints:
    """The checkpoints of one attempt at a trial.

    An attempt writes into a directory of its own, which starts as a copy of the checkpoints of the
    configuration's last trial. The directory gets its final name when the train function has
    returned. So a later trial copies complete checkpoints, and no retry, orphan or failure can
    damage them.

    Parameters
    ----------
    trial_directory : str or path
        Directory of the attempt.
    earlier : str or path, optional
        Directory of the trial whose checkpoints this one starts from.
    in_place : Callable, optional
        Tells whether the trial's files are still to be written there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as run:
    ...     first = Checkpoints(f'{run}/one')
    ...     _ = Path(first.make_directory(), 'weights').write_text('trained')
    ...     first.commit()
    ...     second = Checkpoints(f'{run}/two', f'{run}/one')
    ...     Path(second.make_directory(), 'weights').read_text(), second.continued
    ('trained', True)
    """

    def __init__(
        self,
        trial_directory: str | os.PathLike[str],
        earlier: str | os.PathLike[str] | None = None,
        in_place: Callable[[], bool] = lambda: True,
    ) -> None:
        self._trial = Path(trial_directory)
        self._earlier = None if earlier is None else Path(earlier, CHECKPOINTS)
        self._in_place = in_place
        self._own: Path | None = None
        self._elsewhere: Path | None = None
        #: Whether there was something to go on with, and the train function asked for it.
        self.continued = False

    def make_directory(self) -> str:
        """Return the directory, made by the first call.

        Where the file system refuses one, it is a temporary one, which `commit` can't keep.
        """
        if self._own is None:
            own = self._trial / f"{CHECKPOINTS}-{uuid.uuid4().hex[:8]}"
            try:
                if not self._in_place():
                    raise OSError(CUT_OFF)
                # What an attempt of a driver that was killed has left is nobody's any more.
                if not leads_elsewhere(self._trial):
                    for left in self._trial.glob(f"{CHECKPOINTS}-*"):
                        shutil.rmtree(left, ignore_errors=True)
                self._make(own)
            except OSError:
                shutil.rmtree(own, ignore_errors=True)
                own = Path(tempfile.mkdtemp(prefix=f"{CHECKPOINTS}-"), CHECKPOINTS)
                self._elsewhere = own.parent
                self._make(own)
            self._own = own
        return str(self._own)

    def _make(self, own: Path) -> None:
        if self._earlier is not None and self._earlier.is_dir():
            # Not links: a library that writes into a file would write into the earlier one.
            shutil.copytree(self._earlier, own)
            self.continued = any(own.iterdir())
        else:
            own.mkdir(parents=True)

    def commit(self) -> None:
        """Give the directory its final name; do nothing if `make_directory` was never called.

        Raises
        ------
        OSError
            If the file system refuses.
        """
        if self._own is None:
            return
        if self._elsewhere is not None or not self._in_place():
            raise OSError("there was no place for them" if self._elsewhere else CUT_OFF)
        final = self._trial / CHECKPOINTS
        if final.exists():  # an earlier driver was killed before it got the trial's result
            aside = self._trial / f"{CHECKPOINTS}-{uuid.uuid4().hex[:8]}"
            final.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        self._own.rename(final)
        self._own = None

    def drop(self) -> None:
        """Remove what was not committed."""
        if self._own is not None:
            shutil.rmtree(self._elsewhere or self._own, ignore_errors=True)
