"""What a script or notebook defines is there in trials, as if they ran it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.spark.driving import run_driver
from tests.spark.watching import LOCAL

pytestmark = [pytest.mark.spark]

SCRIPT = """
import functools, keras

class Scaler:
    pass

class Unused(Scaler):
    pass

def square(v):
    return v * v

@functools.cache
def load():
    return [1.0]

@keras.saving.register_keras_serializable()
class Doubling(keras.layers.Layer):
    def call(self, x):
        return 2 * x

@keras.saving.register_keras_serializable("mine")
class Other(keras.layers.Layer):
    def call(self, x):
        return x

keras.Sequential([keras.Input((2,)), Other()]).save("other.keras")

def fail(x):
    raise RuntimeError(f"{x} is wrong")  # the line that fails

def train(x):
    import inspect, joblib, multiprocessing, os, pickle
    assert type(pickle.loads(pickle.dumps(Scaler()))) is Scaler
    joblib.dump(Scaler(), experiment.artifact_dir() + "/scaler.joblib")
    with open(pickled, "rb") as file:
        assert type(pickle.load(file)).__name__ == "Unused"  # written by the script
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(square, [x]) == [x * x]
    assert "return v * v" in inspect.getsource(square)
    keras.saving.load_model(other)
    experiment.save_model(keras.Sequential([keras.Input((2,)), Doubling()]))
    print(load(), load.cache_info().hits)
    return x if x < 2 else fail(x)

import joblib, pickle
pickled, other = os.path.abspath("unused.pickle"), os.path.abspath("other.keras")
with open(pickled, "wb") as file:
    pickle.dump(Unused(), file)
answers = []
for isolation in ISOLATIONS:
    result = experiment.launch(
        spark, train, {"x": [1, 2]}, isolation=isolation, logdir=f"{logdir}-{isolation}",
        progress=False,
    )
    scaler = result.best.load_artifact("scaler.joblib", joblib.load)
    model = result.best_model()
    answers.append([
        list(result.failures().values()), type(scaler) is Scaler,
        type(model.layers[-1]) is Doubling,
    ])
answer(answers)
"""


@pytest.mark.parametrize("isolation", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_a_script(tmp_path: Path, isolation: str) -> None:
    script = SCRIPT.replace("ISOLATIONS", repr([isolation]))
    for failures, *rest in run_driver(tmp_path, script, LOCAL):
        (failure,) = failures
        assert "RuntimeError: 2 is wrong" in failure, failure
        assert "driver.py" in failure and "# the line that fails" in failure
        assert rest == [True, True]
