"""How a parameter is shown in tables, plots and trackers."""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass

from sparkexp.trial import ParamValue

__all__ = [
    "MAX_TEXT",
    "MISSING",
    "ParameterSpec",
    "ParameterValue",
    "Interval",
    "Kind",
    "cut_middle",
    "kind_of",
]

ParameterValue = float | str | bool
# The most characters of a text that can't be listed.
MAX_TEXT = 48
# Shown where a trial lacks a parameter that is optional, or whose domain has this value.
MISSING = "–"


class Kind(enum.StrEnum):
    """The data types that TensorBoard knows for hyperparameters."""

    NUMBER = "number"
    STRING = "string"
    BOOL = "bool"


@dataclass(frozen=True)
class Interval:
    """All numbers from `low` to `high`, in either order."""

    low: float
    high: float


@dataclass(frozen=True)
class ParameterSpec:
    """A hyperparameter as it is to be shown.

    Parameters
    ----------
    name : str
        Its name in the train function.
    domain : Interval or tuple of values
        The range, or the choices. Choices of different types (1 and 'a') are shown as strings;
        ints and floats together are numbers. Without any choice, values are texts that can't be
        listed, such as architectures.
    log : bool
        Whether its logarithm is what matters, of positive numbers.
    optional : bool
        Whether trials may lack it. All its values are shown as strings then, since TensorBoard
        has no missing numbers.

    Examples
    --------
    >>> ParameterSpec('dropout', Interval(0.0, 0.5)).kind
    <Kind.NUMBER: 'number'>
    >>> mixed = ParameterSpec('units', (64, 'auto'))
    >>> mixed.kind, mixed.coerce(64)
    (<Kind.STRING: 'string'>, '64')
    """

    name: str
    domain: Interval | tuple[ParamValue, ...]
    log: bool = False
    optional: bool = False

    @functools.cached_property  # read for each trial, and a list of configurations may be long
    def kind(self) -> Kind:
        """The data type that fits all values of the domain."""
        if self.optional:
            return Kind.STRING
        if isinstance(self.domain, Interval):
            return Kind.NUMBER
        kinds = {kind_of(value) for value in self.domain}
        return kinds.pop() if len(kinds) == 1 else Kind.STRING

    @property
    def is_text(self) -> bool:
        """Whether values are texts that can't be listed, and so have no places on an axis.

        Examples
        --------
        >>> ParameterSpec('architecture', ()).is_text
        True
        """
        return self.domain in ((), (MISSING,))

    @property
    def varies(self) -> bool:
        """Whether the domain has more than one value."""
        if self.is_text:
            return True
        if isinstance(self.domain, Interval):
            return self.domain.low != self.domain.high
        return len(set(map(self.coerce, self.domain))) > 1

    @property
    def shown_name(self) -> str:
        """The name of what `Axis.locate` returns.

        Examples
        --------
        >>> ParameterSpec('learning_rate', Interval(1e-5, 0.1), log=True).shown_name
        'learning_rate (log10)'
        """
        return f"{self.name} (log10)" if self.log else self.name

    def coerce(self, value: ParamValue) -> ParameterValue:
        """Return the value in the hyperparameter's data type; of a long text its two ends."""
        kind = self.kind
        if kind is Kind.STRING:
            shorten = isinstance(self.domain, Interval) and isinstance(value, float)
            text = f"{value:.4g}" if shorten else str(value)
            if self.is_text:
                text = cut_middle(text, MAX_TEXT)
            # UTF-8 has no lone surrogates (of odd file names), nor have fonts and protobuf.
            return text.encode("utf-8", "replace").decode()
        return bool(value) if kind is Kind.BOOL else float(value)


def cut_middle(text: str, length: int) -> str:
    """Return a text without its middle, if it is longer than that.

    Examples
    --------
    >>> cut_middle('conv3-conv5-none-none', 12)
    'conv3-…-none'
    """
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"


def kind_of(value: ParamValue) -> Kind:
    """Return the data type of a value."""
    # bool first: it is an int to Python.
    if isinstance(value, bool):
        return Kind.BOOL
    return Kind.NUMBER if isinstance(value, (int, float)) else Kind.STRING
