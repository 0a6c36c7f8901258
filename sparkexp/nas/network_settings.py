"""The arguments of `build` that all networks share, and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Self

from sparkexp.checks import as_int
from sparkexp.errors import InvalidArgumentError

__all__ = ["NetworkSettings"]


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """What a network for images is told besides its architecture.

    Parameters
    ----------
    input_shape : tuple of int
        The images' height, width and channels.
    classes : int
        The number of classes.
    classifier_activation : str, optional
        The last layer's activation; None for logits.
    name : str
        The model's name.
    """

    input_shape: tuple[int, int, int]
    classes: int
    classifier_activation: str | None = "softmax"
    name: str = "network"

    def __post_init__(self) -> None:
        shape = self.input_shape
        if not isinstance(shape, (tuple, list)) or len(shape) != 3:
            raise InvalidArgumentError(
                f"input_shape is the images' height, width and channels, got {shape!r}: give for "
                "example input_shape=(32, 32, 3)."
            )
        checked = tuple(as_int("each number of input_shape", n, at_least=1) for n in shape)
        object.__setattr__(self, "input_shape", checked)
        self._check_int("classes", 1)

    def _check_int(self, name: str, at_least: int) -> None:
        number = as_int(name, vars(self)[name], at_least=at_least)
        object.__setattr__(self, name, number)

    @classmethod
    def check(cls, given: Mapping[str, Any]) -> Self:
        """Return the settings.

        Raises
        ------
        InvalidArgumentError
            If one is unknown, missing, or out of its range.
        """
        known = {field.name: field.default is MISSING for field in fields(cls)}
        if unknown := [name for name in given if name not in known]:
            raise InvalidArgumentError(
                f"build takes {', '.join(known)}, got {unknown[0]!r}: leave it out."
            )
        if missing := [name for name, needed in known.items() if needed and name not in given]:
            raise InvalidArgumentError(
                f"build needs {' and '.join(missing)}: give for example "
                "build(input_shape=(32, 32, 3), classes=10)."
            )
        return cls(**given)

    def classify(self, image: Any, features: Any) -> Any:
        """Return the model from its input to a classification of its last features."""
        import keras

        x = keras.layers.GlobalAveragePooling2D(name="pool")(features)
        x = keras.layers.Dense(
            self.classes, activation=self.classifier_activation, name="predictions"
        )(x)
        return keras.Model(image, x, name=self.name)
