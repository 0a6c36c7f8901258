"""Keras models of two cells: NASNet's networks for CIFAR-10 and ImageNet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sparkexp.checks import as_float
from sparkexp.errors import InvalidArgumentError
from sparkexp.nas.cells import N_INPUTS, Cell, Side
from sparkexp.nas.drop_path import drop_path
from sparkexp.nas.network_settings import NetworkSettings
from sparkexp.nas.operations import (
    Normalisation,
    State,
    apply_operation,
    convolve,
    fit_state,
)

__all__ = ["CellNetwork", "CellSettings"]

# As the networks were published: for CIFAR-10 and for ImageNet.
_NORMALISATIONS = {
    "cifar": Normalisation(momentum=0.9, epsilon=1e-5),
    "imagenet": Normalisation(momentum=0.9997, epsilon=1e-3),
}
# ImageNet's stem has two reduction cells, with a quarter and half of the filters.
_STEM_SHARES = (4, 2)
_IMAGENET_FILTERS = 32


@dataclass(frozen=True, kw_only=True)
class CellSettings(NetworkSettings):
    """The arguments of `CellSpace.build`, which describes them."""

    cells: int = 6
    filters: int = 16
    reductions: int = 2
    stem: str = "cifar"
    stem_filters: int | None = None
    drop_path_keep: float = 1.0
    steps: int | None = None
    name: str = "cells"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stem not in _NORMALISATIONS:
            raise InvalidArgumentError(
                f"stem is 'cifar' or 'imagenet', got {self.stem!r}: small images take 'cifar'."
            )
        self._check_int("cells", 1)
        self._check_int("filters", 1 if self.stem == "cifar" else max(_STEM_SHARES))
        self._check_int("reductions", 0)
        if self.stem_filters is not None:
            self._check_int("stem_filters", 1)
        keep = as_float("drop_path_keep", self.drop_path_keep, low=0.0, high=1.0, above=True)
        object.__setattr__(self, "drop_path_keep", keep)
        if self.steps is not None:
            self._check_int("steps", 1)
        elif keep < 1:
            raise InvalidArgumentError(
                f"drop_path_keep={keep:g} needs steps, the training steps until it is reached: "
                "give steps=epochs * steps_per_epoch."
            )


@dataclass(frozen=True)
class _Place:
    """A cell's place in the network: its number, filters and stride."""

    number: int
    filters: int
    stride: int
    name: str


class CellNetwork:
    """Builds a network of two cells.

    Parameters
    ----------
    settings : CellSettings
        Its size.
    """

    def __init__(self, settings: CellSettings) -> None:
        self._settings = settings
        self._norm = _NORMALISATIONS[settings.stem]
        stem_cells = len(_STEM_SHARES) if settings.stem == "imagenet" else 0
        self._n_cells = stem_cells + settings.cells + settings.reductions

    def build(
        self, cells: tuple[Cell, Cell], outputs: tuple[tuple[int, ...], tuple[int, ...]]
    ) -> Any:
        """Return the Keras model.

        Parameters
        ----------
        cells : tuple of Cell
            The normal and the reduction cell.
        outputs : tuple of tuple of int
            The numbers of the states that each of them concatenates.
        """
        import keras

        image = keras.Input(self._settings.input_shape, name="image")
        last = self._make_stem(image)
        before = last
        for place in self._list_places():
            kind = place.stride - 1
            made = self._make_cell(cells[kind], outputs[kind], (last, before), place)
            before, last = last, made
        return self._settings.classify(image, keras.layers.ReLU(name="last_relu")(last.tensor))

    def _make_stem(self, image: Any) -> State:
        import keras

        own = self._settings
        if own.stem == "cifar":
            filters, stride, padding = own.stem_filters or 3 * own.filters, 1, "same"
        else:
            filters, stride, padding = own.stem_filters or _IMAGENET_FILTERS, 2, "valid"
            if min(own.input_shape[:2]) < 3:
                raise InvalidArgumentError(
                    f"stem='imagenet' needs images of at least 3×3 pixels, got "
                    f"input_shape={own.input_shape}: take stem='cifar'."
                )
        x = keras.layers.Conv2D(
            filters,
            3,
            stride,
            padding,
            use_bias=False,
            kernel_initializer="he_normal",
            name="stem_conv",
        )(image)
        return State(self._norm.apply(x, "stem_bn"), filters, stride - 1)

    def _list_places(self) -> Iterator[_Place]:
        own = self._settings
        number = 0
        if own.stem == "imagenet":
            for k, share in enumerate(_STEM_SHARES):
                yield _Place(number, own.filters // share, 2, f"stem{k}")
                number += 1
        filters = own.filters
        places = [r * own.cells // (own.reductions + 1) for r in range(1, own.reductions + 1)]
        for k in range(own.cells):
            for r in (r for r, at in enumerate(places) if at == k):
                filters *= 2
                yield _Place(number, filters, 2, f"reduction{r}")
                number += 1
            yield _Place(number, filters, 1, f"cell{k}")
            number += 1

    def _make_cell(
        self, cell: Cell, outputs: tuple[int, ...], inputs: tuple[State, State], place: _Place
    ) -> State:
        import keras

        last, before = inputs
        states = [self._squeeze(last, place)]
        if before is last:  # the first cell has one input, as it is
            states.append(last)
        else:
            states.append(
                fit_state(before, place.filters, last.halvings, self._norm, f"{place.name}_before")
            )
        for k, block in enumerate(cell.blocks):
            name = f"{place.name}_block{k}"
            sides = [
                self._apply(side, states, place, f"{name}_{where}")
                for side, where in zip(block.sides, ("left", "right"), strict=True)
            ]
            added = keras.layers.Add(name=f"{name}_add")([side.tensor for side in sides])
            states.append(State(added, place.filters, sides[0].halvings))
        halvings = states[-1].halvings
        kept = [
            fit_state(states[k], place.filters, halvings, self._norm, f"{place.name}_output{k}")
            for k in outputs
        ]
        if len(kept) == 1:
            return kept[0]
        joined = keras.layers.Concatenate(name=f"{place.name}_output")(
            [state.tensor for state in kept]
        )
        return State(joined, place.filters * len(kept), halvings)

    def _squeeze(self, state: State, place: _Place) -> State:
        """Give the last cell's output the filters of this cell."""
        import keras

        layer = keras.layers.Conv2D(
            place.filters,
            1,
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"{place.name}_last_project",
        )
        tensor = convolve(state.tensor, layer, self._norm)
        return State(tensor, place.filters, state.halvings)

    def _apply(self, side: Side, states: list[State], place: _Place, name: str) -> State:
        """Apply an operation, whose result is dropped now and then in training."""
        stride = place.stride if side.input < N_INPUTS else 1
        state = states[side.input]
        made = apply_operation(side.op, state, place.filters, stride, self._norm, name)
        own = self._settings
        if own.drop_path_keep == 1 or own.steps is None or side.op == "identity":
            return made
        # Deeper cells lose more paths (Zoph et al. 2018, appendix A.7).
        keep = 1 - (place.number + 1) / self._n_cells * (1 - own.drop_path_keep)
        dropped = drop_path(keep, own.steps, f"{name}_drop")(made.tensor)
        return State(dropped, made.filters, made.halvings)
