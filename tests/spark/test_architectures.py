"""Architecture search on real sessions, with spaces that scripts and modules define."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from sparkexp import experiment
from tests.nas.spaces import Stack, train
from tests.spark.cluster import StandaloneCluster
from tests.spark.driving import run_driver, start_driver
from tests.spark.watching import (
    LOCAL,
    MARK,
    ancestors,
    log_of,
    marked,
    marks,
    records,
    wait_until,
)

pytestmark = [pytest.mark.spark]

# A space of a user's own, as a script or notebook defines it.
SPACE = """
from pathlib import Path
from sparkexp import nas
import time
marks = Path(logdir).parent / "marks"
marks.mkdir(exist_ok=True)

class Dense(nas.ArchitectureSpace):
    '''Up to some dense layers.'''

    def __init__(self, layers=2, widths=(4, 8)):
        self.layers, self.widths = layers, tuple(widths)

    @property
    def decisions(self):
        options = ("none", *self.widths)
        return [nas.Decision(f"layer {k}", options) for k in range(self.layers)]

    def settings(self):
        return {"layers": self.layers, "widths": list(self.widths)}

    def canonical(self, choices):
        kept = [choice for choice in choices if choice]
        return (*kept, *[0] * (len(choices) - len(kept)))

    def build(self, architecture, features, classes):
        import numpy as np
        rng = np.random.default_rng(0)
        sizes = [w for w in architecture.options.values() if w != "none"]
        pairs = zip([features, *sizes], [*sizes, classes])
        return [rng.normal(size=pair) for pair in pairs]

def train(architecture, rate=0.0):
    assert type(architecture.space) is Dense, "another class of the same name"
    assert isinstance(architecture, nas.Architecture)
    (marks / f"{time.time()}-{os.getpid()}").write_text(json.dumps([str(architecture), rate]))
    time.sleep(SECONDS)
    model = architecture.build(features=3, classes=2)
    print("weights of", str(architecture), [weights.shape for weights in model])
    for step, weights in enumerate(model):
        experiment.report(step, size=float(weights.size))
    return sum(weights.size for weights in model) - rate

def search(n=12, space=Dense(), **options):
    return experiment.architecture_search(
        spark, train, space, "random", max_trials=n, seed=5,
        **{"progress": False, "logdir": logdir, **options})
"""


def test_a_space_that_a_script_defines(tmp_path: Path) -> None:
    script = SPACE.replace("SECONDS", "0") + (
        "found = [search(), search(3, isolation='spawn', logdir=logdir + '2'),\n"
        "         search(3, {'architecture': Dense(3), 'rate': [0.0, 0.5]},\n"
        "                logdir=logdir + '4')]\n"
        "listed = [Dense().parse('4-none'), Dense().parse('8-8')]\n"
        "found.append(experiment.launch(spark, train, {'architecture': listed}))\n"
        "answer([[len(r), r.failures(), str(r.best.architecture), r.best.value] for r in found])"
    )
    found = run_driver(tmp_path, script, LOCAL)
    assert [entry[0] for entry in found] == [12, 3, 3, 2]
    assert not any(failures for _, failures, *_ in found), found
    assert found[0][2:] == ["8-8", 104.0] and found[3][2:] == ["8-8", 104.0]


@pytest.mark.slow
def test_a_killed_driver_is_resumed(tmp_path: Path, mark: dict[str, str]) -> None:
    driver = start_driver(tmp_path, SPACE.replace("SECONDS", "0.5") + "search()", LOCAL, mark)
    wait_until(lambda: len(records(tmp_path)) >= 2 and marks(tmp_path))
    driver.kill()
    driver.wait()
    wait_until(lambda: not marked(mark[MARK]), 60)
    # This process doesn't know the class.
    part = experiment.load(tmp_path / "run")
    assert part.best.params["architecture"]
    script = SPACE.replace("SECONDS", "0") + (
        "result = experiment.resume(spark, train, logdir, progress=False)\n"
        "whole = search(logdir=logdir + '-whole')\n"
        "answer([[[r.trial.to_json(), r.value] for r in each.trials]\n"
        "        for each in (result, whole)] + [str(result.best.architecture)])"
    )
    resumed, whole, best = run_driver(tmp_path, script, LOCAL)
    assert resumed == whole and best == "8-8"


def test_a_space_of_a_module(any_spark: Any, tmp_path: Path) -> None:
    result = experiment.architecture_search(
        any_spark, train, {"architecture": Stack(2), "learning_rate": [0.0, 0.9]}, "random",
        max_trials=6, seed=1, progress=False, logdir=tmp_path / "run",
    )  # fmt: skip
    assert result.failures() == {}
    assert result.best.architecture.space == Stack(2)


@pytest.mark.slow
def test_workers_get_it_too(tmp_path: Path) -> None:
    script = SPACE.replace("SECONDS", "0") + (
        "r = search(2, workers_per_trial=2)\n"
        "answer([len(r), r.failures(), str(r.best.architecture)])"
    )
    n, failures, _ = run_driver(tmp_path, script, LOCAL)
    assert n == 2 and failures == {}


# A space of sparkexp's, whose networks are trained, and inherit weights in a tournament.
CELLS = """
from pathlib import Path
from sparkexp import nas
import time
marks = Path(logdir).parent / "marks"
marks.mkdir(exist_ok=True)

def train(architecture):
    import keras
    from sklearn.datasets import load_digits
    (marks / f"{time.time()}-{os.getpid()}").write_text(json.dumps([str(architecture)]))
    time.sleep(SECONDS)
    digits = load_digits()
    keras.utils.set_random_seed(0)
    model = architecture.build(
        input_shape=(8, 8, 1), classes=10, cells=1, filters=4, reductions=1)
    saved = Path(experiment.checkpoint_dir(), "model.keras")
    inherited = nas.inherit_weights(model, saved)
    model.compile("sgd", "sparse_categorical_crossentropy")
    history = model.fit(digits.images[:200, ..., None] / 16, digits.target[:200], verbose=0)
    model.save(saved)
    return {"loss": history.history["loss"][0], "inherited": inherited}

def search(searcher="tournament", n=14, **options):
    space = nas.CellSpace(1, ops=["identity", "conv1", "max3"])
    return experiment.architecture_search(
        spark, train, space, searcher, "min", n, metric="loss", seed=5,
        **{"progress": False, "logdir": logdir, **options})
"""


@pytest.mark.slow
@pytest.mark.parametrize("searcher", ["evolution", "tournament", "reinforcement"])
def test_a_resumed_search_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, mark: dict[str, str], searcher: str
) -> None:
    script = SPACE.replace('"random", max_trials=n', f"{searcher!r}, max_trials=n, parallelism=1")
    space = "Dense(3, (2, 4, 8))"
    first = script.replace("SECONDS", "0.3") + f"search(24, {space})"
    driver = start_driver(tmp_path, first, LOCAL, mark)
    # Some trials are children already.
    wait_until(lambda: len(records(tmp_path)) >= 13)
    driver.kill()
    driver.wait()
    wait_until(lambda: not marked(mark[MARK]), 60)
    ended = len(records(tmp_path))
    begun = len(marks(tmp_path))
    second = script.replace("SECONDS", "0") + (
        "result = experiment.resume(spark, train, logdir, progress=False)\n"
        "n_begun = len(list(marks.glob('*')))\n"
        f"whole = search(24, {space}, logdir=logdir + '-whole')\n"
        "answer([[[r.trial.to_json(), r.value] for r in each.trials]\n"
        "        for each in (result, whole)] + [n_begun])"
    )
    resumed, whole, n_begun = run_driver(tmp_path, second, LOCAL)
    assert ended < 24 and resumed == whole
    # At most the one that was in flight ran twice.
    assert n_begun - begun <= 24 - ended


@pytest.mark.slow
def test_children_inherit_weights_after_the_driver_was_killed(
    tmp_path: Path, mark: dict[str, str]
) -> None:
    driver = start_driver(tmp_path, CELLS.replace("SECONDS", "0.5") + "search()", LOCAL, mark)
    wait_until(lambda: len(records(tmp_path)) >= 6, 300)
    driver.kill()
    driver.wait()
    wait_until(lambda: not marked(mark[MARK]), 60)
    assert len(records(tmp_path)) < 14
    script = CELLS.replace("SECONDS", "0") + (
        "r = experiment.resume(spark, train, logdir, progress=False)\n"
        "answer([r.failures(), [[t.trial.parent, t.metrics['inherited']] for t in r.trials]])"
    )
    failures, trials = run_driver(tmp_path, script, LOCAL, timeout_s=400)
    assert failures == {} and len(trials) == 14
    assert [n > 0 for _, n in trials] == [parent is not None for parent, _ in trials]
    assert sum(parent is not None for parent, _ in trials) >= 3


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize("script", [CELLS, SPACE], ids=["CellSpace", "a space of the script"])
def test_a_killed_executor_costs_no_architecture(
    cluster: StandaloneCluster, tmp_path: Path, script: str
) -> None:
    # The third trial to begin waits to be killed.
    wait = "(600 if len(list(marks.glob('*'))) == 3 else 0)"
    driver = start_driver(
        tmp_path,
        script.replace("SECONDS", wait)
        + "r = search(n=12, parallelism=3)\n"
        + "answer([len(r), r.failures(), [t.attempt for t in r.trials],\n"
        + "        type(r.best.architecture.space).__name__])",
        cluster.conf(),
    )
    third = wait_until(lambda: marks(tmp_path)[2:3], 300)[0]
    pid = int(third.name.split("-")[1])
    os.kill(next(p for p in ancestors(pid) if p in cluster.executors()), signal.SIGKILL)
    assert driver.wait(400) == 0, log_of(tmp_path)
    n, failures, attempts, space = json.loads((tmp_path / "answer.json").read_text())
    assert n == 12 and failures == {} and max(attempts) == 1
    assert space in ("CellSpace", "Dense")
