"""What ends a search: patience, a function, a callback, a trial that says so."""

from __future__ import annotations

import logging
import threading

import pytest

from sparkexp import experiment
from sparkexp.errors import InvalidArgumentError

QUIET = {"engine": "inline", "progress": False}


def give(x: float) -> float:
    return x


def search(values, train=give, **options):
    return experiment.launch(None, train, [{"x": x} for x in values], **{**QUIET, **options})


class TestPatience:
    def test_no_better_value_for_so_many_trials(self):
        result = search([1, 3, 2, 3, 1, 9], patience=3)
        assert [trial.value for trial in result.trials] == [1, 3, 2, 3, 1]
        assert result.stopped == (
            "3 trials in a row were no better than trials/trial-00001 (patience=3)"
        )

    def test_failed_trials_count_and_the_first_success_begins(self):
        def train(x):
            return x if x >= 0 else 1 / 0

        assert len(search([-1, -2, -3, 5, -4, -5, 7], train, patience=2)) == 6

    def test_to_minimise(self):
        assert len(search([3, 2, 1, 1, 1, 0], direction="min", patience=2)) == 5

    def test_a_configuration_with_repeats_counts_once(self):
        result = experiment.random_search(
            None, lambda x, seed: 0.5, {"x": [0.0, 1.0]}, max_trials=20, seed=1,
            repeats=2, patience=2, **QUIET,
        )  # fmt: skip
        assert len(result) == 6  # one that is the best, two that aren't better

    def test_a_resumed_search_counts_on(self, tmp_path):
        search([1, 0, 0, 0, 0], patience=2, logdir=tmp_path / "run")
        assert len(experiment.resume(None, give, tmp_path / "run", progress=False)) == 3
        more = experiment.resume(None, give, tmp_path / "run", patience=3, progress=False)
        assert len(more) == 4
        assert len(experiment.resume(None, give, tmp_path / "run", patience=None)) == 5

    @pytest.mark.parametrize("given", [0, -1, 1.5, "many", True])
    def test_it_is_a_number_of_trials(self, given):
        with pytest.raises(InvalidArgumentError, match="patience is a whole number"):
            search([1], patience=given)

    def test_with_several_metrics_there_is_none(self):
        with pytest.raises(InvalidArgumentError, match="patience goes with one metric"):
            experiment.random_search(
                None, give, {"x": [0.0, 1.0]}, ["max", "min"], metric=["a", "b"], patience=3,
                **QUIET,
            )  # fmt: skip


class TestFidelity:
    def search(self, train, **options):
        return experiment.random_search(
            None, train, {"x": [0.0, 1.0]}, fidelity="epochs", min=1, max=9, max_trials=60, seed=1,
            **QUIET, **options,
        )  # fmt: skip

    def test_only_the_highest_rung_is_compared(self):
        result = self.search(lambda x, epochs: x * epochs, patience=2)
        full = [trial for trial in result.trials if trial.trial.rung == 2]
        assert len(full) >= 3 and "2 trials in a row" in result.stopped

    def test_only_the_highest_rung_reaches_a_target(self):
        result = self.search(lambda x, epochs: x, target=0.5)
        assert result.stopped.startswith("rung-2/")


class TestStopWhen:
    def test_it_sees_the_result_so_far_after_each_trial(self):
        seen = []

        def enough(result):
            seen.append(len(result))
            return result.best.value >= 3

        result = search([1, 2, 3, 4, 5], stop_when=enough)
        assert seen == [1, 2, 3] and len(result) == 3
        assert result.stopped == "stop_when returned True"

    def test_it_is_asked_after_each_trial_also_of_those_that_reuse_a_value(self):
        seen = []
        result = experiment.random_search(
            None, lambda n: n, {"n": [1, 3]}, max_trials=12, seed=1,
            stop_when=lambda so_far: seen.append(len(so_far)) or len(so_far) == 8, **QUIET,
        )  # fmt: skip
        assert seen == list(range(1, 9)) and len(result) >= 8
        assert result.stopped == "stop_when returned True"

    def test_without_a_best_trial_it_means_no(self, caplog):
        result = search([-1, 1, 2, 3], train=lambda x: x if x > 0 else 1 / 0,
                        stop_when=lambda so_far: so_far.best.value >= 2)  # fmt: skip
        assert len(result) == 3 and not caplog.records

    def test_one_that_raises_is_asked_again(self, caplog):
        def enough(so_far):
            return {2: True}[len(so_far)]

        assert len(search([1, 2, 3], stop_when=enough)) == 2
        assert "asks it again when the next trial has ended" in caplog.text

    def test_what_it_changes_is_its_own(self):
        def change(so_far):
            so_far.trials[0].trial.params["score"] = 1

        def log(trial):
            trial.trial.params["score"] = trial.metrics["more"] = 1

        result = search([1, 2], stop_when=change, on_trial_end=log)
        assert result.best.params == {"x": 2} and result.best.metrics == {}

    def test_a_resumed_search_warns_that_it_has_none(self, tmp_path, caplog):
        search([1, 2, 3], stop_when=lambda so_far: len(so_far) == 1, logdir=tmp_path / "run")
        again = experiment.resume(
            None, give, tmp_path / "run", stop_when=lambda so_far: len(so_far) == 2, progress=False
        )
        assert len(again) == 2 and not caplog.records
        assert len(experiment.resume(None, give, tmp_path / "run", progress=False)) == 3
        assert "started with stop_when=, which a log directory can't hold" in caplog.text

    def test_a_text_is_the_reason(self):
        result = search(
            [1, 2, 3], stop_when=lambda result: "two will do" if len(result) == 2 else ""
        )
        assert result.stopped == "two will do" and len(result) == 2

    def test_one_that_always_raises_is_warned_of_once(self, caplog):
        calls = []

        def broken(result):
            calls.append(1)
            raise RuntimeError("oh")

        with caplog.at_level(logging.WARNING):
            assert len(search([1, 2, 3], stop_when=broken)) == 3
        assert len(calls) == 3
        assert caplog.text.count("stop_when= has raised") == 1

    def test_it_is_a_function(self):
        with pytest.raises(InvalidArgumentError, match="stop_when must be a function"):
            search([1], stop_when=3)

    @pytest.mark.parametrize("name", ["stop_when", "on_trial_end"])
    def test_its_call_runs_it(self, name, tmp_path):
        async def later(given):
            return True

        def one_by_one(given):
            yield True

        class Later:
            async def __call__(self, given):
                return True

        def train(x):
            raise AssertionError("never called")

        for function, kind in ((later, "async"), (one_by_one, "generator"), (Later(), "async")):
            with pytest.raises(InvalidArgumentError, match=f"{name} must .*the {kind} function"):
                search([1], train, logdir=tmp_path / "run", **{name: function})
        assert not (tmp_path / "run").exists()


class TestOnTrialEnd:
    def test_it_is_called_with_each_result_in_a_thread_of_its_own(self):
        seen, threads = [], set()

        def note(result):
            seen.append((result.trial.params["x"], result.value))
            threads.add(threading.current_thread().name)

        result = search([1, 2, 3], on_trial_end=note)
        assert seen == [(1, 1.0), (2, 2.0), (3, 3.0)] and result.stopped is None
        assert threads == {"sparkexp-TrialCallback"}

    def test_it_may_end_the_search(self):
        told = threading.Event()

        def train(x):
            if x > 1:
                told.wait(60)  # the callback is called while other trials run
            return x

        def note(result):
            told.set()
            return result.value == 1

        result = search(range(1, 200), train, on_trial_end=note)
        assert len(result) < 199
        assert result.stopped == "on_trial_end returned True (trials/trial-00000)"

    def test_one_that_raises_is_called_no_more(self, caplog):
        def broken(result):
            raise RuntimeError("oh")

        assert len(search([1, 2, 3], on_trial_end=broken)) == 3
        assert caplog.text.count("on_trial_end= failed in trial_ended") == 1


class TestATrialThatSaysSo:
    @staticmethod
    def train(x):
        if x == 2:
            experiment.stop_search("the data is broken")
        return x

    def test_the_search_ends_after_it(self):
        result = search([1, 2, 3], self.train)
        assert [trial.value for trial in result.trials] == [1, 2]
        assert result.stopped == "trials/trial-00001 asked for it: the data is broken"

    def test_one_that_fails_afterwards_has_said_it(self):
        def train(x):
            experiment.stop_search("never again")
            raise RuntimeError("oh")

        result = search([1, 2], train)
        assert len(result) == 1 and "never again" in result.stopped

    def test_resume_goes_on(self, tmp_path):
        search([1, 2, 3], self.train, logdir=tmp_path / "run")
        result = experiment.resume(None, self.train, tmp_path / "run", progress=False)
        assert len(result) == 3 and result.stopped is None

    def test_a_reason_is_a_text(self):
        result = search([1], lambda x: experiment.stop_search(3))
        assert "A reason to stop is a text" in result.trials[0].error


class TestEqualValues:
    def test_a_constant_objective_is_said_once(self, caplog):
        search(range(30), lambda x: 0.1)
        assert caplog.text.count("The first 20 trials all have the value 0.1") == 1

    def test_values_that_differ_are_not(self, caplog):
        search(range(30), lambda x: float(x == 7))
        assert "all have the value" not in caplog.text
