"""Settings that libraries read at their import, set by train functions; threads of libraries."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cloudpickle
import pytest

from sparkexp.engine.base import TrialTask
from sparkexp.engine.worker.outcome import Outcome
from sparkexp.engine.worker.process import Guardian
from sparkexp.trial import Trial

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# A library that reads a variable when it is imported. Its name stands for a heavy one.
LIBRARY = "import os\nBACKEND = os.environ.get('KERAS_BACKEND', 'unset')\nPID = os.getpid()\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Outcome]]:
    """Runs a train function, all on one worker, which finds a `keras` of the test's own."""
    library = tmp_path / "library"
    library.mkdir()
    (library / "keras.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(library)
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    guardian = Guardian()

    def run(train: Callable[..., object], **options: object) -> Outcome:
        task = TrialTask(Trial(0, {}), cloudpickle.dumps(train), str(tmp_path), **options)
        return guardian.run(task, str(tmp_path), tmp_path / "output.log")

    yield run
    guardian.close()
    sys.modules.pop("keras", None)


def set_backend() -> dict[str, float]:
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    own = keras.PID == os.getpid()
    return {"jax": float(keras.BACKEND == "jax"), "own": own * 1.0, "parent": os.getppid() * 1.0}


def leave_backend() -> dict[str, float]:
    import keras

    own = keras.PID == os.getpid()
    unset = float(keras.BACKEND == "unset")
    return {"unset": unset, "own": own * 1.0, "parent": os.getppid() * 1.0}


def options(late: tuple[str, ...] = (), preload: tuple[str, ...] = ()) -> dict[str, object]:
    return {"late_modules": late, "preload": preload, "needs_value": False}


def test_a_worker_serves_searches_with_and_without_a_setting(run):
    late, early = options(late=("keras",)), options(preload=("keras",))
    first = run(set_backend, **late)
    again = run(set_backend, **late)
    assert first.metrics == again.metrics  # one guardian
    assert (first.metrics["jax"], first.metrics["own"]) == (1.0, 1.0)
    assert first.warnings == () and first.imported == ()

    other = run(leave_backend, **early)
    assert other.metrics == {"unset": 1.0, "own": 0.0, "parent": first.metrics["parent"]}

    # That guardian has loaded the library by now.
    later = run(set_backend, **late)
    assert (later.metrics["jax"], later.metrics["own"]) == (1.0, 1.0)
    assert later.metrics["parent"] != first.metrics["parent"]
    assert run(leave_backend, **early).metrics["parent"] == later.metrics["parent"]


def test_a_number_of_threads_that_the_train_function_sets(run):
    def train() -> dict[str, float]:
        os.environ["OMP_NUM_THREADS"] = "2"
        import numpy  # noqa: F401
        import threadpoolctl

        (blas,) = {
            library["num_threads"]
            for library in threadpoolctl.threadpool_info()
            if library["user_api"] == "blas"
        }
        return {"blas": blas}

    # This process has numpy loaded, as Spark's worker has.
    late = {"late_modules": ("numpy",), "needs_value": False, "threads": 1}
    outcome = run(train, **late)
    assert outcome.metrics == {"blas": 2.0} and outcome.warnings == (), outcome


def test_what_the_worker_itself_has_loaded_is_loaded_anew(run):
    import keras  # noqa: F401  # as another function of the user's on the same worker may

    outcome = run(set_backend, **options(late=("keras",)))
    assert outcome.metrics["jax"] == 1.0 and outcome.warnings == ()


def test_a_setting_that_came_too_late_is_reported(run):
    outcome = run(set_backend, **options(preload=("keras",)))
    (warning,) = outcome.warnings
    assert outcome.metrics["jax"] == 0.0
    assert warning.startswith(
        "The train function changed KERAS_BACKEND too late: the worker had imported keras before"
    )
    assert "spark.executorEnv.KERAS_BACKEND" in warning and "isolation='spawn'" in warning


def test_later_trials_import_it_themselves_if_the_first_has_set_it(run):
    outcome = run(set_backend, **options())
    assert outcome.metrics["jax"] == 1.0
    assert outcome.imported == () and outcome.warnings == ()
    assert run(leave_backend, **options()).imported == ("keras",)


@pytest.mark.parametrize("changed", ["CUDA_VISIBLE_DEVICES", "WANDB_MODE", "TF_CONFIG"])
def test_other_variables_may_change(run, changed):
    def train() -> None:
        os.environ[changed] = "0"

    assert run(train, **options(preload=("keras",))).warnings == ()


def count_threads() -> dict[str, float]:
    import joblib
    import numpy as np
    import sklearn.cluster  # noqa: F401  # brings OpenMP
    import threadpoolctl

    np.ones((300, 300)) @ np.ones((300, 300))
    seen = [library["num_threads"] for library in threadpoolctl.threadpool_info()]
    assert len(seen) > 1
    return {"least": min(seen), "most": max(seen), "joblib": joblib.cpu_count()}


@pytest.mark.parametrize(
    ("preload", "numbers"), [((), (2,)), (("sklearn",), (2, 2, 1))], ids=["first", "later"]
)
def test_threads_of_what_is_loaded_and_of_what_will_be(run, monkeypatch, preload, numbers):
    # This process has numpy loaded, as Spark's worker has, and its own number of threads.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    n_cores = len(os.sched_getaffinity(0))
    for threads in numbers:
        told = run(count_threads, threads=threads, **options(preload=preload))
        limit = min(threads, n_cores)  # libraries never count more
        assert told.metrics == {"least": limit, "most": threads, "joblib": limit}, told.error
        assert told.warnings == ()
    free = run(count_threads, threads=0, **options(preload=preload)).metrics
    assert free == {"least": n_cores, "most": n_cores, "joblib": n_cores}


def test_a_user_s_own_numbers_of_threads_win(run, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")

    def train() -> dict[str, float]:
        import numpy  # noqa: F401
        import threadpoolctl

        (blas,) = {
            library["num_threads"]
            for library in threadpoolctl.threadpool_info()
            if library["user_api"] == "blas"
        }
        return {"blas": blas, "omp": float(os.environ["OMP_NUM_THREADS"])}

    assert run(train, threads=1, **options()).metrics == {"blas": 2.0, "omp": 1.0}
