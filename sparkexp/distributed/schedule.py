"""The learning rate of large batches: linear scaling, gradual warm-up, drops.

References
----------
P. Goyal, P. Dollár, R. Girshick, P. Noordhuis, L. Wesolowski, A. Kyrola, A. Tulloch, Y. Jia,
K. He: Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour. arXiv:1706.02677, 2017.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sparkexp.checks import as_float, as_int
from sparkexp.errors import InvalidArgumentError

__all__ = ["find_schedule", "learning_rate_at", "register_schedule", "scaled"]


@dataclass(frozen=True)
class _Rule:
    """The checked arguments of the rule."""

    learning_rate: float
    warmup_epochs: float
    base_batch: int | None
    drops: tuple[float, ...]
    drop_factor: float

    @classmethod
    def check(
        cls,
        learning_rate: object,
        warmup_epochs: object,
        base_batch: object,
        drops: object,
        drop_factor: object,
    ) -> _Rule:
        return cls(
            as_float("learning_rate", learning_rate, low=0.0, above=True),
            as_float("warmup_epochs", warmup_epochs, low=0.0),
            None if base_batch is None else as_int("base_batch", base_batch, at_least=1),
            _check_drops(drops),
            as_float("drop_factor", drop_factor, low=0.0, high=1.0, above=True),
        )

    def rate_at(self, epoch: float, factor: float) -> float:
        """Return the learning rate at an epoch, for a batch of `factor` times the base."""
        grown = 1.0
        if factor > 1 and epoch < self.warmup_epochs:
            grown = epoch / self.warmup_epochs
        start = min(factor, 1.0)
        dropped = self.drop_factor ** sum(epoch >= drop for drop in self.drops)
        return self.learning_rate * (start + (factor - start) * grown) * dropped


def _check_drops(drops: object) -> tuple[float, ...]:
    given = [*drops] if isinstance(drops, Sequence) and not isinstance(drops, str) else None
    if given is not None:
        epochs = [as_float("an epoch of drops", drop, low=0.0, above=True) for drop in given]
        if all(first < then for first, then in zip(epochs, epochs[1:], strict=False)):
            return tuple(epochs)
    raise InvalidArgumentError(
        f"drops are the epochs at which the rate drops, in growing order, got {drops!r}: give for "
        "example drops=(30, 60, 80)."
    )


def learning_rate_at(
    epoch: float,
    learning_rate: float,
    batch_size: int,
    base_batch: int = 256,
    warmup_epochs: float = 5,
    drops: Sequence[float] = (30, 60, 80),
    drop_factor: float = 0.1,
) -> float:
    """Return the learning rate of the rule at an epoch.

    With a batch of ``k * base_batch`` examples the rate grows linearly from `learning_rate` to
    ``k * learning_rate`` in the first epochs, and then drops. With k of 1 or less nothing has to
    grow: the rate is ``k * learning_rate`` from the beginning.

    Parameters
    ----------
    epoch : float
        Epochs trained so far, with the fraction of the one that runs.
    learning_rate : float
        The rate that is right for `base_batch` examples.
    batch_size : int
        Examples of a step, all workers together.
    base_batch : int
        Examples of a step for which `learning_rate` is right.
    warmup_epochs : float
        Epochs until the full rate is reached.
    drops : sequence of float
        Epochs at which the rate drops.
    drop_factor : float
        What the rate is multiplied by at each drop.

    Raises
    ------
    InvalidArgumentError
        If a value is out of its range.

    Examples
    --------
    >>> [round(learning_rate_at(epoch, 0.1, 8192), 6) for epoch in (0, 2.5, 5)]
    [0.1, 1.65, 3.2]
    >>> round(learning_rate_at(30, 0.1, 8192), 6)
    0.32
    """
    rule = _Rule.check(learning_rate, warmup_epochs, base_batch, drops, drop_factor)
    factor = as_int("batch_size", batch_size, at_least=1) / as_int(
        "base_batch", base_batch, at_least=1
    )
    return rule.rate_at(as_float("epoch", epoch, low=0.0), factor)


def scaled(
    learning_rate: float,
    warmup_epochs: float = 5,
    *,
    base_batch: int | None = None,
    drops: Sequence[float] = (),
    drop_factor: float = 0.1,
) -> Any:
    """Return a Keras schedule that scales a learning rate with the batch of the gang.

    The rule is that of Goyal et al. 2017, see `learning_rate_at`. A `fit` in a gang tells the
    schedule its batch and steps. Elsewhere, such as in a notebook, the rate is `learning_rate`,
    unchanged. It is unchanged as well where `fit`'s ``batch_size`` is that of the whole gang and
    `base_batch` is left out: then the batch is the one for which the rate is right.

    Parameters
    ----------
    learning_rate : float
        The rate that is right for `base_batch` examples in a step.
    warmup_epochs : float
        Epochs until the full rate is reached, linearly after each step.
    base_batch : int, optional
        Examples for which `learning_rate` is right; by default the ``batch_size`` that the train
        function gives to `fit`.
    drops : sequence of float
        Epochs at which the rate is multiplied by `drop_factor`; (30, 60, 80) in the paper.
    drop_factor : float
        What the rate is multiplied by.

    Returns
    -------
    keras.optimizers.schedules.LearningRateSchedule
        For the ``learning_rate`` of an optimizer.

    Raises
    ------
    InvalidArgumentError
        If a value is out of its range.
    """
    rule = _Rule.check(learning_rate, warmup_epochs, base_batch, drops, drop_factor)
    return register_schedule()(**asdict(rule))


def find_schedule(optimizer: Any) -> Any:
    """Return an optimizer's schedule if `scaled` made it; None otherwise."""
    inner = vars(optimizer).get("inner_optimizer", optimizer)  # of a LossScaleOptimizer
    schedule = vars(inner).get("_learning_rate")
    return schedule if isinstance(schedule, _ScaledRate) else None


@functools.cache
def register_schedule() -> Any:
    """Return the schedule's class; Keras can load models that use it from then on."""
    import keras

    own = type(
        "ScaledLearningRate",
        (_ScaledRate, keras.optimizers.schedules.LearningRateSchedule),
        {"__doc__": _ScaledRate.__doc__, "__module__": __name__},
    )
    return keras.saving.register_keras_serializable("sparkexp")(own)


class _ScaledRate:
    """A learning rate that follows the gang's batch; made by `scaled`.

    Parameters
    ----------
    learning_rate, warmup_epochs, base_batch, drops, drop_factor
        As of `scaled`.
    bound : dict, optional
        What was bound before the schedule was saved.
    """

    def __init__(
        self,
        learning_rate: float,
        warmup_epochs: float = 5,
        base_batch: int | None = None,
        drops: Sequence[float] = (),
        drop_factor: float = 0.1,
        bound: Mapping[str, int | float] | None = None,
    ) -> None:
        import keras

        self._rule = _Rule.check(learning_rate, warmup_epochs, base_batch, drops, drop_factor)
        self._bound: dict[str, int | float] = {}
        # Steps of an epoch, the factor k, and the step at which epoch 0 began. A variable, since
        # a traced train step would keep numbers for ever.
        self._numbers = keras.Variable([1.0, 1.0, 0.0], dtype="float64", trainable=False)
        if bound:
            self._bind(dict(bound))

    @property
    def factor(self) -> float:
        """How many times the base the batch is, once it is bound."""
        return float(self._bound.get("factor", 1.0))

    def bind(
        self,
        steps_per_epoch: int,
        batch_size: int,
        own_batch: int,
        *,
        epoch: float = 0.0,
        step: int = 0,
    ) -> None:
        """Tell the schedule how the gang trains; a `fit` in a gang does it before its first step.

        Parameters
        ----------
        steps_per_epoch : int
            Steps of an epoch.
        batch_size : int
            Examples of a step, all workers together.
        own_batch : int
            The ``batch_size`` that the train function gives to `fit`.
        epoch, step
            Epochs that were trained when the optimizer had done so many steps: for a training
            that goes on with another number of steps per epoch than it began with.

        Raises
        ------
        InvalidArgumentError
            If a value is out of its range.
        """
        steps = as_int("steps_per_epoch", steps_per_epoch, at_least=1)
        batch = as_int("batch_size", batch_size, at_least=1)
        base = self._rule.base_batch or as_int("own_batch", own_batch, at_least=1)
        self._bind({"steps_per_epoch": steps, "factor": batch / base, "first_step": 0})
        self.go_on(as_float("epoch", epoch, low=0.0), as_int("step", step, at_least=0))

    def epoch_at(self, step: int) -> float:
        """Return the epochs that are trained after a step of the optimizer; 0 if unbound."""
        bound = self._bound
        return (step - bound["first_step"]) / bound["steps_per_epoch"] if bound else 0.0

    def go_on(self, epoch: float, step: int) -> None:
        """Count epochs as in a training that had another number of steps per epoch before.

        Parameters
        ----------
        epoch, step
            As of `bind`, which was called before.
        """
        if self._bound:
            before = round(epoch * self._bound["steps_per_epoch"])
            self._bind({**self._bound, "first_step": step - before})

    def _bind(self, bound: dict[str, int | float]) -> None:
        names = ("steps_per_epoch", "factor", "first_step")
        self._numbers.assign([float(bound[name]) for name in names])
        self._bound = bound

    def __call__(self, step: Any) -> Any:
        from keras import ops

        rule = self._rule
        if rule.drops and not self._bound:
            raise InvalidArgumentError(
                f"drops count epochs, and outside of a gang nobody says how many steps an epoch "
                f"has, got drops={rule.drops}. Say it: schedule = experiment.scaled(…); "
                "schedule.bind(steps_per_epoch, batch_size, batch_size); or leave drops out."
            )
        steps, factor, first = (self._numbers[index] for index in range(3))
        epoch = (ops.cast(step, "float64") - first) / steps
        start = ops.minimum(factor, 1.0)
        grown = ops.clip(epoch / rule.warmup_epochs, 0.0, 1.0) if rule.warmup_epochs else 1.0
        rate = rule.learning_rate * (start + (factor - start) * grown)
        for drop in rule.drops:
            rate = ops.where(epoch >= drop, rate * rule.drop_factor, rate)
        return ops.cast(rate, "float32")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, and what is bound."""
        rule = {**asdict(self._rule), "drops": [*self._rule.drops]}
        return {**rule, "bound": self._bound or None}
