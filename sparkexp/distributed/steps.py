"""The training and evaluation steps of a model, for a worker's share of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sparkexp.distributed.collectives import Gang, StepShare
from sparkexp.errors import InvalidArgumentError

__all__ = ["GangSteps"]


class GangSteps:
    """What the steps of one model need to know of its data.

    Parameters
    ----------
    model : keras.Model
        The compiled model.
    gang : Gang
        The workers.
    """

    def __init__(self, model: Any, gang: Gang) -> None:
        self._model = model
        self._gang = gang
        # Examples that a worker has in a full batch: its weight is then 1.
        self._nominal = 32.0
        self._may_be_empty = False

    def expect(self, batch_size: int | None, may_be_empty: bool, spec: Any = None) -> None:
        """Prepare for data; what Keras has traced for other data is traced again.

        Parameters
        ----------
        batch_size : int or None
            Examples in a batch of the gang, if it is known.
        may_be_empty : bool
            Whether this worker may have no example in a step.
        spec : nested TensorSpec, optional
            Of its batches.
        """
        import tensorflow as tf

        # Whatever stands here, the gradients' mean is the same; near 1 it is rounded least.
        nominal = self._nominal if batch_size is None else batch_size / self._gang.size
        empty = self._may_be_empty or may_be_empty
        if may_be_empty and not all(
            isinstance(part, tf.TensorSpec) for part in tf.nest.flatten(spec) if part is not None
        ):
            raise InvalidArgumentError(
                "The last batch has fewer examples than the gang has workers, and an empty share "
                "of sparse or ragged data can't be made. Take a batch size that leaves none, or "
                "drop the last examples."
            )
        if (nominal, empty) != (self._nominal, self._may_be_empty):
            self._nominal, self._may_be_empty = nominal, empty
            self._model.train_function = None
            self._model.test_function = None

    def training(self, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return a training step that weighs the worker's examples."""

        def train_step(data: Any) -> Any:
            import tensorflow as tf

            count = _count_examples(data)
            weight = tf.cast(count, tf.float32) / self._nominal
            self._gang.variables.weight.assign(weight)
            if not self._may_be_empty:
                with self._gang.step(StepShare(weight)):
                    return step(data)
            with self._gang.step(StepShare(weight, count > 0)):
                return self._pad(step, data, count > 0)

        return train_step

    def testing(self, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return an evaluation step that can do with no example."""

        def test_step(data: Any) -> Any:
            import tensorflow as tf

            count = _count_examples(data)
            self._gang.variables.weight.assign(tf.cast(count, tf.float32) / self._nominal)
            if not self._may_be_empty:
                return step(data)
            return self._pad(step, data, count > 0)

        return test_step

    def _pad(self, step: Callable[[Any], Any], data: Any, real: Any) -> Any:
        """Take a step with an invented example if there is none, and leave no trace of it."""
        import tensorflow as tf
        from keras import tree

        missing = tf.cast(tf.logical_not(real), tf.int32)

        def pad(part: Any) -> Any:
            if part is None:
                return None
            shape = tf.concat([[missing], tf.shape(part)[1:]], 0)
            return tf.concat([part, tf.zeros(shape, part.dtype)], 0)

        model = self._model
        variables = [*_distinct(model.metrics_variables), *_own_statistics(model)]
        before = [tf.identity(variable.value) for variable in variables]
        result = step(tree.map_structure(pad, data))
        for variable, old in zip(variables, before, strict=True):
            variable.assign(tf.where(real, variable.value, old))
        return result


def _count_examples(data: Any) -> Any:
    import tensorflow as tf
    from keras import tree

    first = next(part for part in tree.flatten(data) if part is not None)
    if isinstance(first, tf.RaggedTensor):
        return first.nrows()
    if isinstance(first, tf.SparseTensor):
        return first.dense_shape[0]
    return tf.shape(first)[0]


def _own_statistics(model: Any) -> list[Any]:
    """Return what a worker's own examples change without a gradient."""
    import keras

    of_gang = {
        id(variable)
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization) and layer.synchronized
        for variable in layer.weights
    }
    weights = [v for v in model.non_trainable_weights if "float" in v.dtype]
    return [weight for weight in weights if id(weight) not in of_gang]


def _distinct(variables: list[Any]) -> list[Any]:
    return list({id(variable): variable for variable in variables}.values())
