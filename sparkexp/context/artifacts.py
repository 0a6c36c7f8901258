"""Files that a trial leaves beside its value, such as models and predictions."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sparkexp.context.checkpoints import CUT_OFF
from sparkexp.errors import InvalidArgumentError
from sparkexp.runs.paths import RunPaths, model_file
from sparkexp.storage.regular_files import leads_elsewhere, remove_tree

__all__ = ["Artifacts"]


class Artifacts:
    """The artifacts of one attempt at a trial, while it runs.

    Parameters
    ----------
    trial_directory : str or path
        Directory of the attempt.
    in_place : Callable, optional
        Tells whether the trial's files are still to be written there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as trial:
    ...     Path(Artifacts(trial).make_directory()).name
    'artifacts'
    """

    def __init__(
        self,
        trial_directory: str | os.PathLike[str],
        in_place: Callable[[], bool] = lambda: True,
    ) -> None:
        self._path = RunPaths.artifacts(Path(trial_directory))
        self._in_place = in_place
        self._made = False
        self._elsewhere: Path | None = None
        #: Why artifacts could not be written; empty if they could.
        self.trouble = ""

    def make_directory(self) -> str:
        """Return the directory, made by the first call.

        Where the file system refuses one, it is a temporary one, and what is written there is lost
        at the end.
        """
        if not self._made:
            try:
                self._make()
            except OSError as error:
                self._path = self._elsewhere = Path(tempfile.mkdtemp(prefix="artifacts-"))
                self.trouble = str(error)
            self._made = True
        return str(self._path)

    def drop(self) -> None:
        """Remove what can't stay where it is."""
        if self._elsewhere is not None:
            shutil.rmtree(self._elsewhere, ignore_errors=True)

    def _make(self) -> None:
        if not self._in_place():
            raise OSError(CUT_OFF)
        # What a try of this attempt has left whose driver was killed is nobody's any more.
        if not leads_elsewhere(self._path.parent):
            remove_tree(self._path)
        self._path.mkdir(parents=True, exist_ok=True)

    def save_model(self, model: Any, name: str) -> str:
        """Save a Keras model and return the file.

        Raises
        ------
        InvalidArgumentError
            If it is no Keras model, or the name is none.
        """
        if not callable(getattr(model, "save", None)):
            raise InvalidArgumentError(
                f"save_model takes a Keras model, got {type(model).__name__}. Write anything else "
                "into experiment.artifact_dir() yourself."
            )
        file = model_file(name)
        path = Path(self.make_directory(), file)
        try:
            model.save(str(path))
        except OSError as error:  # a full disk doesn't cost the trial
            self.trouble = str(error)
        return str(path)
