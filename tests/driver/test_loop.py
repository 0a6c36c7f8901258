"""The search loop with real searchers, and an engine that lets results arrive in any order."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from sparkexp.driver.consumers import Consumers
from sparkexp.driver.host_health import HostHealth
from sparkexp.driver.interrupts import Interrupts
from sparkexp.driver.limits import Limits
from sparkexp.driver.loop import CANCELLED, SearchLoop
from sparkexp.driver.progress import Progress
from sparkexp.driver.records import Records
from sparkexp.driver.trackers import Trackers
from sparkexp.engine import Engine, TrialTask
from sparkexp.objective import Objective
from sparkexp.runs import RunDirectory, create_run, open_run
from sparkexp.search import (
    EvolutionSearcher,
    GridSearcher,
    ListSearcher,
    RandomSearcher,
    Searcher,
    ShadeSearcher,
)
from sparkexp.search.spec import Search
from sparkexp.space import Choice, Int, Space
from sparkexp.tracking import TensorBoard
from sparkexp.trial import State, Trial, TrialResult, params_key

from ..tracking.tensorboard.reading import experiment

Evaluate = Callable[[Mapping[str, object]], TrialResult | float | None]


class LastFirstEngine(Engine):
    """Runs trials when it is asked for results, the one submitted last first."""

    def __init__(
        self, evaluate: Evaluate, slots: int = 1, at_once: int = 1, ahead: int = 0
    ) -> None:
        self._evaluate = evaluate
        self._slots = slots
        self._ahead = ahead
        self._at_once = at_once
        self.waiting: list[Trial] = []
        self.submitted: list[Trial] = []

    def _prepare(self, task: TrialTask, data: object) -> None:
        raise AssertionError("it runs no train function")

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def ahead(self) -> int:
        return self._ahead

    def submit(self, trial: Trial) -> None:
        self.waiting.append(trial)
        self.submitted.append(trial)
        assert len(self.waiting) <= self._slots + self._ahead, "more trials than slots"

    def wait(self, timeout_s: float | None = None) -> list[TrialResult]:
        ended = [self.waiting.pop() for _ in range(min(self._at_once, len(self.waiting)))]
        return [self._run(trial) for trial in ended]

    @property
    def where(self) -> str:
        return "this test"

    def stop(self, trial: Trial) -> None:
        raise AssertionError("nothing is pruned here")

    def cancel(self) -> None:
        self._evaluate = lambda params: TrialResult(Trial(0, params), State.CANCELLED)

    def close(self) -> None:
        self.waiting.clear()

    def _run(self, trial: Trial) -> TrialResult:
        value = self._evaluate(trial.params)
        if isinstance(value, TrialResult):
            return replace(value, trial=trial)
        state = State.FAILED if value is None else State.SUCCEEDED
        return TrialResult(
            trial, state, value, started=1.0, ended=2.0, host="node", gpu="0", logdir="/there"
        )


@pytest.fixture
def search(tmp_path):
    """Runs a search; returns its results and the run's directory."""

    def search(
        searcher: Searcher, engine: Engine, reuse: bool = True, stopped: str | None = None
    ) -> tuple[list[TrialResult], RunDirectory]:
        root = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        run = create_run(root, {})
        description = Search(searcher).describe("a search")
        trackers = Trackers([TensorBoard()], description, run)
        progress = Progress(searcher.n_trials, (Objective(),), stream=io.StringIO())
        limits = Limits(Objective())
        consumers = [HostHealth(), Records(run, searcher), limits, progress, trackers]
        with engine:
            loop = SearchLoop(
                searcher,
                engine,
                run,
                consumers=Consumers(consumers),
                limits=limits,
                interrupts=Interrupts(),
                progress=progress,
                trackers=trackers,
                reuse=reuse,
            )
            assert loop.run() == stopped
            results = loop.results()
        trackers.close("complete")
        return results, run

    return search


SPACE = Space({"x": Int(1, 100), "opt": Choice(["adam", "sgd"])})
SMALL = Space({"x": Int(1, 2), "opt": Choice(["adam", "sgd"])})


def value(params: Mapping[str, object]) -> float:
    return float(params["x"]) - 0.5 * (params["opt"] == "sgd")  # type: ignore[arg-type]


def searchers() -> dict[str, Searcher]:
    return {
        "grid": GridSearcher(Space.from_grid_dict({"x": [3, 1, 2], "opt": ["adam", "sgd"]})),
        "list": ListSearcher([{"x": k, "opt": "adam"} for k in range(7)]),
        "random": RandomSearcher(SPACE, n_trials=20, seed=1),
        "evolution": EvolutionSearcher(SPACE, "max", popsize=6, generations=4, seed=1),
    }


@pytest.mark.parametrize("name", searchers())
@pytest.mark.parametrize(
    ("slots", "at_once", "ahead"), [(1, 1, 0), (2, 1, 0), (4, 3, 0), (50, 50, 0), (2, 1, 3)]
)
def test_slots_and_the_order_of_arrival_change_nothing(search, name, slots, at_once, ahead):
    one_by_one, _ = search(searchers()[name], LastFirstEngine(value))
    searcher = searchers()[name]
    results, run = search(searcher, LastFirstEngine(value, slots, at_once, ahead))
    assert [(r.trial, r.value) for r in results] == [(r.trial, r.value) for r in one_by_one]
    assert [r.trial.number for r in results] == list(range(searcher.n_trials))
    assert searcher.done and run.results() == results


class Epochs(ListSearcher):
    """Runs every configuration for three, then for nine epochs."""

    @property
    def extras(self):
        return {"epochs": (3, 9)}

    def _propose(self, number: int) -> Trial:
        return replace(super()._propose(number), extra={"epochs": 3 + 6 * (number % 2)})


def test_extra_arguments_tell_configurations_apart(search):
    engine = LastFirstEngine(value)
    found, run = search(Epochs([{"x": 1, "opt": "adam"}] * 4), engine)
    assert [trial.arguments["epochs"] for trial in engine.submitted] == [3, 9]
    assert [r.reused_from for r in found[2:]] == [r.trial.id for r in found[:2]]
    assert [r.trial.extra["epochs"] for r in run.results()] == [3, 9, 3, 9]


class Watching(LastFirstEngine):
    """Notes how many trials it has, whenever it is asked for results."""

    def wait(self, timeout_s: float | None = None) -> list[TrialResult]:
        self.peaks = [*getattr(self, "peaks", []), len(self.waiting)]
        return super().wait(timeout_s)


def test_the_slots_are_kept_full(search):
    engine = Watching(value, slots=4)
    search(RandomSearcher(SPACE, n_trials=10, seed=1), engine)
    assert engine.peaks == [4, 4, 4, 4, 4, 4, 4, 3, 2, 1]


@pytest.mark.parametrize(("mode", "most"), [("generational", 6), ("asynchronous", 4)])
def test_only_what_no_result_can_change_is_asked_ahead(search, mode, most):
    engine = Watching(value, slots=4, ahead=2)
    search(ShadeSearcher(SPACE, n_trials=20, mode=mode, seed=1), engine)
    assert max(engine.peaks) == most


@pytest.mark.parametrize("slots", [1, 3, 20])
def test_a_configuration_is_evaluated_once(search, slots):
    engine = LastFirstEngine(value, slots)
    searcher = EvolutionSearcher(SMALL, "max", popsize=6, generations=5, seed=3)
    results, run = search(searcher, engine)
    keys = [params_key(trial.params) for trial in engine.submitted]
    assert len(results) == 36 and len(keys) == len(set(keys)) <= 4
    evaluated = {r.trial.id: r for r in results if r.reused_from is None}
    assert set(evaluated) == {trial.id for trial in engine.submitted}
    reused = [r for r in results if r.reused_from is not None]
    assert len(reused) == 36 - len(keys)
    for result in reused:
        origin = evaluated[result.reused_from]
        assert result.value == origin.value == value(result.trial.params)
        assert dict(result.trial.params) == dict(origin.trial.params)
        assert result.logdir == origin.logdir, "its events are where it ran"
        assert (result.seconds, result.host, result.gpu) == (0.0, "", "")
    assert run.results() == results


def test_a_failed_configuration_is_not_tried_again(search):
    engine = LastFirstEngine(lambda params: None, slots=2)
    results, _ = search(EvolutionSearcher(SMALL, "max", popsize=4, generations=3, seed=1), engine)
    assert len(engine.submitted) <= 4 and len(results) == 16
    assert {r.state for r in results} == {State.FAILED}


def test_without_reuse_every_trial_is_run(search):
    searcher = ListSearcher([{"x": 1, "opt": "adam"}] * 5)
    engine = LastFirstEngine(value, slots=3)
    results, _ = search(searcher, engine, reuse=False)
    assert len(engine.submitted) == 5
    assert [r.reused_from for r in results] == [None] * 5


def test_a_trial_cancelled_from_outside_ends_the_search_untold(search):
    def evaluate(params):
        return TrialResult(Trial(0, {}), State.CANCELLED) if params["x"] == 2 else 1.0

    searcher = ListSearcher([{"x": x} for x in (1, 2, 3, 4)])
    results, run = search(searcher, LastFirstEngine(evaluate), stopped=CANCELLED)
    assert [r.state for r in results] == [State.SUCCEEDED, State.CANCELLED]
    assert [r.state for r in run.results()] == [State.SUCCEEDED, State.CANCELLED]
    assert [trial.params for trial in searcher.open_trials()] == [{"x": 2}]


def test_the_state_on_disk_never_lags_behind(search, tmp_path):
    seen = []

    def evaluate(params):
        run = open_run(next(tmp_path.glob("run-*")))
        seen.append((len(run.results()), (run.searcher_state() or {"n_asked": None})["n_asked"]))
        return value(params)

    searcher = RandomSearcher(SPACE, n_trials=4, seed=1)
    _, run = search(searcher, LastFirstEngine(evaluate))
    assert seen == [(0, None), (1, 1), (2, 2), (3, 3)]
    fresh = RandomSearcher(SPACE, n_trials=4, seed=1)
    fresh.restore(run.searcher_state())
    assert fresh.done and fresh.ask() is None


def test_warnings_of_trials_are_logged(search, caplog):
    odd = TrialResult(
        Trial(0, {}), State.SUCCEEDED, 1.0, logdir="/there", warnings=("the disk is full",)
    )
    with caplog.at_level(logging.WARNING, "sparkexp"):
        search(ListSearcher([{"x": 1}, {"x": 1}]), LastFirstEngine(lambda params: odd))
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["trials/trial-00000: the disk is full"], "once, not for the reused one"


def test_tensorboard_learns_the_metrics_from_the_first_success(search):
    ended = iter(
        [
            TrialResult(Trial(0, {}), State.FAILED, error="E"),
            TrialResult(Trial(0, {}), State.SUCCEEDED, 1.0, {"acc": 1.0, "loss": 2.0}),
            TrialResult(Trial(0, {}), State.SUCCEEDED, 1.0, {"acc": 1.0}),
        ]
    )
    engine = LastFirstEngine(lambda params: next(ended))
    _, run = search(ListSearcher([{"x": k} for k in range(3)]), engine)
    names = [
        info.display_name or info.name.tag for info in experiment(run.paths.root).metric_infos
    ]
    assert names == ["objective (max)", "duration_s", "acc", "loss"]
