"""The texts of a search in TensorBoard, in Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from sparkexp.analysis.axes import shorten
from sparkexp.analysis.cost import compute_fidelity_cost
from sparkexp.analysis.ranking import Configuration, merge_by_configuration
from sparkexp.objective import Objective, describe_violation
from sparkexp.texts.counts import count
from sparkexp.trial import ParamValue, Trial, TrialResult

__all__ = [
    "format_summary",
    "format_leaderboard",
    "escape_markdown",
    "format_table",
    "format_value",
]


def format_leaderboard(
    leaders: Sequence[Configuration],
    objectives: Sequence[str],
    trials_by_id: Mapping[str, TrialResult],
) -> str:
    """Return a table of configurations, the best first.

    Parameters
    ----------
    leaders : sequence of Configuration
        The configurations in order.
    objectives : sequence of str
        The names of the objectives.
    trials_by_id : Mapping[str, TrialResult]
        Trials by id, the parents among them.
    """
    if not leaders:
        return "No trial has succeeded yet."
    trials = [merge_by_configuration(each.runs)[0].trial for each in leaders]
    names = list(dict.fromkeys(name for trial in trials for name in trial.arguments))
    heads = ["", "trial", *map(escape_markdown, [*objectives, *names])]
    families = any(trial.parent for trial in trials)
    rungs = any(trial.rung is not None for trial in trials)
    heads += ["goes on from" if rungs else "parent"] * families
    rows = []
    for position, (each, trial) in enumerate(zip(leaders, trials, strict=True), 1):
        row = [str(position), trial.id, _format_mean(each)]
        row += [format_value(each.objective(k)) for k in range(1, len(objectives))]
        row += [escape_markdown(format_value(trial.arguments.get(name))) for name in names]
        if families:
            row.append(_format_parent(trial, trials_by_id))
        rows.append(row)
    return format_table(heads, rows)


def format_summary(
    results: Sequence[TrialResult],
    leaders: Sequence[Configuration],
    objectives: Sequence[Objective],
    headings: Sequence[str],
    trials_by_id: Mapping[str, TrialResult],
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
        The objectives' names in the table.
    trials_by_id : Mapping[str, TrialResult]
        Trials by id.
    about : str
        Markdown: what the search is, and how to repeat it.
    shares : sequence of Mapping[str, float]
        The importance of the parameters for each objective.
    """
    states = Counter(str(r.state).lower() for r in results)
    counts = ", ".join(f"{n} {state}" for state, n in sorted(states.items(), reverse=True))
    reused = sum(r.reused_from is not None for r in results)
    n_trials = count(len(results), "trial")
    parts = [f"**{n_trials}**: {counts}" + (f", {reused} reused" if reused else "")]
    several = len(objectives) > 1
    if leaders:
        if several:
            parts += _describe_extremes(leaders, objectives)
        else:
            parts.append(_describe_best(leaders[0], objectives[0]))
        if (cost := compute_fidelity_cost(results)) is not None:
            parts.append(f"{cost.sentence}.")
    else:
        first = next((r.reason for r in results if r.error), "")
        parts.append(
            "No trial has a value." + f" The first error: {escape_markdown(first)}" * bool(first)
        )
    for objective, explained in zip(objectives, shares, strict=True):
        if explained and not any(round(share, 2) for share in explained.values()):
            parts.append("No parameter tells good trials from bad ones by itself.")
        elif explained:
            shown = [
                [escape_markdown(name), f"{100 * share:.0f} %"]
                for name, share in explained.items()
            ]
            of_objective = f" of {escape_markdown(objective.label)}" * several
            parts.append(
                "How much of what tells good trials from bad ones each parameter explains by "
                f"itself{of_objective}:"
            )
            parts.append(format_table(["parameter", "share"], shown))
    title = (
        "#### The front: no other is better in all objectives" if several else "#### Leaderboard"
    )
    parts += [title, format_leaderboard(leaders, headings, trials_by_id)]
    return "\n\n".join([*parts, about])


def format_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown.

    Examples
    --------
    >>> print(format_table(['a', 'b'], [['1', 'x|y']]))
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


def escape_markdown(text: str) -> str:
    """Keep text from being read as Markdown or HTML.

    Examples
    --------
    >>> print(escape_markdown('a*b <i> learning_rate _n'))
    a\\*b &lt;i> learning_rate \\_n
    """
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    # An underscore within a word is no markup, and brackets alone are no link.
    return re.sub(r"([\\`*{}]|\](?=[(\[:])|(?<!\w)_|_(?!\w))", r"\\\1", escaped)


def format_value(value: ParamValue | None) -> str:
    """Return a value as it is shown to people.

    Examples
    --------
    >>> format_value(0.123456789), format_value(3), format_value(None)
    ('0.12346', '3', '–')
    """
    if value is None:
        return "–"
    return f"{value:.5g}" if isinstance(value, float) else shorten(str(value), 40)


def _format_mean(each: Configuration) -> str:
    spread = "" if each.spread is None else f" ± {each.spread:.2g} ({len(each.runs)} runs)"
    return format_value(each.objective()) + spread


def _describe_best(best: Configuration, objective: Objective) -> str:
    trial = best.runs[0].trial
    params = ", ".join(f"{k}={format_value(v)}" for k, v in trial.params.items())
    value = f"**{format_value(best.value)}**" + _format_mean(best).removeprefix(
        format_value(best.value)
    )
    heading, params = escape_markdown(objective.heading), escape_markdown(params)
    excess = describe_violation(best.violation)
    return f"**Best** {heading}: {value} with {params} ({trial.id})" + f"; {excess}" * bool(excess)


def _describe_extremes(
    front: Sequence[Configuration], objectives: Sequence[Objective]
) -> list[str]:
    """Return a line per objective, with the trial of the front that is best in it."""
    excess = describe_violation(front[0].violation)
    lines = [f"Of the front: {excess}."] if excess else []
    for k, objective in enumerate(objectives):
        values = [each.objective(k) for each in front]
        best = objective.best(values)
        trial = front[values.index(best)].runs[0].trial
        lines.append(
            f"**Best** {escape_markdown(objective.heading)}: **{format_value(best)}** ({trial.id})"
        )
    return lines


def _format_parent(trial: Trial, trials_by_id: Mapping[str, TrialResult]) -> str:
    parent = trial.parent
    if parent is None:
        return "–"
    there = trials_by_id.get(parent)
    return parent if there is None else f"{parent} ({format_value(there.value)})"
