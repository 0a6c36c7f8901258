from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image

from sparkexp import experiment
from sparkexp.analysis.description import SearchDescription
from sparkexp.errors import EnvironmentUnfitError, InvalidArgumentError
from sparkexp.results.plots import BACKENDS, KINDS
from sparkexp.results.plots.with_matplotlib import png_of
from sparkexp.results.result import Result
from tests.tracking.tensorboard.searching import QUIET, evolution


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> Result:
    return evolution(tmp_path_factory.mktemp("runs") / "run", 60)


@pytest.fixture(scope="module")
def grid(tmp_path_factory) -> Result:
    logdir = tmp_path_factory.mktemp("runs") / "grid"
    return experiment.launch(None, lambda x: x, {"x": [1, 2, 3]}, logdir=logdir, **QUIET)


@pytest.fixture(scope="module")
def front(tmp_path_factory) -> Result:
    return experiment.random_search(
        None, lambda x, y: {"accuracy": x + y, "latency": x * x, "size": y}, n_trials=20, seed=1,
        search_dict={"x": [0.0, 1.0], "y": [0.0, 1.0]}, metric=["accuracy", "latency"],
        direction=["max", "min"], logdir=tmp_path_factory.mktemp("runs") / "front", **QUIET,
    )  # fmt: skip


@pytest.fixture(scope="module")
def repeated(tmp_path_factory) -> Result:
    """The third run of the first configuration that is tried is luckier than any mean."""
    seeds: list[int] = []

    def train(x, seed):
        seeds.append(seed)
        return 10.0 if len(seeds) == 3 else x

    return experiment.evolutionary_search(
        None, train, {"x": [0.0, 1.0]}, popsize=4, generations=2, variant="classic", seed=1,
        repeats=3, confirm=1, logdir=tmp_path_factory.mktemp("runs") / "repeated", **QUIET,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_matplotlib_draws(result, front, kind):
    picture = (front if kind == "front" else result).plot(kind)._repr_png_()
    with Image.open(io.BytesIO(picture)) as image:
        assert min(image.size) > 300
        assert len(image.convert("RGB").getcolors(2**20)) > 50


@pytest.mark.parametrize("kind", KINDS)
def test_plotly_draws(result, front, kind):
    figure = (front if kind == "front" else result).plot(kind, backend="plotly")
    assert len(figure.to_html(include_plotlyjs=False)) > 2000
    assert figure.data


def test_the_history_shows_every_trial_and_the_best_so_far(result):
    dots, best, failed = result.plot("history", backend="plotly").data
    valued = [r for r in result.trials if r.value is not None]
    assert list(dots.y) == [r.value for r in valued]
    assert list(best.y) == sorted(best.y) and best.y[-1] == result.best.value
    assert len(failed.x) == 60 - len(valued) > 0


def test_less_is_better_where_the_search_minimises(tmp_path):
    result = experiment.launch(
        None, lambda x: x, {"x": [3, 1, 2]}, direction="min", logdir=tmp_path / "run", **QUIET
    )
    _, best = result.plot("history", backend="plotly").data
    assert list(best.y) == [3, 1, 1]


def test_parallel_coordinates_have_a_line_per_value(result):
    (lines,) = result.plot("parallel", backend="plotly").data
    assert [d.label for d in lines.dimensions] == [
        "learning_rate, log scale", "dropout", "num_layers", "optimizer", "accuracy",
    ]  # fmt: skip
    valued = [r for r in result.trials if r.value is not None]
    assert {len(d["values"]) for d in lines.dimensions} == {len(valued)}
    (figure_axis, _) = result.plot("parallel").axes
    assert len(figure_axis.collections[0].get_paths()) == len(valued)


def test_generations_agree_with_the_trials(result):
    figure = result.plot("generations", backend="plotly")
    (best,) = [trace for trace in figure.data if trace.name == "best"]
    assert list(best.x) == list(range(6)) and best.y[-1] == result.best.value


def test_several_objectives_are_drawn_each(front):
    names = ["accuracy", "latency"]
    history = front.plot("history").axes
    assert [plot.get_ylabel() for plot in history] == names
    for k, (plot, best) in enumerate(zip(history, (max, min), strict=True)):
        (line,) = plot.get_lines()
        assert line.get_ydata()[-1] == best(r.values[k] for r in front.trials)
    panels = [plot for plot in front.plot("slice").axes if plot.get_xlabel() in "xy"]
    shown = [(plot.get_xlabel(), plot.get_ylabel()) for plot in panels if plot.get_xlabel()]
    assert shown == [(x, y) for y in names for x in "xy"]
    (lines,) = front.plot("parallel", backend="plotly").data
    assert [d.label for d in lines.dimensions] == ["x", "y", *names]
    importance = front.plot("importance").axes
    assert [plot.get_title() for plot in importance] == [f"Importance for {n}" for n in names]
    dots, line, best = front.plot("front", backend="plotly").data
    expected = [each.values for each in front.front]
    assert list(zip(best.x, best.y, strict=True)) == expected and list(line.x) == list(best.x)
    assert len(dots.x) + len(expected) == len(front) > len(expected) > 1
    with pytest.raises(InvalidArgumentError, match="with one objective.*Plot 'front'"):
        front.plot("generations")


def test_a_configuration_that_ran_often_is_drawn_once_with_its_mean(repeated):
    dots, best = repeated.plot("history", backend="plotly").data
    assert len(dots.x) == len(repeated) and max(dots.y) == 10
    assert best.y[-1] == repeated.best.value < 10
    means = dict(repeated.configurations()[["x", "mean"]].to_numpy())
    (parallel,) = repeated.plot("parallel", backend="plotly").data
    assert len(parallel.line["color"]) == len(means) < len(repeated)
    assert list(parallel.line["color"]) == sorted(means.values())
    (slices,) = repeated.plot("slice", backend="plotly").data
    assert sorted(slices.y) == sorted(means.values())
    (curve,) = (t for t in repeated.plot("generations", backend="plotly").data if t.name == "best")
    searched: dict[float, list[float]] = {}
    for r in repeated.trials:
        if r.trial.generation is not None:
            searched.setdefault(r.trial.params["x"], []).append(r.value)
    assert list(curve.x) == [0, 1, 2]
    assert curve.y[-1] == pytest.approx(max(map(np.mean, searched.values())))


def test_the_importance_is_told_in_words(result):
    (bars,) = result.plot("importance", backend="plotly").data
    assert bars.y[0] == "learning_rate" and 0.3 < bars.x[0] <= 1 and min(bars.x) >= 0


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("hist", {}, "A plot must be one of 'history', .*got 'hist'"),
        ("history", {"backend": "bokeh"}, "'matplotlib' or 'plotly', got 'bokeh'"),
        ("generations", {}, "an evolutionary search.*Plot 'history'"),
        ("importance", {}, "needs at least 6 trials with a value, got 3"),
        ("front", {}, "several objectives, and this search has one"),
    ],
)
def test_what_cannot_be_drawn_is_said(grid, kind, options, said):
    with pytest.raises(InvalidArgumentError, match=said):
        grid.plot(kind, **options)


def test_what_choices_are_called_is_only_text(tmp_path):
    odd = ["$x_1$", "$\\frac{", "\udce4x", "two\nlines", "日本語", "<b>", "", "x" * 200]
    result = experiment.launch(
        None, lambda name, _n: len(name) * _n, {"name": odd, "_n": [1, 2]},
        logdir=tmp_path / "run", **QUIET,
    )  # fmt: skip
    figure = result.plot("slice")
    assert png_of(figure)
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels[:6] == [r"\$x_1\$", r"\$\frac{", "?x", "two lines", "日本語", "<b>"]
    assert labels[6] == "''" and len(labels[7]) == 18
    assert all(label.get_rotation() == 25 for label in figure.axes[0].get_xticklabels())
    for kind in ("parallel", "importance"):
        assert png_of(result.plot(kind))


def test_of_many_parameters_those_that_matter_are_shown(tmp_path):
    space = {f"parameter_number_{k}": [0.0, 1.0] for k in range(20)}

    def train(**params):
        return params["parameter_number_7"] + 0.01 * params["parameter_number_3"]

    result = experiment.evolutionary_search(
        None, train, space, popsize=8, generations=5, seed=1, logdir=tmp_path / "run", **QUIET
    )
    (parallel, _) = result.plot("parallel").axes
    titles = [label.get_text() for label in parallel.get_xticklabels()]
    assert len(titles) == 13 and {"parameter_number_7", "objective"} <= set(titles)
    assert parallel.get_title() == (
        "Parallel coordinates: 12 of 20 parameters, those that matter most"
    )
    assert len(result.plot("slice").axes) == 2 * 12
    assert len(result.plot("generations", backend="plotly").data) == 4 + 9 + 1
    assert result.plot("parallel", backend="plotly").data[0].labelangle == -15
    drawn = experiment.random_search(
        None, train, space, max_trials=60, seed=1, logdir=tmp_path / "random", **QUIET
    )
    (bars,) = drawn.plot("importance", backend="plotly").data
    assert len(bars.y) == 12 and bars.y[0] == "parameter_number_7"


def test_a_parameter_may_begin_with_an_underscore(tmp_path):
    result = experiment.evolutionary_search(
        None, lambda _n, x: _n * x, {"_n": [1, 3], "x": [0.0, 1.0]}, popsize=4, generations=2,
        logdir=tmp_path / "run", **QUIET,
    )  # fmt: skip
    population, spread, _ = result.plot("generations").axes
    names = [text.get_text().strip() for text in spread.get_legend().get_texts()]
    assert names == ["overall", "_n", "x"]
    population.figure.canvas.draw()
    assert all(float(tick).is_integer() for tick in population.get_xticks())


def test_searches_without_values_or_parameters(tmp_path):
    def fail(x):
        raise ValueError

    failed = experiment.launch(None, fail, {"x": [1]}, logdir=tmp_path / "a", **QUIET)
    with pytest.raises(InvalidArgumentError, match=r"at least one trial with a value"):
        failed.plot()
    constant = experiment.launch(None, lambda: 1.0, logdir=tmp_path / "b", **QUIET)
    with pytest.raises(InvalidArgumentError, match="more than one value"):
        constant.plot("slice")
    assert png_of(constant.plot())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_library_that_is_missing_is_named_with_its_extra(grid, monkeypatch, backend):
    monkeypatch.setitem(sys.modules, f"sparkexp.results.plots.with_{backend}", None)
    for name in [name for name in sys.modules if name.partition(".")[0] == backend]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, f"sparkexp.results.plots.with_{backend}")
    monkeypatch.setitem(sys.modules, backend, None)
    with pytest.raises(EnvironmentUnfitError, match=rf"{backend}.*sparkexp\[plots\]"):
        grid.plot(backend=backend)


def test_a_run_whose_directory_is_gone_can_still_be_drawn(grid):
    orphan = Result(grid.trials, "/nowhere/at/all", SearchDescription(grid.name))
    assert png_of(orphan.plot("slice"))


def test_a_notebook_shows_tensorboard_inline(result):
    with result.tensorboard() as server:
        shown = server._repr_html_()
        assert f'<iframe src="{server.url}#custom_scalars' in shown
        assert all(link.title in shown for link in server.links)


def test_the_front_counts_each_configuration_once():
    found = experiment.search(
        None, lambda x: {"a": x, "b": x}, {"x": [1, 4]}, "evolution", n_trials=12, seed=1,
        metric=["a", "b"], direction=["max", "min"], engine="inline", progress=False,
    )  # fmt: skip
    assert any(trial.reused_from for trial in found.trials)
    n = len({trial.trial.params["x"] for trial in found.trials})
    (plot,) = found.plot("front").axes
    assert plot.get_title() == f"The front: {n} of {n} configurations"


def test_dollars_in_names_and_values_are_no_formula(tmp_path):
    name, other = "a$\\q$", "b$_$"
    searched = experiment.random_search(
        None, lambda x, w, z: {name: x + z, other: len(w)},
        {"x": [0.0, 1.0], "w": ["$\\r$", "b$\\z$", "\\$c"], "z": [0.0, 1.0]},
        metric=[name, other], direction=["max", "min"], max_trials=24, seed=1,
        logdir=tmp_path / "r", **QUIET,
    )  # fmt: skip
    for kind in ("history", "slice", "parallel", "importance", "front"):
        assert png_of(searched.plot(kind))
    assert searched.plot("front").axes[0].get_xlabel() == r"a\$\q\$ (max)"
    evolved = experiment.evolutionary_search(
        None, lambda x: {name: x}, {"x": [0.0, 1.0]}, metric=name, popsize=5, generations=3,
        seed=1, logdir=tmp_path / "e", **QUIET,
    )  # fmt: skip
    assert png_of(evolved.plot("generations"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_values_near_the_end_of_the_doubles_are_drawn(tmp_path, backend):
    searched = experiment.random_search(
        None, lambda x, z: (1 if x > 0.5 else -1) * 1.7e308 * z,
        {"x": [0.0, 1.0], "z": [0.0, 1.0]}, max_trials=24, seed=1, logdir=tmp_path / "r", **QUIET,
    )  # fmt: skip
    for kind in ("history", "slice", "parallel", "importance"):
        figure = searched.plot(kind, backend=backend)
        if backend == "matplotlib":
            assert png_of(figure)
            assert "values beyond ±1e+300 count as that" in figure.axes[0].get_title()
