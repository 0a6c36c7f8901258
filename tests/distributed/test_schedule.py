"""The learning rate rule of Goyal et al. 2017, on the numbers of the paper."""

from __future__ import annotations

import pytest

from sparkexp.distributed.schedule import (
    find_schedule,
    learning_rate_at,
    scaled,
)
from sparkexp.errors import InvalidArgumentError


@pytest.mark.parametrize(
    ("batch_size", "target"), [(256, 0.1), (512, 0.2), (8192, 3.2), (8, 0.1 * 8 / 256)]
)
def test_the_rate_is_linear_in_the_batch(batch_size, target):
    # Section 5.1: a rate of 0.1 · kn/256.
    assert learning_rate_at(5, 0.1, batch_size) == pytest.approx(target)
    assert learning_rate_at(29.999, 0.1, batch_size) == pytest.approx(target)


def test_the_warm_up_goes_from_the_base_rate_to_the_scaled_one():
    rates = [learning_rate_at(epoch, 0.1, 8192) for epoch in (0, 1, 2.5, 4, 5, 6)]
    assert rates == pytest.approx([0.1, 0.72, 1.65, 2.58, 3.2, 3.2])
    assert learning_rate_at(0, 0.1, 8192, warmup_epochs=0) == pytest.approx(3.2)


def test_a_small_batch_has_nothing_to_warm_up_to():
    assert learning_rate_at(0, 0.1, 128) == pytest.approx(0.05)
    assert learning_rate_at(3, 0.1, 128) == pytest.approx(0.05)


def test_the_rate_drops_at_epochs_30_60_and_80():
    epochs = (29.99, 30, 59.99, 60, 79.99, 80, 89)
    rates = [learning_rate_at(epoch, 0.1, 8192) for epoch in epochs]
    assert rates == pytest.approx([3.2, 0.32, 0.32, 0.032, 0.032, 0.0032, 0.0032])
    assert learning_rate_at(10, 0.1, 256, drops=(7,), drop_factor=0.5) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"learning_rate": 0}, "learning_rate is a number above 0, got 0"),
        ({"learning_rate": "fast"}, "got 'fast'"),
        ({"batch_size": 0}, "batch_size is a whole number of at least 1, got 0"),
        ({"base_batch": 2.5}, "base_batch is a whole number"),
        ({"warmup_epochs": -1}, "warmup_epochs is a number above 0, got -1"),
        ({"epoch": float("nan")}, "epoch is a number"),
        ({"drops": (60, 30)}, "in growing order, got \\(60, 30\\)"),
        ({"drops": 30}, "drops are the epochs at which the rate drops"),
        ({"drop_factor": 2}, "drop_factor is a number in \\(0, 1\\], got 2"),
    ],
)
def test_bad_numbers_are_told(wrong, words):
    with pytest.raises(InvalidArgumentError, match=words):
        learning_rate_at(**{"epoch": 0, "learning_rate": 0.1, "batch_size": 256, **wrong})


class TestSchedule:
    """One process has TensorFlow for all of these."""

    def test_unbound_it_is_the_rate_itself(self):
        schedule = scaled(0.1)
        assert [float(schedule(step)) for step in (0, 1, 10_000)] == pytest.approx([0.1] * 3)

    def test_bound_it_is_the_rule(self):
        schedule = scaled(0.1, base_batch=256, drops=(30, 60, 80))
        schedule.bind(156, 8192, 1024)
        for step in (0, 1, 155, 156, 390, 780, 30 * 156 - 1, 30 * 156, 60 * 156, 80 * 156):
            expected = learning_rate_at(step / 156, 0.1, 8192)
            assert float(schedule(step)) == pytest.approx(expected, rel=1e-6), step

    def test_the_base_is_by_default_the_batch_of_the_function(self):
        schedule = scaled(0.1, warmup_epochs=0)
        schedule.bind(10, 4 * 32, 32)
        assert float(schedule(0)) == pytest.approx(0.4)

    def test_a_smaller_batch(self):
        schedule = scaled(0.1, base_batch=256)
        schedule.bind(10, 128, 32)
        assert float(schedule(0)) == pytest.approx(0.05)

    def test_a_training_goes_on_with_other_steps(self):
        schedule = scaled(0.1, base_batch=32, drops=(3,))
        schedule.bind(100, 64, 32)
        half = float(schedule(150))
        assert half == pytest.approx(learning_rate_at(1.5, 0.1, 64, 32))
        schedule.bind(200, 32, 32, epoch=1.5, step=150)
        assert float(schedule(150)) == pytest.approx(0.1)
        assert float(schedule(449)) == pytest.approx(0.1)
        assert float(schedule(450)) == pytest.approx(0.01)

    def test_fewer_workers_count_on_from_the_same_epoch(self):
        import keras
        import numpy as np

        from sparkexp.distributed.collectives import Collectives
        from sparkexp.distributed.fit_state import FitState, Progress, capture, restore_model

        def build():
            model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
            model.compile(keras.optimizers.SGD(scaled(0.1, 2, drops=(3,))), loss="mse")
            return model

        model, later = build(), build()
        find_schedule(model.optimizer).bind(2, 4 * 32, 32)
        model.fit(np.zeros((12, 3)), np.ones((12, 1)), batch_size=4, verbose=0)
        state = FitState.unpack(capture(model, Collectives(), Progress(1, 4), {}).pack())
        find_schedule(later.optimizer).bind(4, 2 * 32, 32)
        restore_model(later, state, Collectives(), "a test")
        schedule = find_schedule(later.optimizer)
        # 3 steps of 2 an epoch are 1.5 epochs; now an epoch has 4 steps.
        expected = [learning_rate_at(e, 0.1, 64, 32, 2, (3,)) for e in (1.5, 1.75, 2, 3)]
        assert [float(schedule(step)) for step in (3, 4, 5, 9)] == pytest.approx(expected)

    def test_an_optimizer_has_its_schedule_where_it_is_looked_for(self):
        import keras

        adam = keras.optimizers.Adam(scaled(0.1))
        why = "Keras keeps schedules elsewhere now: let find_schedule look there"
        assert find_schedule(adam) is not None, why
        assert find_schedule(keras.optimizers.LossScaleOptimizer(adam)) is not None, why
        assert find_schedule(keras.optimizers.Adam(0.1)) is None

    def test_a_traced_step_sees_what_is_bound_later(self):
        import tensorflow as tf

        schedule = scaled(0.1, warmup_epochs=2)
        rate = tf.function(lambda step: schedule(step))
        step = tf.constant(10)
        seen = [float(rate(step))]
        for batch_size in (32, 64, 128):
            schedule.bind(10, batch_size, 32)
            seen.append(float(rate(step)))
        assert seen == pytest.approx([0.1, 0.1, 0.15, 0.25])

    def test_drops_need_the_steps_of_an_epoch(self):
        with pytest.raises(InvalidArgumentError, match="schedule.bind\\(steps_per_epoch"):
            scaled(0.1, drops=(30,))(0)

    def test_bad_numbers_are_told(self):
        with pytest.raises(InvalidArgumentError, match="got -0.1"):
            scaled(-0.1)
        with pytest.raises(InvalidArgumentError, match="steps_per_epoch"):
            scaled(0.1).bind(0, 64, 32)

    def test_a_model_keeps_its_schedule(self, tmp_path):
        import keras
        import numpy as np

        schedule = scaled(0.1, drops=(3,))
        schedule.bind(2, 64, 32)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(schedule), loss="mse")
        model.fit(np.zeros((8, 3)), np.ones((8, 1)), batch_size=4, verbose=0)
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        assert type(loaded.optimizer._learning_rate).__name__ == "ScaledLearningRate"
        assert loaded.optimizer._learning_rate.get_config() == schedule.get_config()
        assert float(loaded.optimizer.learning_rate) == pytest.approx(0.1 * 1.2)
