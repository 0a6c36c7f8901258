"""Texts of users in what the commands print: no terminal obeys them, no spreadsheet runs them."""

from __future__ import annotations

import csv
import io

import pytest

from sparkexp import experiment
from sparkexp.cli.program import main
from sparkexp.driver.progress import Progress
from sparkexp.objective import Objective
from sparkexp.results.report import render_report
from sparkexp.runs import open_run
from sparkexp.trial import State, Trial, TrialResult

EVIL = "\x1b[2J\x1b]0;title\x07\x9b31m\u202e\x7f\r\b"
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", '=HYPERLINK("http://x")']


def obeyed(text: str) -> set[str]:
    return {c for c in text if (ord(c) < 32 and c not in "\n\t") or c in EVIL and not c.isascii()}


@pytest.fixture
def logdir(tmp_path):
    def train(k, option):
        if k == 0:
            raise RuntimeError(f"boom{EVIL}")
        return {"loss": -1.5, f"={EVIL}": 2.0}

    configurations = [{"k": k, "option": text + EVIL} for k, text in enumerate(["x", *FORMULAS])]
    experiment.launch(
        None, train, configurations, metric="loss", name=f"name{EVIL}", logdir=tmp_path / "run",
        engine="inline", progress=False,
    )  # fmt: skip
    return str(tmp_path / "run")


@pytest.mark.parametrize(
    "words", [["show"], ["show", "--failures"], ["show", "--csv"], ["show", "--json"], ["compare"]]
)
def test_no_terminal_obeys_it(logdir, words, capsys):
    assert main([*words, logdir]) == 0
    text = capsys.readouterr().out
    assert "x1b" in text or "u001b" in text
    assert not obeyed(text)


def test_errors_of_the_command_are_escaped(tmp_path, capsys):
    assert main(["show", f"{tmp_path}/{EVIL}"]) == 1
    assert not obeyed(capsys.readouterr().err)


def test_no_cell_is_a_formula_and_numbers_stay(logdir, capsys):
    assert main(["show", "--csv", logdir]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert all(row["option"].startswith(f"'{text[0]}") or text[0] == "\r" for row, text in
               zip(rows[1:], FORMULAS, strict=True))  # fmt: skip
    assert all(row["option"].startswith("'") for row in rows[1:])
    assert [float(row["value"]) for row in rows[1:]] == [-1.5] * len(FORMULAS)
    assert not any(name.startswith("=") for name in rows[0])


def test_progress_lines_are_escaped():
    stream = io.StringIO()
    progress = Progress(2, [Objective()], stream=stream)
    trial = Trial(0, {"option": f"a{EVIL}\nb"})
    progress.trial_ended(TrialResult(trial, State.SUCCEEDED, 1.0))
    progress.trial_ended(TrialResult(Trial(1, {}), State.FAILED, error=f"boom{EVIL}"))
    progress.show(0)
    assert not obeyed(stream.getvalue())
    assert stream.getvalue().count("\n") == 2


def test_the_report_and_the_notebook_show_it_escaped(logdir):
    assert not obeyed(render_report(open_run(logdir)))
    result = experiment.load(logdir)
    assert not obeyed(str(result)) and not obeyed(repr(result))
    assert not obeyed(result._repr_html_())
