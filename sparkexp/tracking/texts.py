"""The texts of a search in TensorBoard, in Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from sparkexp.analysis.axes import shortened
from sparkexp.analysis.cost import fidelity_cost
from sparkexp.analysis.generations import best_of, by_value
from sparkexp.trial import Direction, ParamValue, TrialResult

__all__ = ["about_text", "leaderboard_text", "plain", "table_text", "value_text"]


def leaderboard_text(
    leaders: Sequence[TrialResult], objective: str, known: Mapping[str, TrialResult]
) -> str:
    """Return a table of trials, the best first.

    Parameters
    ----------
    leaders : sequence of TrialResult
        The trials in order.
    objective : str
        What the objective is called.
    known : Mapping[str, TrialResult]
        Trials by id, the parents among them.
    """
    if not leaders:
        return "No trial has succeeded yet."
    names = list(dict.fromkeys(name for r in leaders for name in r.trial.arguments))
    heads = ["", "trial", plain(objective), *map(plain, names)]
    families = any(r.trial.parent for r in leaders)
    rungs = any(r.trial.rung is not None for r in leaders)
    heads += ["goes on from" if rungs else "replaced"] * families
    rows = []
    for place, result in enumerate(leaders, 1):
        row = [str(place), result.trial.id, value_text(result.value)]
        row += [plain(value_text(result.trial.arguments.get(name))) for name in names]
        if families:
            row.append(_parent(result, known))
        rows.append(row)
    return table_text(heads, rows)


def about_text(
    results: Sequence[TrialResult],
    direction: Direction,
    objective: str,
    about: str,
    shares: Mapping[str, float],
) -> str:
    """Return the summary of a search.

    Parameters
    ----------
    results : sequence of TrialResult
        All trials that ended.
    direction : {'max', 'min'}
        Which value is the best.
    objective : str
        What the objective is called.
    about : str
        Markdown: what the search is, and how to repeat it.
    shares : Mapping[str, float]
        How much each parameter explains.
    """
    states = Counter(str(r.state).lower() for r in results)
    counts = ", ".join(f"{n} {state}" for state, n in sorted(states.items(), reverse=True))
    reused = sum(r.reused_from is not None for r in results)
    parts = [f"**{len(results)} trials**: {counts}" + (f", {reused} reused" if reused else "")]
    best = best_of(results, direction)
    if best is not None:
        params = ", ".join(f"{k}={value_text(v)}" for k, v in best.trial.params.items())
        found = f"**Best** {plain(objective)}: **{value_text(best.value)}** with {plain(params)}"
        parts.append(f"{found} ({best.trial.id})")
        if (cost := fidelity_cost(results)) is not None:
            parts.append(f"{cost.sentence}.")
    else:
        first = next((r.reason for r in results if r.error), "")
        parts.append("No trial has a value." + f" The first error: {plain(first)}" * bool(first))
    if shares:
        shown = [[plain(name), f"{100 * share:.0f} %"] for name, share in shares.items()]
        parts.append("What each parameter explains alone:")
        parts.append(table_text(["parameter", "share of the variance"], shown))
    leaders = by_value(results, direction)[:10]
    known = {r.trial.id: r for r in results}
    parts += ["#### Leaderboard", leaderboard_text(leaders, objective, known)]
    return "\n\n".join([*parts, about])


def table_text(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown.

    Examples
    --------
    >>> print(table_text(['a', 'b'], [['1', 'x|y']]))
    | a | b |
    |---|---|
    | 1 | x\\|y |
    """
    lines = [heads, ["---"] * len(heads), *rows]
    cells = ([line.replace("\n", " ").replace("|", "\\|") for line in texts] for texts in lines)
    return "\n".join(
        "|" + "|".join(texts) + "|" if texts[0] == "---" else f"| {' | '.join(texts)} |"
        for texts in cells
    )


def plain(text: str) -> str:
    """Keep text from being read as Markdown or HTML.

    Examples
    --------
    >>> print(plain('a*b <i> learning_rate _n'))
    a\\*b &lt;i> learning_rate \\_n
    """
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    # Within a word an underscore is one, and brackets alone are no link.
    return re.sub(r"([\\`*{}]|\](?=[(\[:])|(?<!\w)_|_(?!\w))", r"\\\1", escaped)


def value_text(value: ParamValue | None) -> str:
    """Return a value as it is shown to people.

    Examples
    --------
    >>> value_text(0.123456789), value_text(3), value_text(None)
    ('0.12346', '3', '–')
    """
    if value is None:
        return "–"
    return f"{value:.5g}" if isinstance(value, float) else shortened(str(value), 40)


def _parent(result: TrialResult, known: Mapping[str, TrialResult]) -> str:
    parent = result.trial.parent
    if parent is None:
        return "–"
    there = known.get(parent)
    return parent if there is None else f"{parent} ({value_text(there.value)})"
