"""The keyword options that all searches share."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypedDict, get_args
from urllib.parse import unquote, urlsplit

from sparkexp.engine import Isolation
from sparkexp.errors import InvalidArgumentError
from sparkexp.trial import Direction
from sparkexp.values import whole_number

__all__ = ["EngineName", "Options", "RunOptions", "check_direction"]

EngineName = Literal["spark", "inline"]


class RunOptions(TypedDict, total=False):
    """Keyword options of `launch`, `evolutionary_search` and `random_search`.

    Parameters
    ----------
    metric : str
        Where the train function returns a dict: the entry to optimise.
    name : str
        Name of the run; by default that of the train function.
    logdir : str or path
        Directory of this run, visible to all executors under the same path; by default
        ``sparkexp-runs/<name>-<date>-<time>`` below the working directory.
    parallelism : int
        Trials at the same time, at least 1; by default as many as the executors can run.
    engine : {'spark', 'inline'}
        'inline' runs the trials one after another in this process, for debugging: the session may
        be None then.
    isolation : {'fork', 'spawn', 'none'}
        A process per trial, forked from a worker that has the heavy modules loaded (default), or
        started anew (for what can't be forked), or none of its own (for debugging).
    py_files : sequence of str
        Further .py or .zip files that the train function imports. The modules that it imports
        itself are found without.
    progress : bool
        Whether to show the plan and the progress, True by default.
    """

    metric: str | None
    name: str | None
    logdir: str | os.PathLike[str] | None
    parallelism: int | None
    engine: EngineName
    isolation: Isolation
    py_files: Sequence[str]
    progress: bool


@dataclass(frozen=True)
class Options:
    """`RunOptions` with defaults, checked."""

    metric: str | None = None
    name: str | None = None
    logdir: str | os.PathLike[str] | None = None
    parallelism: int | None = None
    engine: EngineName = "spark"
    isolation: Isolation = "fork"
    py_files: Sequence[str] = ()
    progress: bool = True

    @classmethod
    def checked(cls, given: Mapping[str, Any]) -> Options:
        """Return the options.

        Raises
        ------
        InvalidArgumentError
            If one is unknown or its value breaks a rule.
        """
        names = [field.name for field in fields(cls)]
        for name in given:
            if name not in names:
                raise InvalidArgumentError(
                    f"There is no option {name!r}. The options are: {', '.join(names)}."
                )
        options = cls(**given)
        _check_text("metric", options.metric)
        _check_text("name", options.name)
        _check_choice("engine", options.engine, get_args(EngineName))
        _check_choice("isolation", options.isolation, get_args(Isolation))
        if (
            options.parallelism is not None
            and whole_number("parallelism", options.parallelism) < 1
        ):
            raise InvalidArgumentError(
                f"parallelism must be at least 1, got {options.parallelism}. Leave it out for as "
                "many trials as the executors can run."
            )
        _check_files(options.py_files)
        return options

    def logdir_path(self) -> Path | None:
        """Return the log directory as an absolute path, None where it was left out.

        Raises
        ------
        InvalidArgumentError
            If it is no local path.
        """
        if self.logdir is None:
            return None
        given = os.fspath(self.logdir) if isinstance(self.logdir, os.PathLike) else self.logdir
        if not isinstance(given, str) or not given:
            raise InvalidArgumentError(f"logdir must be a path, got {self.logdir!r}.")
        if "://" in given or given.startswith("file:"):
            parts = urlsplit(given)
            if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
                raise InvalidArgumentError(
                    f"logdir must be a local path that all executors see, got {given!r}. Use a "
                    "directory on a shared file system, such as an NFS mount."
                )
            given = unquote(parts.path)
        try:
            return Path(given).expanduser().absolute()
        except RuntimeError:  # of expanduser
            raise InvalidArgumentError(
                f"logdir must be below a home directory that exists, got {given!r}. Write the "
                "path out."
            ) from None


def check_direction(direction: object) -> Direction:
    """Return the direction.

    Raises
    ------
    InvalidArgumentError
        If it is neither 'max' nor 'min'.
    """
    if direction == "max":
        return "max"
    if direction == "min":
        return "min"
    raise InvalidArgumentError(
        f"direction must be 'max' or 'min', got {direction!r}. Say 'max' for an accuracy, 'min' "
        "for a loss."
    )


def _check_text(name: str, value: object) -> None:
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise InvalidArgumentError(f"{name} must be a text that isn't empty, got {value!r}.")


def _check_choice(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        listed = " or ".join(map(repr, known))
        raise InvalidArgumentError(f"{name} must be {listed}, got {value!r}.")


def _check_files(py_files: object) -> None:
    if isinstance(py_files, str) or not isinstance(py_files, Sequence):
        raise InvalidArgumentError(
            f"py_files must be a list of files, got {py_files!r}. Write py_files=['helpers.py']."
        )
    for path in py_files:
        known = isinstance(path, (str, os.PathLike)) and os.path.isfile(path)
        if not known or not str(path).endswith((".py", ".zip", ".egg")):
            raise InvalidArgumentError(
                f"py_files must name existing .py, .zip or .egg files, got {path!r}."
            )
