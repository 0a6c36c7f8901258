"""MLflow's server, with two kinds of failures: it can't be reached, or it refuses what it got."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sparkexp.errors import EnvironmentUnfitError, InvalidArgumentError
from sparkexp.tracking.mlflow.content import PARENT, SEARCH, TRIAL, Content, Point

__all__ = [
    "FoundRun",
    "GoneError",
    "RefusedError",
    "Server",
    "UnreachableError",
    "is_local_store",
    "require_mlflow",
]

logger = logging.getLogger(__name__)

PROBE_S = 2.0
# Of a batch; MLflow takes 1,000 things in all.
MAX_POINTS, MAX_PARAMS, MAX_TAGS = 800, 100, 100
FOUND_AT_ONCE = 500
_KIND = {"mlflow.experimentKind": "custom_model_development"}
_GONE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_STATE")
_REFUSED = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_ALREADY_EXISTS")
_FORBIDDEN = ("PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED")


class UnreachableError(Exception):
    """The server can't be reached, or has no time: the same will do later."""


class RefusedError(Exception):
    """The server doesn't take this, however often it gets it."""


class GoneError(RefusedError):
    """What it is about was deleted, or never was on this server."""


@dataclass(frozen=True)
class FoundRun:
    """A run on the server, with the tags by which it was found."""

    run_id: str
    trial: str
    parent: str
    started_ms: int


def require_mlflow() -> Any:
    """Return the module.

    Raises
    ------
    EnvironmentUnfitError
        If it can't be imported.
    """
    try:
        import mlflow
    except ImportError as error:
        raise EnvironmentUnfitError(
            f"Tracking with MLflow needs the package mlflow, which can't be imported: {error}. "
            "Install it: pip install 'sparkexp[mlflow]'."
        ) from error
    return mlflow


def is_local_store(uri: str) -> bool:
    """Return whether a tracking URI is of files on this machine, and of no server.

    Examples
    --------
    >>> is_local_store('sqlite:///mlflow.db'), is_local_store('http://mlflow:5000')
    (True, False)
    """
    return urlsplit(uri).scheme in ("", "file", "sqlite")


class Server:
    """Calls MLflow; all methods raise `UnreachableError` or `RefusedError`, and nothing else.

    Parameters
    ----------
    uri : str
        The tracking URI.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._made: Any = None

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._made = require_mlflow().MlflowClient(tracking_uri=self.uri)
        return self._made

    def is_there(self) -> bool:
        """Return whether the server answers, whatever it says; MLflow itself asks for minutes."""
        if urlsplit(self.uri).scheme not in ("http", "https"):
            return True
        import requests

        try:
            answer = requests.get(f"{self.uri.rstrip('/')}/health", timeout=PROBE_S, stream=True)
            answer.close()
        except requests.RequestException:
            return False
        return answer.status_code not in (502, 503, 504)

    def find_experiment(self, name: str) -> str:
        """Return the id of an experiment; it is made if it isn't there.

        Raises
        ------
        InvalidArgumentError
            If it was deleted, or may not be made.
        EnvironmentUnfitError
            If the server doesn't let this user in.
        """
        found = self._look_for_experiment(name)
        if found is None:
            try:
                with _translated():
                    # Else MLflow's page begins with what it has for language models.
                    return str(self._client.create_experiment(name, tags=_KIND))
            except RefusedError:  # somebody has just made it
                found = self._look_for_experiment(name)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise InvalidArgumentError(
                f"MLflow's experiment must not be deleted, and {name!r} is. Name another one, or "
                f"restore it: mlflow experiments restore --experiment-id {found.experiment_id}."
            )
        return str(found.experiment_id)

    def _look_for_experiment(self, name: str) -> Any:
        with _translated():
            return self._client.get_experiment_by_name(name)

    def create_run(
        self, experiment_id: str, name: str, tags: dict[str, str], started_s: float
    ) -> str:
        """Make a run, and return its id."""
        with _translated():
            run = self._client.create_run(
                experiment_id, start_time=round(started_s * 1000), tags=tags, run_name=name
            )
        return str(run.info.run_id)

    def log(self, run_id: str, content: Content) -> None:
        """Send a run's parameters, tags and points; what the server refuses is left out."""
        from mlflow.entities import Metric, Param, RunTag

        params = [Param(name, value) for name, value in content.params.items()]
        tags = [RunTag(name, value) for name, value in content.tags.items()]
        points = [_make_metric(Metric, point) for point in content.points]
        for k in range(0, max(len(params), len(tags), len(points)), MAX_PARAMS):
            first = k // MAX_PARAMS * MAX_POINTS
            self._log_batch(
                run_id,
                points[first : first + MAX_POINTS],
                params[k : k + MAX_PARAMS],
                tags[k : k + MAX_TAGS],
            )
            if first + MAX_POINTS >= len(points) and k + MAX_PARAMS >= max(len(params), len(tags)):
                return

    def end(self, run_id: str, status: str, ended_s: float, name: str | None = None) -> None:
        """Set how a run has ended, and when."""
        from mlflow.entities import RunStatus

        with _translated():
            # MlflowClient.set_terminated would print two lines for every run.
            self._client._tracking_client.store.update_run_info(
                run_id,
                run_status=RunStatus.from_string(status),
                end_time=None if status == "RUNNING" else round(ended_s * 1000),
                run_name=name,
            )

    def find_runs(
        self, experiment_id: str, search: str, trial: str | None = None
    ) -> list[FoundRun]:
        """Return the runs of a search, or of one of its trials, oldest first; no deleted ones."""
        wanted = f"tags.`{SEARCH}` = '{search}'"
        if trial is not None:
            wanted += f" and tags.`{TRIAL}` = '{trial}'"
        found: list[FoundRun] = []
        token = None
        while True:
            with _translated():
                page = self._client.search_runs(
                    [experiment_id], wanted, max_results=FOUND_AT_ONCE, page_token=token
                )
            found += [_describe(run) for run in page]
            token = page.token
            if not token:
                return sorted(found, key=lambda run: run.started_ms)

    def rename(self, run_id: str, name: str) -> None:
        """Give a run another name."""
        with _translated():
            self._client.update_run(run_id, name=name)

    def untag(self, run_id: str, name: str) -> None:
        """Take a tag off a run."""
        with _translated():
            self._client.delete_tag(run_id, name)

    def delete(self, run_id: str) -> None:
        """Delete a run; MLflow keeps it among the deleted ones."""
        with _translated():
            self._client.delete_run(run_id)

    def write_text(self, run_id: str, text: str, name: str) -> None:
        """Keep a text as an artifact of a run."""
        with _translated():
            self._client.log_text(run_id, text, name)

    def upload(self, run_id: str, directory: str, folder: str) -> None:
        """Keep the files of a directory as artifacts of a run."""
        with _translated():
            self._client.log_artifacts(run_id, directory, folder)

    def _log_batch(
        self, run_id: str, points: Sequence[Any], params: Sequence[Any], tags: Sequence[Any]
    ) -> None:
        try:
            with _translated():
                self._client.log_batch(run_id, points, params, tags)
        except GoneError:
            raise
        except RefusedError as error:
            things = [*points, *params, *tags]
            if len(things) == 1:
                logger.warning("MLflow does not take %s: %s", things[0].key, error)
                return
            if sum(map(bool, (points, params, tags))) > 1:
                self._log_batch(run_id, points, (), ())
                self._log_batch(run_id, (), params, ())
                self._log_batch(run_id, (), (), tags)
                return
            middle = len(things) // 2
            for half in (slice(0, middle), slice(middle, None)):
                self._log_batch(run_id, points[half], params[half], tags[half])


def _make_metric(metric: Callable[..., Any], point: Point) -> Any:
    return metric(point.name, point.value, point.time_ms, point.step)


def _describe(run: Any) -> FoundRun:
    tags = run.data.tags
    return FoundRun(
        run.info.run_id, tags.get(TRIAL, ""), tags.get(PARENT, ""), run.info.start_time or 0
    )


@contextmanager
def _translated() -> Iterator[None]:
    """Raise one of the two errors for whatever MLflow raises."""
    try:
        yield
    except Exception as error:  # of requests, of urllib3, of stores of artifacts
        code = str(getattr(error, "error_code", ""))
        said = str(error)
        if code in _FORBIDDEN:
            raise EnvironmentUnfitError(
                f"MLflow's server must let this user in, and doesn't: {said} Set "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
            ) from error
        if code in _GONE or "must be in the 'active' state" in said:
            raise GoneError(said) from error
        if code in _REFUSED or isinstance(error, FileNotFoundError):
            raise RefusedError(said) from error
        raise UnreachableError(f"{type(error).__name__}: {said}") from error
