"""A result in a few lines: its headline and its short table, for terminals and notebooks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from sparkexp.analysis.cost import compute_fidelity_cost
from sparkexp.objective import Objective, describe_violation
from sparkexp.results.best_trial import BestTrial, explain_no_value
from sparkexp.results.table import fill_blanks
from sparkexp.texts.counts import count
from sparkexp.texts.printable import shorten
from sparkexp.trial import TrialResult

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["describe_left_out", "make_headline", "make_short_table"]

MAX_PRINTED_ROWS = 20


class _Shown(Protocol):
    """What is shown of a `Result`, which says what it is."""

    @property
    def name(self) -> str: ...
    @property
    def trials(self) -> tuple[TrialResult, ...]: ...
    @property
    def objectives(self) -> tuple[Objective, ...]: ...
    @property
    def front(self) -> list[BestTrial]: ...
    @property
    def stopped(self) -> str | None: ...
    def find_best(self) -> BestTrial | None: ...
    def to_read(self) -> pd.DataFrame: ...


def make_headline(result: _Shown) -> str:
    """Return a line: how many trials ended, how, and which is the best."""
    states = Counter(str(r.state).lower() for r in result.trials)
    n_trials = count(len(result.trials), "trial")
    reused = sum(r.reused_from is not None for r in result.trials)
    counts = ", ".join(f"{n} {state}" for state, n in sorted(states.items(), reverse=True))
    parts = [f"{result.name or 'search'}: {n_trials} ({counts or 'none ended'}"]
    parts.append(f", {reused} reused)" if reused else ")")
    if found := result.find_best():
        params = ", ".join(f"{k}={_format_value(v)}" for k, v in found.params.items())
        spread = "" if found.spread is None else f" ± {found.spread:.2g} ({found.n_runs} runs)"
        label = result.objectives[0].name or "value"
        parts.append(f"; best {label} {found.value:.6g}{spread}")
        parts.append(f" with {params or 'no parameters'}")
        if found.violation:
            parts.append(f" ({describe_violation(found.violation)})")
    if (cost := compute_fidelity_cost(result.trials)) is not None:
        parts.append(f"; {cost.sentence}")
    if len(result.objectives) > 1:
        parts.append(f"; {len(result.front)} on the front of {len(result.objectives)} objectives")
    if result.stopped:
        parts.append(f"; stopped: {result.stopped}")
    return "".join(parts)


def make_short_table(result: _Shown) -> pd.DataFrame:
    """Return the best rows and the columns that fit a terminal."""
    frame = result.to_read().head(MAX_PRINTED_ROWS)
    hidden = ["parent", "host", "logdir", *frame.columns[frame.isna().all()]]
    hidden += [c for c in ("gpu",) if not frame[c].astype(bool).any()]
    if "error" not in hidden:
        reasons = {r.trial.id: shorten(r.reason) for r in result.trials}
        frame["error"] = [reasons[name] for name in frame["id"]]
    frame = frame.drop(columns=hidden, errors="ignore")
    frame = frame.map(lambda value: shorten(value) if isinstance(value, str) else value)
    return fill_blanks(frame, ("generation", "error", "reused_from"))


def describe_left_out(result: _Shown) -> str:
    """Return what the short table doesn't show; empty if it shows all."""
    left = len(result.trials) - MAX_PRINTED_ROWS
    more = f"\n… {left} more, see result.to_pandas()" if left > 0 else ""
    without = explain_no_value(result.trials) if result.stopped is None else ""
    return f"{more}\n{without}" if without else more


def _format_value(value: int | float | str | bool) -> str:
    return f"{value:.4g}" if isinstance(value, float) else shorten(str(value))
