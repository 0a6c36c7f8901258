"""The plan that is shown before the first trial."""

from __future__ import annotations

import math
import re
import shlex

from sparkexp.driver.early_failures import FIRST_FAILURES
from sparkexp.driver.options import ROWS, Options
from sparkexp.engine import Engine
from sparkexp.search.spec import Search
from sparkexp.texts.counts import count

__all__ = ["format_plan"]

_LOSS = re.compile(r"(^|_)(loss|error|mse|mae|rmse|perplexity|crossentropy)($|_)")


# They change which trials run, and how one sees that they took effect.
_OPTIONS = (
    *("metric", "constraint", "target", "patience", "timeout", "trial_timeout", "prune", "keep"),
    "mlflow",
)


def format_plan(name: str, search: Search, engine: Engine, location: str, options: Options) -> str:
    """Return the plan of a search: what runs where, in how many waves, and how to watch it."""
    max_trials = options.max_trials
    searcher, slots = search.searcher, engine.slots
    limits = [n for n in (searcher.n_trials, max_trials) if n is not None]
    n_trials = min(limits, default=None)
    rows = []
    if search.space is not None:
        rows += search.space.describe()
    rows += [
        _format_setting(key, value)
        for key, value in searcher.settings().items()
        if key != "configurations"
    ]
    rows += searcher.plan_rows()
    given = {name: getattr(options, name) for name in _OPTIONS}
    rows += [
        _format_setting(name, value)
        for name, value in given.items()
        if value is not None and value != ROWS[name].default
    ]
    waves = (
        ""
        if n_trials is None
        else f": {_format_count(_count_waves(search, n_trials, slots), 'wave')}"
    )
    if options.gang is not None:
        rows.append(("workers", options.gang.describe()))
    if options.gang is None or options.gang.size == 1:
        rows.append(("slots", f"{slots} in {engine.where}{waves}"))
    else:
        needs = f"{options.gang.size} for each model"
        together = f", {slots} at the same time{waves}" if n_trials != 1 else ""
        rows.append(("slots", f"{needs} in {engine.where}{together}"))
    first = max(FIRST_FAILURES, slots)
    if options.max_failures == "auto" and (n_trials is None or n_trials > first):
        rows.append(("max failures", f"the first {first} trials in a row"))
    rows.append(("log directory", location))
    rows.append(("to watch", f"sparkexp tensorboard {shlex.quote(location)}"))
    width = max(len(key) for key, _ in rows)
    lines = [f"{search.inner.name} search {name!r}: {_format_count(n_trials, 'trial')}"]
    if options.gang is not None and n_trials == 1:
        lines = [f"distributed training {name!r}"]
    lines += [f"  {key:<{width}}  {value}" for key, value in rows]
    lines += [f"  hint: {hint}" for hint in (search.space.hints() if search.space else [])]
    notes = [*search.notes, *engine.notes, *_note_directions(search)]
    if (note := searcher.slots_note(slots)) is not None:
        notes.append(note)
    if searcher.n_trials is not None and max_trials is not None and searcher.n_trials < max_trials:
        notes.append(f"max_trials={max_trials} is not reached, this search has fewer trials")
    lines += [f"  note: {note}" for note in notes]
    return "\n".join(lines)


def _format_setting(key: str, value: object) -> tuple[str, str]:
    several = isinstance(value, (list, tuple))
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    if key == "directions" and several and "," not in text:
        key = "direction"
    return "configurations" if key == "n_trials" else key, text


def _note_directions(search: Search) -> list[str]:
    """Return a note on each objective that is maximised and has the name of a loss."""
    return [
        f"{each.name!r} is maximised; for a loss, give direction='min'"
        for each in search.objectives
        if each.maximised and each.name and _LOSS.search(each.name)
    ]


def _format_count(n: int | None, noun: str) -> str:
    return f"any number of {noun}s" if n is None else count(n, noun)


def _count_waves(search: Search, n_trials: int, slots: int) -> int:
    """Return how often the slots are filled if all trials take the same time."""
    waits = search.generations is not None and not search.searcher.order_matters
    n_parts = (search.generations or 0) + 1 if waits else 1
    return n_parts * math.ceil(n_trials / n_parts / slots)
