"""The texts of a search in TensorBoard, in Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from sparkexp.analysis.axes import shortened
from sparkexp.analysis.cost import fidelity_cost
from sparkexp.analysis.ranking import Configuration, by_configuration
from sparkexp.objective import Objective
from sparkexp.trial import ParamValue, Trial, TrialResult

__all__ = ["about_text", "leaderboard_text", "plain", "table_text", "value_text"]


def leaderboard_text(
    leaders: Sequence[Configuration], objectives: Sequence[str], known: Mapping[str, TrialResult]
) -> str:
    """Return a table of configurations, the best first.

    Parameters
    ----------
    leaders : sequence of Configuration
        The configurations in order.
    objectives : sequence of str
        What the objectives are called.
    known : Mapping[str, TrialResult]
        Trials by id, the parents among them.
    """
    if not leaders:
        return "No trial has succeeded yet."
    trials = [by_configuration(each.runs)[0].trial for each in leaders]
    names = list(dict.fromkeys(name for trial in trials for name in trial.arguments))
    heads = ["", "trial", *map(plain, [*objectives, *names])]
    families = any(trial.parent for trial in trials)
    rungs = any(trial.rung is not None for trial in trials)
    heads += ["goes on from" if rungs else "parent"] * families
    rows = []
    for place, (each, trial) in enumerate(zip(leaders, trials, strict=True), 1):
        row = [str(place), trial.id, _value(each)]
        row += [value_text(each.objective(k)) for k in range(1, len(objectives))]
        row += [plain(value_text(trial.arguments.get(name))) for name in names]
        if families:
            row.append(_parent(trial, known))
        rows.append(row)
    return table_text(heads, rows)


def about_text(
    results: Sequence[TrialResult],
    leaders: Sequence[Configuration],
    objectives: Sequence[Objective],
    headings: Sequence[str],
    known: Mapping[str, TrialResult],
    about: str,
    shares: Sequence[Mapping[str, float]],
) -> str:
    """Return the summary of a search.

    Parameters
    ----------
    results : sequence of TrialResult
        All trials that ended.
    leaders : sequence of Configuration
        The best, the best first; of several objectives the front.
    objectives : sequence of Objective
        The objectives.
    headings : sequence of str
        What they are called in the table.
    known : Mapping[str, TrialResult]
        Trials by id.
    about : str
        Markdown: what the search is, and how to repeat it.
    shares : sequence of Mapping[str, float]
        How much each parameter explains of each objective.
    """
    states = Counter(str(r.state).lower() for r in results)
    counts = ", ".join(f"{n} {state}" for state, n in sorted(states.items(), reverse=True))
    reused = sum(r.reused_from is not None for r in results)
    parts = [f"**{len(results)} trials**: {counts}" + (f", {reused} reused" if reused else "")]
    several = len(objectives) > 1
    if leaders:
        parts += (
            _extremes(leaders, objectives) if several else [_best(leaders[0], objectives[0])]
        )  # fmt: skip
        if (cost := fidelity_cost(results)) is not None:
            parts.append(f"{cost.sentence}.")
    else:
        first = next((r.reason for r in results if r.error), "")
        parts.append("No trial has a value." + f" The first error: {plain(first)}" * bool(first))
    for objective, explained in zip(objectives, shares, strict=True):
        if explained:
            shown = [[plain(name), f"{100 * share:.0f} %"] for name, share in explained.items()]
            of_objective = f" of {plain(objective.label)}" * several
            parts.append(f"What each parameter explains alone{of_objective}:")
            parts.append(table_text(["parameter", "share of the variance"], shown))
    title = (
        "#### The front: no other is better in all objectives" if several else "#### Leaderboard"
    )
    parts += [title, leaderboard_text(leaders, headings, known)]
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


def _value(each: Configuration) -> str:
    spread = "" if each.spread is None else f" ± {each.spread:.2g} ({len(each.runs)} runs)"
    return value_text(each.objective()) + spread


def _best(best: Configuration, objective: Objective) -> str:
    trial = best.runs[0].trial
    params = ", ".join(f"{k}={value_text(v)}" for k, v in trial.params.items())
    value = f"**{value_text(best.value)}**" + _value(best).removeprefix(value_text(best.value))
    return f"**Best** {plain(objective.heading)}: {value} with {plain(params)} ({trial.id})"


def _extremes(front: Sequence[Configuration], objectives: Sequence[Objective]) -> list[str]:
    """Return which of the front is the best in each objective."""
    lines = []
    for k, objective in enumerate(objectives):
        values = [each.objective(k) for each in front]
        best = objective.best(values)
        trial = front[values.index(best)].runs[0].trial
        lines.append(f"**Best** {plain(objective.heading)}: **{value_text(best)}** ({trial.id})")
    return lines


def _parent(trial: Trial, known: Mapping[str, TrialResult]) -> str:
    parent = trial.parent
    if parent is None:
        return "–"
    there = known.get(parent)
    return parent if there is None else f"{parent} ({value_text(there.value)})"
