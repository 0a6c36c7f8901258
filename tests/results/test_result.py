from __future__ import annotations

import dataclasses
import math
import xml.etree.ElementTree as ElementTree

import pandas as pd
import pytest

from sparkexp import experiment
from sparkexp.analysis.description import SearchDescription
from sparkexp.errors import NoBestTrialError
from sparkexp.objective import Objective
from sparkexp.results.result import Result
from sparkexp.runs import create_run, open_run
from sparkexp.trial import State, Trial, TrialResult


def succeeded(number, value, params=None, **fields) -> TrialResult:
    return TrialResult(Trial(number, params or {}), State.SUCCEEDED, value, **fields)


def failed(number, error, params=None) -> TrialResult:
    return TrialResult(Trial(number, params or {}), State.FAILED, error=error)


def result(*trials, direction="max", name="example", objectives=None, **fields) -> Result:
    objectives = objectives or (Objective(None, direction),)
    return Result(trials, "/runs/example", SearchDescription(name, objectives), **fields)


@pytest.mark.parametrize(
    ("direction", "values", "number"),
    [
        ("max", [0.1, 0.9, 0.5], 1),
        ("min", [0.1, 0.9, 0.5], 0),
        ("max", [-3.0, -1.0, -2.0], 1),
        ("min", [-3.0, -1.0, -2.0], 0),
        ("max", [-1.0, 0.0], 1),
        ("min", [1.0, 0.0], 1),
        # The earliest of equals.
        ("max", [0.5, 0.9, 0.9], 1),
        ("min", [0.5, 0.1, 0.1], 1),
        ("max", [-1e308, -1e307], 1),
        ("max", [None, 0.2], 1),
    ],
)
def test_best(direction, values, number):
    trials = [succeeded(k, value, {"k": k}) for k, value in enumerate(values)]
    best = result(*trials, direction=direction).best
    assert (best.id, best.params, best.value) == (
        f"trials/trial-{number:05d}",
        {"k": number},
        values[number],
    )


def test_best_tells_all_of_its_trial():
    best = result(succeeded(0, 0.5, {"x": 1}, metrics={"a": 0.5, "b": 2.0}, logdir="/runs/0")).best
    assert dataclasses.asdict(best) == {
        "id": "trials/trial-00000",
        "params": {"x": 1},
        "value": 0.5,
        "metrics": {"a": 0.5, "b": 2.0},
        "logdir": "/runs/0",
        "values": (),
        "n_runs": 1,
        "spread": None,
        "violation": 0.0,
    }


def test_a_failed_or_cancelled_trial_is_never_the_best():
    odd = TrialResult(Trial(0, {}), State.CANCELLED, 5.0)
    assert result(odd, failed(1, "x"), succeeded(2, 0.1)).best.value == 0.1


@pytest.mark.parametrize(
    ("trials", "words"),
    [
        ([], "no trial ended"),
        (
            [failed(0, "Traceback …\nValueError: bad rate"), failed(1, "other")],
            "none of the 2 trials succeeded. The first error: ValueError: bad rate (all of them: "
            "result.failures()",
        ),
        ([failed(0, None)], "no error recorded"),
        ([succeeded(0, None)], "returned nothing"),
        (
            [succeeded(0, None, metrics={"loss": 1.0, "accuracy": 0.5})],
            "several metrics ('loss', 'accuracy'). Name one with metric=",
        ),
    ],
)
def test_why_there_is_no_best(trials, words):
    with pytest.raises(NoBestTrialError) as caught:
        _ = result(*trials).best
    assert str(caught.value).startswith("There is no best trial: ")
    assert words in str(caught.value)


def test_failures_by_id():
    mixed = result(
        succeeded(0, 1.0), failed(1, "E1"), failed(2, None), TrialResult(Trial(3, {}), "CANCELLED")
    )
    assert mixed.failures() == {"trials/trial-00001": "E1", "trials/trial-00002": ""}


def test_the_table():
    trials = [
        TrialResult(
            Trial(0, {"lr": 0.1, "layers": 2, "name": "a"}, generation=0),
            State.SUCCEEDED,
            0.75,
            {"acc": 0.75, "loss": 1.5},
            submitted=5.0,
            started=10.0,
            ended=12.3456,
            host="node-1",
            gpu="0",
            logdir="/runs/example/gen-000/trial-00000",
        ),
        TrialResult(
            Trial(1, {"lr": 0.2, "layers": 3, "name": "b"}, 1, "gen-000/trial-00000"),
            State.FAILED,
            error="ValueError: x",
        ),
        succeeded(2, None, reused_from="gen-000/trial-00000"),
    ]
    frame = result(*trials).to_pandas()
    assert list(frame.columns) == (
        "id generation parent lr layers name value status seconds host gpu logdir error "
        "reused_from acc loss"
    ).split(" ")
    first = frame.iloc[0].to_dict()
    parent, error, reused_from = first.pop("parent"), first.pop("error"), first.pop("reused_from")
    assert parent is None and error is None and reused_from is None
    assert first == {
        "id": "gen-000/trial-00000",
        "generation": 0,
        "lr": 0.1,
        "layers": 2,
        "name": "a",
        "value": 0.75,
        "status": "SUCCEEDED",
        "seconds": 2.346,
        "host": "node-1",
        "gpu": "0",
        "logdir": "/runs/example/gen-000/trial-00000",
        "acc": 0.75,
        "loss": 1.5,
    }
    second = frame.iloc[1]
    assert second["parent"] == "gen-000/trial-00000" and second["error"] == "ValueError: x"
    assert math.isnan(second["value"]) and second["seconds"] == 0.0
    assert frame.iloc[2]["reused_from"] == "gen-000/trial-00000"
    assert frame["generation"].isna().tolist() == [False, False, True]
    assert frame["generation"].dtype == "Int64"


def test_names_that_collide_in_the_table():
    params = {"value": 1, "param_value": 2, "id": "x", "acc": 3}
    metrics = {"acc": 0.5, "status": 7.0, "metric_acc": 8.0, "free": 9.0}
    frame = result(succeeded(0, 0.25, params, metrics=metrics)).to_pandas()
    assert frame.columns.is_unique
    row = frame.iloc[0]
    assert row["value"] == 0.25 and row["status"] == "SUCCEEDED" and row["acc"] == 3
    assert row["id"] == "trials/trial-00000" and row["param_id"] == "x"
    values = row.dropna().tolist()
    assert all(value in values for value in [1, 2, 0.5, 7.0, 8.0, 9.0]), "a column is lost"


def test_what_is_printed_has_the_objective_once_and_the_best_first():
    trials = [succeeded(k, v, metrics={"acc": v, "size": 1.0}) for k, v in enumerate([0.1, 0.3])]
    one = result(*trials, objectives=(Objective("acc"),))
    assert {"value", "acc", "size"} <= set(one.to_pandas())
    heads, first, _ = str(one).splitlines()[1:]
    assert "value" in heads and "size" in heads and "acc" not in heads
    assert "trial-00001" in first
    front = [
        TrialResult(
            Trial(k, {"k": k}), State.SUCCEEDED, v[0], dict(zip("ab", v, strict=True)), values=v
        )
        for k, v in enumerate([(1.0, 5.0), (3.0, 4.0), (2.0, 1.0), (9.0, 9.0)])
    ]
    several = result(*front, objectives=(Objective("a"), Objective("b", "min")))
    assert "value" in several.to_pandas()
    assert several.to_read()["id"].tolist() == [f"trials/trial-0000{k}" for k in (3, 1, 2, 0)]
    assert several.to_read()["front"].tolist() == [True, True, True, False]
    assert [name for name in several.to_read() if name in ("value", "a", "b")] == ["a", "b"]


def test_configurations_with_different_names_have_gaps():
    frame = result(succeeded(0, 1.0, {"a": 1}), succeeded(1, 2.0, {"b": "x"})).to_pandas()
    assert frame[["a", "b"]].isna().to_numpy().tolist() == [[False, True], [True, False]]


def test_no_trials_are_an_empty_table():
    empty = result()
    assert len(empty) == 0
    assert empty.to_pandas().empty and "value" in empty.to_pandas().columns
    assert "0 trials (none ended)" in str(empty)
    assert "0 trials (none ended)" in empty._repr_html_()


def test_printing_shows_what_counts():
    trials = [
        succeeded(0, 0.25, {"lr": 0.123456789, "opt": "adam"}, host="node-1", logdir="/runs/0"),
        failed(1, "Traceback …\n  File …\nValueError: bad\n", {"lr": 0.5, "opt": "sgd"}),
        succeeded(2, 0.75, {"lr": 0.3, "opt": "sgd"}),
        succeeded(3, 0.75, {"lr": 0.3, "opt": "sgd"}, reused_from="trials/trial-00002"),
    ]
    text = str(result(*trials, stopped="3 trials failed"))
    headline, header, *rows = text.splitlines()
    assert headline == (
        "example: 4 trials (3 succeeded, 1 failed, 1 reused); best value 0.75 with lr=0.3, "
        "opt=sgd; stopped: 3 trials failed"
    )
    assert header.split() == "id lr opt value status seconds error reused_from".split()
    assert [row.split()[0][-1] for row in rows] == ["2", "3", "0", "1"]  # best first, failed last
    assert "0.1235" in rows[2] and "0.123456789" not in text
    assert rows[3].rstrip().endswith("ValueError: bad")
    assert "Traceback" not in text and "node-1" not in text and "nan" not in rows[2].lower()


def test_the_smallest_is_on_top_where_it_is_the_best():
    trials = [succeeded(k, value) for k, value in enumerate([0.5, -1.0, 0.1])]
    rows = str(result(*trials, direction="min")).splitlines()[2:]
    assert [row.split()[0][-1] for row in rows] == ["1", "2", "0"]
    assert "best value -1 with no parameters" in str(result(*trials, direction="min"))


def test_a_long_error_is_cut():
    text = str(result(failed(0, "ValueError: " + "x" * 500)))
    assert "x" * 40 in text and "x" * 70 not in text and "…" in text


def test_a_table_of_failures_only():
    text = str(result(failed(0, "E: 1"), failed(1, "E: 2")))
    assert text.startswith("example: 2 trials (2 failed)\n") and "best" not in text
    assert "E: 1" in text and "E: 2" in text


def test_gpus_are_shown_where_there_are_some():
    assert " gpu" not in str(result(succeeded(0, 1.0)))
    assert " gpu" in str(result(succeeded(0, 1.0, gpu="3"), succeeded(1, 0.5)))


@pytest.mark.parametrize(("n", "left"), [(20, None), (21, "… 1 more"), (50, "… 30 more")])
def test_a_long_table_ends_early(n, left):
    trials = [succeeded(k, float(k)) for k in range(n)]
    lines = str(result(*trials)).splitlines()
    shown = [line for line in lines if "trials/trial-" in line]
    assert len(shown) == 20 and f"trial-{n - 1:05d}" in shown[0]
    assert (left in lines[-1]) if left else ("more" not in lines[-1])
    assert (left in result(*trials)._repr_html_()) if left else True


def test_printing_changes_nothing():
    trials = [succeeded(0, 1.0), failed(1, "A\nB")]
    one = result(*trials)
    before = one.to_pandas()
    str(one), one._repr_html_()
    pd.testing.assert_frame_equal(one.to_pandas(), before)
    assert one.failures() == {"trials/trial-00001": "A\nB"}


def test_html_is_well_formed_and_escaped():
    nasty = "<script>alert('x')</script>&"
    trials = [succeeded(0, 1.0, {"opt": nasty}), failed(1, nasty, {"opt": "b"})]
    text = result(*trials, name=nasty)._repr_html_()
    assert "<script>" not in text
    root = ElementTree.fromstring(f"<div>{text}</div>")
    assert len(root.findall(".//tbody/tr")) == 2
    assert nasty in "".join(root.itertext())


def test_a_result_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        result().direction = "min"  # type: ignore[misc]


def test_a_run_on_disk_is_read_back(tmp_path):
    run = create_run(tmp_path / "run", {"direction": "min", "name": "search"})
    trials = [succeeded(1, 0.5, {"x": 1}), succeeded(0, 0.7, {"x": 2})]
    for one in trials:
        run.record(one)
    again = Result.of_run(open_run(tmp_path / "run"))
    search = SearchDescription("search", (Objective(None, "min"),))
    assert again == Result(tuple(reversed(trials)), str(tmp_path / "run"), search)
    assert again.best.params == {"x": 1}


def test_extra_arguments_have_columns_of_their_own():
    trials = [
        TrialResult(Trial(k, {"x": 0.5}, extra=extra), State.SUCCEEDED, 1.0)
        for k, extra in enumerate([{"epochs": 9, "value": 2}, {}])
    ]
    frame = result(*trials).to_pandas()
    assert list(frame)[3:7] == ["x", "epochs", "param_value", "value"]
    assert frame["epochs"][0] == 9 and frame["epochs"].isna()[1]


def test_long_values_are_cut_where_they_are_shown(tmp_path):
    result = experiment.launch(
        None, lambda name: 1.0, {"name": ["x" * 300, "two\nlines"]},
        logdir=tmp_path / "run", engine="inline", progress=False,
    )  # fmt: skip
    assert max(map(len, str(result).splitlines())) < 250
    assert "two lines" in str(result) and "x" * 70 not in result._repr_html_()
    assert result.to_pandas()["name"].tolist() == ["x" * 300, "two\nlines"]
