"""A thousand trials in a TensorBoard that runs, asked as its page asks it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from sparkexp import experiment
from sparkexp.tracking import start_tensorboard
from sparkexp.tracking.tensorboard import server as server_module
from tests.tracking.tensorboard.http_api import Api, wait_for
from tests.tracking.tensorboard.searching import evolution

N_TRIALS = 1000


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> experiment.Result:
    return evolution(tmp_path_factory.mktemp("runs") / "thousand", N_TRIALS, 50)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> experiment.Result:
    return evolution(tmp_path_factory.mktemp("runs") / "small", 40)


@contextmanager
def board(result: experiment.Result, **options: Any) -> Iterator[Api]:
    n_rows = sum(r.reused_from is None for r in result.trials)
    with start_tensorboard(result.logdir, **options) as server:
        api = Api(server.url)
        wait_for("rows", lambda: len(api.rows()) == n_rows)
        n_last = len(result)
        wait_for("curves", lambda: api.scalars("evolution", "trials/failed")[-1][0] == n_last)
        yield api


def test_a_thousand_trials(result):
    run = [r for r in result.trials if r.reused_from is None]
    succeeded = [r for r in run if r.succeeded]
    with board(result) as api:
        # The page asks for a hundred rows.
        page = api.rows(900, 100)
        assert len(page) == min(100, len(run) - 900)
        rows = {row["sessions"][0]["name"]: row for row in api.rows()}
        assert list(rows) == [r.trial.id for r in run]
        assert {name for name, row in rows.items() if row["sessions"][0]["status"] ==
                "STATUS_FAILURE"} == {r.trial.id for r in run if not r.succeeded}  # fmt: skip
        columns = api.experiment()
        assert [info["name"] for info in columns["hparamInfos"]] == [
            "dropout", "learning_rate", "num_layers", "optimizer", "learning_rate (log10)",
        ]  # fmt: skip
        assert [info.get("displayName") or info["name"]["tag"] for info in
                columns["metricInfos"]] == [
            "accuracy (max)", "in the population", "generation", "duration_s", "size", "loss",
        ]  # fmt: skip
        assert api.lines() == len(succeeded) > 900

        best = api.scalars("evolution", "evolution/best")
        assert [step for step, _ in best] == list(range(20))
        assert best[-1][1] == pytest.approx(result.best.value)
        assert len(api.scalars("evolution", "trials/objective")) == sum(
            r.value is not None for r in result.trials
        )  # nothing was sampled away
        layout = api.get("plugin/custom_scalars/layout")
        assert len(layout["category"]) == 6
        shown = api.get("plugin/distributions/distributions", run="evolution",
                        tag="population/dropout")  # fmt: skip
        assert [step for _, step, _ in shown] == list(range(20))
        boards = api.get("plugin/text/text", run="evolution", tag="leaderboard")
        assert len(boards) == 20 and result.best.id in boards[-1]["text"]
        pictures = api.get("plugin/images/images", run="evolution", tag="pictures/generation")
        assert len(pictures) == 12


def answers(api: Api) -> dict[str, Any]:
    """Everything that must not depend on how TensorBoard reads."""
    rows = [
        (
            row["name"],
            row["hparams"],
            row["sessions"][0]["status"],
            sorted((m["name"]["tag"], m["value"]) for m in row["metricValues"]),
        )
        for row in api.rows()
    ]
    tags = sorted(api.get("plugin/scalars/tags")["evolution"])
    curves = {tag: api.scalars("evolution", tag) for tag in tags}
    histograms = {
        tag: [(step, buckets) for _, step, buckets in api.get(
            "plugin/histograms/histograms", run="evolution", tag=tag)]
        for tag in sorted(api.get("plugin/histograms/tags")["evolution"])
    }  # fmt: skip
    texts = [
        (event["step"], event["text"])
        for event in api.get("plugin/text/text", run="evolution", tag="leaderboard")
    ]
    columns = [(i.get("displayName"), i["name"]["tag"]) for i in api.experiment()["metricInfos"]]
    return {
        "rows": rows, "curves": curves, "histograms": histograms, "texts": texts,
        "columns": columns, "lines": api.lines(),
    }  # fmt: skip


def test_both_loaders_show_the_same(small):
    with board(small) as api:
        fast = answers(api)
    with board(small, arguments=["--load_fast=false"]) as api:
        assert answers(api) == fast
    assert len(fast["curves"]) > 15 and fast["lines"] > 20


@pytest.mark.slow
@pytest.mark.parametrize("tensorflow", ["installed", "absent"])
def test_tensorboard_shows_the_same_with_tensorflow_and_without(small, tmp_path, tensorflow):
    with board(small) as api:
        expected = answers(api)
    # TensorBoard as people start it themselves, who have TensorFlow or have not.
    start = server_module._START.replace('sys.modules["tensorboard.compat.notf"]', "_ = ")
    assert start != server_module._START
    start = start.replace("_ =  =", "_ =")
    environment = {}
    if tensorflow == "absent":
        (tmp_path / "tensorflow").mkdir()
        (tmp_path / "tensorflow" / "__init__.py").write_text(
            "raise ModuleNotFoundError('No module named tensorflow', name='tensorflow')"
        )
        environment = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    with (
        mock.patch.object(server_module, "_START", start),
        mock.patch.dict(os.environ, environment),
    ):
        for loader in ("--load_fast=false", "--load_fast=auto"):
            with board(small, arguments=[loader], timeout_s=120) as api:
                assert answers(api) == expected
                if sys.platform == "linux":
                    maps = Path(f"/proc/{_pid(api)}/maps").read_text()
                    assert ("_pywrap_tensorflow" in maps) is (tensorflow == "installed")


def _pid(api: Api) -> int:
    """The process that answers on the server's port."""
    port = int(api._url.rstrip("/").rpartition(":")[2])
    inode = next(
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
    )
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) == f"socket:[{inode}]":
                return int(link.parts[2])
        except OSError:
            continue
    raise AssertionError("nobody listens")
