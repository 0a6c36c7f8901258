"""From a checked call to a `Result`: engine, run directory, plan, loop."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparkexp._version import __version__
from sparkexp.engine import Engine, InlineEngine, Objective, SparkEngine, TrialTask
from sparkexp.errors import InvalidArgumentError
from sparkexp.loop import SearchLoop
from sparkexp.options import Options
from sparkexp.progress import Progress
from sparkexp.result import Result
from sparkexp.search import EvolutionSearcher, Searcher
from sparkexp.signature import function_name
from sparkexp.space import Choice, Float, Int, Parameter, Space
from sparkexp.storage import RunDirectory
from sparkexp.tracking import HParamSpec, Interval, SearchLog
from sparkexp.trial import Direction, ParamValue, Trial

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["DEFAULT_ROOT", "Search", "run_search"]

DEFAULT_ROOT = "sparkexp-runs"
# Values of a discrete parameter that TensorBoard offers one by one in its filter.
MAX_LISTED_VALUES = 12
# Unless the user set them: without the first, one trial takes all memory of a GPU that others
# share; the second keeps TensorFlow's start-up messages out of every trial's log.
TRIAL_ENVIRONMENT = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "TF_CPP_MIN_LOG_LEVEL": "1"}


@dataclasses.dataclass(frozen=True)
class Search:
    """What is searched, and how.

    Parameters
    ----------
    searcher : Searcher
        Proposes the trials.
    direction : {'max', 'min'}
        Which value is the best.
    space : Space, optional
        What is searched; None for a list of configurations.
    needs_values : bool
        Whether a trial without a value has failed.
    reuse : bool
        Whether a configuration that comes again is run again.
    """

    searcher: Searcher
    direction: Direction
    space: Space | None = None
    needs_values: bool = True
    reuse: bool = True


def run_search(
    spark: SparkSession | None, train: Callable[..., Any], search: Search, options: Options
) -> Result:
    """Run a search to its end.

    Parameters
    ----------
    spark : SparkSession or None
        None with ``engine='inline'``.
    train : Callable
        The train function, checked against the space.
    search : Search
        What to do.
    options : Options
        How to do it.
    """
    name = options.name or function_name(train)
    root = options.logdir_path() or _default_root(name)
    hparams = _hparams(search)
    template = TrialTask(
        trial=Trial(0, {}),
        train=train,
        logdir=str(root),
        objective=Objective(options.metric, search.needs_values),
        isolation=options.isolation,
        environment=TRIAL_ENVIRONMENT,
        hparams=hparams,
    )
    with _engine(spark, train, template, options) as engine:
        run = RunDirectory.create(root, _settings(name, search, options))
        generations = _generations(search.searcher)
        log = SearchLog(
            run.paths.search(evolution=generations is not None),
            hparams,
            f"{options.metric or 'objective'} ({search.direction})",
            generations,
        )
        progress = Progress(search.searcher.n_trials, search.direction, options.progress)
        progress.plan(_plan(name, search, engine, root, spark))
        try:
            loop = SearchLoop(search.searcher, engine, run, log, progress, search.reuse)
            results = loop.run()
        finally:
            log.close()
            progress.close()
    return Result(tuple(results), search.direction, str(root), name)


def _engine(
    spark: SparkSession | None, train: Callable[..., Any], template: TrialTask, options: Options
) -> Engine:
    if options.engine == "inline":
        return InlineEngine(template)
    if spark is None or not hasattr(spark, "range"):
        raise InvalidArgumentError(
            f"spark must be a SparkSession, got {spark!r}. Build one with "
            "SparkSession.builder.getOrCreate(), or debug without one: engine='inline'."
        )
    return SparkEngine(spark, train, template, options.parallelism, tuple(options.py_files))


def _default_root(name: str) -> Path:
    stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    root = Path(DEFAULT_ROOT, stem).absolute()
    k = 1
    while root.exists():  # a second search in the same second
        k += 1
        root = root.with_name(f"{stem}-{k}")
    return root


def _settings(name: str, search: Search, options: Options) -> dict[str, Any]:
    return {
        "sparkexp_version": __version__,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "name": name,
        "direction": search.direction,
        "metric": options.metric,
        "searcher": search.searcher.name,
        "settings": search.searcher.settings(),
        "space": search.space.to_json() if search.space else None,
        "reuse": search.reuse,
        "needs_values": search.needs_values,
    }


def _generations(searcher: Searcher) -> int | None:
    return searcher.generations if isinstance(searcher, EvolutionSearcher) else None


def _hparams(search: Search) -> tuple[HParamSpec, ...]:
    if search.space is not None:
        return tuple(HParamSpec(n, _domain(p)) for n, p in search.space.parameters.items())
    values: dict[str, dict[ParamValue, None]] = {}  # a dict as a set that keeps the order
    for configuration in search.searcher.settings().get("configurations", []):
        for name, value in configuration.items():
            values.setdefault(name, {})[value] = None
    return tuple(HParamSpec(name, tuple(known)) for name, known in values.items())


def _domain(parameter: Parameter) -> Interval | tuple[ParamValue, ...]:
    n_values = parameter.n_values
    if isinstance(parameter, Choice) or (n_values is not None and n_values <= MAX_LISTED_VALUES):
        return tuple(parameter.values())
    assert isinstance(parameter, (Float, Int))
    return Interval(parameter.low, parameter.high)


def _plan(
    name: str, search: Search, engine: Engine, root: Path, spark: SparkSession | None
) -> str:
    searcher, slots = search.searcher, engine.slots
    n_trials = searcher.n_trials
    rows = []
    if search.space is not None:
        rows += [(n, p.describe()) for n, p in search.space.parameters.items()]
    rows += [
        (key, str(value)) for key, value in searcher.settings().items() if key != "configurations"
    ]
    where = "this process" if isinstance(engine, InlineEngine) else _master(spark)
    waves = "" if n_trials is None else f": {_waves(searcher, n_trials, slots)} waves"
    rows.append(("slots", f"{slots} in {where}{waves}"))
    rows.append(("log directory", str(root)))
    rows.append(("to watch", f"sparkexp tensorboard {_quoted(root)}"))
    width = max(len(key) for key, _ in rows)
    lines = [f"{searcher.name} search {name!r}: {n_trials} trials"]
    lines += [f"  {key:<{width}}  {value}" for key, value in rows]
    lines += [f"  hint: {hint}" for hint in (search.space.hints() if search.space else [])]
    return "\n".join(lines)


def _waves(searcher: Searcher, n_trials: int, slots: int) -> int:
    generations = _generations(searcher)
    if generations is None:
        return math.ceil(n_trials / slots)
    return (generations + 1) * math.ceil(n_trials / (generations + 1) / slots)


def _master(spark: SparkSession | None) -> str:
    master = spark.conf.get("spark.master", None) if spark is not None else None
    return str(master or "the Spark session")


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))
