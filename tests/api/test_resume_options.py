"""What a resumed search keeps of its options, and what it asks for."""

from __future__ import annotations

import json
import time

import pytest
from optuna.samplers import RandomSampler

from sparkexp import experiment
from sparkexp.cli import main
from sparkexp.errors import InvalidArgumentError
from sparkexp.space import Space

from ..engine.forking import ForkEngine
from ..search.climbing import ClimbingSearcher

QUIET = {"engine": "inline", "progress": False}
GRID = {"x": [1, 2, 3]}


class MySampler(RandomSampler):
    """A sampler of the user's own."""


def train(x):
    return x


def sleep(x):
    time.sleep(0.3)
    return x


def start(place, function=train, **options):
    return experiment.launch(
        None, function, GRID, logdir=place, **{"max_trials": 1, **QUIET, **options}
    )


def settings_of(place):
    return json.loads((place / "experiment.json").read_text())


def test_the_engine_is_kept_by_its_name(tmp_path):
    start(tmp_path)
    result = experiment.resume(None, train, tmp_path, max_trials=None, progress=False)
    assert [r.value for r in result.trials] == [1, 2, 3]
    start(tmp_path / "cli")
    words = ["resume", str(tmp_path / "cli"), "--train", f"{__file__}:train", "--no-progress"]
    assert main([*words, "--max-trials", "none"]) == 0
    assert len(experiment.load(tmp_path / "cli")) == 3
    with pytest.raises(InvalidArgumentError, match="spark must be a SparkSession"):
        experiment.resume(None, train, tmp_path, engine="spark", progress=False)


def test_the_time_limit_holds_anew(tmp_path):
    first = start(tmp_path, sleep, timeout=0.2, max_trials=None)
    assert first.stopped == "the time of 0.2 s is up"
    done = sum(r.succeeded for r in first.trials)
    again = experiment.resume(None, sleep, tmp_path, progress=False)
    assert again.stopped == "the time of 0.2 s is up"
    assert done < sum(r.succeeded for r in again.trials) < 3
    whole = experiment.resume(None, sleep, tmp_path, timeout=None, progress=False)
    assert whole.stopped is None and [r.value for r in whole.trials] == [1, 2, 3]


def test_files_are_kept_by_their_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    helper = tmp_path / "helper.py"
    helper.write_text("")
    start(tmp_path / "run", py_files=["helper.py"], isolation="spawn")
    options = settings_of(tmp_path / "run")["options"]
    assert options["py_files"] == [str(helper)] and options["isolation"] == "spawn"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(experiment.resume(None, train, tmp_path / "run", max_trials=2)) == 2
    helper.rename(tmp_path / "elsewhere" / "helper.py")
    with pytest.raises(InvalidArgumentError, match=r"no '.*helper.py' any more.*py_files=\['help"):
        experiment.resume(None, train, tmp_path / "run", max_trials=None)
    for files in ((), ["helper.py"]):
        resumed = experiment.resume(
            None, train, tmp_path / "run", max_trials=None, py_files=files, progress=False
        )
        assert len(resumed) == 3


@pytest.mark.parametrize("data", [{"base": 1}, [1, 2], 0, "text"])
def test_data_is_asked_for(data, tmp_path):
    def with_data(data, x):
        return x

    start(tmp_path, with_data, data=data)
    words = rf"started with data=, an object of the class {type(data).__name__}, .*logdir, data=…"
    with pytest.raises(InvalidArgumentError, match=words):
        experiment.resume(None, with_data, tmp_path, max_trials=None, **QUIET)
    result = experiment.resume(None, with_data, tmp_path, max_trials=None, data=data, **QUIET)
    assert len(result) == 3


def test_an_engine_of_one_s_own_is_asked_for(tmp_path, capsys):
    start(tmp_path, engine=ForkEngine())
    with pytest.raises(InvalidArgumentError, match=r"engine=.*forking.ForkEngine.*engine=…"):
        experiment.resume(None, train, tmp_path, max_trials=None, progress=False)
    assert main(["resume", str(tmp_path), "--train", f"{__file__}:train"]) == 1
    assert "forking.ForkEngine" in capsys.readouterr().err
    result = experiment.resume(None, train, tmp_path, max_trials=2, engine=ForkEngine())
    assert len(result) == 2
    assert len(experiment.resume(None, train, tmp_path, max_trials=None, **QUIET)) == 3


def test_searchers_and_samplers_are_asked_for_by_name(tmp_path):
    space = {"x": [0.0, 1.0]}
    own = ClimbingSearcher(Space.from_search_dict(space), n_trials=4, seed=1)
    for place, searcher, words in (
        ("own", own, r"a ClimbingSearcher of your own.*The class is .*climbing.ClimbingSearcher"),
        ("mine", MySampler(), r"MySampler, which.*searcher=.*test_resume_options.MySampler\(…\)"),
        (
            "optuna",
            RandomSampler(),
            r"RandomSampler, .*searcher=optuna.samplers.RandomSampler\(\)",
        ),
    ):
        options = {"max_trials": 2, "logdir": tmp_path / place}
        experiment.search(None, train, space, searcher, **options, **QUIET)
        with pytest.raises(InvalidArgumentError, match=words):
            experiment.resume(None, train, tmp_path / place, max_trials=None)


def test_records_without_these_entries_are_resumed_as_before(tmp_path):
    def with_data(data, x):
        return x

    start(tmp_path, with_data, data=[1], timeout=60)
    record = settings_of(tmp_path)
    for name in ("unrecorded", "given"):
        del record[name]
    for name in ("engine", "py_files", "timeout"):
        del record["options"][name]
    (tmp_path / "experiment.json").write_text(json.dumps(record))
    assert len(experiment.load(tmp_path)) == 1
    result = experiment.resume(None, with_data, tmp_path, max_trials=2, data=[1], **QUIET)
    assert len(result) == 2
    with pytest.raises(InvalidArgumentError, match="spark must be a SparkSession"):
        experiment.resume(None, with_data, tmp_path, max_trials=None, data=[1], progress=False)
