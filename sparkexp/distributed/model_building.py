"""Makes the variables of a model before its first step, and looks at what it must not be."""

from __future__ import annotations

from typing import Any

from sparkexp.errors import InvalidArgumentError

__all__ = ["build_model", "check_model", "find_optimizers"]

_UNEVEN_LOSSES = ("sum", "none", None, "mean_with_sample_weight")


def build_model(model: Any, spec: Any, training: bool) -> None:
    """Make all variables of a model, its metrics and its optimizers.

    Parameters
    ----------
    model : keras.Model
        The compiled model.
    spec : nested TensorSpec or None
        Of a batch; without one, nothing is made.
    training : bool
        Whether it is about to be trained, or evaluated.
    """
    import keras
    import tensorflow as tf

    if spec is None:
        return
    name = "train_step" if training else "test_step"
    has_own_step = getattr(type(model), name) is not getattr(keras.Model, name)
    if has_own_step and not model.run_eagerly:
        # It calls what it likes: other models, several optimizers, and this model perhaps never.
        # Tracing makes the variables of what it uses, as Keras's first step does.
        tf.function(getattr(model, name), autograph=False).get_concrete_function(spec)
    elif type(model).call is not keras.Model.call:
        model._symbolic_build(data_batch=spec)


def find_optimizers(model: Any) -> list[Any]:
    """Return the optimizers of a model: that of compile, then those of a train_step of its own."""
    import keras

    found = [model.optimizer, *vars(model).values()]
    optimizers = [value for value in found if isinstance(value, keras.optimizers.Optimizer)]
    return list({id(optimizer): optimizer for optimizer in optimizers}.values())


def check_model(model: Any) -> None:
    """Refuse what can't be trained by a gang."""
    from keras import Loss, tree

    if model.jit_compile:
        raise InvalidArgumentError(
            "jit_compile must be False in a gang, since XLA can't sum over processes, got True. "
            "Leave it out of compile; for a model from a file set model.jit_compile = False."
        )
    for loss in tree.flatten(model.loss):
        if isinstance(loss, Loss) and loss.reduction in _UNEVEN_LOSSES:
            raise InvalidArgumentError(
                "The loss of a gang is a mean over examples: its reduction must be "
                f"'sum_over_batch_size', got {loss.reduction!r} of {loss.name}. With another one, "
                "the gradients of the workers don't add up to those of the whole batch."
            )
