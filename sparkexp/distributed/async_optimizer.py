"""The optimizer of a worker: it sends gradients to the servers and takes their weights."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from sparkexp.distributed.async_worker import AsyncWorker
from sparkexp.distributed.served_model import ModelPart, VariablePart, count_of, share_out
from sparkexp.distributed.server_calls import pack, unpack
from sparkexp.errors import InvalidArgumentError

__all__ = ["SharedOptimizer"]


class SharedOptimizer:
    """Gives an optimizer another `apply`.

    Its class and configuration stay, and the servers have optimizers of the same: they clip,
    decay and apply. Only ``global_clipnorm`` acts here, before gradients are shared out.

    Parameters
    ----------
    worker : AsyncWorker
        Who calls the servers.
    model : keras.Model
        The model.
    optimizer : keras.optimizers.Optimizer
        Its optimizer, which gets another `apply`.

    Raises
    ------
    InvalidArgumentError
        If the optimizer needs what servers can't do.
    """

    def __init__(self, worker: AsyncWorker, model: Any, optimizer: Any) -> None:
        #: The model's name on the servers, once it is registered.
        self.key = ""
        self._worker = worker
        self._model = model
        self._optimizer = optimizer
        self._variables: list[Any] = []
        self._shares: list[list[int]] = []
        config = optimizer.get_config()
        _check_config(optimizer, config)
        self._clip_norm = config["global_clipnorm"]
        self._scale = config["loss_scale_factor"] or 1.0
        self._has_rate = isinstance(config["learning_rate"], int | float)
        optimizer.apply = self.apply

    def _read_rate(self) -> float | None:
        """Return worker 0's learning rate, which a callback may change; None for a schedule."""
        if self._worker.rank > 0 or not self._has_rate:
            return None
        return float(self._optimizer.learning_rate)

    def register(self, variables: list[Any] | None = None) -> None:
        """Make the model known to the servers, and take their weights; once.

        Parameters
        ----------
        variables : list of keras.Variable, optional
            What is trained; by default the model's variables.
        """
        if self._variables:
            return
        variables = list(variables or self._model.trainable_variables)
        if not variables or any(v.numpy().shape != tuple(v.shape) for v in variables):
            raise InvalidArgumentError(
                "With strategy='async' a model must be built before its first step, and "
                f"{self._model.name!r} is not, or has nothing to train. Call it on a batch of "
                "data, or give it a keras.Input."
            )
        self.key = self._worker.next_key()
        self._variables = variables
        sizes = [
            math.prod(variable.shape) * _numpy_dtype(variable).itemsize for variable in variables
        ]
        self._shares = share_out(sizes, self._worker.settings.servers)
        described = [self._describe(variable) for variable in variables]
        parts = [
            ModelPart(tuple(described[index] for index in share), self._serialize())
            for share in self._shares
        ]
        weights, other_weights, step = self._worker.register(
            self.key, parts, self._read_weights, self.read_other_weights()
        )
        others = self._model.non_trainable_weights
        for variable, value in zip(others, _unpack_for(others, other_weights), strict=True):
            variable.assign(value)
        self._assign(weights, step)

    def _serialize(self) -> dict[str, Any]:
        import keras

        serialized = keras.optimizers.serialize(self._optimizer)
        return {**serialized, "config": {**serialized["config"], "global_clipnorm": None}}

    def _describe(self, variable: Any) -> VariablePart:
        import keras

        constraint = variable.constraint
        # Private: nothing public says what exclude_from_weight_decay() was told.
        decays = bool(self._optimizer._use_weight_decay(variable))
        return VariablePart(
            variable.path,
            tuple(variable.shape),
            _numpy_dtype(variable).name,
            None if constraint is None else keras.constraints.serialize(constraint),
            decays,
        )

    def _read_weights(self) -> list[bytes]:
        """Return the worker's own weights, for each server."""
        return [
            pack([self._variables[index].numpy() for index in share]) for share in self._shares
        ]

    def read_other_weights(self) -> bytes:
        """Return the weights that aren't trained, as averages of a batch normalisation."""
        return pack([variable.numpy() for variable in self._model.non_trainable_weights])

    def _unpack(self, weights: list[bytes]) -> list[Any]:
        """Return the servers' weights in the order of the variables."""
        values: list[Any] = [None] * len(self._variables)
        for share, content in zip(self._shares, weights, strict=True):
            variables = [self._variables[index] for index in share]
            for index, value in zip(share, _unpack_for(variables, content), strict=True):
                values[index] = value
        return values

    def _assign(self, weights: list[bytes], step: int) -> None:
        for variable, value in zip(self._variables, self._unpack(weights), strict=True):
            variable.assign(value)
        count_of(self._optimizer).assign(step)

    def pull(self) -> None:
        """Take the newest weights."""
        self._assign(*self._worker.pull(self.key))

    def apply(self, grads: list[Any], trainable_variables: list[Any] | None = None) -> None:
        """Send gradients to the servers, and take their weights; part of a TensorFlow graph.

        Parameters
        ----------
        grads : list of Tensor
            Gradients; None for a variable that has none.
        trainable_variables : list of keras.Variable, optional
            Their variables; by default all of the model.
        """
        import tensorflow as tf

        with tf.init_scope():
            self.register()
        chosen = self._variables if trainable_variables is None else list(trainable_variables)
        numbers = {id(variable): index for index, variable in enumerate(self._variables)}
        try:
            known = [
                (numbers[id(variable)], tf.convert_to_tensor(gradient))
                for variable, gradient in zip(chosen, grads, strict=True)
                if gradient is not None
            ]
        except KeyError:
            raise InvalidArgumentError(
                "With strategy='async' the optimizer may only train the variables that were "
                "trainable when fit began, and it got another one. Set trainable before compile."
            ) from None
        known.sort(key=lambda pair: pair[0])
        indices, gradients = [index for index, _ in known], [value for _, value in known]
        if self._clip_norm is not None and gradients:
            gradients, _ = tf.clip_by_global_norm(gradients, self._clip_norm * self._scale)
        types = [tf.as_dtype(_numpy_dtype(variable)) for variable in self._variables]
        exchange = functools.partial(self._exchange, tuple(indices))
        step, *values = tf.numpy_function(exchange, gradients, [tf.int64, *types])
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(tf.reshape(value, variable.shape))
        count_of(self._optimizer).assign(tf.reshape(step, []))

    def _exchange(self, indices: tuple[int, ...], *gradients: Any) -> list[Any]:
        """Push gradients; return the number of updates and the newest weights."""
        import numpy as np

        given = dict(zip(indices, gradients, strict=True))
        contents, positions = [], []
        for share in self._shares:
            present = [place for place, index in enumerate(share) if index in given]
            contents.append(pack([given[share[place]] for place in present]))
            positions.append(present)
        push: Callable[..., tuple[list[bytes], int]] = self._worker.push
        try:
            weights, step = push(self.key, contents, positions, self._read_rate())
        except Exception as error:
            self._worker.error = error
            raise
        return [np.int64(step), *self._unpack(weights)]


def _check_config(optimizer: Any, config: dict[str, Any]) -> None:
    name = type(optimizer).__name__
    if "inner_optimizer" in config:
        raise InvalidArgumentError(
            "With strategy='async' the optimizer must not wrap another one, as mixed_float16 "
            f"makes it do, and it is a {name}. Use mixed_bfloat16, or strategy='sync'."
        )
    if config["use_ema"]:
        raise InvalidArgumentError(
            f"With strategy='async' use_ema must be False, since the average would lie on the "
            f"servers, and {name} has use_ema=True. Leave it out, or use strategy='sync'."
        )


def _numpy_dtype(variable: Any) -> Any:
    import numpy as np
    import tensorflow as tf

    return np.dtype(tf.as_dtype(variable.dtype).as_numpy_dtype)


def _unpack_for(variables: list[Any], content: bytes) -> list[Any]:
    return unpack(
        content,
        [tuple(variable.shape) for variable in variables],
        [_numpy_dtype(variable).name for variable in variables],
    )
