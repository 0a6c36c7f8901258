"""experiment.architecture_search, and architectures in the other calls; all inline."""

from __future__ import annotations

import json

import optuna
import pytest

from sparkexp import experiment, nas
from sparkexp.api.architecture_search import SEARCHER_NAMES
from sparkexp.cli.program import main
from sparkexp.errors import InvalidArgumentError, SpaceError
from sparkexp.search import RandomSearcher
from sparkexp.space import Choice, Space
from sparkexp.space.architecture import ArchitectureSpace

from ..nas.spaces import Stack, train

HOW = {"engine": "inline", "progress": False}
BEST = "conv5-conv5-conv5"
THERE = list(SEARCHER_NAMES)
BOTH = {"architecture": Stack(), "learning_rate": [0.0, 0.9]}


def search(space=None, searcher="random", max_trials=30, **options):
    space = Stack() if space is None else space
    return experiment.architecture_search(
        None, train, space, searcher, max_trials=max_trials, **{"seed": 1, **HOW, **options}
    )


@pytest.fixture
def forgotten(monkeypatch):
    """A function that lets this process forget the class."""

    def forget():
        monkeypatch.delitem(ArchitectureSpace._classes, "Stack")

    return forget


class TestSearch:
    @pytest.mark.parametrize("searcher", THERE)
    @pytest.mark.parametrize("space", [Stack(), BOTH])
    def test_by_name(self, searcher, space):
        result = search(space, searcher, 60)
        assert len(result) == 60
        assert not result.failures()
        assert result.best.architecture.build().count("conv5") >= 2
        assert result.best.params["architecture"] == str(result.best.architecture)
        again = search(space, searcher, 60)
        assert [r.trial for r in again.trials] == [r.trial for r in result.trials]

    def test_equal_architectures_are_trained_once(self):
        result = search(Stack(1), max_trials=20)
        trained = [r for r in result.trials if r.reused_from is None]
        assert len(trained) == 3

    def test_a_searcher_of_the_users_own(self):
        class Mine(RandomSearcher):
            name = "mine"

        space = Space.from_search_dict({"architecture": Stack()})
        result = search(searcher=Mine(space, 12, 3), seed=None, max_trials=None)
        assert len(result) == 12 and result.searcher == "mine"

    def test_min_and_a_dict_of_metrics(self):
        def cost(architecture):
            return {"n": len(architecture.build()), "accuracy": 1.0}

        result = experiment.architecture_search(
            None, cost, Stack(), "random", "min", 30, metric="n", seed=1, **HOW
        )
        assert result.best.architecture.build() == []

    def test_several_objectives(self):
        def weigh(architecture):
            return {"large": architecture.build().count("conv5"), "n": len(architecture.build())}

        result = experiment.architecture_search(
            None, weigh, Stack(), "random", ["max", "min"], 40,
            metric=["large", "n"], seed=1, **HOW,
        )  # fmt: skip
        assert [len(each.architecture.build()) for each in result.front][-1] == 0
        assert all(set(each.architecture.build()) <= {"conv5"} for each in result.front)

    @pytest.mark.parametrize("searcher", THERE)
    def test_fidelity(self, searcher):
        result = search(searcher=searcher, fidelity="epochs", max=9)
        assert {r.trial.extra["epochs"] for r in result.trials} == {1, 3, 9}
        assert not result.failures()

    def test_initial_and_warm_start(self):
        first = nas.Architecture(Stack(), (2, 2, 2))
        result = search(initial=[{"architecture": first}], max_trials=5)
        assert result.best.id == "trials/trial-00000" and result.best.architecture == first
        given = [{"architecture": "conv5-none-conv3"}]
        again = search(initial=given, warm_start=result, max_trials=5)
        assert again.trials[0].trial.params == {"architecture": "conv5-none-none"}
        with pytest.raises(SpaceError, match=r"initial\[0\]: architecture: "):
            search(initial=[{"architecture": "conv9"}])

    def test_where(self):
        result = search(BOTH, where=lambda p: "conv5" not in p["architecture"])
        assert result.best.architecture.build().count("conv5") == 0

    def test_data_and_repeats(self):
        def with_data(offset, architecture, seed):
            return offset + len(architecture.build()) + seed % 2

        result = experiment.architecture_search(
            None, with_data, Stack(), "random", max_trials=12, data=5, repeats=2, seed=1, **HOW
        )
        assert len(result) == 12 and result.best.value >= 5

    def test_a_dry_run(self, capsys):
        result = search(dry_run=True)
        assert len(result) == 1 and not result.failures()

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"max_trials": None}, "number of trials: give max_trials=500"),
            ({"max_trials": None, "fidelity": "epochs"}, "give max_trials=500"),
            ({"searcher": "annealing"}, "searcher must be one of 'evolution', 'tournament'"),
            ({"searcher": 3}, "got 3"),
            ({"space": {"learning_rate": [0, 1]}}, "has an architecture space, .* learning_rate"),
            ({"space": {"architecture": 5}}, "has an architecture space"),
            ({"max_trial": 3}, "max_trials"),
        ],
    )
    def test_rules(self, given, message):
        with pytest.raises(InvalidArgumentError, match=message):
            search(**given)

    def test_a_wrong_argument_is_named(self):
        def wrong(architectur):
            return 0.0

        with pytest.raises(InvalidArgumentError, match="did you mean 'architectur'"):
            experiment.architecture_search(None, wrong, Stack(), "random", max_trials=3, **HOW)


class Wide(nas.ArchitectureSpace):
    """Forgets its settings."""

    decisions = (nas.Decision("first", ("a", "b")), nas.Decision("second", ("a", "b", "c")))

    def __init__(self, width=8):
        self.width = width

    def build(self, architecture, **settings):
        return self.width


class Straying(Wide):
    """Its mutations leave the space after a while."""

    calls = 0

    def mutate(self, choices, rng):
        Straying.calls += 1
        return super().mutate(choices, rng) if Straying.calls < 8 else (choices[0], 3)


class TestABadSpace:
    @pytest.mark.parametrize(
        ("call", "options"),
        [
            ("launch", {}),
            ("random_search", {"max_trials": 3}),
            ("evolutionary_search", {"max_trials": 20}),
            ("search", {"searcher": "surrogate", "max_trials": 12}),
            ("architecture_search", {"max_trials": 12}),
            ("architecture_search", {"max_trials": 12, "fidelity": "epochs"}),
        ],
    )
    def test_is_refused_before_the_first_trial(self, call, options, tmp_path):
        logdir = tmp_path / "run"
        with pytest.raises(SpaceError, match="Wide.settings .* width=8 instead of 32"):
            getattr(experiment, call)(
                None, train, {"architecture": Wide(32)}, logdir=str(logdir), **options, **HOW
            )
        assert not logdir.exists()

    def test_alone(self):
        with pytest.raises(SpaceError, match="Wide.settings"):
            search(Wide(32))

    def test_a_class(self):
        with pytest.raises(SpaceError, match=r"hand over an instance: Wide\(\)"):
            search(Wide)

    def test_a_mutation_outside_in_a_search(self, tmp_path):
        def build(architecture):
            return architecture.build()

        logdir = str(tmp_path / "run")
        message = "Straying.mutate must return .* 0 to 2, not 3"
        with pytest.raises(SpaceError, match=message):
            experiment.architecture_search(
                None, build, Straying(), max_trials=50, seed=1, logdir=logdir, **HOW
            )
        assert len(experiment.load(logdir)) > 5
        with pytest.raises(SpaceError, match=message):
            experiment.resume(None, build, logdir, **HOW)


class TestOtherCalls:
    def test_launch_with_a_list(self):
        listed = [Stack().parse("conv3"[:5] + "-none-none"), Stack().parse(BEST)]
        result = experiment.launch(
            None, train, {"architecture": listed, "learning_rate": [0.0, 0.5]}, **HOW
        )
        assert len(result) == 4 and not result.failures()
        assert result.best.architecture == listed[1]
        assert experiment.load(result.logdir).best.architecture == listed[1]

    def test_launch_with_one(self):
        result = experiment.launch(None, train, {"architecture": Stack().parse(BEST)}, **HOW)
        assert result.best.architecture.build() == ["conv5"] * 3

    def test_launch_with_a_list_of_dicts(self):
        with pytest.raises(SpaceError, match="give a dict of lists"):
            experiment.launch(None, train, [{"architecture": Stack().parse(BEST)}], **HOW)

    def test_a_grid_of_all(self):
        result = experiment.launch(None, train, {"architecture": Stack(2)}, **HOW)
        assert len(result) == 7 and result.best.architecture.build() == ["conv5"] * 2

    @pytest.mark.parametrize(
        ("call", "options"),
        [
            ("random_search", {"max_trials": 12, "seed": 1}),
            ("evolutionary_search", {"popsize": 6, "generations": 2, "seed": 1}),
            ("evolutionary_search", {"max_trials": 20, "fidelity": "epochs", "seed": 1}),
            ("search", {"searcher": "surrogate", "max_trials": 12, "seed": 1}),
            ("search", {"searcher": optuna.samplers.TPESampler(seed=1), "max_trials": 12}),
        ],
    )
    def test_the_train_function_gets_objects(self, call, options):
        result = getattr(experiment, call)(None, train, BOTH, **options, **HOW)
        assert not result.failures() and len(result) >= 12
        assert result.best.architecture.space == Stack()

    def test_under_a_choice(self):
        def either(kind, architecture=None):
            return 0.5 if architecture is None else len(architecture.build())

        space = {"kind": Choice({"given": {"architecture": Stack()}, "fixed": {}})}
        result = experiment.random_search(None, either, space, max_trials=20, seed=1, **HOW)
        assert not result.failures()
        assert len(result.best.architecture.build()) == 3
        assert {r.value for r in result.trials} > {0.5}


class TestResult:
    def test_several_architectures(self):
        def two(one, other):
            return len(one.build()) + len(other.build())

        result = experiment.architecture_search(
            None, two, {"one": Stack(1), "other": Stack(2)}, "random", max_trials=20, seed=1, **HOW
        )
        assert {n: len(a.build()) for n, a in result.best.architectures.items()} == {
            "one": 1,
            "other": 2,
        }
        with pytest.raises(SpaceError, match="best.architectures, by its name: 'one', 'other'"):
            _ = result.best.architecture

    def test_none(self):
        result = experiment.launch(None, lambda x: x, {"x": [1, 2]}, **HOW)
        with pytest.raises(SpaceError, match="this trial has 0. Its parameters are x"):
            _ = result.best.architecture
        assert result.best.architectures == {}

    def test_failures_begin_with_the_users_frame(self):
        def fail(architecture):
            raise ValueError("no such layer")

        result = experiment.launch(None, fail, {"architecture": Stack(1)}, **HOW)
        text = next(iter(result.failures().values()))
        assert "no such layer" in text and "object_train.py" not in text


class TestRecords:
    def test_resume(self, tmp_path):
        logdir = str(tmp_path / "run")
        whole = search(BOTH, max_trials=20)
        part = search(BOTH, max_trials=20, target=2.0, logdir=logdir)
        assert part.stopped
        result = experiment.resume(None, train, logdir, target=None, **HOW)
        assert [r.trial for r in result.trials] == [r.trial for r in whole.trials]
        assert [r.value for r in result.trials] == [r.value for r in whole.trials]
        assert result.best.architecture == whole.best.architecture

    def test_the_record_is_text(self, tmp_path):
        result = search(logdir=str(tmp_path / "run"), max_trials=3)
        record = json.loads((tmp_path / "run" / "experiment.json").read_text())
        assert record["space"]["parameters"][0]["parameter"]["space"] == "Stack"
        assert all(isinstance(r.trial.params["architecture"], str) for r in result.trials)

    def test_without_the_class(self, tmp_path, forgotten, capsys):
        logdir = str(tmp_path / "run")
        best = search(BOTH, logdir=logdir, max_trials=12).best
        forgotten()
        result = experiment.load(logdir)
        assert result.best.params == best.params
        assert [spec.name for spec in result.search.parameters] == list(BOTH)
        with pytest.raises(SpaceError, match="'Stack', which is not known here: import"):
            _ = result.best.architecture
        with pytest.raises(SpaceError, match="'Stack', which is not known here: import"):
            experiment.resume(None, train, logdir, **HOW)
        assert main(["show", logdir]) == 0
        page = tmp_path / "page.html"
        assert main(["report", logdir, "--output", str(page)]) == 0
        assert main(["compare", logdir, logdir]) == 0
        assert "Stack(layers=3)" in page.read_text()
        assert str(best.params["architecture"]) in capsys.readouterr().out

    def test_with_the_class_again(self, tmp_path):
        best = search(logdir=str(tmp_path / "run"), max_trials=12).best
        assert experiment.load(tmp_path / "run").best.architecture == best.architecture
