"""The ``sparkexp`` command, but for its demo, which needs Spark."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import sparkexp
from sparkexp import experiment
from sparkexp.cli import main
from sparkexp.cli.commands import all_commands
from sparkexp.tracking import TensorBoardServer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> experiment.Result:
    def train(lr, layers):
        if layers == 3:
            raise ValueError("too deep")
        return lr * layers

    logdir = tmp_path_factory.mktemp("runs") / "a run"
    return experiment.launch(
        None, train, {"lr": [0.1, 0.2], "layers": [1, 2, 3]}, name="depth", logdir=logdir,
        engine="inline", progress=False,
    )  # fmt: skip


def command(*words: object, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sparkexp.cli", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **options,
    )


def test_the_command_is_installed():
    (script,) = entry_points(group="console_scripts", name="sparkexp")
    assert script.load() is main


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"sparkexp {sparkexp.__version__}\n"


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    words = (
        "compare", "demo", "doctor", "mlflow", "report", "resume", "run", "show", "tensorboard"
    )  # fmt: skip
    assert [line.split()[0] for line in out.splitlines() if re.match(" {4}\\w", line)] == list(
        words
    )


@pytest.mark.parametrize(
    "words",
    [[], ["sho"], ["show"], ["show", "a", "b"], ["tensorboard"], ["tensorboard", ".", "--port=x"]],
)
def test_wrong_words(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    captured = capsys.readouterr()
    assert ended.value.code == 2
    assert captured.out == "" and captured.err.startswith("usage: sparkexp")


def test_show_prints_the_table(run, capsys):
    assert main(["show", run.logdir]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{run}\n" and captured.err == ""
    lines = captured.out.splitlines()
    assert lines[0] == (
        "depth: 6 trials (4 succeeded, 2 failed); best value 0.4 with lr=0.2, layers=2"
    )
    assert len(lines) == 8 and lines[2].split()[:4] == ["trials/trial-00004", "0.2", "2", "0.4"]
    assert lines[-1].rstrip().endswith("ValueError: too deep")


def test_show_of_a_relative_path(run, capsys, monkeypatch):
    monkeypatch.chdir(Path(run.logdir).parent)
    assert main(["show", "a run"]) == 0
    assert capsys.readouterr().out == f"{run}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "nowhere"], "'nowhere' holds no run of sparkexp"),
        (["show", "empty"], "'empty' holds no run of sparkexp"),
        (["show", "damaged"], "experiment.json is damaged"),
        (["report", "nowhere"], "'nowhere' holds no run of sparkexp"),
        (["tensorboard", "empty", "--overview"], "written when the first trial ends"),
        (["tensorboard", "nowhere"], "needs an existing log directory, got 'nowhere'"),
    ],
)
def test_errors_are_a_sentence(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "experiment.json").write_text("{")
    assert main(words) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("sparkexp: ") and said in captured.err
    assert "Traceback" not in captured.err and captured.err.count("\n") == 1


def test_the_process_s_own_words_are_the_default(run):
    process = command("show", run.logdir)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, f"{run}\n", "")


def test_tensorboard_runs_until_ctrl_c(run):
    process = command("tensorboard", run.logdir, start_new_session=True)
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith("TensorBoard: http://127.0.0.1:")
        url = first.split()[1]
        lines = []
        while (line := process.stdout.readline()) != "Ctrl-C stops it.\n":
            assert line, "the last line is missing"
            lines.append(line)
        assert [line.split("http")[0].strip() for line in lines] == [
            "These open with something to see:",
            "how the search went",
            "all trials: table, parallel coordinates",
            "leaderboard and summary",
            "pictures",
        ]
        assert all(url in line for line in lines[1:])
        with urllib.request.urlopen(url, timeout=30) as response:
            assert response.status == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert (out, err) == ("", "")
    with pytest.raises(OSError):
        urllib.request.urlopen(url, timeout=5)


def test_open_and_overview(run, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(TensorBoardServer, "wait", lambda server: None)
    assert main(["tensorboard", run.logdir, "--overview", "--open"]) == 0
    out = capsys.readouterr().out
    assert len(opened) == 1 and opened[0] in out
    assert "#custom_scalars&regexInput=%5E(%5C.%7Cbest%7Cmean%7Cworst)%24" in opened[0]
    assert "hparams" not in out  # there are no trials to be seen


def test_report_writes_one_page(run, tmp_path, capsys):
    target = tmp_path / "report.html"
    assert main(["report", run.logdir, "-o", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}\n"
    assert "too deep" in target.read_text()
    assert main(["report", run.logdir, "-o", str(tmp_path / "no" / "such")]) == 1
    assert "The report must be writable" in capsys.readouterr().err


def test_each_command_is_a_module_of_its_name():
    commands = list(all_commands())
    folder = Path(sparkexp.__file__).parent / "cli" / "commands"
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert {command.name for command in commands} == modules and len(commands) == len(modules)
