"""Parameters as number lines: what plots, diversity and importance are computed on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sparkexp.analysis.specs import Interval, Kind, ParameterSpec
from sparkexp.trial import ParamValue

__all__ = ["Axis", "format_number", "choose_round_ticks", "shorten"]

_Vector = NDArray[np.float64]
# Standard deviation of the uniform distribution on [0, 1].
_UNIFORM_STD = 1 / math.sqrt(12)
# A list of positive numbers that spans so many decades is shown by its logarithm.
_LOG_DECADES = 1.5


class Axis:
    """A parameter as a number line.

    Parameters
    ----------
    spec : ParameterSpec
        The parameter. A number's position is the number itself (its log10, with ``log``);
        everything else lies at 0, 1, 2 … in the order of the domain.

    Examples
    --------
    >>> rate = Axis(ParameterSpec('learning_rate', Interval(0.0001, 0.1), log=True))
    >>> rate.locate([0.001, 0.1]).tolist(), rate.scale_to_unit([0.0001, 0.1]).tolist()
    ([-3.0, -1.0], [0.0, 1.0])
    >>> Axis(ParameterSpec('optimizer', ('adam', 'sgd'))).locate(['sgd', 'adam']).tolist()
    [1.0, 0.0]
    """

    def __init__(self, spec: ParameterSpec) -> None:
        self.name = spec.name
        self.spec = spec
        self.categories: tuple[str, ...] = ()
        numbers: Sequence[float] = ()
        if isinstance(spec.domain, Interval):
            numbers = (spec.domain.low, spec.domain.high)
        elif spec.kind is Kind.NUMBER:
            numbers = [float(value) for value in spec.domain]
        else:
            self.categories = tuple(dict.fromkeys(str(spec.coerce(v)) for v in spec.domain))
            numbers = (0, max(1, len(self.categories) - 1))
        low, high = min(numbers, default=0.0), max(numbers, default=1.0)
        listed = not isinstance(spec.domain, Interval) and not self.categories
        wide = low > 0 and math.log10(high / low) >= _LOG_DECADES
        self.log = low > 0 and (spec.log or (listed and wide))
        self.low, self.high = (math.log10(low), math.log10(high)) if self.log else (low, high)

    @property
    def varies(self) -> bool:
        """Whether the parameter has more than one place on the line."""
        return self.spec.varies and not self.spec.is_text

    @property
    def title(self) -> str:
        """The name of what `locate` returns."""
        return f"{self.name} (log10)" if self.log else self.name

    def locate(self, values: Iterable[ParamValue | None]) -> _Vector:
        """Return the positions of the values; NaN where there is none."""
        return np.array([self._locate(value) for value in values], dtype=float)

    def scale_to_unit(self, values: Iterable[ParamValue | None]) -> _Vector:
        """Return the positions of the values, scaled so that the ends are 0 and 1."""
        width = self.high - self.low
        placed = self.locate(values)
        return (placed - self.low) / width if width else np.where(np.isnan(placed), np.nan, 0.5)

    def choose_ticks(self, about: int = 5) -> list[tuple[float, str]]:
        """Return the positions of the tick marks in [0, 1], with their labels."""
        if self.categories:
            last = max(1, len(self.categories) - 1)
            return [(k / last, shorten(name)) for k, name in enumerate(self.categories)]
        if not self.varies or self.high == self.low:
            return [(0.5, format_number(10**self.low if self.log else self.low))]
        if self.log:
            marks = _choose_log_marks(self.low, self.high, about)
        elif not isinstance(self.spec.domain, Interval) and len(self.spec.domain) <= about + 3:
            marks = [(float(v), format_number(float(v))) for v in self.spec.domain]
        else:
            marks = [(v, format_number(v)) for v in choose_round_ticks(self.low, self.high, about)]
        return [((v - self.low) / (self.high - self.low), text) for v, text in marks]

    def measure_diversity(self, values: Iterable[ParamValue | None]) -> float:
        """Return how widely the values are spread: 1 if drawn at random, 0 if all are equal.

        For numbers it is their standard deviation, divided by that of uniformly drawn ones. For
        choices it is the probability that two of them differ, divided by the highest possible one.

        Examples
        --------
        >>> axis = Axis(ParameterSpec('optimizer', ('adam', 'sgd')))
        >>> axis.measure_diversity(['adam', 'sgd']), axis.measure_diversity(['sgd', 'sgd'])
        (1.0, 0.0)
        """
        placed = self.scale_to_unit(values)
        placed = placed[np.isfinite(placed)]
        if not len(placed) or not self.varies:
            return 0.0
        if self.categories:
            _, counts = np.unique(placed, return_counts=True)
            differ = 1 - float(np.sum((counts / len(placed)) ** 2))
            return differ / (1 - 1 / len(self.categories))
        drawn = _UNIFORM_STD
        if not isinstance(self.spec.domain, Interval):
            drawn = float(np.std(self.scale_to_unit(self.spec.domain)))
        return float(np.std(placed)) / drawn

    def _locate(self, value: ParamValue | None) -> float:
        if value is None:
            return math.nan
        if self.categories:
            text = str(self.spec.coerce(value))
            return float(self.categories.index(text)) if text in self.categories else math.nan
        if isinstance(value, str):
            return math.nan
        if self.log:
            return math.log10(value) if value > 0 else math.nan
        return float(value)


def format_number(value: float) -> str:
    """Return a number as a short text, with four digits at most.

    Examples
    --------
    >>> [format_number(v) for v in (3.0, 0.25, 0.00005, 12345678.0)]
    ['3', '0.25', '5e-5', '1.235e+7']
    """
    text = f"{value:.4g}"
    mantissa, sign, exponent = text.partition("e")
    if not sign:
        return text
    return f"{mantissa}e{exponent[0]}{exponent[1:].lstrip('0') or '0'}"


def shorten(text: str, length: int = 18) -> str:
    """Return the text in one line, cut to `length` characters.

    Examples
    --------
    >>> shorten('two\\nlines'), shorten('much too long', 8), shorten('')
    ('two lines', 'much to…', "''")
    """
    line = " ".join(text.split()) or repr(text)
    return line if len(line) <= length else line[: length - 1] + "…"


def choose_round_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return about as many round numbers from `low` to `high` as `about` says.

    Examples
    --------
    >>> choose_round_ticks(0.0, 1.0, 5)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    raw = (high - low) / max(1, about)
    if not raw > 0 or not math.isfinite(raw):
        return [low]
    decade = 10.0 ** math.floor(math.log10(raw))
    step = min((s * decade for s in (1, 2, 5, 10)), key=lambda s: abs(math.log(s / raw)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 12 - math.floor(math.log10(step))) for k in range(first, last + 1)]


def _choose_log_marks(low: float, high: float, about: int) -> list[tuple[float, str]]:
    """Return the powers of ten between two logarithms; if few, also 2 and 5 times each."""
    folds: tuple[int, ...] = (1,)
    if high - low < 2:
        folds = (1, 2, 5)
    decades = range(math.floor(low), math.ceil(high) + 1)
    marks = [math.log10(fold) + decade for decade in decades for fold in folds]
    inside = [mark for mark in marks if low - 1e-9 <= mark <= high + 1e-9]
    every = max(1, math.ceil(len(inside) / (about + 2)))
    inside = inside[::every] or [low, high]
    return [(mark, format_number(10**mark)) for mark in inside]
