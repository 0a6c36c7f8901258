"""What a search was, and the call that repeats it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparkexp._version import __version__
from sparkexp.search.registry import SEARCHERS, build_searcher
from sparkexp.search.spec import Search
from sparkexp.space import ArchitectureSpace, Choice, Parameter
from sparkexp.tracking.tensorboard.texts import escape_markdown

__all__ = ["describe_search", "format_call"]

ADAPTIVE = ("shade", "surrogate", "hybrid")
_CALLS = {
    "evolution": "evolutionary_search",
    "pareto-evolution": "evolutionary_search",
    **dict.fromkeys(ADAPTIVE, "evolutionary_search"),
    "random": "random_search",
    "grid": "launch",
    "list": "launch",
}
# A list of more configurations is not written out.
MAX_CONFIGURATIONS = 20


def describe_search(name: str, search: Search, options: Mapping[str, Any]) -> str:
    """Return what a search is, and how to repeat it, in Markdown.

    Parameters
    ----------
    name : str
        The run's name.
    search : Search
        What is searched.
    options : Mapping[str, Any]
        The options as they were recorded.
    """
    lines = [
        f"#### The search {escape_markdown(repr(name))}",
        "| parameter | searched |",
        "|---|---|",
    ]
    if search.space is not None:
        described = search.space.describe()
        lines += [f"| {escape_markdown(key)} | {_format_cell(text)} |" for key, text in described]
    settings = {k: v for k, v in search.searcher.settings().items() if k != "configurations"}
    shown = ", ".join(
        f"{'configurations' if key == 'n_trials' else key} {value}"
        for key, value in settings.items()
    )
    if shown:
        lines += ["", f"Settings of {search.inner.name}: {shown}."]
    code = "\n".join(f"    {line}" for line in format_call(search, options).splitlines())
    lines += ["", f"To repeat it with sparkexp {__version__}:", "", code]
    return "\n".join(lines)


def format_call(search: Search, options: Mapping[str, Any]) -> str:
    """Return the Python call of a search.

    Parameters
    ----------
    search : Search
        What is searched.
    options : Mapping[str, Any]
        The options as they were recorded; the call shows ``metric``.
    """
    settings = dict(search.searcher.settings())
    configurations = settings.pop("configurations", None)
    if search.space is not None:
        grid = "grid" in (search.inner.name, settings.get("proposals"))
        searched = _format_dict(search.space.top_level, grid)
    elif configurations is None or len(configurations) > MAX_CONFIGURATIONS:
        searched = "[...]"
    else:
        searched = repr([_parse_objects(search, each) for each in configurations])
    name = search.inner.name
    sampler = settings.pop("sampler", None)
    directions = [objective.direction for objective in search.objectives]
    settings = {k: v for k, v in settings.items() if k not in ("direction", "directions")}
    if "n_trials" in settings and search.own_searcher is None:
        del settings["n_trials"]
        settings = {"max_trials": search.searcher.n_trials, **settings}
    if name in ADAPTIVE:
        settings = {"variant": name, **settings}
    one = len(directions) == 1
    words: dict[str, Any] = {"direction": directions[0] if one else directions, **settings}
    call = "search" if search.own_searcher else _CALLS.get(name, "search")
    if search.searcher.rungs:
        call, words = _make_fidelity_call(name, words, search.searcher.n_trials)
    elif search.own_searcher is not None or _was_constructed(search):
        own = ", ".join(f"{key}={value!r}" for key, value in search.inner.settings().items())
        made = search.own_searcher or type(search.inner).__name__
        words = {
            "searcher": _Code(f"{made}(space, {own})"),
            "direction": words["direction"],
        }
    elif sampler is not None:
        words["searcher"] = _Code(f"optuna.samplers.{sampler}(...)")
    elif name not in _CALLS:
        own_settings = search.inner.settings().keys() - {"seed", "direction"}
        words = {key: value for key, value in words.items() if key not in own_settings}
        words["searcher"] = name
    if search.space is not None and search.space.where is not None:
        words["where"] = _Code("...")
    if search.initial:
        words["initial"] = list(search.initial)
    if search.known:
        words["warm_start"] = _Code("...")
    if options.get("metric") is not None:
        words["metric"] = options["metric"]
    if options.get("constraint"):
        words["constraint"] = options["constraint"]
    keywords = ", ".join(f"{key}={value!r}" for key, value in words.items())
    return f"experiment.{call}(spark, train,\n    {searched},\n    {keywords})"


def _was_constructed(search: Search) -> bool:
    """Tell whether a searcher of ours has settings that a call by its name doesn't give it."""
    name, space = search.inner.name, search.space
    if name not in SEARCHERS or name in _CALLS or space is None:
        return False
    settings = search.inner.settings()
    directions = [objective.direction for objective in search.objectives]
    by_name = build_searcher(
        name, space, directions, settings.get("n_trials"), settings.get("seed")
    )
    return by_name.settings() != settings


def _make_fidelity_call(
    name: str, words: dict[str, Any], n_trials: int | None
) -> tuple[str, dict[str, Any]]:
    """Return the call of a multi-fidelity search, and its keywords."""
    kind, n = words.pop("proposals", "evolution"), words.pop("n_configurations")
    popsize = words.pop("popsize", n)
    words["search"] = name
    if kind == "searcher":
        source = words.pop("source")["searcher"]
        return "search", {**words, "searcher": source, "max_trials": n_trials}
    if kind == "grid":
        del words["seed"]
        return "launch", words
    if kind == "random":
        return "random_search", {**words, "max_trials": n_trials}
    return "evolutionary_search", {**words, "popsize": popsize, "generations": n // popsize - 1}


def _parse_objects(search: Search, params: Mapping[str, Any]) -> dict[str, Any]:
    parsed = search.parsed
    return {n: parsed[n].parse(v) if n in parsed else v for n, v in params.items()}


class _Code(str):
    """Code: its `repr` is the text itself, without quotes."""

    def __repr__(self) -> str:
        return str(self)


def _format_dict(parameters: Mapping[str, Parameter], grid: bool) -> str:
    entries = (f"{name!r}: {_format_parameter(p, grid)}" for name, p in parameters.items())
    return "{" + ", ".join(entries) + "}"


def _format_parameter(parameter: Parameter, grid: bool) -> str:
    if isinstance(parameter, Choice):
        return _format_choice(parameter, grid)
    if isinstance(parameter, ArchitectureSpace):
        return parameter.to_code()
    extra = f", log={parameter.log!r}" * parameter.log
    extra += f", step={parameter.step!r}" * (parameter.step is not None)
    if extra or grid:
        return f"{type(parameter).__name__}({parameter.low!r}, {parameter.high!r}{extra})"
    return f"[{parameter.low!r}, {parameter.high!r}]"


def _format_choice(parameter: Choice, grid: bool) -> str:
    if parameter.branches:
        subs = ", ".join(
            f"{parameter.parse(o)!r}: {_format_dict(dict(sub), grid)}"
            for o, sub in parameter.branches
        )
        is_default = (
            Choice(list(map(parameter.parse, parameter.options))).ordered == parameter.ordered
        )
        return f"Choice({{{subs}}}{'' if is_default else f', ordered={parameter.ordered!r}'})"
    options = list(map(parameter.parse, parameter.options))
    if len(options) == 1:
        is_list = isinstance(options[0], tuple | list)
        return repr(options) if is_list else repr(options[0])
    is_list = grid or len(options) != 2 or not all(type(v) in (int, float) for v in options)
    if is_list and parameter == Choice(options):
        return repr(options)
    ordered = "" if parameter == Choice(options) else f", ordered={parameter.ordered!r}"
    return f"Choice({options!r}{ordered})"


def _format_cell(text: str) -> str:
    return escape_markdown(text).replace("|", "\\|").replace("\n", " ")
