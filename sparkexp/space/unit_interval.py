"""Shared by all parameters: how n values divide [0, 1], and how checked fields are stored."""

from __future__ import annotations

from sparkexp.errors import SpaceError

__all__ = ["cell_index", "cell_middle", "store_fields", "check_unit"]


def store_fields(parameter: object, **values: object) -> None:
    """Store validated fields of a frozen dataclass, from its ``__post_init__``."""
    for name, value in values.items():
        object.__setattr__(parameter, name, value)


def check_unit(u: float) -> float:
    if not 0.0 <= u <= 1.0:
        raise SpaceError(f"A point of the unit cube must have coordinates in [0, 1], got {u!r}.")
    return float(u)  # numpy scalars must not get into the values


def cell_index(u: float, n: int) -> int:
    """Return the number of the cell with `u`, if [0, 1] is divided into `n` equal cells."""
    return min(int(u * n), n - 1)


def cell_middle(k: int, n: int) -> float:
    return (k + 0.5) / n
