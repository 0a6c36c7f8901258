from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from sparkexp import experiment
from sparkexp.report import report_html
from sparkexp.storage import RunDirectory
from tests.tracking.searching import QUIET, evolution


def page_of(result) -> str:
    return report_html(RunDirectory.open(result.logdir))


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


def test_a_list_of_configurations_has_a_report(tmp_path):
    configurations = [{"x": 1, "y": "a"}, {"x": 2}]
    result = experiment.launch(
        None, lambda x, y="b": x, configurations, logdir=tmp_path / "run", **QUIET
    )
    assert "experiment.launch(spark, train,\n    [{&#x27;x&#x27;: 1" in page_of(result)
