"""What every evolution proposes from a seed: a change of it is meant, or it is a mistake.

The sequences hold across versions of numpy: only `Generator.random` is drawn from, and what a
model computes is compared to six digits. ``python -m tests.search.test_golden`` prints them.
"""

from __future__ import annotations

from typing import Any

import pytest

from sparkexp.search import (
    EvolutionSearcher,
    HybridSearcher,
    RegularizedEvolutionSearcher,
    ReinforcementSearcher,
    Searcher,
    ShadeSearcher,
    SurrogateSearcher,
    TournamentSearcher,
)
from sparkexp.search.evolution import hybrid
from sparkexp.space import Choice, Float, Int, Space

from .driving import drive

N_TRIALS = 14
# The hybrid turns to SHADE so soon here.
EARLY = 9

Row = tuple[Any, ...]


def space() -> Space:
    return Space(
        {
            "rate": Float(1e-4, 1e-1, log=True),
            "dropout": Float(0.0, 1.0),
            "layers": Int(1, 6),
            "activation": Choice(["relu", "tanh", "elu"]),
        }
    )


def loss(params: Any, nudge: float = 0.0) -> float:
    """Return what a search minimises: smooth, but for the activation."""
    rate, dropout = 1000 * params["rate"], params["dropout"]
    value = (rate / (1 + rate) - 0.7) ** 2 + (dropout - 0.3) ** 2 + 0.1 * params["layers"]
    return float((value + {"relu": 0.0, "tanh": 0.2, "elu": 0.1}[params["activation"]]) + nudge)


def searchers() -> dict[str, Searcher]:
    adaptive: dict[str, Any] = {
        "shade": ShadeSearcher,
        "surrogate": SurrogateSearcher,
        "hybrid": HybridSearcher,
    }
    modes = ("generational", "asynchronous")
    return {
        "classic": EvolutionSearcher(space(), "min", 4, 3, 0.7, 0.5, seed=3),
        **{
            f"{name}, {mode}": make(space(), "min", 4, N_TRIALS, mode, seed=3)
            for name, make in adaptive.items()
            for mode in modes
        },
        "regularized evolution": RegularizedEvolutionSearcher(
            space(), "min", N_TRIALS, population=5, sample=2, seed=3
        ),
        "tournament": TournamentSearcher(space(), "min", N_TRIALS, population=5, seed=3),
        "reinforcement": ReinforcementSearcher(space(), "min", N_TRIALS, batch=4, seed=3),
    }


def proposed(searcher: Searcher, nudge: float = 0.0) -> list[Row]:
    """Return the parent and the parameters of the first trials, one after another."""
    numbers = iter(range(1000))

    def nudged(params: Any) -> float:
        return loss(params, nudge * (next(numbers) % 3 - 1))

    rows = []
    for result in drive(searcher, nudged, n_trials=N_TRIALS):
        parent = result.trial.parent
        row = (None if parent is None else int(parent[-5:]), *result.trial.params.values())
        rows.append(tuple(round(v, 6) if isinstance(v, float) else v for v in row))
    return rows


def same(rows: list[Row], others: list[Row]) -> bool:
    """Whether sequences are equal; the last digit of a float may be rounded the other way."""
    return len(rows) == len(others) and all(map(_alike, rows, others))


def _alike(row: Row, other: Row) -> bool:
    return all(
        abs(a - b) < 2e-6 if isinstance(a, float) and isinstance(b, float) else a == b
        for a, b in zip(row, other, strict=True)
    )


@pytest.fixture(autouse=True)
def _early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hybrid, "EARLY", EARLY)


@pytest.mark.parametrize("name", searchers())
def test_a_seed_proposes_what_it_always_has(name: str) -> None:
    found = proposed(searchers()[name])
    assert same(found, GOLDEN[name]), found


@pytest.mark.parametrize("name", searchers())
def test_rounding_errors_change_no_proposal(name: str) -> None:
    """Another version of a library adds up in another order: that must not show."""
    assert same(proposed(searchers()[name], nudge=1e-12), GOLDEN[name])


GOLDEN: dict[str, list[Row]] = {
    "classic": [
        (None, 0.000181, 0.236811, 5, "tanh"),
        (None, 0.000192, 0.433127, 3, "relu"),
        (None, 0.015986, 0.113672, 3, "tanh"),
        (None, 0.001958, 0.586799, 5, "elu"),
        (0, 0.000214, 0.236811, 5, "elu"),
        (1, 0.000192, 0.648368, 6, "elu"),
        (2, 0.015986, 0.159975, 5, "relu"),
        (3, 0.001802, 0.586799, 2, "relu"),
        (4, 0.000197, 0.723375, 2, "relu"),
        (1, 0.005514, 0.433127, 6, "relu"),
        (6, 0.000658, 0.313646, 5, "elu"),
        (7, 0.001802, 0.586799, 3, "relu"),
        (8, 0.000155, 0.646539, 2, "relu"),
        (1, 0.005289, 0.433127, 4, "relu"),
    ],
    "shade, generational": [
        (None, 0.013264, 0.366433, 4, "elu"),
        (None, 0.054552, 0.09272, 6, "relu"),
        (None, 0.000205, 0.207207, 3, "tanh"),
        (None, 0.000343, 0.844838, 6, "tanh"),
        (None, 0.006587, 0.424241, 2, "relu"),
        (None, 0.002437, 0.536497, 4, "relu"),
        (None, 0.000913, 0.924957, 3, "elu"),
        (None, 0.020778, 0.718358, 1, "tanh"),
        (0, 0.005196, 0.325536, 5, "elu"),
        (7, 0.020778, 0.567936, 1, "relu"),
        (5, 0.001341, 0.383548, 4, "relu"),
        (4, 0.008111, 0.587515, 1, "relu"),
        (0, 0.059898, 0.548843, 1, "elu"),
        (11, 0.009991, 0.68108, 1, "relu"),
    ],
    "shade, asynchronous": [
        (None, 0.013264, 0.366433, 4, "elu"),
        (None, 0.054552, 0.09272, 6, "relu"),
        (None, 0.000205, 0.207207, 3, "tanh"),
        (None, 0.000343, 0.844838, 6, "tanh"),
        (None, 0.006587, 0.424241, 2, "relu"),
        (None, 0.002437, 0.536497, 4, "relu"),
        (None, 0.000913, 0.924957, 3, "elu"),
        (None, 0.020778, 0.718358, 1, "tanh"),
        (0, 0.005196, 0.325536, 5, "elu"),
        (7, 0.020778, 0.567936, 1, "relu"),
        (5, 0.002249, 0.325172, 3, "relu"),
        (9, 0.015016, 0.594755, 1, "relu"),
        (0, 0.027254, 0.508513, 2, "elu"),
        (9, 0.005998, 0.567936, 1, "relu"),
    ],
    "surrogate, generational": [
        (None, 0.000163, 0.662137, 5, "relu"),
        (None, 0.000564, 0.243365, 2, "tanh"),
        (None, 0.082944, 0.396291, 6, "relu"),
        (None, 0.003332, 0.926741, 1, "elu"),
        (1, 0.012788, 0.967945, 2, "tanh"),
        (1, 0.000963, 0.076703, 6, "tanh"),
        (1, 0.07079, 0.057538, 1, "tanh"),
        (2, 0.042985, 0.143481, 6, "elu"),
        (3, 0.032473, 0.18614, 1, "elu"),
        (6, 0.084137, 0.057538, 1, "relu"),
        (0, 0.000663, 0.256842, 1, "relu"),
        (6, 0.003898, 0.028769, 1, "tanh"),
        (10, 0.000145, 0.057538, 1, "relu"),
        (10, 0.000663, 0.128421, 1, "relu"),
    ],
    "surrogate, asynchronous": [
        (None, 0.000163, 0.662137, 5, "relu"),
        (None, 0.000564, 0.243365, 2, "tanh"),
        (None, 0.082944, 0.396291, 6, "relu"),
        (None, 0.003332, 0.926741, 1, "elu"),
        (1, 0.012788, 0.967945, 2, "tanh"),
        (1, 0.000963, 0.076703, 6, "tanh"),
        (3, 0.000577, 0.172282, 1, "elu"),
        (6, 0.000185, 0.484253, 1, "elu"),
        (6, 0.013722, 0.172282, 1, "elu"),
        (8, 0.037043, 0.005078, 3, "elu"),
        (8, 0.004533, 0.009776, 1, "relu"),
        (10, 0.0595, 0.074514, 1, "relu"),
        (1, 0.010107, 0.004888, 1, "tanh"),
        (10, 0.000401, 0.009776, 1, "relu"),
    ],
    "hybrid, generational": [
        (None, 0.000163, 0.662137, 5, "relu"),
        (None, 0.000564, 0.243365, 2, "tanh"),
        (None, 0.082944, 0.396291, 6, "relu"),
        (None, 0.003332, 0.926741, 1, "elu"),
        (1, 0.012788, 0.967945, 2, "tanh"),
        (1, 0.000963, 0.076703, 6, "tanh"),
        (1, 0.07079, 0.057538, 1, "tanh"),
        (2, 0.042985, 0.143481, 6, "elu"),
        (3, 0.032473, 0.18614, 1, "elu"),
        (6, 0.084137, 0.028769, 3, "tanh"),
        (2, 0.008406, 0.884261, 4, "relu"),
        (6, 0.084137, 0.057538, 1, "relu"),
        (11, 0.015782, 0.024445, 1, "relu"),
        (11, 0.091726, 0.057538, 1, "relu"),
    ],
    "hybrid, asynchronous": [
        (None, 0.000163, 0.662137, 5, "relu"),
        (None, 0.000564, 0.243365, 2, "tanh"),
        (None, 0.082944, 0.396291, 6, "relu"),
        (None, 0.003332, 0.926741, 1, "elu"),
        (1, 0.012788, 0.967945, 2, "tanh"),
        (1, 0.000963, 0.076703, 6, "tanh"),
        (3, 0.000577, 0.172282, 1, "elu"),
        (6, 0.000185, 0.484253, 1, "elu"),
        (6, 0.013722, 0.172282, 1, "elu"),
        (1, 0.007509, 0.121683, 2, "tanh"),
        (2, 0.012608, 0.506943, 6, "relu"),
        (9, 0.007509, 0.057625, 1, "tanh"),
        (8, 0.027402, 0.028812, 1, "relu"),
        (12, 0.000599, 0.028812, 1, "relu"),
    ],
    "regularized evolution": [
        (None, 0.000181, 0.236811, 5, "tanh"),
        (None, 0.000192, 0.433127, 3, "relu"),
        (None, 0.015986, 0.113672, 3, "tanh"),
        (None, 0.001958, 0.586799, 5, "elu"),
        (None, 0.000712, 0.648547, 5, "relu"),
        (4, 0.000712, 0.716032, 5, "relu"),
        (3, 0.001958, 0.586799, 5, "relu"),
        (3, 0.004927, 0.586799, 5, "elu"),
        (6, 0.001958, 0.558166, 5, "relu"),
        (8, 0.001958, 0.558166, 3, "relu"),
        (9, 0.001958, 0.558166, 3, "elu"),
        (10, 0.001958, 0.627467, 3, "elu"),
        (10, 0.001958, 0.558166, 5, "elu"),
        (11, 0.00199, 0.627467, 3, "elu"),
    ],
    "tournament": [
        (None, 0.000181, 0.236811, 5, "tanh"),
        (None, 0.000192, 0.433127, 3, "relu"),
        (None, 0.015986, 0.113672, 3, "tanh"),
        (None, 0.001958, 0.586799, 5, "elu"),
        (None, 0.000712, 0.648547, 5, "relu"),
        (2, 0.015986, 0.113672, 6, "tanh"),
        (2, 0.015986, 0.113672, 2, "tanh"),
        (1, 0.000106, 0.433127, 3, "relu"),
        (1, 0.00015, 0.433127, 3, "relu"),
        (2, 0.015986, 0.009909, 3, "tanh"),
        (6, 0.015986, 0.113672, 1, "tanh"),
        (1, 0.000192, 0.433127, 2, "relu"),
        (11, 0.000259, 0.433127, 2, "relu"),
        (6, 0.015986, 0.113672, 4, "tanh"),
    ],
    "reinforcement": [
        (None, 0.010896, 0.162423, 3, "tanh"),
        (None, 0.000425, 0.882429, 2, "relu"),
        (None, 0.001308, 0.80942, 4, "tanh"),
        (None, 0.015159, 0.854505, 1, "elu"),
        (None, 0.000272, 0.172643, 4, "tanh"),
        (None, 0.050648, 0.958877, 2, "elu"),
        (None, 0.008887, 0.432973, 1, "tanh"),
        (None, 0.027338, 0.757935, 1, "relu"),
        (None, 0.002917, 0.160464, 5, "relu"),
        (None, 0.032115, 0.794908, 5, "tanh"),
        (None, 0.03214, 0.360926, 1, "elu"),
        (None, 0.045919, 0.811871, 1, "elu"),
        (None, 0.000152, 0.40791, 6, "relu"),
        (None, 0.008832, 0.412326, 2, "relu"),
    ],
}

if __name__ == "__main__":
    hybrid.EARLY = EARLY
    for known, searcher in searchers().items():
        rows = [f"        {row!r},".replace("'", '"') for row in proposed(searcher)]
        print(f'    "{known}": [', *rows, "    ],", sep="\n")
