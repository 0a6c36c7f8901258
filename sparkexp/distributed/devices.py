"""Puts the layers of one model on several devices of a worker: GPUs, or logical CPUs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from sparkexp.checks import as_int
from sparkexp.errors import EnvironmentUnfitError, InvalidArgumentError

__all__ = ["devices", "on_device", "place_slots", "split_cpus"]

_Layer = TypeVar("_Layer")
_Optimizer = TypeVar("_Optimizer")
_PLACED = "_sparkexp_device"


def devices() -> tuple[str, ...]:
    """Return the devices of this process: its GPUs, or its CPUs if it has none.

    The names are for `on_device` and `tf.device`, such as ``'GPU:0'``.
    """
    import tensorflow as tf

    # TensorFlow lists those of all processes that are connected with this one.
    with tf.init_scope(), tf.device("CPU:0"):
        here = tf.DeviceSpec.from_string(tf.constant(0).device)
    specs = [tf.DeviceSpec.from_string(d.name) for d in tf.config.list_logical_devices()]
    own = [spec for spec in specs if spec.task is None or spec.task == here.task]
    gpus = [spec for spec in own if spec.device_type == "GPU"]
    found = gpus or [spec for spec in own if spec.device_type == "CPU"]
    return tuple(f"{spec.device_type}:{spec.device_index}" for spec in found)


def split_cpus(n: int) -> None:
    """Make n devices of this process's CPU, to try out a model that is split over several.

    It must come before TensorFlow's first use in the process. So it is for a train function that
    one worker runs: the workers of a larger gang have used TensorFlow to connect.

    Parameters
    ----------
    n : int
        How many. They share the CPU's cores.

    Raises
    ------
    EnvironmentUnfitError
        If TensorFlow has been used in this process: its devices are fixed then.
    """
    count = as_int("n", n, at_least=1)
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )
    except RuntimeError as error:
        raise EnvironmentUnfitError(
            f"split_cpus must come before TensorFlow's first use in a process, got it after "
            f"({error}). Call it at the beginning; in a notebook, restart its kernel before. "
            "Workers that train together have used TensorFlow to connect: run it with one worker."
        ) from error


def on_device(device: str, layer: _Layer) -> _Layer:
    """Let a layer have its variables on a device and compute there, forwards and backwards.

    Parameters
    ----------
    device : str
        One of `devices()`.
    layer : keras.Layer
        A layer, or a model as a layer, which has not been called yet.

    Returns
    -------
    keras.Layer
        The same layer. It is saved and loaded as any other; a loaded one has no device.

    Raises
    ------
    InvalidArgumentError
        If there is no such device, or the layer is none or has variables already.

    Examples
    --------
    ::

        first, second = devices()
        inputs = keras.Input((784,))
        hidden = on_device(first, keras.layers.Dense(4096, activation='relu'))(inputs)
        outputs = on_device(second, keras.layers.Dense(10))(hidden)
        model = keras.Model(inputs, outputs)
        model.compile(place_slots(keras.optimizers.Adam()), loss=…)
    """
    import keras

    if device not in devices():
        raise InvalidArgumentError(
            f"device must be one of this process's devices, {', '.join(devices())}, got "
            f"{device!r}. Name one of experiment.gang().devices."
        )
    if not isinstance(layer, keras.Layer) or layer.weights or hasattr(layer, _PLACED):
        state = "one that is placed or built" if isinstance(layer, keras.Layer) else repr(layer)
        raise InvalidArgumentError(
            f"on_device takes a Keras layer that was not called yet, since variables can't move, "
            f"got {state}. Write on_device({device!r}, keras.layers.Dense(10))(inputs)."
        )
    # Past Keras's tracking of attributes: these are no part of the layer.
    set_attribute = functools.partial(object.__setattr__, layer)
    set_attribute("build", _within(device, layer.build))
    set_attribute("call", _differentiable_within(device, layer.call))
    set_attribute(_PLACED, device)
    return layer


def place_slots(optimizer: _Optimizer) -> _Optimizer:
    """Let an optimizer keep what it knows of a variable beside it, and update it there.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        One that has not been used yet.

    Returns
    -------
    keras.optimizers.Optimizer
        The same optimizer.
    """
    import tensorflow as tf

    inner: Any = getattr(optimizer, "inner_optimizer", optimizer)
    if hasattr(inner, _PLACED):
        return optimizer
    add, update = inner.add_variable_from_reference, inner.update_step

    @functools.wraps(add)
    def add_beside(reference_variable: Any, *args: Any, **kwargs: Any) -> Any:
        with tf.device(_device_of(reference_variable)):
            return add(reference_variable, *args, **kwargs)

    @functools.wraps(update)
    def update_there(gradient: Any, variable: Any, *args: Any, **kwargs: Any) -> Any:
        with tf.device(_device_of(variable)):
            return update(gradient, variable, *args, **kwargs)

    for name, value in {
        "add_variable_from_reference": add_beside,
        "update_step": update_there,
        _PLACED: True,
    }.items():
        object.__setattr__(inner, name, value)
    return optimizer


def _device_of(variable: Any) -> Any:
    import tensorflow as tf

    # Keras hands its own variables to some methods, and TensorFlow's to others.
    return (variable if isinstance(variable, tf.Variable) else variable.value).device


def _within(device: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with a device around it; Keras still sees its parameters."""

    @functools.wraps(function)
    def there(*args: Any, **kwargs: Any) -> Any:
        import tensorflow as tf

        with tf.device(device):
            return function(*args, **kwargs)

    return there


def _differentiable_within(device: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a layer's call with a device around it and around its gradient.

    `tf.device` alone holds for the forward pass: TensorFlow puts the operations of a gradient on
    the first GPU, wherever those that they belong to lie.
    """

    @functools.wraps(call)
    def there(*args: Any, **kwargs: Any) -> Any:
        import tensorflow as tf

        structure = (args, kwargs)
        flat = tf.nest.flatten(structure)
        places = [i for i, value in enumerate(flat) if _is_differentiable(value)]

        def compute(*inputs: Any) -> Any:
            given = [*flat]
            for place, value in zip(places, inputs, strict=True):
                given[place] = value
            args, kwargs = tf.nest.pack_sequence_as(structure, given)
            with tf.device(device), tf.GradientTape() as tape:
                tape.watch(inputs)
                outputs = call(*args, **kwargs)

            def differentiate(*upstream: Any, variables: Any = ()) -> Any:
                with tf.device(device):
                    found = tape.gradient(
                        tf.nest.flatten(outputs), [*inputs, *variables], [*upstream]
                    )
                own = found[: len(inputs)]
                return (own, found[len(inputs) :]) if variables else own

            return outputs, differentiate

        with tf.device(device):
            return tf.custom_gradient(compute)(*(flat[place] for place in places))

    return there


def _is_differentiable(value: Any) -> bool:
    import tensorflow as tf

    return tf.is_tensor(value) and isinstance(value, tf.Tensor) and value.dtype.is_floating
