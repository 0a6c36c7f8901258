"""Files that a trial leaves beside its value, such as models and predictions."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from sparkexp.errors import InvalidArgumentError
from sparkexp.runs.paths import RunPaths, model_file

__all__ = ["Artifacts"]


class Artifacts:
    """The artifacts of one attempt at a trial, while it runs.

    Parameters
    ----------
    trial_directory : str or path
        Directory of the attempt.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as trial:
    ...     Path(Artifacts(trial).make_directory()).name
    'artifacts'
    """

    def __init__(self, trial_directory: str | os.PathLike[str]) -> None:
        self._path = RunPaths.artifacts(Path(trial_directory))
        self._made = False

    def make_directory(self) -> str:
        """Return the directory, made by the first call.

        Raises
        ------
        OSError
            If the file system refuses.
        """
        if not self._made:
            # The driver may have been killed during an earlier try: nobody needs those files.
            shutil.rmtree(self._path, ignore_errors=True)
            self._path.mkdir(parents=True, exist_ok=True)
            self._made = True
        return str(self._path)

    def save_model(self, model: Any, name: str) -> str:
        """Save a Keras model and return the file.

        Raises
        ------
        InvalidArgumentError
            If `model` is no Keras model, or `name` is not a valid name.
        OSError
            If the file system refuses.
        """
        if not callable(getattr(model, "save", None)):
            raise InvalidArgumentError(
                f"save_model takes a Keras model, got {type(model).__name__}. Write anything else "
                "into experiment.artifact_dir() yourself."
            )
        file = model_file(name)
        path = Path(self.make_directory(), file)
        model.save(str(path))
        return str(path)
