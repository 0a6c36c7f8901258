"""What a browser shows, through the links that `sparkexp tensorboard` prints."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sparkexp import experiment
from sparkexp.trial import TrialResult
from tests.tracking.tensorboard.searching import QUIET, evolution, train

browser_module = pytest.importorskip("docs.browser", reason="selenium is not installed")
ABSENT = browser_module.missing()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(ABSENT is not None, reason=str(ABSENT)),
]

ROOT = Path(__file__).parents[3]
SEED = 5  # of a search that evaluates no configuration twice
COLUMNS = [
    "Trial ID", "Show Metrics", "dropout", "learning_rate", "num_layers", "optimizer",
    "accuracy (max)", "in the population", "generation", "duration_s", "size",
]  # fmt: skip
AXES = COLUMNS[2:7]
OVERVIEW, TRIALS = "how the search went", "all trials: table, parallel coordinates"
GRID = "vaadin-grid"
TEXTS, DISTRIBUTIONS = "leaderboard and summary", "distributions by generation"


@pytest.fixture(scope="module")
def browser() -> Iterator[browser_module.Browser]:
    with browser_module.open_browser() as running:
        yield running


@contextmanager
def printed_links(result: experiment.Result, *options: str) -> Iterator[dict[str, str]]:
    """Run the command, and yield what it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sparkexp.cli", "tensorboard", result.logdir, *options],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        links = {}
        for line in process.stdout:
            if line.startswith("Ctrl-C"):
                break
            if found := re.fullmatch(r"  (.+?)  +(http\S+)\n", line):
                links[found[1]] = found[2]
        yield links
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def hundred(tmp_path_factory) -> experiment.Result:
    result = evolution(tmp_path_factory.mktemp("runs") / "hundred", 100, seed=SEED)
    assert not any(r.reused_from for r in result.trials)
    return result


@pytest.fixture(scope="module")
def thousands(tmp_path_factory) -> experiment.Result:
    return evolution(tmp_path_factory.mktemp("runs") / "thousands", 5000, 50)


def shown_trials(browser) -> list[str]:
    cells = browser.texts("vaadin-grid-cell-content")
    return [text for text in cells if text.startswith("trial-")]


def names(results: list[TrialResult], run: str) -> list[str]:
    return [f"trial-{r.trial.number:05d} of {run}" for r in results]


def test_the_table_has_a_row_for_every_trial(browser, hundred):
    with printed_links(hundred) as links:
        browser.open(links[TRIALS], 300 + 36 * 104)
        browser.wait("100 rows", lambda: len(shown_trials(browser)) == 100)
        assert sorted(shown_trials(browser)) == names(list(hundred.trials), "hundred")
        browser.wait("columns", lambda: browser.texts(".table-header") == COLUMNS)
        rows = {cells[0]: dict(zip(COLUMNS, cells, strict=False)) for cells in browser.rows(GRID)}
    assert len(rows) == 100
    for r in hundred.trials:
        row = rows[names([r], "hundred")[0]]
        assert float(row["dropout"]) == pytest.approx(r.trial.params["dropout"], rel=1e-3)
        assert row["optimizer"] == r.trial.params["optimizer"]
        assert float(row["generation"]) == r.trial.generation
        assert row["duration_s"] != ""
        if r.value is None:  # a failed trial has empty cells
            assert row["accuracy (max)"] == row["size"] == ""
        else:
            assert float(row["accuracy (max)"]) == pytest.approx(r.value, rel=1e-3)


def test_the_parallel_coordinates_have_all_lines(browser, hundred):
    valued = [r for r in hundred.trials if r.value is not None]
    assert 50 < len(valued) < 100
    with printed_links(hundred) as links:
        browser.open(links[TRIALS])
        browser.wait("tabs", lambda: browser.find("paper-tab"))
        assert browser.click("paper-tab", "PARALLEL COORDINATES VIEW") == 1

        def lines() -> list[str]:
            (found,) = browser.within("tf-hparams-parallel-coords-plot", "g.foreground path") or [
                []
            ]
            return found

        ticked = "paper-checkbox.metric-checkbox[checked]"
        browser.wait("the objective alone", lambda: browser.texts(ticked) == AXES[-1:])
        browser.wait("lines", lambda: len(lines()) == len(valued))
        browser.settle()  # the logarithmic axis follows
        assert all(line["path"] > 50 for line in lines())
        page = browser.within("body", "text")
        for name in AXES:
            assert any(text["text"] == name for text in page[0]), f"no axis {name}"
        assert browser.find('[id="logScaleButton_learning_rate"][checked]')


def assert_curves(browser, url: str, n_charts: int) -> None:
    browser.open(url, 3000)
    cards = "tf-custom-scalar-multi-line-chart-card, tf-custom-scalar-margin-chart-card"

    def drawn() -> list[list[int]]:
        found = browser.within(cards, "path")
        return [[p["path"] for p in card if p["className"] == "line"] for card in found]

    def all_drawn() -> bool:
        charts = drawn()
        return len(charts) == n_charts and all(any(n > 100 for n in chart) for chart in charts)

    browser.wait("a line in every chart", all_drawn)
    areas = browser.within("tf-custom-scalar-margin-chart-card", "path.area")
    assert [area["path"] > 200 for (area,) in areas] == [True]


def assert_distributions(browser, url: str) -> None:
    browser.open(url)

    def drawn() -> list[list[int]]:
        found = browser.within("vz-distribution-chart", "path")
        return [[p["path"] for p in chart] for chart in found]

    browser.wait(
        "distributions",
        lambda: len(drawn()) == 4 and all(sum(n > 100 for n in chart) >= 8 for chart in drawn()),
    )


def assert_leaderboard(browser, url: str, result: experiment.Result) -> None:
    browser.open(url, 1600)

    def tables() -> str:
        found = browser.within("tf-text-loader", "td, p, code")
        return " ".join(cell["text"] for loader in found for cell in loader)

    text = browser.wait("the leaderboard", lambda: tables() if result.best.id in tables() else "")
    assert f"{result.best.value:.5g}" in text
    assert "experiment.evolutionary_search(spark, train" in text  # in the summary


def test_the_evolution_is_drawn(browser, hundred):
    with printed_links(hundred) as links:
        assert_curves(browser, links[OVERVIEW], n_charts=16)
        assert_distributions(browser, links[DISTRIBUTIONS])
        assert_leaderboard(browser, links[TEXTS], hundred)


def test_the_pictures_are_there(browser, hundred):
    with printed_links(hundred) as links:
        browser.open(links["pictures"], 2400)

        def loaded() -> list[int]:
            found = browser.within("tf-image-loader", "img")
            return [image["width"] for loader in found for image in loader]

        browser.wait("6 pictures", lambda: len(loaded()) == 6 and all(loaded()))
        assert set(loaded()) == {640}


def test_five_thousand_trials(browser, thousands):
    with printed_links(thousands) as links:
        browser.open(links[TRIALS], 300 + 36 * 104)
        browser.wait("a page of 100 rows", lambda: len(shown_trials(browser)) == 100, 180)
        n_run = sum(r.reused_from is None for r in thousands.trials)
        counted = f"Number of matching session groups: {n_run}"
        browser.wait("the number of rows", lambda: counted in browser.texts(".paging div"), 180)
        assert f"/ {-(-n_run // 100)}" in browser.texts(".page-suffix")
        assert_curves(browser, links[OVERVIEW], n_charts=16)
        assert_distributions(browser, links[DISTRIBUTIONS])
        assert_leaderboard(browser, links[TEXTS], thousands)


def test_the_overview_alone(browser, thousands):
    with printed_links(thousands, "--overview") as links:
        assert TRIALS not in links
        assert_curves(browser, links[OVERVIEW], n_charts=16)
        assert_leaderboard(browser, links[TEXTS], thousands)


def test_the_page_follows_a_search(browser, tmp_path):
    logdir = tmp_path / "run"
    begun = evolution(logdir, 40, max_trials=12)
    whole = [f"trial-{k:05d} of run" for k in range(40)]
    with printed_links(begun) as links:
        browser.open(links[TRIALS], 300 + 36 * 44)
        browser.wait("12 rows", lambda: len(shown_trials(browser)) == 12)
        time.sleep(12)  # what was there at the start has been read, and nothing happens
        experiment.resume(None, train, logdir, max_trials=None, **QUIET)
        # Nobody touches the page.
        browser.wait("40 rows", lambda: sorted(shown_trials(browser)) == whole, 10)


def test_the_address_alone_opens_the_overview(browser, hundred):
    with printed_links(hundred) as links:
        browser.open(links[OVERVIEW].partition("#")[0])
        charts = "tf-custom-scalar-multi-line-chart-card"
        browser.wait("charts", lambda: len(browser.find(charts)) > 5)


def test_the_objective_is_in_sight(browser, hundred):
    with printed_links(hundred) as links:
        browser.open(links[TRIALS])
        browser.wait("columns", lambda: browser.texts(".table-header") == COLUMNS)
        browser.settle()
        header = browser.find(".table-header")[COLUMNS.index("accuracy (max)")]
        assert header.rect["x"] + header.rect["width"] < 1400


def test_the_ends_of_curves_are_not_cut_off(browser, hundred):
    with printed_links(hundred) as links:
        browser.open(links[OVERVIEW])
        box = "Ignore outliers in chart scaling"
        browser.wait("settings", lambda: box in browser.texts("paper-checkbox"))
        assert box not in browser.texts("paper-checkbox[checked]")
