"""A train function that gets objects, and is called with their texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparkexp.engine.base import Train

if TYPE_CHECKING:  # executors load no numpy
    from sparkexp.space import ArchitectureSpace, Choice

__all__ = ["ObjectTrain", "with_objects"]


@dataclass(frozen=True)
class ObjectTrain:
    """Calls a train function with objects where it is given their texts.

    They are architectures, or None, tuples and lists that are values of a `Choice`.

    It is pickled as one with the function, so both see the same class of a user's own space, and
    no process loads that class but the trial's.

    Parameters
    ----------
    func : Callable
        The train function.
    parameters : Mapping[str, ArchitectureSpace | Choice]
        The parameters by the names of the function's arguments.
    """

    func: Train
    parameters: Mapping[str, ArchitectureSpace | Choice]

    def __call__(self, *data: Any, **params: Any) -> Any:
        parsed = {
            name: parameter.parse(params[name])
            for name, parameter in self.parameters.items()
            if name in params
        }
        return self.func(*data, **{**params, **parsed})

    def __repr__(self) -> str:
        return repr(self.func)


def with_objects(train: Train, parameters: Mapping[str, ArchitectureSpace | Choice]) -> Train:
    """Return the train function so that it gets the values of these parameters as objects.

    Parameters
    ----------
    train : Callable
        The train function.
    parameters : Mapping[str, ArchitectureSpace | Choice]
        The parameters by the names of its arguments; without any it is returned as it is.
    """
    return ObjectTrain(train, dict(parameters)) if parameters else train
