"""Everything that is compared, behind one ask and tell.

A new searcher of sparkexp is one line of `OURS`. The others are wrapped in `rivals.py`.
"""

from __future__ import annotations

import ast
import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from protocol import Order, Sampler

import sparkexp
from sparkexp import search
from sparkexp.search import Searcher
from sparkexp.search.evolution.evolution_call import EvolutionCall
from sparkexp.space import Float, Space
from sparkexp.trial import ParamValue, State, Trial, TrialResult

__all__ = ["OURS", "RIVALS", "Rival", "SearcherSampler", "default", "digest", "label", "make"]

PACKAGE = Path(sparkexp.__file__).parent
DEFAULT_LABEL = "**default of evolutionary_search**"


@dataclass(frozen=True)
class Ours:
    """A searcher of sparkexp.

    Parameters
    ----------
    label : str
        As the tables show it.
    make : Callable
        From the space and the order to the searcher.
    module : str
        Where it is written: its cached results count until this file, or one of
        ``sparkexp.search`` that it imports, changes.
    by_budget : bool
        Whether its first 40 trials depend on how many there will be; each budget is a search of
        its own then.
    """

    label: str
    make: Callable[[Space, Order], Searcher]
    module: str
    by_budget: bool = False


@dataclass(frozen=True)
class Rival:
    """Another package's searcher.

    Parameters
    ----------
    label : str
        As the tables show it.
    factory : str
        The function of `rivals` that makes it.
    package : str
        The distribution; its version is part of the key of cached results.
    environment : str
        A name in `environments.REQUIREMENTS`.
    settings : str
        What the function is told; part of the key too.
    seeds : int
        Seeds at most; some are slow.
    """

    label: str
    factory: str
    package: str
    environment: str = "samplers"
    settings: str = ""
    seeds: int = 1000


OURS: dict[str, Ours] = {
    "random": Ours(
        "random",
        lambda space, o: search.RandomSearcher(space, n_trials=o.n_trials, seed=o.seed),
        "sparkexp.search.random_search",
    ),
    "classic": Ours(
        "classic DE (popsize 10, F 0.5, CR 0.7)",
        lambda space, o: search.EvolutionSearcher(
            space, "min", 10, math.ceil(o.n_trials / 10) - 1, 0.7, 0.5, seed=o.seed
        ),
        "sparkexp.search.evolution.classic",
    ),
    "shade": Ours(
        "SHADE, generational",
        lambda space, o: search.ShadeSearcher(space, "min", n_trials=o.n_trials, seed=o.seed),
        "sparkexp.search.evolution.shade",
        by_budget=True,  # when the last quarter begins
    ),
    "shade-async": Ours(
        "SHADE, steady state",
        lambda space, o: search.ShadeSearcher(
            space, "min", n_trials=o.n_trials, mode="asynchronous", seed=o.seed
        ),
        "sparkexp.search.evolution.shade",
        by_budget=True,  # that, and the size of its population
    ),
    "surrogate": Ours(
        "DE picked by a model",
        lambda space, o: search.SurrogateSearcher(space, "min", n_trials=o.n_trials, seed=o.seed),
        "sparkexp.search.evolution.surrogate",
    ),
    "hybrid": Ours(
        "the default: the model early, SHADE late",
        lambda space, o: search.HybridSearcher(space, "min", n_trials=o.n_trials, seed=o.seed),
        "sparkexp.search.evolution.hybrid",
    ),
}
RIVALS: dict[str, Rival] = {
    "tpe": Rival("Optuna TPE (multivariate)", "optuna_tpe", "optuna"),
    "cmaes": Rival("Optuna CMA-ES", "optuna_cmaes", "optuna"),
    "gp": Rival("Optuna GP", "optuna_gp", "optuna", seeds=20),
    "scipy": Rival("scipy differential_evolution", "scipy_de", "scipy", settings="10"),
    "dehb": Rival("DEHB package's DE", "dehb_de", "dehb", environment="dehb", settings="10"),
}


class SearcherSampler:
    """A searcher of sparkexp as a `Sampler`."""

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher

    def ask(self) -> tuple[Trial, Mapping[str, ParamValue]] | None:
        trial = self._searcher.ask()
        return None if trial is None else (trial, trial.params)

    def tell(self, handle: Trial, value: float) -> None:
        self._searcher.tell(TrialResult(handle, State.SUCCEEDED, value=value))

    def close(self) -> None:
        pass


def make(system: str, space: Space, order: Order) -> Sampler:
    """Return a new searcher of a system."""
    if system in OURS:
        return SearcherSampler(OURS[system].make(space, order))
    import rivals

    rival = RIVALS[system]
    sampler: Sampler = getattr(rivals, rival.factory)(space, order, rival.settings)
    return sampler


def label(system: str) -> str:
    """Return a system's name as the tables show it."""
    return DEFAULT_LABEL if system == "default" else {**OURS, **RIVALS}[system].label


def default(slots: int, n_trials: int) -> str:
    """Return which of `OURS` a call of evolutionary_search gets that says only max_trials.

    Raises
    ------
    LookupError
        If it is none of them, or has other settings.
    """
    space = Space({"x": Float(0.0, 1.0)})
    call = EvolutionCall(space, "min", max_trials=n_trials, seed=0, one_by_one=slots == 1)
    chosen = call.build()[0]
    for name, ours in OURS.items():
        made = ours.make(space, Order(n_trials, slots, seed=0))
        if (made.name, made.settings()) == (chosen.name, chosen.settings()):
            return name
    raise LookupError(f"the default is {chosen.name} with {chosen.settings()}: add it to OURS")


def digest(system: str) -> str:
    """Return what changes with a system: our source, or a package's pinned version."""
    if system in OURS:
        sources = sorted(_sources(OURS[system].module))
        found = hashlib.sha256("\n".join(_code(path) for path in sources).encode())
        return found.hexdigest()[:12]
    from environments import REQUIREMENTS

    rival = RIVALS[system]
    pinned = next(
        package
        for package in REQUIREMENTS[rival.environment][0]
        if package.startswith(f"{rival.package}==")
    )
    return f"{pinned} {rival.settings}".strip()


def _sources(module: str, seen: set[Path] | None = None) -> set[Path]:
    """Return the files of `sparkexp.search` that a module needs, itself among them."""
    seen = set() if seen is None else seen
    path = PACKAGE.parent / (module.replace(".", "/") + ".py")
    if path in seen or not path.exists():
        return seen
    seen.add(path)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sparkexp.search."):
            _sources(str(node.module), seen)
    return seen


def _code(path: Path) -> str:
    """Return a file's code without comments and docstrings."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            if isinstance(body[0].value, ast.Constant):
                body[:1] = [ast.Pass()]
    return f"{path.name}\n{ast.dump(tree)}"
