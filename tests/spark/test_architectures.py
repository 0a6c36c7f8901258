"""Architecture search on real sessions, with spaces that scripts and modules define."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sparkexp import experiment
from tests.nas.spaces import Stack, train
from tests.spark.driving import run_driver, start_driver
from tests.spark.watching import LOCAL, MARK, marked, marks, records, wait_until

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
        "         search(3, isolation='none', logdir=logdir + '3'),\n"
        "         search(3, {'architecture': Dense(3), 'rate': [0.0, 0.5]},\n"
        "                logdir=logdir + '4')]\n"
        "listed = [Dense().parse('4-none'), Dense().parse('8-8')]\n"
        "found.append(experiment.launch(spark, train, {'architecture': listed}))\n"
        "answer([[len(r), r.failures(), str(r.best.architecture), r.best.value] for r in found])"
    )
    found = run_driver(tmp_path, script, LOCAL)
    assert [entry[0] for entry in found] == [12, 3, 3, 3, 2]
    assert not any(failures for _, failures, *_ in found), found
    assert found[0][2:] == ["8-8", 104.0] and found[4][2:] == ["8-8", 104.0]


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
