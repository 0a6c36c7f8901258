"""What all parameters share: how n values lie in [0, 1], and how checked fields are stored."""

from __future__ import annotations

from sparkexp.errors import SpaceError

__all__ = ["cell", "middle", "set_fields", "unit"]


def set_fields(parameter: object, **values: object) -> None:
    """Store validated fields of a frozen dataclass, from its ``__post_init__``."""
    for name, value in values.items():
        object.__setattr__(parameter, name, value)


def unit(u: float) -> float:
    if not 0.0 <= u <= 1.0:
        raise SpaceError(f"A point of the unit cube has coordinates in [0, 1], got {u!r}.")
    return float(u)  # numpy scalars must not get into the values


def cell(u: float, n: int) -> int:
    """Return which of `n` equal cells of [0, 1] `u` lies in; 1 belongs to the last."""
    return min(int(u * n), n - 1)


def middle(k: int, n: int) -> float:
    return (k + 0.5) / n
