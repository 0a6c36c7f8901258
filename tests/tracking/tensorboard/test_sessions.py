from __future__ import annotations

import math

import pytest

from sparkexp.analysis.description import SearchDescription
from sparkexp.analysis.specs import MISSING, Interval, ParameterSpec
from sparkexp.objective import Objective
from sparkexp.tracking.tensorboard import (
    ACCEPTED_TAG,
    DURATION_TAG,
    GENERATION,
    OBJECTIVE_TAG,
    MetricSpec,
    SearchLog,
    returned_tag,
    row_name,
    write_experiment,
    write_session_end,
    write_session_start,
)
from sparkexp.tracking.tensorboard.events import EventFile
from sparkexp.trial import State, Trial, TrialResult
from tests.tracking.tensorboard.reporting import reporter_in

from .reading import domains, experiment, scalars, session_groups

SPECS = [ParameterSpec("lr", Interval(0.001, 0.1)), ParameterSpec("units", (64, "auto"))]


def write_trial(logdir, trial: Trial, state=State.SUCCEEDED, value=None, metrics=None) -> None:
    directory = logdir / trial.id
    write_session_start(directory, trial, 1000.0, specs=SPECS)
    if state is not None:
        result = TrialResult(trial, state, value, metrics or {}, started=1000.0, ended=1002.5)
        write_session_end(directory, result)


def by_name(logdir) -> dict:
    return {row["name"]: row for row in session_groups(logdir)}


def test_a_search_reads_as_a_table(tmp_path):
    write_experiment(
        tmp_path / "search",
        SPECS,
        [MetricSpec(returned_tag("loss"))],
        objective="accuracy (max)",
        evolves=True,
    )
    trials = [Trial(i, {"lr": 0.01 * (i + 1), "units": 64}, generation=i // 2) for i in range(4)]
    write_trial(tmp_path, trials[0], value=0.9, metrics={"accuracy": 0.9, "loss": 0.3})
    write_trial(tmp_path, trials[1], State.FAILED, metrics={"loss": math.nan})
    write_trial(tmp_path, trials[2], State.CANCELLED)
    write_trial(tmp_path, trials[3], None)

    rows = by_name(tmp_path)
    assert list(rows) == [trial.id for trial in trials]
    assert [row["runs"] for row in rows.values()] == [[trial.id] for trial in trials]
    assert [row["status"] for row in rows.values()] == ["SUCCESS", "FAILURE", "FAILURE", "UNKNOWN"]
    assert [row["hparams"] for row in rows.values()] == [
        {"lr": trial.params["lr"], "units": "64", GENERATION: trial.generation} for trial in trials
    ]
    done, failed, cancelled, running = rows.values()
    assert done["metrics"] == pytest.approx(
        {
            OBJECTIVE_TAG: 0.9, returned_tag("loss"): 0.3, DURATION_TAG: 2.5, ACCEPTED_TAG: 1.0,
            GENERATION: 0.0,
        }
    )  # fmt: skip
    assert failed["metrics"] == {DURATION_TAG: 2.5, ACCEPTED_TAG: 0.0, GENERATION: 0.0}
    assert cancelled["metrics"] == {DURATION_TAG: 2.5, ACCEPTED_TAG: 0.0, GENERATION: 1.0}
    assert running["metrics"] == {}
    assert (done["started"], done["ended"]) == (1000.0, 1002.5)

    assert domains(tmp_path) == {
        "lr": ("FLOAT64", (0.001, 0.1)),
        "units": ("STRING", ["64", "auto"]),
    }
    assert experiment(tmp_path).metric_infos[0].display_name == "accuracy (max)"


def test_nothing_that_is_not_finite_is_written(tmp_path):
    trial = Trial(0, {})
    metrics = {"nan": math.nan, "inf": -math.inf, "huge": 1e300, "fine": 2.0}
    write_trial(tmp_path, trial, value=1e300, metrics=metrics)
    assert scalars(tmp_path)[trial.id] == {
        returned_tag("fine"): [(0, 2.0)],
        DURATION_TAG: [(0, 2.5)],
    }


def test_a_function_without_parameters_or_value_is_a_row(tmp_path):
    write_experiment(tmp_path / "search", [])
    write_trial(tmp_path, Trial(0, {}))
    (row,) = session_groups(tmp_path)
    assert (row["status"], row["hparams"]) == ("SUCCESS", {})
    assert row["metrics"] == {DURATION_TAG: 2.5}


def test_a_trial_that_never_started_has_no_duration(tmp_path):
    trial = Trial(0, {"lr": 0.1})
    write_session_start(tmp_path, trial, 1000.0)
    write_session_end(tmp_path, TrialResult(trial, State.FAILED, error="no such module"))
    (row,) = session_groups(tmp_path)
    assert row["status"] == "FAILURE" and row["ended"] > 1e9
    assert scalars(tmp_path) == {}


def test_a_parameter_named_generation_is_the_users(tmp_path):
    specs = [ParameterSpec(GENERATION, ("x", "y"))]
    write_experiment(tmp_path / "search", specs, evolves=True)
    write_session_start(
        tmp_path / "t", Trial(0, {GENERATION: "x"}, generation=2), 1.0, specs=specs
    )
    (row,) = session_groups(tmp_path)
    assert row["hparams"] == {GENERATION: "x"}
    assert domains(tmp_path) == {GENERATION: ("STRING", ["x", "y"])}


def test_start_and_end_are_files_in_that_order(tmp_path):
    trial = Trial(0, {"lr": 0.1})
    write_session_start(tmp_path, trial, 1000.0)
    (start,) = tmp_path.iterdir()
    write_session_end(tmp_path, TrialResult(trial, State.SUCCEEDED, 1.0))
    first, second = sorted(tmp_path.iterdir())
    assert first == start and second.name > start.name


def test_two_searches_in_one_log_directory_need_their_own_rows(tmp_path):
    trial = Trial(0, {"lr": 0.1})
    for search in ("grid", "evolution"):
        write_session_start(tmp_path / search / trial.id, trial, 1.0)
    assert len(session_groups(tmp_path)) == 1  # TensorBoard merges rows of one name
    for search in ("grid-2", "evolution-2"):
        write_session_start(tmp_path / search, trial, 1.0, group=f"{search}/{trial.id}")
    assert {"grid-2/trials/trial-00000", "evolution-2/trials/trial-00000"} <= by_name(
        tmp_path
    ).keys()


def test_metrics_of_keras_join_the_row(tmp_path):
    write_experiment(
        tmp_path / "search", [], [MetricSpec("epoch_accuracy", group="validation")]
    )  # fmt: skip
    trial = Trial(0, {})
    write_session_start(tmp_path / trial.id, trial, 1.0)
    with EventFile(tmp_path / trial.id / "validation") as events:
        events.add_scalar("epoch_accuracy", 0.5, 0)
        events.add_scalar("epoch_accuracy", 0.75, 1)
    (row,) = session_groups(tmp_path)
    assert row["metrics"] == {"validation/epoch_accuracy": 0.75}


def test_what_user_code_reports_does_not_hide_our_tags(tmp_path):
    trial = Trial(0, {})
    write_experiment(tmp_path / "search", [])
    write_session_start(tmp_path / trial.id, trial, 1.0)
    with reporter_in(tmp_path / trial.id) as reporter:
        for step in range(3):
            reporter.report(step, {OBJECTIVE_TAG: 7.0, DURATION_TAG: 8.0, "loss": step})
    write_session_end(
        tmp_path / trial.id, TrialResult(trial, State.SUCCEEDED, 1.0, started=1.0, ended=3.0)
    )
    (row,) = session_groups(tmp_path)
    assert row["metrics"] == {OBJECTIVE_TAG: 1.0, DURATION_TAG: 2.0}
    written = scalars(tmp_path)[trial.id]
    assert written["reported/objective"] == [(0, 7.0), (1, 7.0), (2, 7.0)]
    assert written["loss"] == [(0, 0.0), (1, 1.0), (2, 2.0)]


WRITE_EVERYTHING = """
import sys
block = sys.argv[1] == "block"
if block:
    sys.modules["tensorflow"] = None  # import tensorflow raises ImportError
import sparkexp.tracking.tensorboard as t
from sparkexp.context.reporter import Reporter
from sparkexp.tracking import AttemptTrackers
assert not any(name.startswith("tensorboard") for name in sys.modules), "import is not light"
assert "numpy" not in sys.modules
from sparkexp.analysis.description import SearchDescription
from sparkexp.analysis.specs import Interval, ParameterSpec
from sparkexp.trial import State, Trial, TrialResult
t.write_experiment("run/search", [ParameterSpec("lr", Interval(0, 1))])
trial = Trial(0, {"lr": 0.5})
trackers = AttemptTrackers([t.TrialSession(SearchDescription("run"))])
trackers.start(trial, "run/" + trial.id)
with Reporter(trackers) as reporter:
    reporter.report(1, {"loss": 0.5})
trackers.end(TrialResult(trial, State.SUCCEEDED, 0.25))
assert not trackers.warnings
assert sys.modules.get("tensorflow") is None
assert "keras" not in sys.modules
"""


@pytest.mark.parametrize("tensorflow", ["leave", "block"])
def test_tensorflow_is_neither_imported_nor_needed(tmp_path, run_python, tensorflow):
    run_python(WRITE_EVERYTHING, tensorflow)
    (row,) = session_groups(tmp_path / "run")
    assert (row["status"], row["metrics"]) == ("SUCCESS", {OBJECTIVE_TAG: 0.25})
    assert scalars(tmp_path / "run")["trials/trial-00000"]["loss"] == [(1, 0.5)]


def test_a_directory_that_cannot_be_written_is_an_oserror(tmp_path):
    (tmp_path / "file").touch()
    trial = Trial(0, {})
    with pytest.raises(OSError):
        write_session_start(tmp_path / "file", trial, 1.0)
    with pytest.raises(OSError):
        write_session_end(tmp_path / "file", TrialResult(trial, State.FAILED))
    with pytest.raises(OSError):
        write_experiment(tmp_path / "file", [])


@pytest.mark.parametrize(
    ("direction", "value", "parent", "accepted"),
    [
        ("max", 0.5, None, 1.0),
        ("max", 0.5, 0.5, 1.0),
        ("max", 0.4, 0.5, 0.0),
        ("min", 0.4, 0.5, 1.0),
        ("min", 0.6, 0.5, 0.0),
        ("max", None, None, 0.0),
    ],
)
def test_a_row_says_whether_its_trial_was_accepted(tmp_path, direction, value, parent, accepted):
    write_experiment(tmp_path / "evolution", SPECS, evolves=True)
    trial = Trial(5, {"lr": 0.1}, generation=1, parent_value=parent)
    write_session_start(tmp_path / trial.id, trial, 1.0)
    state = State.FAILED if value is None else State.SUCCEEDED
    write_session_end(
        tmp_path / trial.id, TrialResult(trial, state, value), Objective(None, direction)
    )
    (row,) = session_groups(tmp_path)
    assert row["metrics"][ACCEPTED_TAG] == accepted


def test_trials_of_a_grid_are_not_accepted_by_anybody(tmp_path):
    write_experiment(tmp_path / "search", SPECS)
    write_trial(tmp_path, Trial(0, {"lr": 0.1, "units": 64}), value=1.0)
    (row,) = session_groups(tmp_path)
    assert ACCEPTED_TAG not in row["metrics"]


LOG_SPECS = [
    ParameterSpec("lr", Interval(1e-5, 0.1), log=True),
    ParameterSpec("n", Interval(1, 9)),
]


@pytest.mark.parametrize("n_others", [1, 5])
def test_a_log_scaled_parameter_has_a_column_with_its_logarithm(tmp_path, n_others):
    others = [ParameterSpec(f"p{k}", Interval(0, 1)) for k in range(n_others)]
    specs = [*LOG_SPECS, *others]
    write_experiment(tmp_path / "search", specs)
    params = {"lr": 0.001, "n": 3, **{spec.name: 0.5 for spec in others}}
    write_session_start(tmp_path / "t", Trial(0, params), 1.0, specs=specs)
    (row,) = session_groups(tmp_path)
    assert row["hparams"] == {**params, "lr (log10)": pytest.approx(-3.0)}
    known = domains(tmp_path)
    assert known["lr (log10)"] == ("FLOAT64", pytest.approx((-5.0, -1.0)))
    # TensorBoard ticks the first five: a copy never pushes out a parameter of the user's.
    assert list(known)[-1] == "lr (log10)"


def test_the_generation_is_no_parameter(tmp_path):
    specs = [ParameterSpec(name, Interval(0, 1)) for name in ("a", "z")]
    write_experiment(tmp_path / "evolution", iter(specs), evolves=True)
    write_session_start(tmp_path / "t", Trial(0, {s.name: 0.5 for s in specs}, 3), 1.0)
    assert list(domains(tmp_path)) == ["a", "z"]


def test_a_parameter_that_only_some_trials_have_is_in_all_rows(tmp_path):
    decay = ParameterSpec("decay", Interval(1e-5, 0.1), log=True, optional=True)
    specs = [ParameterSpec("lr", (0.1, 0.2)), ParameterSpec("momentum", (0.9, MISSING)), decay]
    write_experiment(tmp_path / "search", specs)
    for number, params in enumerate(
        [{"lr": 0.1}, {"lr": 0.2, "momentum": 0.9, "decay": 0.0123456}]
    ):
        write_session_start(tmp_path / str(number), Trial(number, params), 1.0, specs=specs)
    rows = by_name(tmp_path).values()
    assert [row["hparams"] for row in rows] == [
        {"lr": 0.1, "momentum": "–", "decay": "–"},
        {"lr": 0.2, "momentum": "0.9", "decay": "0.01235"},
    ]
    assert domains(tmp_path)["decay"][0] == "STRING"


def test_rows_are_told_apart_by_what_is_seen_of_their_names():
    names = [row_name(Trial(k, {}, generation=k // 10), "a-long-name") for k in range(120)]
    assert len({name[:11] for name in names}) == 120 and names == sorted(names)
    assert row_name(Trial(3, {}), "one") != row_name(Trial(3, {}), "other")


def test_extra_arguments_are_columns_without_being_searched(tmp_path):
    log = SearchLog(
        tmp_path / "search",
        SearchDescription(
            "search", parameters=(SPECS[0],), extras=(ParameterSpec("epochs", (1, 3)),)
        ),
    )
    trial = Trial(0, {"lr": 0.05}, extra={"epochs": 3})
    write_trial(tmp_path, trial, value=1.0)
    log.add(TrialResult(trial, State.SUCCEEDED, 1.0))
    log.close()
    (row,) = session_groups(tmp_path)
    assert row["hparams"] == {"lr": 0.05, "epochs": 3.0}
    assert domains(tmp_path)["epochs"] == ("FLOAT64", [1.0, 3.0])
    assert not any("epochs" in tag for tag in scalars(tmp_path)["search"])
