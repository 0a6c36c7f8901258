"""The training and evaluation steps of a model, for a worker's share of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sparkexp.distributed.collectives import Collectives, StepShare
from sparkexp.errors import InvalidArgumentError

__all__ = ["GangSteps", "own_statistics", "unique"]


class GangSteps:
    """What the steps of one model need to know of its data.

    Parameters
    ----------
    model : keras.Model
        The compiled model.
    gang : Collectives
        The workers.

    Attributes
    ----------
    in_epoch, in_test : bool
        Whether an epoch of fit has begun whose metrics are not summed yet, and whether evaluate
        runs (maybe amid an epoch).
    has_begun : bool
        Whether train_on_batch has given all workers the chief's weights.
    """

    def __init__(self, model: Any, gang: Collectives) -> None:
        self._model = model
        self._gang = gang
        # Examples that a worker has in a full batch: its weight is then 1.
        self._nominal = 32.0
        self.in_epoch = self.in_test = self.has_begun = False
        self._empty_training = self._empty_testing = False

    def expect_training(self, batch_size: int | None, may_be_empty: bool, spec: Any) -> None:
        """Prepare for the data of fit; what Keras has traced for other data is traced again.

        Parameters
        ----------
        batch_size : int or None
            Examples in a batch of the gang, if it is known.
        may_be_empty : bool
            Whether this worker may have no example in a step.
        spec : nested TensorSpec
            Of its batches.
        """
        # Whatever stands here, the gradients' mean is the same; near 1 it is rounded least.
        nominal = self._nominal if batch_size is None else batch_size / self._gang.size
        empty = _check_empty(may_be_empty, spec) or self._empty_training
        if (nominal, empty) != (self._nominal, self._empty_training):
            self._nominal, self._empty_training = nominal, empty
            self._model.train_function = None

    def expect_testing(self, may_be_empty: bool, spec: Any) -> None:
        """Prepare for the data of evaluate, which may be called while fit runs."""
        if _check_empty(may_be_empty, spec) and not self._empty_testing:
            self._empty_testing = True
            self._model.test_function = None

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """While evaluate runs in the block, say so."""
        before, self.in_test = self.in_test, True
        try:
            yield
        finally:
            self.in_test = before

    def training(self, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return a training step that weighs the worker's examples."""

        def train_step(data: Any) -> Any:
            import tensorflow as tf

            count = _count_examples(data)
            weight = tf.cast(count, tf.float32) / self._nominal
            self._gang.variables.weight.assign(weight)
            if not self._empty_training:
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
            if not self._empty_testing:
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
        variables = [*unique(model.metrics_variables), *own_statistics(model)]
        before = [tf.identity(variable.value) for variable in variables]
        result = step(tree.map_structure(pad, data))
        for variable, old in zip(variables, before, strict=True):
            variable.assign(tf.where(real, variable.value, old))
        return result


def _check_empty(may_be_empty: bool, spec: Any) -> bool:
    import tensorflow as tf

    parts = [part for part in tf.nest.flatten(spec) if part is not None]
    if may_be_empty and not all(isinstance(part, tf.TensorSpec) for part in parts):
        raise InvalidArgumentError(
            "The last batch has fewer examples than the gang has workers, and an empty share "
            "of sparse or ragged data can't be made. Take a batch size that leaves none, or "
            "drop the last examples."
        )
    return may_be_empty


def _count_examples(data: Any) -> Any:
    import tensorflow as tf
    from keras import tree

    first = next(part for part in tree.flatten(data) if part is not None)
    if isinstance(first, tf.RaggedTensor):
        return first.nrows()
    if isinstance(first, tf.SparseTensor):
        return first.dense_shape[0]
    return tf.shape(first)[0]


def own_statistics(model: Any) -> list[Any]:
    """Return the weights that a worker's own examples change without a gradient."""
    import keras

    constant = {
        id(variable)
        for layer in model._flatten_layers()
        if not layer.trainable
        or (isinstance(layer, keras.layers.BatchNormalization) and layer.synchronized)
        for variable in layer.weights
    }
    found = [v for v in model.non_trainable_weights if "float" in v.dtype]
    return unique([variable for variable in found if id(variable) not in constant])


def unique(variables: Iterable[Any]) -> list[Any]:
    """Return variables in their order, each once."""
    return list({id(variable): variable for variable in variables}.values())
