"""A session that is built only after the search's arguments were checked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sparkexp.engine.spark.connect import is_connect
from sparkexp.engine.spark.session import build_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["LateSession"]


class LateSession:
    """Takes the place of a session in a call, so that a wrong argument is reported at once.

    Starting Spark takes seconds; `started` does it after the checks.

    Parameters
    ----------
    app_name : str
        Shown in Spark's pages.
    master : str, optional
        Spark master; by default that of spark-submit, or ``local[2]``.
    """

    def __init__(self, app_name: str, master: str | None = None) -> None:
        self._app_name = app_name
        self._master = master
        self._built: SparkSession | None = None

    def start(self) -> SparkSession:
        """Return the session of this process; the first call builds it if there is none.

        Raises
        ------
        EnvironmentUnfitError
            If Java is missing or too old.
        """
        from pyspark.sql import SparkSession

        found = self._built or SparkSession.getActiveSession()
        if found is None:
            found = self._built = build_session(self._app_name, self._master)
            if "PYSPARK_GATEWAY_PORT" not in os.environ and not is_connect(found):
                found.sparkContext.setLogLevel("ERROR")  # nobody has chosen a level
        return found

    def close(self) -> None:
        """Stop the session if this object built it."""
        if self._built is not None:
            self._built.stop()
            self._built = None
