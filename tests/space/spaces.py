"""Random search spaces for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from sparkexp.space import Choice, Float, Int, Parameter, Space

_BOUNDS = st.integers(-1000, 1000)


@st.composite
def floats(draw: st.DrawFn) -> Float:
    low, high = sorted((draw(_BOUNDS) / 100, draw(_BOUNDS) / 100))
    kind = draw(st.sampled_from(["plain", "log", "step"]))
    if kind == "log":
        return Float(abs(low) + 0.001, abs(low) + 0.001 + high - low, log=True)
    return Float(low, high, step=0.05) if kind == "step" else Float(low, high)


@st.composite
def ints(draw: st.DrawFn) -> Int:
    low, high = sorted((draw(_BOUNDS), draw(_BOUNDS)))
    kind = draw(st.sampled_from(["plain", "log", "step"]))
    if kind == "log":
        return Int(abs(low) + 1, abs(low) + 1 + high - low, log=True)
    return Int(low, high, step=3) if kind == "step" else Int(low, high)


_OPTIONS = st.one_of(st.integers(-9, 9), st.booleans(), st.sampled_from(["a", "b", "c"]))


def choices() -> st.SearchStrategy[Choice]:
    different = st.lists(_OPTIONS, min_size=1, max_size=5, unique_by=lambda v: (type(v), v))
    return different.map(Choice)


@st.composite
def parameters(draw: st.DrawFn, depth: int = 2, prefix: str = "p") -> dict[str, Parameter]:
    """One to four parameters by name, of which choices may have some of their own."""
    found: dict[str, Parameter] = {}
    for k in range(draw(st.integers(1, 4 if depth == 2 else 2))):
        name = f"{prefix}{k}"
        parameter: Parameter = draw(st.one_of(floats(), ints(), choices()))
        if depth and isinstance(parameter, Choice) and draw(st.booleans()):
            options = {
                f"o{n}": draw(parameters(depth - 1, f"{name}_{n}_")) if draw(st.booleans()) else {}
                for n in range(draw(st.integers(1, 3)))
            }
            parameter = Choice(options)
        found[name] = parameter
    return found


def spaces() -> st.SearchStrategy[Space]:
    return parameters().map(Space)
