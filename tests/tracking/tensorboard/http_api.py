"""TensorBoard's HTTP API, as its page in the browser calls it."""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

STATUSES = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
TICKED = 5  # columns of each sort that the page shows at first


class Api:
    """A running TensorBoard."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str, **query: str) -> Any:
        question = f"?{urllib.parse.urlencode(query)}" if query else ""
        with urllib.request.urlopen(f"{self._url}data/{path}{question}", timeout=60) as answer:
            return json.load(answer)

    def post(self, path: str, **body: Any) -> Any:
        request = urllib.request.Request(
            f"{self._url}data/{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def rows(self, start: int = 0, size: int = 10_000) -> list[dict[str, Any]]:
        """Rows of the HParams table."""
        return self.post(
            "plugin/hparams/session_groups",
            allowedStatuses=STATUSES,
            startIndex=start,
            sliceSize=size,
        ).get("sessionGroups", [])

    def experiment(self) -> dict[str, Any]:
        return self.post("plugin/hparams/experiment")

    def scalars(self, run: str, tag: str) -> list[tuple[int, float]]:
        points = self.get("plugin/scalars/scalars", run=run, tag=tag)
        return [(step, value) for _, step, value in points]

    def lines(self) -> int:
        """How many lines the parallel coordinates have: rows with a value in every column."""
        experiment = self.experiment()
        names = [info["name"] for info in experiment["hparamInfos"][:TICKED]]
        metrics = [info["name"] for info in experiment["metricInfos"][:TICKED]]
        return sum(
            all(row["hparams"].get(name) is not None for name in names)
            and all(
                any(v["name"] == metric and v["value"] != "NaN" for v in row["metricValues"])
                for metric in metrics
            )
            for row in self.rows()
        )


def wait_for(what: str, condition: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    """Wait until the condition holds, and return what it returned."""
    deadline = time.monotonic() + timeout_s
    while not (seen := condition()):
        assert time.monotonic() < deadline, f"no {what} within {timeout_s:g} s"
        time.sleep(0.1)
    return seen
