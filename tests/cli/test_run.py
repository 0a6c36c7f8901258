"""``sparkexp run``, ``resume``, ``show`` and ``compare``, in this process but for one search."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sparkexp
from sparkexp import experiment
from sparkexp.api.fidelity_options import FIDELITY_ROWS
from sparkexp.cli import main
from sparkexp.driver.options import ROWS
from sparkexp.runs import open_run

ROOT = Path(__file__).parents[2]
TRAIN = """
import factor_{tag}

def train(x, units=1, epochs=1):
    if units == 3:
        raise ValueError('too many')
    return {{'score': x * units * factor_{tag}.FACTOR, 'cost': x}}

def bounded(p):
    return p['x'] < 0.5

def enough(result):
    return 'three will do' if len(result) == 3 else ''

def note(result):
    with open('ended', 'a') as file:
        print(result.trial.number, file=file)

not_a_function = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch, request):
    """A working directory with a train function whose modules no other test has loaded."""
    tag = f"t{abs(hash(request.node.nodeid)) % 10**9}"
    code = tmp_path / "code"
    code.mkdir()
    (code / f"train_{tag}.py").write_text(TRAIN.format(tag=tag))
    (code / f"factor_{tag}.py").write_text("FACTOR = 2\n")
    (tmp_path / "space.json").write_text('{"x": [0.0, 1.0], "units": [1, 2]}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    tmp_path.joinpath("train").write_text(f"code/train_{tag}.py:train")
    return tmp_path


@pytest.fixture
def function(folder) -> str:
    return (folder / "train").read_text()


INLINE = ("--engine", "inline", "--no-progress", "--metric", "score")


def run(function, *words) -> int:
    return main(["run", function, "--space", "space.json", *INLINE, *map(str, words)])


@pytest.mark.parametrize(
    ("words", "searcher", "n_trials"),
    [
        ([], "grid", 4),
        (["--search", "random", "--max-trials", 6, "--seed", 1], "random", 6),
        (["--search", "sobol", "--trials", 4], "sobol", 4),
        (["--search", "shade", "--n-trials", 8], "shade", 8),
        (
            ["--search", "evolution", "--popsize", 4, "--generations", 1, "--direction", "min"]
            + ["--crossover", 0.7, "--mutation", 0.5, "--seed", 7],
            "evolution",
            8,
        ),
        (
            ["--search", "asha", "--fidelity", "epochs", "--min", 1, "--max", 4, "--eta", 2]
            + ["--n-trials", 4],
            "asha",
            None,
        ),
        *(
            (
                ["--search", name, "--fidelity", "epochs", "--min", 1, "--max", 4]
                + ["--popsize", 4, "--generations", 1],
                name,
                None,
            )
            for name in ("surrogate-asha", "dehb")
        ),
    ],
)
def test_each_search(words, searcher, n_trials, function, folder, capsys):
    assert run(function, *words, "--logdir", "runs/one") == 0
    result = experiment.load("runs/one")
    assert capsys.readouterr().out == f"{result}\n"
    assert n_trials is None or len(result) == n_trials
    assert open_run("runs/one").settings["searcher"] == searcher


def test_it_is_the_search_of_the_call(function, folder):
    words = ["--search", "evolution", "--popsize", 4, "--generations", 2, "--crossover", 0.7]
    assert run(function, *words, "--mutation", 0.5, "--seed", 3, "--logdir", "one") == 0
    called = experiment.evolutionary_search(
        None, lambda x, units: {"score": x * units * 2}, {"x": [0.0, 1.0], "units": [1, 2]},
        popsize=4, generations=2, crossover=0.7, mutation=0.5, seed=3, metric="score",
        engine="inline", progress=False,
    )  # fmt: skip
    asked = experiment.load("one").trials
    assert [r.trial.params for r in asked] == [r.trial.params for r in called.trials]


def test_options_reach_the_call(function, folder):
    Path("first.json").write_text('[{"x": 0.25, "units": 1}]')
    words = ["--search", "random", "--max-trials", 3, "--name", "named"]
    words += ["--initial", "first.json", "--where", function.replace(":train", ":bounded")]
    assert run(function, *words, "--logdir", "one") == 0
    result = experiment.load("one")
    assert result.name == "named" and len(result) == 3
    assert result.trials[0].trial.params == {"x": 0.25, "units": 1}
    assert all(r.trial.params["x"] < 0.5 for r in result.trials)


def test_functions_that_are_called_when_trials_end(function, folder, capsys):
    named = [function.replace(":train", f":{name}") for name in ("enough", "note")]
    words = ["--stop-when", named[0], "--on-trial-end", named[1]]
    assert run(function, *words, "--logdir", "one") == 0
    assert "stopped: three will do" in capsys.readouterr().out
    assert sorted(Path("ended").read_text().split()) == ["0", "1", "2"]
    resume = ["resume", "one", "--engine", "inline", "--no-progress"]
    assert main([*resume, *words[2:]]) == 0
    assert sorted(Path("ended").read_text().split()) == ["0", "1", "2", "3"]
    assert main([*resume, "--stop-when", "enough"]) == 1
    assert "Write train.py:train." in capsys.readouterr().err


def test_several_objectives(function, folder):
    words = ["run", function, "--space", "space.json", "--engine", "inline", "--no-progress"]
    words += ["--metric", "score", "cost", "--direction", "max", "min", "--logdir", "one"]
    assert main(words) == 0
    assert experiment.load("one").directions == ("max", "min")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--popsize", 4],
            "--search grid has no --popsize, which is an option of evolution, surr",
        ),
        (["--popsize", 4], "options of all searches, grid has --direction."),
        (
            ["--search", "sobol", "--popsize", 4],
            "all searches, sobol has --direction, --seed.",
        ),
        (["--search", "random", "--mutation", 0.5], "--search random has no --mutation, which is"),
        (["--search", "evolution", "--popsize", 3], "popsize is a whole number of at least 4"),
        (["--search", "evolution", "--popsize", "many"], "popsize is a whole number"),
        (["--search", "evolutoin"], "--search must be one of grid, random, evolution"),
        (["--search", "sobol"], "give max_trials=50"),
        (["--search", "asha"], "belongs to a search with fidelity="),
        (["--direction", "up"], "direction must be 'max' or 'min', got 'up'"),
        (["--timeout", "1h"], "timeout is a number above 0, got '1h'"),
        (["--workers", 0], "workers_per_trial is a whole number of at least 1, got 0"),
        (["--workers-per-trial", 2, "--engine", "inline"], "engine='inline' doesn't give them"),
        (["--engine", "dask"], "engine must be 'spark' or 'inline', got 'dask'"),
        (["--prune", "worst"], "prune"),
        (["--initial", "[{"], "initial must be JSON"),
        (["--initial", "none.json"], "'none.json' is not: No such file"),
        (["--space", "space.txt"], "must be a .yaml, .yml or .json file, got 'space.txt'"),
        (["--where", "nowhere.py:f"], "there is no file 'nowhere.py'"),
    ],
)
def test_wrong_values_are_a_sentence_before_spark_starts(
    words, said, function, folder, capsys, monkeypatch
):
    monkeypatch.setenv("JAVA_HOME", "/nowhere")  # it would be missed
    given = ["run", function, "--space", "space.json", "--metric", "score", "--logdir", "one"]
    assert main([*given, *map(str, words)]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and said in captured.err
    assert captured.err.startswith("sparkexp: ") and captured.err.count("\n") == 1
    assert not Path("one").exists()


def test_what_is_right_starts_spark(function, folder, capsys, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    monkeypatch.setattr("pyspark.sql.SparkSession.getActiveSession", lambda: None)
    assert main(["run", function, "--space", "space.json"]) == 1
    assert "JAVA_HOME=/nowhere can't be run" in capsys.readouterr().err


def test_the_help_has_the_words_of_the_docstrings(capsys):
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert "--popsize N Size of the population, at least 4" in out
    assert "--trial-timeout X Seconds that a trial may run" in out
    assert "--seed N Makes the search repeatable" in out
    assert "--max N The full fidelity, by default 27" in out
    for name, row in {**FIDELITY_ROWS, **ROWS}.items():
        if name not in ("data", "search"):
            words = row.sentence.replace("`", "").removesuffix(".")
            assert words.replace(" ", "") in out.replace(" ", "")
            assert f"--{name.replace('_', '-')}" in out
    assert "--workers-per-trial N, --workers N" in out
    assert "--data" not in out and "--spark" not in out


def test_a_search_of_which_nothing_succeeds(function, folder, capsys):
    Path("bad.json").write_text('[{"x": 1.0, "units": 3}]')
    assert main(["run", function, "--space", "bad.json", *INLINE, "--logdir", "one"]) == 1
    captured = capsys.readouterr()
    assert "ValueError: too many" in captured.out
    assert captured.err == "sparkexp: no trial succeeded.\n"


def test_resume_from_another_directory(function, folder, capsys, monkeypatch):
    assert run(function, "--max-trials", 2, "--logdir", "runs/one") == 0
    logdir = folder / "runs" / "one"
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    monkeypatch.setattr(sys, "path", [p for p in sys.path if not p.startswith(str(folder))])
    words = ["--engine", "inline", "--no-progress", "--max-trials", "none"]
    assert main(["resume", str(logdir), *words]) == 0
    assert len(experiment.load(logdir)) == 4
    assert [r.value for r in experiment.load(logdir).trials] == [0.0, 0.0, 2.0, 4.0]


def test_resume_of_a_run_that_does_not_say_its_function(function, folder, capsys):
    space = {"x": [0.0, 1.0], "units": [1, 2]}
    experiment.launch(
        None, lambda x, units: {"score": x}, space, metric="score", max_trials=1, logdir="one",
        engine="inline", progress=False,
    )  # fmt: skip
    words = ["resume", "one", "--engine", "inline", "--no-progress", "--max-trials", "none"]
    assert main(words) == 1
    assert "Name it: --train train.py:train." in capsys.readouterr().err
    assert main([*words, "--train", function]) == 0
    assert len(experiment.load("one")) == 4


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("train.py", "Write train.py:train."),
        ("code:train", "Write train.py:train."),
        ("nowhere.py:train", "there is no file 'nowhere.py'"),
        ("FILE:trian", "has no function 'trian'. Did you mean 'train'?"),
        ("FILE:not_a_function", "must be a function, got int"),
        ("broken.py:train", "ZeroDivisionError: division by zero (line 2)"),
        ("lacking.py:train", "No module named 'nobody_has_this'"),
        ("my-train.py:train", "'my-train' can't be its name"),
        ("json.py:train", "'json' can't be its name"),
        ("pytest.py:train", "another module has the name 'pytest'"),
    ],
)
def test_train_functions_that_are_none(named, said, function, folder, capsys):
    Path("broken.py").write_text("\n1 / 0\n")
    Path("lacking.py").write_text("import nobody_has_this\n")
    for name in ("my-train.py", "json.py", "pytest.py"):
        Path(name).write_text("def train(): ...\n")
    assert main(["run", named.replace("FILE", function.partition(":")[0]), *INLINE]) == 1
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_a_train_function_in_a_package(folder):
    package = folder / "pack_of_cli" / "inner"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("HALF = 0.5\n")
    (package / "__init__.py").write_text("")
    (package / "fit.py").write_text("from .. import HALF\ndef train(): return HALF\n")
    assert main(["run", "pack_of_cli/inner/fit.py:train", *INLINE[:3], "--logdir", "one"]) == 0
    assert experiment.load("one").best.value == 0.5


@pytest.fixture
def runs(function, folder) -> list[str]:
    assert run(function, "--logdir", "runs/a") == 0
    Path("space.json").write_text('{"x": [0.5, 0.9], "units": [3, 1]}')
    assert run(function, "--logdir", "runs/b", "--name", "second") == 0
    return ["runs/a", "runs/b"]


def test_show_json(runs, capsys):
    capsys.readouterr()
    assert main(["show", "runs/b", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    best = shown["best"]
    assert (shown["format"], shown["name"], shown["searcher"]) == (1, "second", "grid")
    assert (shown["metric"], shown["direction"]) == ("score", "max")
    assert shown["states"] == {"FAILED": 2, "SUCCEEDED": 2}
    assert best["params"] == {"x": 0.9, "units": 1} and best["value"] == 1.8
    assert [t["status"] for t in shown["trials"]] == ["FAILED", "SUCCEEDED"] * 2
    assert shown["trials"][0]["error"].rstrip().endswith("ValueError: too many")
    assert main(["show", "runs", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["train", "second"]


def test_show_csv(runs, capsys):
    capsys.readouterr()
    assert main(["show", "runs", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 8 and {Path(row["run"]).name for row in rows} == {"a", "b"}
    assert [row["status"] for row in rows].count("FAILED") == 2
    assert rows[3]["x"] == "1.0" and float(rows[3]["value"]) == 4.0


def test_show_failures(runs, capsys):
    capsys.readouterr()
    assert main(["show", "runs/b", "--failures"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("trials/trial-00000\nTraceback") and out.count("too many") >= 2
    assert main(["show", "runs/a", "--failures"]) == 0
    assert capsys.readouterr().out == "No trial of 'train' has failed.\n"


def test_compare(runs, capsys):
    capsys.readouterr()
    assert main(["compare", *runs]) == 0
    first, heads, *rows = capsys.readouterr().out.splitlines()
    assert first == "Best score (max): a"
    assert heads.split()[:5] == ["run", "searcher", "trials", "failed", "best"]
    assert rows[0].split()[:6] == ["a", "grid", "4", "0", "4", "4"]
    assert rows[1].split()[:6] == ["b", "grid", "4", "2", "1.8", "4"]
    assert rows[1].endswith("x=0.9, units=1")
    assert main(["compare", "runs"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [heads, *rows]


def test_compare_says_what_can_not_be_compared(runs, function, capsys):
    words = ["run", function, "--space", "space.json", "--engine", "inline", "--no-progress"]
    assert main([*words, "--metric", "cost", "--direction", "min", "--logdir", "runs/c"]) == 0
    capsys.readouterr()
    assert main(["compare", "runs/a", "runs/c"]) == 0
    out = capsys.readouterr().out
    assert not out.startswith("Best")
    assert "note: the runs have different metrics (score, cost)" in out
    assert "note: the runs have different directions (max, min)" in out


@pytest.mark.spark
def test_run_by_spark_submit_and_resume_on_a_session_of_its_own(function, folder):
    binaries = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYSPARK_PYTHON": sys.executable,
    }

    def completed(*words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*map(str, words)], capture_output=True, text=True, env=environment, timeout=200
        )

    script = Path(sparkexp.__file__).parent / "cli" / "__main__.py"
    submit = [
        binaries / "spark-submit",
        "--master",
        "local[1]",
        "--conf",
        "spark.ui.enabled=false",
    ]
    words = ["run", function, "--space", "space.json", "--metric", "score", "--logdir", "one"]
    done = completed(*submit, script, *words, "--max-trials", 1)
    assert done.returncode == 0, done.stderr
    # spark-submit puts what Python writes to stderr on stdout.
    assert "1 trial (1 succeeded)" in done.stdout and "grid search 'train'" in done.stdout
    (folder / "elsewhere").mkdir()
    done = completed(
        sys.executable, "-m", "sparkexp.cli", "resume", folder / "one", "--master", "local[2]",
        "--max-trials", "none", "--no-progress",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert experiment.load("one").best.value == 4.0


@pytest.mark.spark
@pytest.mark.slow
def test_without_a_space_several_workers_train_one_model(tmp_path):
    (tmp_path / "gang_train.py").write_text(
        "def train(offset=1):\n"
        "    from sparkexp import experiment\n"
        "    gang = experiment.gang()\n"
        "    return gang.sum(gang.rank + offset)\n"
    )
    words = ["run", "gang_train.py:train", "--workers", "2", "--logdir", "one"]
    done = subprocess.run(
        [sys.executable, "-m", "sparkexp.cli", *words], capture_output=True, text=True,
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 workers, synchronous" in done.stderr
    result = experiment.load(tmp_path / "one")
    assert [trial.value for trial in result.trials] == [3.0]
    assert Path(result.best.logdir, "worker-1", "output.log").exists()
