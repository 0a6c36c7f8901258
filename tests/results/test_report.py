from __future__ import annotations

import base64
import importlib
import io
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from sparkexp import experiment
from sparkexp.results.report import render_report
from sparkexp.runs import open_run
from tests.tracking.tensorboard.searching import QUIET, evolution


def page_of(result) -> str:
    return render_report(open_run(result.logdir))


class Page(HTMLParser):
    """Counts elements and collects what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href")]


def parsed(page: str) -> Page:
    parser = Page()
    parser.feed(page)
    return parser


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return evolution(tmp_path_factory.mktemp("runs") / "run", 60)


def test_one_page_holds_everything(result):
    page = page_of(result)
    parser = parsed(page)
    assert all(value.startswith("data:image/png;base64,") for value in parser.fetched)
    assert len(parser.fetched) == 5
    for data in parser.fetched:
        with Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))) as picture:
            assert picture.width >= 600
    for r in result.trials:
        assert f"<td>{r.trial.id}</td>" in page
    assert f"Best: {result.best.value:.6g}" in page
    assert parser.tags.count("details") == sum(not r.succeeded for r in result.trials) > 0
    assert "leaves nothing to learn from" in page and "seed=1" in page
    assert len(page) < 2_000_000


def test_what_users_wrote_is_only_text(tmp_path):
    def train(x):
        if x == 2:
            raise ValueError("<script>alert(1)</script>")
        return float(x)

    result = experiment.launch(
        None, train, {"x": [1, 2, 3]}, name="<b>&", logdir=tmp_path / "run", **QUIET
    )
    page = page_of(result)
    assert "script" not in parsed(page).tags and "b" not in re.findall(r"<h1><(\w)", page)
    assert "&lt;script&gt;alert(1)" in page and "<h1>&lt;b&gt;&amp;</h1>" in page


def test_a_run_without_any_value_has_a_report(tmp_path):
    def fail(x):
        raise ValueError("never")

    result = experiment.launch(None, fail, {"x": [1, 2]}, logdir=tmp_path / "run", **QUIET)
    page = page_of(result)
    assert "none of the 2 trials succeeded" in page and "img" not in parsed(page).tags


def test_several_objectives_have_a_front(tmp_path):
    result = experiment.random_search(
        None, lambda x, y: {"accuracy": x + y, "latency": x * x}, {"x": [0.0, 1.0], "y": [0, 9]},
        n_trials=20, seed=1, metric=["accuracy", "latency"], direction=["max", "min"],
        logdir=tmp_path / "run", **QUIET,
    )  # fmt: skip
    page = page_of(result)
    assert "There is no best trial" not in page
    assert (
        f"The front: {len(result.front)} configurations" in page and "<h2>The front</h2>" in page
    )
    best, fastest = result.front[0], min(result.front, key=lambda each: each.values[1])
    assert f"<b>Best accuracy (max): {best.values[0]:.6g}</b>" in page
    assert f"<b>Best latency (min): {fastest.values[1]:.6g}</b>" in page
    heads = re.findall(r"<th>(\w+)</th>", page)
    assert heads.count("accuracy") == heads.count("latency") == 1 and "value" not in heads
    rows = re.findall(r"<td>(trials/trial-\d+)</td>", page)
    assert rows[: len(result.front)] == [each.id for each in result.front]
    assert sorted(rows) == [r.trial.id for r in result.trials]


def test_repeated_configurations_are_judged_by_their_means(tmp_path):
    lucky = iter([9.0, 0.0, 0.0, 5.0, 5.0, 5.0])
    result = experiment.launch(
        None, lambda x: {"score": next(lucky)}, {"x": [1, 2]}, repeats=3, metric="score",
        logdir=tmp_path / "run", **QUIET,
    )  # fmt: skip
    page = page_of(result)
    assert "<b>Best: 5</b> ± 0 (3 runs) (max) with x = 2" in page
    assert page.index("<h2>Configurations, the best first</h2>") < page.index(
        "<h2>All trials, the"
    )
    rows = re.findall(r"<td>trials/trial-0000(\d)</td>", page)
    assert rows == list("345012")


def test_a_list_of_configurations_has_a_report(tmp_path):
    configurations = [{"x": 1, "y": "a"}, {"x": 2}]
    result = experiment.launch(
        None, lambda x, y="b": x, configurations, logdir=tmp_path / "run", **QUIET
    )
    assert "experiment.launch(spark, train,\n    [{&#x27;x&#x27;: 1" in page_of(result)


def test_names_with_dollars_and_huge_values_are_reported(tmp_path):
    name = "a$\\q$"
    searched = experiment.random_search(
        None, lambda x: {name: (2 * x - 1) * 1.7e308}, {"x": [0.0, 1.0]}, metric=name,
        max_trials=12, seed=1, logdir=tmp_path / "r", **QUIET,
    )  # fmt: skip
    page = page_of(searched)
    assert parsed(page).tags.count("img") == 4
    assert "left out" not in page


def test_a_plot_that_fails_is_left_out(tmp_path, monkeypatch, caplog):
    searched = experiment.launch(
        None, lambda x: x, {"x": [1, 2, 3]}, logdir=tmp_path / "r", **QUIET
    )
    # A setting that matplotlib's writer of pictures doesn't survive.
    monkeypatch.setitem(importlib.import_module("matplotlib").rcParams, "savefig.dpi", 1e-9)
    page = page_of(searched)
    assert "<img" not in page
    assert "This plot is left out: drawing it failed. " in page
    assert "All trials, the best first" in page
    assert "The plot 'history' is left out" in caplog.text
