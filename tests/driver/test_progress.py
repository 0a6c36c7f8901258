from __future__ import annotations

import io
import re
import sys
import time
from collections.abc import Sequence

import pytest

from sparkexp.driver.progress import FRONT_ENDS, STARTING, Progress
from sparkexp.objective import Objective
from sparkexp.trial import State, Trial, TrialResult

MAX = (Objective(),)


def show(progress: Progress, results: Sequence[TrialResult], n_running: int) -> None:
    """Let the progress know of the results that are new to it, and show the state."""
    n_known = vars(progress).setdefault("n_known", 0)
    for result in results[n_known:]:
        progress.trial_ended(result)
    vars(progress)["n_known"] = len(results)
    progress.show(n_running)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def ended(number, value=None, error=None, **params) -> TrialResult:
    state = State.SUCCEEDED if error is None else State.FAILED
    return TrialResult(Trial(number, params), state, value, error=error)


def test_a_line_per_trial_of_a_small_search():
    stream = io.StringIO()
    progress = Progress(3, MAX, stream=stream)
    progress.show_plan("the plan\n")
    results = []
    show(progress, results, 2)
    results.append(ended(0, 0.5, lr=0.12345, opt="adam"))
    show(progress, results, 2)
    show(progress, results, 2)  # nothing new
    results.append(ended(1, error="Traceback …\nValueError: bad rate"))
    show(progress, results, 1)
    results.append(ended(2, 0.25, lr=0.2, opt="sgd"))
    show(progress, results, 0)
    progress.close()
    assert stream.getvalue().splitlines() == [
        "the plan",
        "1 of 3 trials done, 2 running, 0 failed, best 0.5 (lr=0.123, opt=adam)",
        "trials/trial-00001 failed: ValueError: bad rate",
        "2 of 3 trials done, 1 running, 1 failed, best 0.5 (lr=0.123, opt=adam)",
        "3 of 3 trials done, 0 running, 1 failed, best 0.5 (lr=0.123, opt=adam)",
    ]


@pytest.mark.parametrize(
    ("direction", "values", "best"),
    [("max", [-2.0, -1.0, -3.0], "-1"), ("min", [2.0, 1.0, 3.0], "1"), ("min", [-1.0, 0.0], "-1")],
)
def test_the_best_follows_the_direction(direction, values, best):
    stream = io.StringIO()
    progress = Progress(len(values), (Objective(None, direction),), stream=stream)
    show(progress, [ended(k, value, k=k) for k, value in enumerate(values)], 0)
    assert f"best {best} (k=" in stream.getvalue()


def test_the_first_of_equals_stays_the_best():
    stream = io.StringIO()
    show(Progress(2, MAX, stream=stream), [ended(0, 1.0, k=0), ended(1, 1.0, k=1)], 0)
    assert "best 1 (k=0)" in stream.getvalue()


def test_without_values_there_is_no_best():
    stream = io.StringIO()
    show(Progress(1, MAX, stream=stream), [ended(0)], 0)
    assert stream.getvalue() == "1 of 1 trial done, 0 running, 0 failed\n"


def test_only_the_first_failure_has_a_line():
    stream = io.StringIO()
    progress = Progress(3, MAX, stream=stream)
    show(progress, [ended(k, error=f"E{k}") for k in range(3)], 0)
    assert re.findall(r"failed: (.*)", stream.getvalue()) == ["E0"]
    assert "3 failed" in stream.getvalue()


def test_a_large_search_is_not_a_line_per_trial():
    stream = io.StringIO()
    progress = Progress(500, MAX, stream=stream)
    results = []
    for k in range(500):
        results.append(ended(k, float(k)))
        show(progress, results, 4 if k < 499 else 0)
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("1 of 500") and lines[-1].startswith("500 of 500")
    assert len(lines) < 10


def test_a_search_without_end_has_no_total():
    stream = io.StringIO()
    show(Progress(None, MAX, stream=stream), [ended(0, 1.0)], 0)
    assert stream.getvalue().startswith("1 trial done")


def test_disabled_shows_nothing():
    stream = Terminal()
    progress = Progress(2, MAX, enabled=False, stream=stream)
    progress.show_plan("the plan")
    show(progress, [ended(0, error="E")], 0)
    progress.close()
    assert stream.getvalue() == ""


def test_standard_error_is_the_default(capsys):
    progress = Progress(1, MAX)
    progress.show_plan("the plan")
    captured = capsys.readouterr()
    assert captured.err == "the plan\n" and captured.out == ""


def test_a_terminal_has_a_bar():
    stream = Terminal()
    progress = Progress(4, MAX, stream=stream)
    results = [ended(0, 0.5, lr=0.1)]
    show(progress, results, 3)
    results.append(ended(1, error="Traceback …\nValueError: bad rate"))
    show(progress, results, 2)
    results += [ended(2, 0.75, lr=0.2), ended(3, 0.7, lr=0.3)]
    show(progress, results, 0)
    progress.close()
    text = stream.getvalue()
    assert "trials/trial-00001 failed: ValueError: bad rate\n" in text
    last = text.rstrip("\n").rpartition("\r")[2]
    assert "4/4" in last and "0 running, 1 failed, best 0.75 (lr=0.2)" in last
    before = len(text)
    progress.close()
    assert len(stream.getvalue()) == before, "closing twice writes twice"


def test_a_bar_waits_for_the_first_trial_without_division_by_zero():
    stream = Terminal()
    progress = Progress(2, MAX, stream=stream)
    show(progress, [], 2)
    progress.close()
    assert "0/2" in stream.getvalue() and "2 running" in stream.getvalue()


def test_it_says_that_workers_start():
    stream = io.StringIO()
    progress = Progress(3, MAX, stream=stream, starts_workers=True)
    results: list[TrialResult] = []
    show(progress, results, 2)
    show(progress, results, 2)
    results.append(ended(0, 0.5))
    show(progress, results, 2)
    assert stream.getvalue().splitlines() == [
        f"2 trials submitted, {STARTING}",
        "1 of 3 trials done, 2 running, 0 failed, best 0.5 ()",
    ]
    terminal = Terminal()
    bar = Progress(3, MAX, stream=terminal, starts_workers=True)
    show(bar, [], 2)
    bar.close()
    assert STARTING in terminal.getvalue() and "2 running" not in terminal.getvalue()


def test_a_notebook_without_a_front_end_gets_lines(monkeypatch):
    class OutStream(io.StringIO):
        """Looks like a kernel's stream."""

    OutStream.__module__ = "ipykernel.iostream"
    for name in FRONT_ENDS:
        monkeypatch.delenv(name, raising=False)
    stream = OutStream()
    progress = Progress(2, MAX, stream=stream)
    show(progress, [ended(0, 0.5), ended(1, 0.25)], 0)
    assert stream.getvalue() == "2 of 2 trials done, 0 running, 0 failed, best 0.5 ()\n"
    monkeypatch.setenv("JPY_SESSION_NAME", "a.ipynb")
    stream = OutStream()
    progress = Progress(2, MAX, stream=stream)
    show(progress, [ended(0, 0.5), ended(1, 0.25)], 0)
    progress.close()
    assert "2/2" in stream.getvalue()


def test_showing_is_cheap():
    stream = io.StringIO()
    progress = Progress(10_000, MAX, stream=stream)
    results = [ended(k, float(k)) for k in range(10_000)]
    show(progress, results, 1)
    started = time.perf_counter()
    for _ in range(1000):
        show(progress, results, 1)
    # Looking at all results each time would take seconds.
    assert time.perf_counter() - started < 1.0


def test_the_stream_may_be_replaced_before_the_search(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    Progress(1, MAX).show_plan("the plan")
    assert stream.getvalue() == "the plan\n"


def test_the_best_is_the_one_with_the_best_mean_or_of_each_objective():
    stream = io.StringIO()
    runs = [
        TrialResult(Trial(k, {"x": k // 2}, repetition=k % 2), State.SUCCEEDED, value)
        for k, value in enumerate([9.0, 1.0, 6.0, 7.0])
    ]
    show(Progress(4, MAX, stream=stream), runs, 0)
    assert "best 6.5 in 2 runs (x=1)" in stream.getvalue()
    stream = io.StringIO()
    both = [
        TrialResult(Trial(k, {"x": k}), State.SUCCEEDED, values[0], values=values)
        for k, values in enumerate([(0.5, 3.0), (0.7, 8.0)])
    ]
    objectives = (Objective("accuracy"), Objective("latency", "min"))
    show(Progress(2, objectives, stream=stream), both, 0)
    assert "best accuracy 0.7, best latency 3\n" in stream.getvalue()
