"""Configurations to try first that are given as a table, a row each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sparkexp.errors import SpaceError
from sparkexp.space import Space

__all__ = ["TableRow", "is_table", "list_rows"]


class TableRow(dict[str, Any]):
    """A row of a table by the columns' names, without the cells that miss a value but for None."""

    def read(self, space: Space) -> dict[str, Any]:
        """Return the row as a configuration of a space, of which parameters may be missing.

        None is a value where it is one of the parameter's own, and a missing value elsewhere. A
        whole float is an int where the parameter has only the int: a column of ints with gaps is
        one of floats.

        Examples
        --------
        >>> space = Space.from_grid_dict({'units': [1, 2], 'rate': [1.0, 2.0], 'l': [None, 'l2']})
        >>> TableRow({'units': 1.0, 'rate': 1.0, 'l': None}).read(space)
        {'units': 1, 'rate': 1.0, 'l': None}
        """
        read: dict[str, Any] = {}
        for name, cell in self.items():
            if isinstance(cell, float) and cell.is_integer() and not _has(space, name, cell):
                read[name] = int(cell)
            elif cell is not None or (_has(space, name, None) and self._may_be_there(space, name)):
                read[name] = cell
        return read

    def _may_be_there(self, space: Space, name: str) -> bool:
        """Return whether the row's other cells allow that a parameter is there."""
        condition = space.conditions.get(name)
        if condition is None:
            return True
        parent = condition.parent
        cell = self.get(parent)
        if parent not in self or not _has(space, parent, cell):
            return self._may_be_there(space, parent)
        return condition.holds({parent: space.check_value(parent, cell)})


def is_table(value: object) -> bool:
    """Return whether a value is a DataFrame of pandas, which is not imported for it."""
    return all(hasattr(value, name) for name in ("columns", "items", "isna"))


def list_rows(table: Any) -> Iterator[TableRow]:
    """Yield the rows of a DataFrame.

    Each column is read by itself: a row as a whole would have one type.
    """
    columns: Mapping[str, list[Any]] = {name: column.tolist() for name, column in table.items()}
    missing = {name: column.isna().tolist() for name, column in table.items()}
    for k in range(len(table)):
        yield TableRow(
            {
                name: cells[k]
                for name, cells in columns.items()
                if cells[k] is None or not missing[name][k]
            }
        )


def _has(space: Space, name: str, value: object) -> bool:
    """Return whether a parameter has a value; True for a name that is not one of the space."""
    if name in space.parameters:
        try:
            space.check_value(name, value)
        except SpaceError:
            return False
    return True
