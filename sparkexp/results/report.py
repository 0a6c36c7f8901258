"""A search on one page of HTML that can be mailed: table, plots, failures, settings."""

from __future__ import annotations

import base64
import html
import logging
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sparkexp._version import __version__
from sparkexp.analysis.ancestry import Step, find_records, trace_ancestry
from sparkexp.errors import InvalidArgumentError, SparkexpError
from sparkexp.objective import describe_violation
from sparkexp.results.best_trial import BestTrial
from sparkexp.results.plots.draw import KINDS, Kind
from sparkexp.results.reproduce import format_call
from sparkexp.results.result import Result
from sparkexp.results.table import fill_blanks
from sparkexp.runs import RunDirectory
from sparkexp.search.spec import Search
from sparkexp.texts.counts import count
from sparkexp.texts.printable import printable
from sparkexp.trial import State

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["render_report"]

logger = logging.getLogger(__name__)

TITLES: dict[Kind, str] = {
    "front": "The front",
    "history": "How the search went",
    "generations": "The evolution",
    "importance": "What mattered",
    "slice": "The objective by parameter",
    "parallel": "All trials as lines",
}
MAX_FAILURES = 20
MAX_STEPS = 50
# Columns that mean nothing to a reader who gets the page by mail.
HIDDEN = ("logdir", "host", "gpu", "error")

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #202124; margin: 2rem auto; max-width: 1240px;
       padding: 0 1rem; }}
h1 {{ margin-bottom: 0; }} h2 {{ margin-top: 2.5rem; border-bottom: 1px solid #dadce0; }}
img {{ max-width: 100%; }}
.best {{ background: #e6f4ea; padding: .7rem 1rem; border-radius: .4rem;
        overflow-wrap: anywhere; }}
.scroll {{ max-height: 32rem; overflow: auto; border: 1px solid #dadce0; }}
table {{ border-collapse: collapse; font-size: 14px; }}
th, td {{ padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #eee;
         white-space: nowrap; max-width: 20rem; overflow: hidden; text-overflow: ellipsis; }}
th {{ position: sticky; top: 0; background: #f1f3f4; }}
td:first-child, th:first-child {{ text-align: left; }}
.steps td, .steps th {{ white-space: normal; max-width: none; text-align: left; }}
.drawn {{ overflow: auto; }}
pre {{ background: #f8f9fa; padding: .7rem; overflow: auto; font-size: 13px; }}
.muted {{ color: #5f6368; }}
</style></head><body>
{body}
<p class="muted">Written by sparkexp {version} on {when}.</p>
</body></html>
"""


def render_report(run: RunDirectory) -> str:
    """Return the report of a run as one self-contained page.

    Parameters
    ----------
    run : RunDirectory
        The run; it may still be running.

    Raises
    ------
    EnvironmentUnfitError
        If matplotlib is not installed.
    RunDirectoryError, InvalidArgumentError
        If the run is damaged, or this version doesn't have its searcher.
    """
    result = Result.of_run(run)
    title = f"{result.name}: {count(len(result), 'trial')}"
    parts = [
        f"<h1>{html.escape(result.name)}</h1>",
        f"<p class='muted'>{html.escape(_count_trials(result))}</p>",
        *_render_best(result),
        *_render_architectures(result),
        *_render_plots(result),
        *_render_configurations(result),
        "<h2>All trials, the best first</h2>",
        f"<div class='scroll'>{_render_table(_select_columns(result))}</div>",
        *_render_failures(result),
        *_render_settings(run),
    ]
    when = time.strftime("%Y-%m-%d %H:%M")
    body = printable("\n".join(parts))
    title = printable(title)
    return _PAGE.format(title=html.escape(title), body=body, version=__version__, when=when)


def _count_trials(result: Result) -> str:
    states = [state for state in State if any(r.state is state for r in result.trials)]
    counts = (f"{sum(r.state is s for r in result.trials)} {s.lower()}" for s in states)
    seconds = sum(r.seconds for r in result.trials)
    first_start = min((r.started for r in result.trials if r.started), default=0.0)
    ended = max((r.ended for r in result.trials), default=0.0)
    parts = [f"{count(len(result), 'trial')}: {', '.join(counts) or 'none ended'}"]
    if first_start:
        parts.append(f"{ended - first_start:.0f} s from the first to the last")
        parts.append(f"{seconds:.0f} s in train functions")
        parts.append(time.strftime("started on %Y-%m-%d at %H:%M", time.localtime(first_start)))
    return "; ".join(parts)


def _render_best(result: Result) -> Iterable[str]:
    if len(result.objectives) > 1:
        return _render_front(result)
    try:
        best = result.best
    except LookupError as error:
        return [f"<p class='best'>{html.escape(str(error))}</p>"]
    spread = "" if best.spread is None else f" ± {best.spread:.2g} ({best.n_runs} runs)"
    return [
        f"<p class='best'><b>Best: {best.value:.6g}</b>{spread} ({result.direction}) with "
        f"{_describe(best)}{_describe_violation(best)}</p>"
    ]


def _render_architectures(result: Result) -> Iterable[str]:
    """Yield pictures of the best architectures, and how they were found."""
    spaces = result.search.architectures
    if not spaces or not result.front or len(result.objectives) > 1:
        return
    for name, space in spaces.items():
        text = result.best.params.get(name)
        picture = None if text is None else space.draw_svg(space.read(str(text)))
        if picture is not None:
            yield f"<h2>The best {html.escape(name)}</h2>\n<div class='drawn'>{picture}</div>"
    trials = {r.trial.id: r for r in result.trials}
    in_order = sorted(result.trials, key=lambda r: r.ended)
    records = find_records(in_order, result.objectives[0], spaces)
    yield "<h2>How the best was found</h2>"
    yield from _render_steps(records[::-1])
    ancestry = trace_ancestry(trials[result.best.id], trials, spaces)
    if len(ancestry) > 1:
        yield "<h2>The best, its parent, the parent's parent …</h2>"
        yield from _render_steps(ancestry)


def _render_steps(steps: Sequence[Step]) -> Iterable[str]:
    """Yield a table of trials, and what was changed for each."""
    cells = (
        (each.result.trial.id, f"{each.result.value or 0.0:.6g}", each.change)
        for each in steps[:MAX_STEPS]
    )
    rows = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in cells)
    head = "<tr><th>trial</th><th>objective</th><th>what changed</th></tr>"
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    yield f"<div class='scroll'><table class='steps'>{head}{body}</table></div>"


def _render_front(result: Result) -> Iterable[str]:
    """Return the size of the front, and the best trial of each objective."""
    front = result.front
    if not front:
        return ["<p class='best'>No trial has a value in all objectives.</p>"]
    lines = [
        f"The front: {len(front)} configurations of which no other is better in all objectives."
        f"{_describe_violation(front[0])}"
    ]
    for k, objective in enumerate(result.objectives):
        best = min(front, key=lambda each: objective.loss(each.values[k]))
        lines.append(
            f"<b>Best {html.escape(objective.heading)}: {best.values[k]:.6g}</b> with "
            f"{_describe(best)}"
        )
    return [f"<p class='best'>{'<br>'.join(lines)}</p>"]


def _describe(best: BestTrial) -> str:
    params = ", ".join(f"{name} = {value!r}" for name, value in best.params.items())
    return f"{html.escape(params)} <span class='muted'>({html.escape(best.id)})</span>"


def _describe_violation(best: BestTrial) -> str:
    described = describe_violation(best.violation)
    return f"<br>But {described}." if described else ""


def _render_plots(result: Result) -> Iterable[str]:
    from sparkexp.results.plots.with_matplotlib import png_of

    for kind in TITLES:
        assert kind in KINDS
        title = html.escape(TITLES[kind])
        try:
            picture = png_of(result.plot(kind))
        except InvalidArgumentError:
            continue  # this search has nothing of the kind to show
        except SparkexpError:
            raise
        except Exception as error:  # of the library that draws; the rest of the page is of use
            logger.warning(
                "The plot %r is left out, since drawing it failed.", kind, exc_info=True
            )
            reason = html.escape(f"{type(error).__name__}: {error}")
            yield f"<h2>{title}</h2>\n<p>This plot is left out: drawing it failed. {reason}</p>"
            continue
        data = base64.b64encode(picture).decode()
        yield f"<h2>{title}</h2>\n<img alt='{title}' src='data:image/png;base64,{data}'>"


def _render_configurations(result: Result) -> Iterable[str]:
    """Return the means of repeated configurations, where there is one objective."""
    if len(result.objectives) < 2 and any(r.trial.repetition is not None for r in result.trials):
        yield "<h2>Configurations, the best first</h2>"
        yield f"<div class='scroll'>{_render_table(result.configurations())}</div>"


def _select_columns(result: Result) -> pd.DataFrame:
    shown = result.to_read().drop(columns=list(HIDDEN), errors="ignore")
    shown = shown.loc[:, ~shown.isna().all()]
    texts = [
        str(c) for c in shown if shown[c].dtype == object or c in ("generation", "repetition")
    ]
    return fill_blanks(shown, texts)


def _render_table(frame: pd.DataFrame) -> str:
    return frame.to_html(index=False, border=0, na_rep="", float_format="%.5g".__mod__)


def _render_failures(result: Result) -> Iterable[str]:
    failures = result.failures()
    if not failures:
        return
    yield f"<h2>Failed trials ({len(failures)})</h2>"
    for trial_id, text in list(failures.items())[:MAX_FAILURES]:
        reason = next((r.reason for r in result.trials if r.trial.id == trial_id), "")
        head = f"<b>{html.escape(trial_id)}</b> {html.escape(reason)}"
        yield f"<details><summary>{head}</summary><pre>{html.escape(text)}</pre></details>"
    if len(failures) > MAX_FAILURES:
        yield f"<p>… and {len(failures) - MAX_FAILURES} more: result.failures() has them.</p>"


def _render_settings(run: RunDirectory) -> Iterable[str]:
    settings = run.settings
    search = Search.from_json(settings, only_shown=True)
    options = settings.get("options", {})
    yield "<h2>To repeat it</h2>"
    yield f"<pre>{html.escape(format_call(search, options))}</pre>"
    yield "<h2>Settings</h2>"
    rows = {
        "log directory": run.location,
        "created": settings.get("created"),
        "sparkexp": settings.get("sparkexp_version"),
        "searcher": settings.get("searcher"),
        **{key: value for key, value in options.items() if value not in (None, [], ())},
    }
    cells = (
        f"<tr><td>{html.escape(str(key))}</td><td>{html.escape(str(value))}</td></tr>"
        for key, value in rows.items()
    )
    yield f"<table>{''.join(cells)}</table>"
