"""The part of a model that a parameter server holds: variables, and the optimizer over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sparkexp.distributed.schedule import register_schedule
from sparkexp.distributed.server_calls import pack, unpack
from sparkexp.distributed.worker_register import Refused

__all__ = ["ModelPart", "ServedModel", "VariablePart", "count_of", "share_out"]


@dataclass(frozen=True)
class VariablePart:
    """What a server must know of a variable.

    Parameters
    ----------
    name : str
        Its name.
    shape : tuple of int
        Its shape.
    dtype : str
        Its type.
    constraint : Mapping, optional
        Its constraint, serialized.
    decays : bool
        Whether the optimizer's weight decay concerns it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    constraint: Mapping[str, Any] | None = None
    decays: bool = True


@dataclass(frozen=True)
class ModelPart:
    """What a server must know to build its part of a model.

    Parameters
    ----------
    variables : tuple of VariablePart
        Its variables.
    optimizer : Mapping
        The optimizer, serialized.
    """

    variables: tuple[VariablePart, ...]
    optimizer: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return it in a form that `json` can write."""
        return {**asdict(self), "optimizer": self.optimizer}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ModelPart:
        """Return what `to_json` was called on."""
        variables = tuple(
            VariablePart(**{**variable, "shape": tuple(variable["shape"])})
            for variable in content["variables"]
        )
        return cls(variables, content["optimizer"])


def count_of(optimizer: Any) -> Any:
    """Return the variable in which an optimizer counts its steps.

    Its `iterations` are no variable where it accumulates gradients.
    """
    return next(variable for variable in optimizer.variables if variable.name == "iteration")


def share_out(sizes: list[int], servers: int) -> list[list[int]]:
    """Share variables out: the largest first, each to the server with the least.

    Parameters
    ----------
    sizes : list of int
        The size of each variable.
    servers : int
        How many servers there are.

    Returns
    -------
    list of list of int
        The numbers of each server's variables, in order.

    Examples
    --------
    >>> share_out([10, 7, 3, 2], servers=2)
    [[0, 3], [1, 2]]
    """
    shares: list[list[int]] = [[] for _ in range(servers)]
    loads = [0] * servers
    for number in sorted(range(len(sizes)), key=lambda n: -sizes[n]):
        least = loads.index(min(loads))
        shares[least].append(number)
        loads[least] += sizes[number]
    return [sorted(share) for share in shares]


class ServedModel:
    """Variables and their optimizer, as one server has them.

    Parameters
    ----------
    part : ModelPart
        What to build.
    weights : bytes
        The variables' values.

    Raises
    ------
    Refused
        If the optimizer can't be built here.
    """

    def __init__(self, part: ModelPart, weights: bytes) -> None:
        import keras

        self.part = part
        self.step = 0
        self.other_weights = b""
        self._rate: float | None = None
        self._shapes = [variable.shape for variable in part.variables]
        self._dtypes = [variable.dtype for variable in part.variables]
        values = unpack(weights, self._shapes, self._dtypes)
        self._variables = [
            keras.Variable(value, dtype=variable.dtype, name=variable.name.replace("/", "_"))
            for variable, value in zip(part.variables, values, strict=True)
        ]
        try:
            self._optimizer = self._build_optimizer()
        except Exception as error:  # each class raises its own
            raise _no_such_optimizer(part, error) from error
        self._applies: dict[tuple[int, ...], Callable[..., Any]] = {}

    def _build_optimizer(self) -> Any:
        import keras

        for variable, known in zip(self._variables, self.part.variables, strict=True):
            if known.constraint is not None:
                variable.constraint = keras.constraints.deserialize(dict(known.constraint))
        register_schedule()
        optimizer = keras.optimizers.deserialize(dict(self.part.optimizer))
        exempt = [
            variable
            for variable, known in zip(self._variables, self.part.variables, strict=True)
            if not known.decays
        ]
        if exempt:
            optimizer.exclude_from_weight_decay(var_list=exempt)
        optimizer.build(self._variables)
        return optimizer

    def apply(self, gradients: bytes, indices: tuple[int, ...]) -> None:
        """Make one update.

        Parameters
        ----------
        gradients : bytes
            Gradients of some of the variables.
        indices : tuple of int
            Which ones.
        """
        import tensorflow as tf

        if indices not in self._applies:
            chosen = [self._variables[index] for index in indices]

            def apply(values: list[Any]) -> None:
                self._optimizer.apply(values, chosen)

            self._applies[indices] = tf.function(apply, autograph=False)
        arrays = unpack(
            gradients,
            [self._shapes[index] for index in indices],
            [self._dtypes[index] for index in indices],
        )
        if arrays:
            self._applies[indices]([tf.constant(array) for array in arrays])
        else:  # this server's variables got no gradient: its count goes on, as the others' do
            count_of(self._optimizer).assign_add(1)
        self.step += 1

    def weights(self) -> bytes:
        """Return the variables' values."""
        return pack([variable.numpy() for variable in self._variables])

    def set_learning_rate(self, rate: float) -> None:
        """Set the optimizer's learning rate, which a worker's callback may have changed."""
        if rate != self._rate:
            self._optimizer.learning_rate = self._rate = rate

    def set_step(self, step: int) -> None:
        """Set the count of updates, which another server knows better."""
        self.step = step
        count_of(self._optimizer).assign(step)

    def state(self) -> bytes:
        """Return the optimizer's own variables, its count of steps among them."""
        return pack([variable.numpy() for variable in self._optimizer.variables])

    def load(self, state: bytes, step: int) -> None:
        """Go on from what `state` returned after so many updates."""
        variables = self._optimizer.variables
        shapes = [tuple(variable.shape) for variable in variables]
        dtypes = [str(variable.numpy().dtype) for variable in variables]
        for variable, value in zip(variables, unpack(state, shapes, dtypes), strict=True):
            variable.assign(value)
        self.step = step


def _no_such_optimizer(part: ModelPart, error: Exception) -> Refused:
    name = part.optimizer.get("class_name", "an unknown class")
    return Refused(
        "argument",
        "With strategy='async' the servers build the optimizer, its schedule and the weights' "
        f"constraints from their configuration, and this optimizer ({name}) can't be built "
        f"there: {type(error).__name__}: {str(error)[:500]}. Use Keras's own classes, or define "
        "yours at the top of a module that the train function imports (py_files=[...]), with "
        "@keras.saving.register_keras_serializable().",
    )
