"""Keywords of the calls: what editors offer, what help says, and unknown ones."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import jedi
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from sparkexp import experiment
from sparkexp.api.fidelity_options import FIDELITY_ROWS, SEARCH_ROWS
from sparkexp.api.resume import RESUME_ROWS
from sparkexp.driver.options import ROWS
from sparkexp.errors import InvalidArgumentError, TrainFunctionError

ROOT = Path(__file__).parents[2]
SEARCHES = ("launch", "evolutionary_search", "random_search", "search")
# What a user has typed, and what should be offered.
TYPED = [
    ("experiment.launch(spark, train, {}, me", "metric="),
    ("experiment.launch(spark, train, {}, metric='x', trial_", "trial_timeout="),
    ("experiment.evolutionary_search(spark, train, {}, pop", "popsize="),
    ("experiment.evolutionary_search(spark, train, {}, me", "metric="),
    ("experiment.random_search(spark, train, {}, fid", "fidelity="),
    ("experiment.search(spark, train, {}, 'sobol', war", "warm_start="),
    ("experiment.search(spark, train, {}, fid", "fidelity="),
    ("experiment.resume(spark, train, 'logdir', max_t", "max_trials="),
    ("experiment.dry_run(experiment.launch, spark, train, {}, me", "metric="),
]


@pytest.mark.parametrize(("typed", "offered"), TYPED)
def test_jedi_completes_source(typed, offered):
    code = f"from sparkexp import experiment\n{typed}"
    found = jedi.Script(code, project=jedi.Project(ROOT)).complete()
    assert offered in [completion.name for completion in found]


@pytest.mark.parametrize(("typed", "offered"), TYPED)
def test_jedi_completes_in_a_session(typed, offered):
    found = jedi.Interpreter(typed, [{"experiment": experiment}]).complete()
    assert offered in [completion.name for completion in found]


@pytest.fixture(scope="module")
def shell():
    shell = InteractiveShell()
    shell.user_ns["experiment"] = experiment
    yield shell
    shell.history_manager.end_session()


@pytest.mark.parametrize("use_jedi", [True, False])
@pytest.mark.parametrize(("typed", "offered"), TYPED)
def test_ipython_completes(typed, offered, use_jedi, shell):
    shell.Completer.use_jedi = use_jedi
    with provisionalcompleter():
        found = [completion.text for completion in shell.Completer.completions(typed, len(typed))]
    assert offered in found


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_has_all_options(name):
    parameters = inspect.signature(getattr(experiment, name)).parameters
    by_keyword = [name for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY]
    assert [name for name in by_keyword if name in SEARCH_ROWS] == [
        name for name in SEARCH_ROWS if name in by_keyword
    ]
    assert set(SEARCH_ROWS) <= set(parameters)
    assert set(inspect.signature(experiment.dry_run).parameters) | {"dry_run"} >= set(parameters)


@pytest.mark.parametrize("name", [*SEARCHES, "resume", "dry_run"])
def test_help_says_what_the_table_says(name):
    call = getattr(experiment, name)
    doc = " ".join(inspect.getdoc(call).split())
    for row in SEARCH_ROWS.values():
        if row.name in inspect.signature(call).parameters and row.name != "logdir":
            assert f"{row.name} : {row.kind}" in doc
            if row.name == "max_trials" and name in ("search", "random_search"):
                continue  # they say themselves what it is
            assert f"{row.sentence} {row.more}".rstrip() in doc


def test_resume_takes_what_does_not_begin_a_search():
    parameters = inspect.signature(experiment.resume).parameters
    assert set(RESUME_ROWS) == set(parameters) - {"spark", "train", "logdir", "searcher"}
    assert "max_retries : int, optional" in inspect.getdoc(experiment.resume)
    assert "max_retries : int, default 2" in inspect.getdoc(experiment.launch)


@pytest.mark.parametrize(
    ("call", "given", "words"),
    [
        ("launch", {"directon": "min"}, "launch has no option 'directon'. Did you mean 'direct"),
        ("launch", {"metrc": "loss"}, "Did you mean 'metric'? The options are: args_dict, direc"),
        ("launch", {"popsize": 4}, "launch has no option 'popsize'. The options are"),
        ("random_search", {"lr": 4}, "random_search has no option 'lr'. The options are"),
        ("random_search", {"sed": 4}, "Did you mean 'seed'?"),
        ("evolutionary_search", {"population": 4}, "Did you mean 'popsize'?"),
        ("search", {"trials": 4}, "Did you mean 'max_trials'?"),
        ("resume", {"max_trails": 4}, "resume has no option 'max_trails'. Did you mean 'max_tri"),
        ("resume", {"repeats": 4}, "A run that is resumed takes no repeats=; leave it out."),
    ],
)
def test_an_unknown_keyword(call, given, words):
    with pytest.raises(InvalidArgumentError) as caught:
        getattr(experiment, call)(None, lambda x: x, {"x": [1, 2]}, **given)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", SEARCHES)
def test_the_message_names_all_that_the_call_takes(name):
    call = getattr(experiment, name)
    with pytest.raises(InvalidArgumentError) as caught:
        call(None, lambda x: x, {"x": [1, 2]}, nonsense=1)
    _, _, listed = str(caught.value).partition("The options are: ")
    taken = [n for n in inspect.signature(call).parameters if n not in ("spark", "train")]
    assert listed == f"{', '.join(taken)}."


def test_a_dry_run_hands_over_what_is_given():
    quiet = {"engine": "inline", "progress": False}
    space = {"x": [0.0, 1.0]}
    result = experiment.dry_run(
        experiment.random_search, spark=None, train=lambda x: x, search_dict=space, seed=1, **quiet
    )
    assert len(result) == 1 and result.failures() == {}
    with pytest.raises(InvalidArgumentError, match="launch has no option 'popsize'"):
        experiment.dry_run(experiment.launch, None, lambda x: x, space, popsize=4, **quiet)
    with pytest.raises(InvalidArgumentError, match="dry_run has no option 'metrc'. Did you mean"):
        experiment.dry_run(experiment.launch, None, lambda x: x, space, metrc="loss", **quiet)
    with pytest.raises(TrainFunctionError, match="epochs"):  # the option search= reaches it
        experiment.dry_run(
            experiment.launch, None, lambda x: x, space, fidelity="epochs", search="asha", **quiet
        )


USER = """
from sparkexp import experiment

quiet: experiment.RunOptions = {"progress": False, "name": "mine"}
result: experiment.Result = experiment.launch(None, print, {}, **quiet)
reveal_type(experiment.launch)
experiment.launch(None, print, {}, metrc="loss")
experiment.random_search(None, print, {}, max_trials="many")
experiment.resume(None, print, "logdir", isolation="docker")
"""


def test_mypy_knows_the_options_in_a_user_s_file(tmp_path):
    (tmp_path / "user.py").write_text(USER)
    # With the settings of `make lint`, whose cache it finds.
    words = [sys.executable, "-m", "mypy", str(tmp_path / "user.py")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=250)
    said = [line.rpartition("user.py:")[2] for line in done.stdout.splitlines()]
    assert any(line.startswith("6: note") and "metric: str | " in line for line in said), said
    errors = [line for line in said if ": error: " in line]
    assert [line.split(":")[0] for line in errors] == ["7", "8", "9"], said
    assert '"metrc" for "launch"' in errors[0] and "max_trials" in errors[1]


def test_the_tables_have_no_name_in_common():
    assert not set(FIDELITY_ROWS) & set(ROWS)
