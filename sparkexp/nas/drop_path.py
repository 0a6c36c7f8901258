"""ScheduledDropPath (Zoph et al. 2018): a Keras layer that drops paths more and more often."""

from __future__ import annotations

import functools
from typing import Any

__all__ = ["drop_path", "register_layers"]


def drop_path(keep: float, steps: int, name: str | None = None) -> Any:
    """Return a layer that drops an input for some of the examples while a model trains.

    An example's input is kept with a probability that falls from 1 in the first step to `keep`
    after `steps` steps, and is `keep` from then on; it is divided by the probability, so that its
    expectation stays. In evaluation, all of it passes unchanged.

    Parameters
    ----------
    keep : float
        The probability at the end, in (0, 1].
    steps : int
        Training steps until then.
    name : str, optional
        The layer's name.
    """
    return register_layers()(keep, steps, name=name)


@functools.cache
def register_layers() -> Any:
    """Return the layer's class; Keras can load models that have it from then on."""
    import keras

    own = type(
        "ScheduledDropPath",
        (_ScheduledDropPath, keras.layers.Layer),
        {"__doc__": _ScheduledDropPath.__doc__, "__module__": __name__},
    )
    return keras.saving.register_keras_serializable("sparkexp")(own)


class _ScheduledDropPath:
    """A layer that drops its input for some of the examples; made by `drop_path`.

    Parameters
    ----------
    keep : float
        The probability that an example's input is kept after the last of `steps`.
    steps : int
        Training steps until the probability is `keep`.
    seed : int, optional
        Seed of what is dropped.
    **rest
        As every Keras layer takes them.
    """

    def __init__(self, keep: float, steps: int, seed: int | None = None, **rest: Any) -> None:
        import keras

        super().__init__(**rest)
        self.keep = keep
        self.steps = steps
        self.seed = seed
        self._random = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Any) -> None:
        """Make the counter of training steps."""
        # In full precision, in which steps are counted far enough.
        self._step = self.add_weight(  # type: ignore[attr-defined]
            shape=(),
            initializer="zeros",
            dtype="float32",
            autocast=False,
            trainable=False,
            name="step",
        )
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the inputs, with those of some examples set to zero in training."""
        import keras

        if not training:
            return inputs
        ops = keras.ops
        share = ops.minimum(1.0, ops.convert_to_tensor(self._step) / self.steps)
        keep = 1.0 - share * (1.0 - self.keep)
        self._step.assign(self._step + 1.0)
        shape = (ops.shape(inputs)[0],) + (1,) * (len(inputs.shape) - 1)
        drawn = keras.random.uniform(shape, dtype="float32", seed=self._random)
        kept = ops.cast(drawn < keep, inputs.dtype)
        return inputs * kept / ops.cast(keep, inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]
        return {**config, "keep": self.keep, "steps": self.steps, "seed": self.seed}
