"""What of a search is in MLflow already: the file ``mlflow.json`` of a run."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparkexp.errors import RunDirectoryError
from sparkexp.runs import RunPaths
from sparkexp.runs.state_files import damage_error, read_json, write_json

__all__ = ["Book", "BookKeeper"]

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_WRITES = 0.5


@dataclass
class Book:
    """The runs of a search and its trials, and which of them have all that they should have.

    Parameters
    ----------
    search : str
        The search's id, a tag of all its runs.
    uri : str
        MLflow's tracking URI; it holds no password.
    experiment : str
        The experiment's name.
    experiment_id : str
        Its id; empty while the server has not answered.
    parent : str
        The id of the search's run; empty while there is none.
    nested_in : str
        The id of the run that was active where the search was called, or empty.
    runs : dict of str
        The ids of the trials' runs, by the trials' ids.
    sent : dict of str
        What was sent last of a trial that ended: see `make_stamp`.
    outcome : str
        How the search ended; empty while it runs, or if its driver was killed.
    """

    search: str
    uri: str
    experiment: str
    experiment_id: str = ""
    parent: str = ""
    nested_in: str = ""
    runs: dict[str, str] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)
    outcome: str = ""

    @classmethod
    def read(cls, path: Path) -> Book | None:
        """Return what a run's file holds; None without one.

        Raises
        ------
        RunDirectoryError
            If it is damaged.
        """
        if not os.path.lexists(path):
            return None
        content = read_json(path)
        texts = {n for n, f in cls.__dataclass_fields__.items() if f.type == "str"}
        for name in cls.__dataclass_fields__:
            value = content.get(name, "" if name in texts else {})
            if not (isinstance(value, str) if name in texts else _names_texts(value)):
                raise damage_error(path, f"{name!r} is {str(value)[:40]!r}")
        return cls(**{n: content[n] for n in cls.__dataclass_fields__ if n in content})

    def forget_runs(self) -> None:
        """Forget what is on the server: it is another one, or somebody has emptied it."""
        self.experiment_id = self.parent = ""
        self.runs.clear()
        self.sent.clear()

    def write(self, path: Path) -> None:
        """Write it; where that can't be, the server is asked what it has when it is needed."""
        # Copies, since a thread may go on meanwhile.
        whole = {**vars(self), "runs": dict(self.runs), "sent": dict(self.sent)}
        try:
            write_json(path, whole)
        except (OSError, RunDirectoryError) as error:
            logger.debug("%s could not be written: %s", path, error)


class BookKeeper:
    """Writes a book twice a second at most.

    Parameters
    ----------
    book : Book
        The book.
    paths : Callable
        Returns where the run's files are now.
    """

    def __init__(self, book: Book, paths: Callable[[], RunPaths]) -> None:
        self._book = book
        self._paths = paths
        self._lock = threading.Lock()
        self._written = float("-inf")

    def note(self, at_once: bool = False) -> None:
        """Write the book, if that was not done just now."""
        now = time.monotonic()
        if at_once or now - self._written >= SECONDS_BETWEEN_WRITES:
            with self._lock:
                self._written = now
                self._book.write(self._paths().mlflow)


def _names_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
