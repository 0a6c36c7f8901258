"""The search's own run in TensorBoard, as TensorBoard's readers see it."""

from __future__ import annotations

import io
import logging
import math
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from PIL import Image

from sparkexp import experiment
from sparkexp.tracking.tensorboard.events import EventFile
from sparkexp.tracking.tensorboard.pictures import SIZE_PX
from sparkexp.tracking.tensorboard.reading import read_events
from tests.tracking.tensorboard import reading
from tests.tracking.tensorboard.searching import QUIET, SPACE, evolution

from .reading import scalars, session_groups

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> experiment.Result:
    return evolution(tmp_path_factory.mktemp("runs") / "evolve")


def values(logdir, tag, run="evolution") -> list[float]:
    return [value for _, value in scalars(logdir)[run][tag]]


def steps(logdir, tag, run="evolution") -> list[int]:
    return [step for step, _ in scalars(logdir)[run][tag]]


def summaries(logdir, plugin, run="evolution") -> dict[str, dict[int, object]]:
    """Tag → step → tensor, of one plugin."""
    found: dict[str, dict[int, object]] = {}
    plugins: dict[str, str] = {}
    for event in read_events(Path(logdir, run), 1 << 26):
        for value in event.summary.value:
            plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
            if plugins[value.tag] == plugin:
                found.setdefault(value.tag, {})[event.step] = value.tensor
    return found


def texts(logdir, tag, run="evolution") -> dict[int, str]:
    found = summaries(logdir, "text", run)[tag]
    return {step: tensor.string_val[0].decode() for step, tensor in found.items()}


def test_generations_are_curves(result):
    best = values(result.logdir, "evolution/best")
    assert steps(result.logdir, "evolution/best") == list(range(10))
    assert best == sorted(best) and best[-1] == pytest.approx(result.best.value)
    for tag in ("evolution/mean", "evolution/worst"):
        assert all(a <= b + 1e-7 for a, b in zip(values(result.logdir, tag), best, strict=True))
    assert values(result.logdir, "evolution/best_so_far") == best
    by_generation = [[r for r in result.trials if r.trial.generation == g] for g in range(10)]
    assert values(result.logdir, "evolution/failed_trials") == [
        sum(not r.succeeded for r in trials) for trials in by_generation
    ]
    assert values(result.logdir, "evolution/reused_evaluations") == [
        sum(r.reused_from is not None for r in trials) for trials in by_generation
    ]
    assert 0 < sum(values(result.logdir, "evolution/failed_trials")) < 30
    diversity = values(result.logdir, "diversity/learning_rate")
    assert diversity[0] > 0.7 and diversity[-1] < 0.6 * diversity[0]
    assert {f"diversity/{name}" for name in (*SPACE, "overall")} <= set(
        scalars(result.logdir)["evolution"]
    )


def test_the_share_of_accepted_children_agrees_with_the_rows(result):
    accepted = {row["runs"][0]: row["metrics"].get("accepted") for row in session_groups(
        result.logdir
    )}  # fmt: skip
    reused = {r.trial.id for r in result.trials if r.reused_from}
    for generation, share in enumerate(values(result.logdir, "evolution/accepted_fraction")):
        ids = [r.trial.id for r in result.trials if r.trial.generation == generation]
        if not reused & set(ids):
            assert share == pytest.approx(sum(accepted[i] for i in ids) / 10)
    assert set(accepted.values()) == {0.0, 1.0}


def test_trials_are_curves_in_the_order_of_their_end(result):
    found = scalars(result.logdir)["evolution"]
    succeeded = [r.value for r in result.trials if r.value is not None]
    assert [v for _, v in found["trials/objective"]] == pytest.approx(succeeded)
    assert found["trials/failed"][-1] == (100, 100 - len(succeeded))
    best = [v for _, v in found["trials/best_so_far"]]
    assert best == sorted(best) and found["trials/best_so_far"][-1][0] == 100


def test_distributions_by_generation(result):
    found = summaries(result.logdir, "histograms")
    assert set(found) == {
        "population/learning_rate (log10)",
        "population/dropout",
        "population/num_layers",
        "population/objective",
    }
    for tag in found:
        assert sorted(found[tag]) == list(range(10))
    edges = reading._readers().make_ndarray(found["population/learning_rate (log10)"][0])
    assert -5 <= edges[0][0] and edges[-1][1] <= -1 and edges[:, 2].sum() == 10
    shares = [values(result.logdir, f"choice/optimizer/{name}") for name in SPACE["optimizer"]]
    assert all(math.isclose(sum(column), 1, abs_tol=1e-6) for column in zip(*shares, strict=True))


def test_the_leaderboard_names_the_best_their_parameters_and_parents(result):
    boards = texts(result.logdir, "leaderboard")
    assert sorted(boards) == list(range(10))
    lines = boards[9].splitlines()
    assert lines[2] == (
        "|  | trial | accuracy (max) | learning_rate | dropout | num_layers | optimizer | parent |"
    )
    assert lines[4].startswith(f"| 1 | {result.best.id} | {result.best.value:.5g} |")
    assert len(lines) == 14 and "| gen-" in boards[9].split(result.best.id)[1]


def test_the_summary_tells_what_was_found_and_how_to_repeat_it(result, tmp_path):
    ((step, text),) = texts(result.logdir, "summary").items()
    assert step == 100 and f"**{result.best.value:.5g}**" in text and "100 trials" in text
    assert "learning_rate | float in [1e-05, 0.1], log" in text and "seed 1" in text
    lines = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    names = {**vars(experiment), "experiment": experiment, "spark": None}
    code = "\n".join(lines)[:-1] + f", logdir={str(tmp_path / 'again')!r}, **QUIET)"
    from tests.tracking.tensorboard.searching import train

    again = eval(code, {**names, "train": train, "QUIET": QUIET})
    assert [r.trial.params for r in again.trials] == [r.trial.params for r in result.trials]


def test_pictures_are_few_and_legible(result):
    found = summaries(result.logdir, "images")
    assert sorted(found["pictures/generation"]) == list(range(10))
    assert {f"pictures/objective by {name}" for name in SPACE} | {"pictures/importance"} <= set(
        found
    )
    for tag in found:
        for tensor in found[tag].values():
            width, height, png = tensor.string_val
            with Image.open(io.BytesIO(png)) as picture:
                assert picture.size == SIZE_PX == (int(width), int(height))
                assert len(picture.convert("RGB").getcolors(2**16)) > 20
            assert len(png) < 60_000


def test_many_generations_have_a_dozen_pictures(tmp_path):
    result = evolution(tmp_path / "run", 160, 4)
    pictures = sorted(summaries(result.logdir, "images")["pictures/generation"])
    assert len(pictures) == 12 and pictures[0] == 0 and pictures[-1] == 39


def test_custom_scalars_name_tags_that_exist(result):
    from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

    ((_, tensor),) = summaries(result.logdir, "custom_scalars")["custom_scalars__config__"].items()
    layout = Layout.FromString(tensor.string_val[0])
    import re

    there = {
        tag
        for run, tags in scalars(result.logdir).items()
        if run.startswith("evolution")
        for tag in tags
    }

    for category in layout.category:
        for chart in category.chart:
            for regex in chart.multiline.tag:
                assert any(re.match(regex, tag) for tag in there), (chart.title, regex)
            for series in chart.margin.series:
                assert {series.value, series.lower, series.upper} <= there
    assert [c.title for c in layout.category] == [
        "Evolution", "Is it still searching?", "Trouble and savings", "Diversity by parameter",
        "Choices", "With outliers",
    ]  # fmt: skip


def test_one_bad_trial_flattens_no_chart(tmp_path):
    def train(x):
        if len(os.listdir(tmp_path / "run" / "gen-000")) == 3:  # the third trial
            return 1e6
        return x + 1.0

    result = experiment.evolutionary_search(
        None, train, {"x": [0.0, 1.0]}, "min", popsize=8, generations=2, seed=1,
        variant="classic", logdir=tmp_path / "run", **QUIET,
    )  # fmt: skip
    runs = scalars(result.logdir)
    worst = runs["evolution"]["evolution/worst"][0][1]
    assert worst == 1e6
    for line in ("best", "mean", "worst"):
        points = runs[f"evolution/{line}"]["inner/population"]
        assert [step for step, *_ in points] == [0, 1, 2]
        assert all(1 <= value <= 2 for _, value in points)
    shown = [value for _, value in runs["evolution"]["inner/trials"]]
    assert len(shown) == len(result) - 1 and max(shown) <= 2


def test_all_lies_in_one_file_of_modest_size(result):
    (file,) = Path(result.logdir, "evolution").glob("events*")
    assert file.stat().st_size < 600_000
    # Start, what was reported, end.
    assert all(
        len(list(Path(r.logdir).glob("events*"))) <= 3 for r in result.trials if not r.reused_from
    )


@pytest.mark.parametrize("run", ["evolution", "evolution/worst"])
def test_each_chart_is_described_once(result, run):
    descriptions: dict[str, list[str]] = {}
    for event in read_events(Path(result.logdir, run)):
        for value in event.summary.value:
            text = value.metadata.summary_description
            descriptions.setdefault(value.tag, []).append(text)
    curves = {tag: texts for tag, texts in descriptions.items() if len(texts) > 1}
    pictures = {tag for tag in curves if tag.startswith("pictures/")}
    assert len(curves) > len(pictures)
    said = {tag: [bool(text) for text in curves[tag]] for tag in curves.keys() - pictures}
    assert said == {tag: [True] + [False] * (len(texts) - 1) for tag, texts in said.items()}


def test_a_grid_shows_its_progress_and_what_mattered(tmp_path):
    def train(x, name):
        return x * (2 if name == "a" else 1)

    grid = {"x": [1, 2, 3, 4, 5, 6], "name": ["a", "b"]}
    result = experiment.launch(None, train, grid, logdir=tmp_path / "run", **QUIET)
    found = scalars(result.logdir)["search"]
    assert [v for _, v in found["trials/best_so_far"]] == [2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12]
    assert "evolution/best" not in found
    assert set(summaries(result.logdir, "images", "search")) == {
        "pictures/importance", "pictures/objective by x", "pictures/objective by name",
    }  # fmt: skip
    assert sorted(texts(result.logdir, "leaderboard", "search")) == [10, 12]
    assert "experiment.launch(spark, train" in texts(result.logdir, "summary", "search")[12]


def test_names_that_utf8_has_not_are_written_all_the_same(tmp_path, caplog):
    names = ["\udce4x", "two\nlines", "<script>alert(1)</script>", "日本語", "", "a|b"]
    result = experiment.evolutionary_search(
        None, lambda name, x: x, {"name": names, "x": [0.0, 1.0]}, popsize=6, generations=2,
        seed=1, logdir=tmp_path / "run", **QUIET,
    )  # fmt: skip
    assert not caplog.records
    shares = {tag for tag in scalars(result.logdir)["evolution"] if tag.startswith("choice/")}
    assert shares == {f"choice/name/{n}" for n in ("?x", *names[1:])}
    assert "pictures/objective by name" in summaries(result.logdir, "images")


def test_searches_without_values_or_parameters_write_what_there_is(tmp_path):
    nothing = experiment.launch(None, lambda: None, None, logdir=tmp_path / "a", **QUIET)
    assert "No trial has a value" in texts(nothing.logdir, "summary", "search")[1]

    def fail(x):
        raise ValueError("never")

    failed = experiment.evolutionary_search(
        None, fail, {"x": [0.0, 1.0]}, popsize=4, generations=1, logdir=tmp_path / "b", **QUIET
    )
    assert values(failed.logdir, "evolution/failed_trials") == [4, 4]
    assert "ValueError: never" in texts(failed.logdir, "summary")[8]
    assert texts(failed.logdir, "leaderboard")[1].endswith("No trial has succeeded yet.")


def test_a_generation_that_was_cut_off_is_written_when_the_search_goes_on(tmp_path):
    logdir = tmp_path / "run"
    cut = evolution(logdir, 40, max_trials=25)
    assert cut.stopped and steps(logdir, "evolution/best") == [0, 1]
    assert max(steps(logdir, "trials/failed")) == len(cut)

    from tests.tracking.tensorboard.searching import train

    experiment.resume(None, train, logdir, max_trials=None, **QUIET)
    whole = evolution(tmp_path / "whole", 40)
    for tag in ("evolution/best", "evolution/mean", "diversity/dropout", "trials/failed"):
        assert scalars(logdir)["evolution"][tag] == scalars(whole.logdir)["evolution"][tag], tag
    assert texts(logdir, "leaderboard") == texts(whole.logdir, "leaderboard")
    assert sorted(texts(logdir, "summary")) == [len(cut), 40]
    # The columns were declared once, the layout too.
    experiments = [
        value.tag
        for event in read_events(logdir / "evolution", 1 << 26)
        for value in event.summary.value
        if value.tag in ("_hparams_/experiment", "custom_scalars__config__")
    ]
    assert sorted(experiments) == ["_hparams_/experiment", "custom_scalars__config__"]


def test_a_killed_driver_leaves_curves_that_go_on(tmp_path):
    code = """
    import os, signal, sys
    from tests.tracking.tensorboard.searching import evolution, train
    import tests.tracking.tensorboard.searching as searching
    calls = []
    def counted(learning_rate, dropout, num_layers, optimizer):
        calls.append(1)
        if len(calls) == 27:
            os.kill(os.getpid(), signal.SIGKILL)
        return train(learning_rate, dropout, num_layers, optimizer)
    searching.train = counted
    evolution(sys.argv[1], 40)
    """
    logdir = tmp_path / "run"
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), logdir],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL
    assert steps(logdir, "evolution/best") == [0, 1]
    # As if it had been killed within a write, too.
    (file,) = (logdir / "evolution").glob("events*")
    with file.open("ab") as torn:
        torn.write(b"\x40\x00\x00\x00\x00\x00\x00\x00\x11\x22\x33\x44half a rec")

    from tests.tracking.tensorboard.searching import train

    experiment.resume(None, train, logdir, **QUIET)
    whole = evolution(tmp_path / "whole", 40)
    assert len(list((logdir / "evolution").glob("events*"))) == 2
    for line in ("best", "mean", "worst"):
        run = f"evolution/{line}"
        assert scalars(logdir)[run] == scalars(whole.logdir)[run]
    for tag, points in scalars(whole.logdir)["evolution"].items():
        assert scalars(logdir)["evolution"][tag] == points, tag


def test_what_cannot_be_written_is_said_once_and_stops_nothing(tmp_path, monkeypatch, caplog):
    logdir = tmp_path / "run"
    logdir.mkdir()
    (logdir / "evolution").touch()  # where the directory should be
    with caplog.at_level(logging.WARNING):
        result = evolution(logdir, 20)
    assert len(result) == 20 and result.best.value > 0
    said = [r.getMessage() for r in caplog.records if "own page in TensorBoard" in r.getMessage()]
    assert len(said) == 1


def test_a_fault_in_a_picture_does_not_cost_the_search(tmp_path, monkeypatch, caplog):
    def broken(*args):
        raise RuntimeError("no ink")

    monkeypatch.setattr("sparkexp.tracking.tensorboard.views.draw_population", broken)
    with caplog.at_level(logging.WARNING):
        result = evolution(tmp_path / "run", 20)
    assert len(result) == 20 and "no ink" in caplog.text
    assert 20 in texts(result.logdir, "summary")


def test_keras_metrics_and_reported_ones_have_columns(tmp_path):
    def train(x):
        experiment.report(0, accuracy=x, lr=0.1)
        for group in ("train", "validation"):
            with EventFile(Path(experiment.logdir(), group)) as events:
                events.add_scalar("epoch_loss", 1 - x, 0)
                events.add_scalar("evaluation_loss_vs_iterations", 1 - x, 0)
        return {"accuracy": x, "size": 2.0}

    result = experiment.launch(
        None, train, {"x": [0.1, 0.2]}, metric="accuracy", logdir=tmp_path / "run", **QUIET
    )
    columns = [
        (info.name.group, info.name.tag, info.display_name)
        for info in reading.experiment(result.logdir).metric_infos
    ]
    assert columns == [
        ("", "objective", "accuracy (max)"),
        ("", "duration_s", ""),
        ("", "returned/size", "size"),
        ("", "accuracy", "accuracy (reported)"),
        ("", "lr", "lr"),
        ("train", "epoch_loss", "train loss"),
        ("validation", "epoch_loss", "validation loss"),
    ]
    (first, _) = session_groups(result.logdir)
    assert first["metrics"]["validation/epoch_loss"] == pytest.approx(0.9)


def test_a_replayed_search_writes_nothing_twice(tmp_path):
    """Without the searcher's state all recorded trials are told again."""
    from tests.tracking.tensorboard.searching import train

    logdir = tmp_path / "run"
    evolution(logdir, 40, max_trials=25)
    (logdir / "searcher.json").unlink()
    experiment.resume(None, train, logdir, max_trials=None, **QUIET)
    tags = ["_hparams_/experiment", "custom_scalars__config__", "evolution/best", "trials/failed"]
    steps_of: dict[str, list[int]] = {tag: [] for tag in tags}
    for event in read_events(logdir / "evolution", 1 << 26):
        for value in event.summary.value:
            if value.tag in steps_of:
                steps_of[value.tag].append(event.step)
    assert [steps_of[tag] for tag in tags] == [[0], [0], [0, 1, 2, 3], list(range(1, 41))]
