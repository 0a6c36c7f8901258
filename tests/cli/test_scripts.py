"""Scripts without a main guard: a command takes their train function and runs no search twice."""

from __future__ import annotations

import itertools
import sys
import threading
from pathlib import Path

import pytest

from sparkexp import experiment
from sparkexp.api.held_searches import SearchHeld
from sparkexp.cli import main

INLINE = ["--engine", "inline", "--no-progress"]
SCRIPT = """\
import sys
from sparkexp import experiment

FACTOR = 2

def train(x):
    return x * FACTOR

{before}
{call}
print("the script went on", file=sys.stderr)
"""
LAUNCH = "experiment.launch(None, train, {'x': [1, 2, 3]}, engine='inline', progress=False)"
# Scripts that start a search when they are imported.
CALLS = {
    "launch": LAUNCH,
    "random_search": "experiment.random_search(None, train, {'x': [0, 1.0]}, engine='inline')",
    "search": "experiment.search(None, train, {'x': [0, 1.0]}, max_trials=3, engine='inline')",
    "evolution": "experiment.evolutionary_search(None, train, {'x': [0, 1.0]}, engine='inline')",
    "resume": "experiment.resume(None, train, 'run', max_trials=None, engine='inline')",
    "dry_run": "experiment.dry_run(experiment.launch, None, train, {'x': [1]}, engine='inline')",
    "in a function": f"def main():\n    return {LAUNCH}\nsys.exit(main() is None)",
    "errors are caught": f"try:\n    {LAUNCH}\nexcept Exception:\n    {LAUNCH}",
    "everything is caught": f"try:\n    {LAUNCH}\nexcept:\n    pass",
    "a name of its own": f"from sparkexp.experiment import launch\n{LAUNCH[11:]}",
    "wrong arguments": "experiment.launch(None, train, {'x': [1]}, nonsense=3)",
    "a thread": (
        f"import threading\nt = threading.Thread(target=lambda: {LAUNCH})\nt.start()\nt.join()"
    ),
}
numbers = itertools.count()


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Writes a script under a name that no other module of this process has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(threading, "excepthook", lambda args: None)

    def write(call: str, before: str = "") -> str:
        file = tmp_path / f"script_{next(numbers)}_of_cli.py"
        file.write_text(SCRIPT.format(call=call, before=before))
        return str(file)

    return write


def begin(file: str) -> None:
    """Run one trial of three, as if the search had been interrupted."""
    names = {"__name__": "begun", "sys": sys}
    head = Path(file).read_text().partition(" * FACTOR\n")[0] + " * FACTOR"
    exec(head, names)
    experiment.launch(
        None, names["train"], {"x": [1, 2, 3]}, max_trials=1, logdir="run",
        engine="inline", progress=False,
    )  # fmt: skip


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_resume_starts_no_second_run(call, script, tmp_path):
    file = script(call)
    begin(file)
    words = ["resume", "run", "--train", f"{file}:train", "--max-trials", "none", *INLINE]
    assert main(words) == 0
    result = experiment.load("run")
    assert [r.value for r in result.trials] == [2, 4, 6]
    assert not (tmp_path / "sparkexp-runs").exists()


def test_run_starts_only_the_search_of_the_command(script, tmp_path, capsys):
    file = script(LAUNCH)
    Path("space.json").write_text('{"x": [5, 6]}')
    words = ["run", f"{file}:train", "--space", "space.json", "--logdir", "one", *INLINE]
    assert main(words) == 0
    assert [r.value for r in experiment.load("one").trials] == [10, 12]
    assert not (tmp_path / "sparkexp-runs").exists()
    err = capsys.readouterr().err
    assert "is a script: its launch(…) (line 10) is not run" in err and "went on" not in err
    # The run knows its function by now, and another command goes on with it.
    assert main(["resume", "one"]) == 0
    assert not (tmp_path / "sparkexp-runs").exists()


def test_what_the_script_does_before_is_done(script, tmp_path):
    file = script(LAUNCH, "Path('loaded.txt').write_text(__name__ + ' ' + __file__)\nFACTOR = 7")
    Path(file).write_text("from pathlib import Path\n" + Path(file).read_text())
    argv = list(sys.argv)
    begin_file = Path("space.json")
    begin_file.write_text('{"x": [1]}')
    words = ["run", f"{file}:train", "--space", "space.json", "--logdir", "one", *INLINE]
    assert main(words) == 0
    assert experiment.load("one").best.value == 7
    assert Path("loaded.txt").read_text() == f"{Path(file).stem} {file}"
    assert sys.argv == argv


def test_a_function_below_the_search_is_an_error_that_says_what_to_do(script, tmp_path, capsys):
    file = script(f"{LAUNCH}\ndef later(x):\n    return x")
    begin(file)
    assert main(["resume", "run", "--train", f"{file}:later", *INLINE]) == 1
    err = capsys.readouterr().err
    assert "no function 'later' above its first search (line 10)" in err
    assert "if __name__ == '__main__':" in err
    assert len(experiment.load("run")) == 1 and not (tmp_path / "sparkexp-runs").exists()


def test_a_search_in_a_module_that_the_script_imports(script, tmp_path, capsys):
    inner = script(LAUNCH)
    outer = script("pass", f"import {Path(inner).stem}")
    begin(inner)
    words = ["--max-trials", "none", *INLINE]
    assert main(["resume", "run", "--train", f"{outer}:train", *words]) == 0
    assert len(experiment.load("run")) == 3 and not (tmp_path / "sparkexp-runs").exists()


def test_a_thread_that_waits_for_the_end_of_the_import(script, tmp_path):
    file = script(
        "import threading, time\n"
        f"def later():\n    time.sleep(0.3)\n    {LAUNCH}\n"
        "thread = threading.Thread(target=later)\nthread.start()"
    )
    Path("space.json").write_text('{"x": [1]}')
    source = Path(file).read_text().replace("return x *", "thread.join(); return x *")
    Path(file).write_text(source)
    words = ["run", f"{file}:train", "--space", "space.json", "--logdir", "one", *INLINE]
    assert main(words) == 0
    assert len(experiment.load("one")) == 1 and not (tmp_path / "sparkexp-runs").exists()


def test_afterwards_searches_start_as_before(script, tmp_path):
    file = script(LAUNCH)
    assert main(["run", f"{file}:nothing", *INLINE]) == 1
    result = experiment.launch(None, lambda x: x, {"x": [1]}, engine="inline", progress=False)
    assert len(result) == 1
    assert not issubclass(SearchHeld, Exception)


@pytest.mark.spark
def test_on_executors_and_with_the_session_of_the_script(spark, script, tmp_path):
    """The trials would start searches, too, if executors imported the script."""
    file = script(
        "experiment.launch(spark, train, {'x': [1, 2, 3]})",
        "from pyspark.sql import SparkSession\nspark = SparkSession.builder.getOrCreate()",
    )
    begin(file)
    words = ["resume", "run", "--train", f"{file}:train", "--max-trials", "none", "--no-progress"]
    assert main([*words, "--engine", "spark"]) == 0
    assert [r.value for r in experiment.load("run").trials] == [2, 4, 6]
    assert not (tmp_path / "sparkexp-runs").exists()
    assert spark.range(3).count() == 3  # it is the script's, and goes on
