"""How fast a training is, and what is said about it."""

from __future__ import annotations

import time

import pytest

from sparkexp.context.curve import CurveFile, read_reports
from sparkexp.context.reporter import Reporter
from sparkexp.distributed.collectives import Collectives
from sparkexp.distributed.telemetry import Rates, Status, Telemetry, find_behind, read_status
from sparkexp.tracking import AttemptTrackers

SLOW_STEP = 0.02


class TestRates:
    def test_three_workers_one_of_them_slow(self):
        metrics = Rates([10.0, 10.0, 10.0], [4.0, 4.5, 0.5], 50, 1500).as_metrics()
        assert metrics == pytest.approx(
            {
                "gang/step_seconds": 0.2,
                "gang/examples_per_second": 150,
                "gang/all_reduce_share": 0.3,
                "gang/worker_behind": 2,
                "gang/worker_0/examples_per_second": 500 / 6,
                "gang/worker_1/examples_per_second": 500 / 5.5,
                "gang/worker_2/examples_per_second": 500 / 9.5,
            }
        )

    def test_one_worker_waits_for_nobody(self):
        metrics = Rates([2.0], [0.0], 10, 320).as_metrics()
        assert metrics == {"gang/step_seconds": 0.2, "gang/examples_per_second": 160}

    def test_what_is_not_known_is_left_out(self):
        assert Rates([2.0], [0.0], 10, 0).as_metrics() == {"gang/step_seconds": 0.2}
        assert Rates([2.0], [0.0], 0, 0).as_metrics() == {}

    def test_nobody_is_behind_by_little(self):
        assert find_behind([1.0, 1.05, 1.09]) is None
        assert find_behind([1.0, 1.0, 1.0, 1.2]) == 3


class TestStatus:
    def test_there_is_none(self, tmp_path):
        assert read_status(tmp_path) is None

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"epoch": 1}', '"a"', '{"epoch": null}'])
    def test_a_damaged_one_is_none(self, tmp_path, text):
        (tmp_path / "status.json").write_text(text)
        assert read_status(tmp_path) is None

    def test_it_is_read_as_it_was_written(self, tmp_path):
        status = Status(2, 90, 30, 156, 1234.5, 7)
        Telemetry(Collectives(), directory=str(tmp_path)).show(lambda: status)
        assert read_status(tmp_path) == status

    def test_it_is_written_every_two_seconds(self, tmp_path):
        telemetry = Telemetry(Collectives(), directory=str(tmp_path))
        for step in range(5):
            telemetry.show(lambda step=step: Status(step=step))
        assert read_status(tmp_path).step == 0
        telemetry.show(lambda: Status(step=9), at_once=True)
        assert read_status(tmp_path).step == 9

    def test_a_place_that_is_none_costs_a_warning(self, tmp_path, caplog):
        telemetry = Telemetry(Collectives(), directory=str(tmp_path / "gone"))
        for _ in range(2):
            telemetry.show(Status, at_once=True)
        assert [r.levelname for r in caplog.records] == ["WARNING"]


def test_fits_are_followed(tmp_path):
    import keras
    import numpy as np

    class Clock(keras.callbacks.Callback):
        """Takes more time than the steps it sees, but for the first one, and then sleeps."""

        def __init__(self):
            super().__init__()
            self.seconds, self.traced = [], False

        def on_epoch_begin(self, epoch, logs=None):
            self.begun, self.ended = time.perf_counter(), None
            self.traced = self.traced and epoch > 0  # of each fit

        def on_train_batch_begin(self, batch, logs=None):
            if batch and not self.traced:
                self.begun, self.traced = time.perf_counter(), True
            time.sleep(SLOW_STEP)

        def on_test_batch_begin(self, batch, logs=None):
            self.ended = time.perf_counter()
            time.sleep(0.5)

        def on_epoch_end(self, epoch, logs=None):
            self.seconds.append((self.ended or time.perf_counter() + 0.1) - self.begun)

    class Reports(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            reporter.report(100 + epoch, {"accuracy": 0.25})

    clock = Clock()
    curve = CurveFile(tmp_path / "curve.json")
    x, y = np.zeros((200, 3)), np.ones((200, 1))
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["accuracy"])
    with Reporter(AttemptTrackers(), curve) as reporter:
        telemetry = Telemetry(Collectives(), reporter=reporter, directory=str(tmp_path))
        for epochs, validation in ((2, (x[:8], y[:8])), (1, None)):
            model.fit(
                x, y, batch_size=32, epochs=epochs, validation_data=validation, verbose=0,
                callbacks=[clock, Reports(), telemetry.callback(32, 200)],
            )  # fmt: skip
    reports = [r for r in read_reports(tmp_path / "curve.json") if r.step < 100]
    assert [r.step for r in reports] == [0, 1, 2]
    assert {"loss", "val_loss", "gang/step_seconds"} < reports[1].metrics.keys()
    for report in reports:
        assert "accuracy" not in report.metrics  # the train function reports it itself
    # The first step, which traces the function, doesn't count.
    for report, seconds, n_steps in zip(reports, clock.seconds, (6, 7, 6), strict=True):
        took = report.metrics["gang/step_seconds"] * n_steps
        assert SLOW_STEP * (n_steps - 1) <= took <= seconds
    second = reports[1].metrics
    rate = 200 / 7 / second["gang/step_seconds"]
    assert second["gang/examples_per_second"] == pytest.approx(rate)
    status = read_status(tmp_path)
    assert (status.epoch, status.epochs, status.step, status.steps) == (1, 1, 7, 7)
    assert status.examples_per_second == pytest.approx(
        reports[2].metrics["gang/examples_per_second"]
    )
