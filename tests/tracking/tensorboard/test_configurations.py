"""TensorBoard's page of a search where one trial with one value doesn't say what is best."""

from __future__ import annotations

import pytest

from sparkexp import experiment
from sparkexp.tracking.tensorboard.links import list_board_links
from sparkexp.trial import State
from tests.tracking.tensorboard.reading import domains, scalars, session_groups
from tests.tracking.tensorboard.reading import experiment as declared
from tests.tracking.tensorboard.searching import QUIET
from tests.tracking.tensorboard.test_views import summaries, texts

BOTH = {"metric": ["accuracy", "latency"], "direction": ["max", "min"]}


def lucky(x, seed):
    """The run of the worst configuration with the first seed is better than any other run."""
    first = lucky.seeds.setdefault(x, seed) == seed
    return 100.0 if x == 1 and first else float(x)


@pytest.fixture
def noisy():
    lucky.seeds = {}
    return lucky


def best_row(logdir, run):
    boards = texts(logdir, "leaderboard", run)
    return boards[max(boards)].splitlines()[4]


@pytest.mark.parametrize("variant", ["classic", "shade"])
def test_confirming_trials_have_a_generation_like_all_others(tmp_path, variant):
    result = experiment.evolutionary_search(
        None, lambda x, y: x + y, {"x": [0.0, 1.0], "y": [0.0, 1.0]}, generations=2, seed=1,
        popsize=4, variant=variant, confirm=2, logdir=tmp_path, **QUIET,
    )  # fmt: skip
    rows = session_groups(result.logdir)
    assert len(rows) == len(result) and sum(r.trial.generation is None for r in result.trials) == 2
    assert "generation" not in domains(result.logdir)
    # Confirming runs stand behind all generations.
    last = max(r.trial.generation or 0 for r in result.trials) + 1
    for r in result.trials:
        (row,) = [row for row in rows if row["runs"] == [r.trial.id]]
        expected = last if r.trial.generation is None else r.trial.generation
        assert row["metrics"]["generation"] == expected


def test_the_best_is_the_one_with_the_best_mean(tmp_path, noisy):
    result = experiment.launch(
        None, noisy, {"x": [1, 40, 50]}, repeats=3, logdir=tmp_path, **QUIET
    )
    assert result.best.params == {"x": 50} and max(r.value for r in result.trials) == 100
    summary = texts(result.logdir, "summary", "search")[9]
    assert "**50** ± 0 (3 runs) with x=50" in summary and f"({result.best.id})" in summary
    assert best_row(result.logdir, "search").startswith(
        f"| 1 | {result.best.id} | 50 ± 0 (3 runs)"
    )
    best = scalars(result.logdir)["search"]["trials/best_so_far"]
    assert best[0] == (1, 100) and best[-1] == (9, 50)


def test_an_evolution_shows_the_means_that_it_went_by(tmp_path):
    def train(x, seed):
        return x + seed % 1000 / 1000

    result = experiment.evolutionary_search(
        None, train, {"x": [0.0, 1.0]}, popsize=4, generations=3, variant="classic", seed=2,
        repeats=3, confirm=1, logdir=tmp_path, **QUIET,
    )  # fmt: skip
    found = scalars(result.logdir)["evolution"]
    means = result.configurations()["mean"]
    assert [step for step, _ in found["evolution/best"]] == [0, 1, 2, 3]
    searched = [r for r in result.trials if r.trial.generation is not None]
    by_x = {r.trial.params["x"]: [] for r in searched}
    for r in searched:
        by_x[r.trial.params["x"]].append(r.value)
    best = max(sum(values) / 3 for values in by_x.values())
    assert found["evolution/best"][-1][1] == pytest.approx(best) != max(means.tolist() + [2])
    assert found["trials/best_so_far"][-1][1] == pytest.approx(result.best.value)
    assert "6 runs" in texts(result.logdir, "summary")[len(result)]
    # A single run's value doesn't decide whether its configuration is accepted.
    tags = [info.name.tag for info in declared(result.logdir).metric_infos]
    assert "accepted" not in tags
    assert not any("accepted" in row["metrics"] for row in session_groups(result.logdir))


def test_several_objectives_have_a_front_in_place_of_a_best_trial(tmp_path):
    def train(x, y):
        return {"accuracy": x, "latency": x * x + y, "size": 1.0}

    result = experiment.evolutionary_search(
        None, train, {"x": [0.0, 1.0], "y": [0.0, 1.0]}, popsize=8, generations=3, seed=1,
        logdir=tmp_path, **BOTH, **QUIET,
    )  # fmt: skip
    run, n = "search", len(result)  # whose page has a front, and no generations
    assert "distributions" not in str(list_board_links("http://h/", result.logdir))
    assert 1 < len(result.front) < n
    summary, boards = (
        texts(result.logdir, "summary", run)[n],
        texts(result.logdir, "leaderboard", run),
    )
    for text in (summary, boards[n]):
        rows = [line for line in text.splitlines() if line[:2] == "| " and line[2].isdigit()]
        assert [row.split(" | ")[1] for row in rows] == [each.id for each in result.front]
        for row, each in zip(rows, result.front, strict=True):
            assert all(f"| {value:.5g} |" in row for value in each.values)
    assert "accuracy (max)" in summary and "latency (min)" in summary and "No trial" not in summary
    for k, (name, best) in enumerate((("accuracy", max), ("latency", min))):
        found = scalars(result.logdir)[run][f"trials/best_so_far/{name}"]
        assert found[-1][1] == pytest.approx(best(r.values[k] for r in result.trials))
        assert len(scalars(result.logdir)[run][f"trials/objective/{name}"]) == n
    images = summaries(result.logdir, "images", run)
    assert "pictures/front" in images and "pictures/latency by x" in images
    headings = [info.display_name for info in declared(result.logdir).metric_infos]
    assert headings[:2] == ["accuracy (max)", "latency (min)"] and headings.count("latency") == 0
    for row in session_groups(result.logdir):
        assert {"objective", "returned/latency"} <= set(row["metrics"])


def test_trials_that_were_ended_early_are_told_apart(tmp_path):
    def train(x):
        for step in range(10):
            experiment.report(step, loss=x + 1 / (step + 1))
        return {"loss": x + 0.1, "size": 1.0}

    result = experiment.evolutionary_search(
        None, train, {"x": [0.0, 1.0]}, "min", popsize=8, generations=2, variant="classic", seed=1,
        prune="median", metric="loss", logdir=tmp_path, **QUIET,
    )  # fmt: skip
    rows = {row["runs"][0]: row for row in session_groups(result.logdir)}
    run = [r for r in result.trials if r.reused_from is None]
    assert {r.state for r in run} == {State.SUCCEEDED, State.PRUNED}
    for r in run:
        row = rows[r.trial.id]
        assert row["status"] == "SUCCESS"
        assert row["metrics"]["objective"] == pytest.approx(r.value)
        assert row["metrics"]["pruned"] == (r.state is State.PRUNED)
        assert ("returned/size" in row["metrics"]) is (r.state is State.SUCCEEDED)
    # Those that all trials have come first: TensorBoard ticks five.
    tags = [info.name.tag for info in declared(result.logdir).metric_infos]
    assert tags == [
        "objective", "accepted", "pruned", "generation", "duration_s", "loss", "returned/size",
    ]  # fmt: skip
    ticked = [tag for tag in tags[:5]]
    assert all(tag in row["metrics"] for row in rows.values() for tag in ticked)
