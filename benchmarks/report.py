"""Figures of all rounds as tables: medians, their spread, ratios within a round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["Column", "ratios", "spread", "table"]

# By system, then by round; None where a system did not run in a round.
Column = Mapping[str, Sequence[float | None]]


def spread(values: Sequence[float | None], digits: int) -> str:
    """Return "median (min–max)" of what is there."""
    there = [value for value in values if value is not None]
    if not there:
        return "–"
    low, high = (f"{bound(there):.{digits}f}" for bound in (np.min, np.max))
    return f"{np.median(there):.{digits}f} ({low}–{high})"


def ratios(column: Column, reference: str) -> dict[str, list[float | None]]:
    """Return each figure over that of the reference in the same round.

    Rounds are compared with themselves, since the machine's mood changes between them.
    """
    below = column.get(reference, ())
    return {
        system: [
            a / b if a is not None and b is not None else None
            for a, b in zip(values, below, strict=True)
        ]
        for system, values in column.items()
        if below
    }


def table(
    heading: str, labels: Mapping[str, str], columns: Mapping[str, tuple[Column, int]]
) -> str:
    """Return a Markdown table with a row for each system.

    Parameters
    ----------
    heading : str
        Of the first column.
    labels : Mapping[str, str]
        The systems' names, in the order of the rows.
    columns : Mapping
        By heading: the figures and the number of their digits.
    """
    lines = ["| " + " | ".join([heading, *columns]) + " |", "|---" * (len(columns) + 1) + "|"]
    for system, label in labels.items():
        cells = [spread(figures.get(system, ()), digits) for figures, digits in columns.values()]
        lines.append("| " + " | ".join([label, *cells]) + " |")
    return "\n".join(lines)
