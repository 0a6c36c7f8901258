from __future__ import annotations

import pytest

from sparkexp.tracking.tensorboard.events import EventFile
from sparkexp.tracking.tensorboard.hparams import (
    Interval,
    Kind,
    MetricSpec,
    ParameterSpec,
    make_experiment_config,
    make_session_end,
    make_session_start,
)
from sparkexp.trial import State

from .reading import domains, experiment, session_groups

STRANGE = "naïve \"quoted\" name/with ünïcode 🚀, spaces\nand a newline; <b>'%s'</b>"


def write(directory, *summaries) -> None:
    with EventFile(directory) as events:
        for summary in summaries:
            events.add_summary(summary)


@pytest.mark.parametrize(
    ("domain", "kind", "read"),
    [
        (Interval(0.1, 0.5), Kind.NUMBER, ("FLOAT64", (0.1, 0.5))),
        (Interval(0.005, 0.00005), Kind.NUMBER, ("FLOAT64", (0.00005, 0.005))),
        (Interval(1, 3), Kind.NUMBER, ("FLOAT64", (1.0, 3.0))),
        ((16, 32, 64), Kind.NUMBER, ("FLOAT64", [16.0, 32.0, 64.0])),
        ((1, 2.5, 1.0), Kind.NUMBER, ("FLOAT64", [1.0, 2.5])),
        (("adam", "sgd"), Kind.STRING, ("STRING", ["adam", "sgd"])),
        ((True, False), Kind.BOOL, ("BOOL", [True, False])),
        ((1, "a"), Kind.STRING, ("STRING", ["1", "a"])),
        ((True, 2), Kind.STRING, ("STRING", ["True", "2"])),
        ((), Kind.STRING, ("STRING", [])),
    ],
)
def test_domains(tmp_path, domain, kind, read):
    spec = ParameterSpec("p", domain)
    assert spec.kind is kind
    write(tmp_path, make_experiment_config([spec], []))
    assert domains(tmp_path) == {"p": read}


def test_values_are_coerced_to_the_type_of_the_domain():
    assert ParameterSpec("p", (1, "a")).coerce(1) == "1"
    assert ParameterSpec("p", (True, False)).coerce(True) is True
    number = ParameterSpec("p", (1, 2)).coerce(2)
    assert number == 2.0 and isinstance(number, float)


def test_values_keep_their_types(tmp_path):
    params = {"i": 3, "f": 0.5, "s": "adam", "t": True, "n": False, "zero": 0, "empty": ""}
    write(tmp_path, make_session_start(params, "trial", 100.0))
    (row,) = session_groups(tmp_path)
    assert row["hparams"] == params
    assert {name: type(value) for name, value in row["hparams"].items()} == {
        "i": float,
        "f": float,
        "s": str,
        "t": bool,
        "n": bool,
        "zero": float,
        "empty": str,
    }
    assert row["started"] == 100.0


def test_strange_names_and_values_come_back(tmp_path):
    write(
        tmp_path / "a",
        make_experiment_config([ParameterSpec(STRANGE, (STRANGE, "b"))], [MetricSpec(STRANGE)]),
        make_session_start({STRANGE: STRANGE}, STRANGE),
    )
    (row,) = session_groups(tmp_path)
    assert row["name"] == STRANGE and row["hparams"] == {STRANGE: STRANGE}
    assert domains(tmp_path) == {STRANGE: ("STRING", [STRANGE, "b"])}


def test_what_utf8_cannot_hold_is_replaced(tmp_path):
    write(tmp_path, make_session_start({"file": "a\udc80b"}, "trial"))
    (row,) = session_groups(tmp_path)
    assert row["hparams"] == {"file": "a?b"}


@pytest.mark.parametrize(
    ("state", "status"),
    [(State.SUCCEEDED, "SUCCESS"), (State.FAILED, "FAILURE"), (State.CANCELLED, "FAILURE")],
)
def test_status(tmp_path, state, status):
    write(tmp_path, make_session_start({"p": 1}, "trial"), make_session_end(state, 250.0))
    (row,) = session_groups(tmp_path)
    assert (row["status"], row["ended"]) == (status, 250.0)


def test_metrics_are_declared_with_their_groups(tmp_path):
    metrics = [
        MetricSpec("objective", "accuracy (max)"),
        MetricSpec("epoch_loss", group="train"),
        MetricSpec("epoch_loss", group="validation"),
    ]
    write(tmp_path, make_experiment_config([], metrics, description="**DE**", created=10.0))
    read = experiment(tmp_path)
    assert [(m.name.group, m.name.tag, m.display_name) for m in read.metric_infos] == [
        ("", "objective", "accuracy (max)"),
        ("train", "epoch_loss", ""),
        ("validation", "epoch_loss", ""),
    ]
    assert [m.dataset_type for m in read.metric_infos] == [0, 1, 2]
    assert (read.description, read.time_created_secs) == ("**DE**", 10.0)


def test_what_varies_comes_first(tmp_path):
    specs = [
        ParameterSpec("a", Interval(1, 1)),
        ParameterSpec("b", ("only",)),
        ParameterSpec("c", (1, 1.0)),
        ParameterSpec("d", (1, 2)),
        ParameterSpec("e", Interval(0, 1)),
    ]
    write(tmp_path, make_experiment_config(specs, []))
    assert list(domains(tmp_path)) == ["d", "e", "a", "b", "c"]
