"""What TensorBoard and the report show of an architecture search."""

from __future__ import annotations

import io
import logging

import pytest
from PIL import Image

from sparkexp import experiment
from sparkexp.results.report import render_report
from sparkexp.runs import open_run
from sparkexp.space import Space
from sparkexp.space.architecture import ArchitectureSpace
from tests.nas.climbing import Climber
from tests.nas.spaces import Stack, train

from .reading import domains, scalars, session_groups
from .test_views import summaries, texts

GIVEN = {"architecture": Stack(12), "learning_rate": [0.0, 0.9]}
QUIET = {"engine": "inline", "progress": False}


def climb(logdir, given=GIVEN, n=30, **options):
    searcher = Climber(Space.from_search_dict(given), n, seed=3)
    return experiment.architecture_search(
        None, train, given, searcher, logdir=logdir, **{**QUIET, **options}
    )


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return climb(tmp_path_factory.mktemp("runs") / "climb")


def test_the_best_and_its_ancestors_are_told(result):
    best = texts(result.logdir, "architecture/best", "search")
    ancestry = texts(result.logdir, "architecture/ancestry", "search")
    assert best.keys() == ancestry.keys() and len(best) > 3
    last = max(best)
    table = best[last].splitlines()
    assert table[2].startswith("| after trials | trial | objective (max) |")
    assert table[4].startswith(f"| {last} | {result.best.id} | ")
    assert "architecture=" in table[-1] and "learning_rate=" in table[-1]
    line = ancestry[last].splitlines()[4:]
    by_id = {r.trial.id: r for r in result.trials}
    expected, each = [], result.best.id
    while each:
        expected.append(each)
        each = by_id[each].trial.parent
    assert [row.split(" | ")[0].strip("| ") for row in line] == expected
    assert all(" → conv" in row for row in line[:-1])


def test_pictures_of_the_best(result):
    found = summaries(result.logdir, "images", "search")
    drawn = found["pictures/best architecture"]
    assert drawn.keys() == texts(result.logdir, "architecture/best", "search").keys()
    width, height, png = drawn[max(drawn)].string_val
    with Image.open(io.BytesIO(png)) as image:
        assert image.size == (int(width), int(height)) and image.size[0] >= 640
    assert list(found["pictures/ancestry"]) == [30]


def test_the_searchers_figures_are_curves(result):
    curve = scalars(result.logdir)["search"]["searcher/trials since the best"]
    assert [step for step, _ in curve] == sorted({step for step, _ in curve})
    assert curve[0] == (1, 1.0)


def test_the_table_has_the_text_without_its_middle(result):
    kind, domain = domains(result.logdir)["architecture"]
    assert (kind, domain) == ("STRING", [])
    shown = [row["hparams"]["architecture"] for row in session_groups(result.logdir)]
    assert all(len(text) == 48 and "…" in text for text in shown)


def test_long_texts_are_not_listed(tmp_path):
    listed = [Stack(12).parse("-".join([name] * 12)) for name in ("conv5", "none")]
    experiment.launch(None, train, {"architecture": listed}, logdir=tmp_path / "a", **QUIET)
    assert domains(tmp_path / "a")["architecture"] == ("STRING", [])
    experiment.launch(None, train, {"architecture": Stack(1)}, logdir=tmp_path / "b", **QUIET)
    assert domains(tmp_path / "b")["architecture"] == ("STRING", ["none", "conv3", "conv5"])


def test_a_resumed_search_goes_on(result, tmp_path):
    logdir = tmp_path / "run"
    climb(logdir, max_trials=12)
    searcher = Climber(Space.from_search_dict(GIVEN), 30, seed=3)
    experiment.resume(None, train, logdir, searcher=searcher, max_trials=None, **QUIET)
    for tag in ("architecture/best", "architecture/ancestry"):
        assert texts(logdir, tag, "search") == texts(result.logdir, tag, "search")


def test_a_space_that_can_not_be_drawn(tmp_path, caplog):
    class Undrawn(Stack):
        def draw(self, choices):
            raise RuntimeError("no pen")

    with caplog.at_level(logging.WARNING, "sparkexp"):
        climb(tmp_path / "run", {"architecture": Undrawn(12)})
    assert len([r for r in caplog.records if "can't be drawn" in r.getMessage()]) == 1
    assert len(caplog.records) == 1
    assert len(texts(tmp_path / "run", "architecture/best", "search")) > 2


def test_several_objectives_and_repeats(tmp_path, caplog):
    def weigh(architecture):
        return {"large": architecture.build().count("conv5"), "n": len(architecture.build())}

    with caplog.at_level(logging.WARNING, "sparkexp"):
        experiment.architecture_search(
            None, weigh, Stack(9), "random", ["max", "min"], 20, metric=["large", "n"],
            logdir=tmp_path / "two", **QUIET,
        )  # fmt: skip
        climb(tmp_path / "repeated", repeats=2, n=12)
        experiment.evolutionary_search(
            None, train, GIVEN, popsize=6, generations=3, seed=1, logdir=tmp_path / "de", **QUIET
        )
    assert caplog.records == []
    assert texts(tmp_path / "repeated", "architecture/best", "search")
    assert texts(tmp_path / "de", "architecture/best")


def test_the_plan_has_the_searchers_note(tmp_path, capsys):
    climb(tmp_path / "run", progress=True)
    said = capsys.readouterr()
    assert "note: 1 slots suit it" in said.out + said.err


def test_the_report(result, monkeypatch):
    page = render_report(open_run(result.logdir))
    assert "<h2>The best architecture</h2>" in page and "<svg" in page
    assert "<h2>How the best was found</h2>" in page
    assert "its parent, the parent's parent" in page and "→ conv5" in page
    monkeypatch.delitem(ArchitectureSpace._classes, "Stack")
    without = render_report(open_run(result.logdir))
    assert "<svg" not in without and "<h2>How the best was found</h2>" in without


def test_trials_trackers_get_no_class_of_the_users(tmp_path):
    from sparkexp.driver.trackers import make_trial_trackers
    from sparkexp.search.spec import Search
    from sparkexp.tracking import Tracker, TrialTracker

    class Keeper(Tracker):
        def trial_tracker(self, search):
            part = TrialTracker()
            part.search = search
            return part

    space = Space.from_search_dict(GIVEN)
    search = Search(Climber(space, 3), space=space).describe("a search")
    assert search.architectures.keys() == {"architecture"}
    (part,) = make_trial_trackers([Keeper()], search)
    assert part.search == search and part.search.parsed == {}
    assert part.search.architectures == {}
