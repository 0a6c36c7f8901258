from __future__ import annotations

import logging
import math

import numpy as np
import pytest

from sparkexp.errors import InvalidArgumentError
from tests.tracking.tensorboard.reporting import reporter_in

from ..tracking.tensorboard.reading import scalars


class Tensor:
    """Has what an eager tensor without dimensions has."""

    shape = ()

    def __float__(self) -> float:
        return 0.25


def test_reports_are_visible_at_once(tmp_path):
    with reporter_in(tmp_path / "trial") as reporter:
        assert not (tmp_path / "trial").exists()
        assert reporter.report(3, {"accuracy": 0.5, "loss": 2}) == {"accuracy": 0.5, "loss": 2.0}
        assert scalars(tmp_path)["trial"] == {"accuracy": [(3, 0.5)], "loss": [(3, 2.0)]}
        reporter.report(np.int64(4), {"accuracy": 0.75})
    assert scalars(tmp_path)["trial"]["accuracy"] == [(3, 0.5), (4, 0.75)]
    assert len(list((tmp_path / "trial").iterdir())) == 1


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1, 1.0),
        (True, 1.0),
        (np.float32(0.5), 0.5),
        (np.int8(-3), -3.0),
        (np.bool_(True), 1.0),
        (np.array(1.5), 1.5),
        (Tensor(), 0.25),
    ],
)
def test_anything_that_is_one_number(tmp_path, value, written):
    with reporter_in(tmp_path) as reporter:
        assert reporter.report(0, {"m": value}) == {"m": written}


@pytest.mark.parametrize(
    "value", ["0.5", b"1", None, [1.0], np.array([1.0]), np.array([1.0, 2.0]), 1j, {}, object()]
)
def test_anything_else_is_an_error_and_nothing_is_written(tmp_path, value):
    with reporter_in(tmp_path) as reporter:
        with pytest.raises(InvalidArgumentError, match="'m' must be one number, got .*float"):
            reporter.report(0, {"fine": 1.0, "m": value})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", [-1, 0.5, 1.0, "1", None, True, 2**63, np.float32(1)])
def test_a_step_is_an_int(tmp_path, step):
    with reporter_in(tmp_path) as reporter:
        with pytest.raises(InvalidArgumentError, match="step must be an int of 0 or more, got"):
            reporter.report(step, {"m": 1.0})


@pytest.mark.parametrize("name", ["", 1, None, ("a",)])
def test_a_name_is_a_string(tmp_path, name):
    with reporter_in(tmp_path) as reporter:
        with pytest.raises(InvalidArgumentError, match="name must be a non-empty str, got"):
            reporter.report(0, {name: 1.0})


def test_what_tensorboard_cannot_draw_is_left_out_with_one_warning(tmp_path, caplog):
    with caplog.at_level(logging.WARNING), reporter_in(tmp_path) as reporter:
        assert reporter.report(0, {"loss": math.nan, "accuracy": 0.5}) == {"accuracy": 0.5}
        assert reporter.report(1, {"loss": math.inf}) == {}
        assert reporter.report(2, {"loss": 0.5, "norm": 10**400}) == {"loss": 0.5}
    messages = [record.getMessage() for record in caplog.records]
    assert [m.split(" at ")[0] for m in messages] == [
        "Metric 'loss' is nan",
        "Metric 'norm' is inf",
    ]
    assert scalars(tmp_path)["."] == {"accuracy": [(0, 0.5)], "loss": [(2, 0.5)]}


def test_an_empty_report_writes_nothing(tmp_path):
    with reporter_in(tmp_path) as reporter:
        assert reporter.report(0, {}) == {}
    assert list(tmp_path.iterdir()) == []
