"""Several processes train one model: the weights are those of one worker with the whole batch."""

from __future__ import annotations

import numpy as np
import pytest

from tests.distributed.exact_worker import QUICK, SITUATIONS
from tests.distributed.feature_worker import EQUAL, OTHERS
from tests.distributed.processes import Running, run

EXACT, FEATURES = "tests.distributed.exact_worker", "tests.distributed.feature_worker"
TOLERANCE = {"batch_norm": 5e-6}
# These are tried each time; the others among the slow tests.
FAST = (
    *("auc", "dicts_and_steps_per_execution", "plain_dataset", "own_loop"),
    *("two_optimizers", "on_batches"),
)
MORE = [situation.__name__ for situation in EQUAL if situation.__name__ not in FAST]


def compare(alone, gang, name):
    """The first worker's weights and history are those of one; the others' are the same."""
    expected, first = alone[name], gang[0][name]
    difference = distance(expected["weights"], first["weights"])
    assert difference <= TOLERANCE.get(name, 1e-6)
    assert expected["history"].keys() == first["history"].keys()
    for key, values in expected["history"].items():
        assert first["history"][key] == pytest.approx(values, abs=2e-6), key
    for other in gang[1:]:
        assert distance(other[name]["weights"], first["weights"]) == 0
        assert other[name]["history"] == first["history"]


def distance(weights, others):
    return max(float(np.abs(a - b).max()) for a, b in zip(weights, others, strict=True))


def run_side_by_side(module, sizes, directory, *argv):
    """Return the answers of gangs of several sizes, by size."""
    running = {size: Running(module, size, directory / str(size), argv) for size in sizes}
    found = {}
    for size, gang in running.items():
        ended = gang.wait()
        for process in ended:
            assert process.status == 0, process.output[-6000:]
        found[size] = [process.value for process in ended]
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    directory = tmp_path_factory.mktemp("files")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FILES", str(directory))
        yield directory


@pytest.fixture(scope="module")
def features(tmp_path_factory, files):
    names = [*(situation.__name__ for situation in (*QUICK, *OTHERS)), *FAST]
    return run_side_by_side(FEATURES, (1, 2), tmp_path_factory.mktemp("features"), *names)


@pytest.fixture(scope="module")
def more_features(tmp_path_factory, files):
    return run_side_by_side(FEATURES, (1, 2), tmp_path_factory.mktemp("more"), *MORE)


@pytest.mark.slow
def test_three_workers_have_the_weights_of_one(tmp_path):
    found = run_side_by_side(EXACT, (1, 3), tmp_path)
    for situation in SITUATIONS:
        compare(found[1][0], found[3], situation.__name__)


@pytest.mark.parametrize("name", [*(situation.__name__ for situation in QUICK), *FAST])
def test_two_workers_have_the_weights_of_one(features, name):
    compare(features[1][0], features[2], name)


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE)
def test_two_workers_have_the_weights_of_one_elsewhere(more_features, name):
    compare(more_features[1][0], more_features[2], name)


def test_evaluate_counts_each_example_once(features):
    for answer in (features[1][0], *features[2]):
        during, after = answer["auc"]["evaluate"][:-1], answer["auc"]["evaluate"][-1]
        assert during == features[2][0]["auc"]["evaluate"][:-1] or answer is features[1][0]
        assert after == pytest.approx(features[1][0]["auc"]["evaluate"][-1], abs=1e-6)
        assert after[2] == pytest.approx(answer["auc"]["sklearn"], abs=0.01)


def test_callbacks_do_what_they_do_on_one_machine(features, files):
    first, second = (answer["early_stopping"] for answer in features[2])
    assert first == second
    assert 2 <= len(first["history"]["loss"]) < 9  # stopped
    assert first["rate"] < 0.5
    written = {file.name for file in files.iterdir()}
    assert {"checkpoint-0.keras", "log-0.csv", "board-0"} <= written
    assert not {"checkpoint-1.keras", "log-1.csv", "board-1", "backup-1"} & written


def test_a_stop_of_one_is_a_stop_of_all(features):
    first, second = (answer["stop_of_one"] for answer in features[2])
    # The flag goes with the gradients of the next step, and all end after it.
    assert first["steps"] == second["steps"] == 10
    assert first["epochs"] == second["epochs"] == 1
    assert distance(first["weights"], second["weights"]) == 0


def test_mixed_precision_trains(features):
    first, second = (answer["mixed_precision"] for answer in features[2])
    assert first["mixed_float16"][0] == "LossScaleOptimizer"
    for policy, (_, weights, history) in first.items():
        assert distance(weights, second[policy][1]) == 0
        assert history == second[policy][2]
        assert history["loss"][1] < history["loss"][0]


def test_dropout_differs_and_moving_statistics_do_not(features):
    first, second = (answer["dropout_and_unsynchronised_batch_norm"] for answer in features[2])
    assert first["mask"] != second["mask"]
    assert distance(first["weights"], second["weights"]) == 0


def test_a_fit_goes_on_in_the_middle_of_an_epoch(features):
    for answer in features[2]:
        found = answer["goes_on"]
        assert found["difference"] == 0
        assert found["steps"] == (4, 21, 21)
        assert found["epochs"] == 3
        assert found["seen"] == (3, 16, 101, 7, True)


def test_times_are_measured(features):
    first, second = (answer["times"] for answer in features[2])
    assert first["waits"] == second["waits"]
    assert all(0 < wait < 60 for wait in first["waits"])
    assert first["reduce_seconds"] > 0


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("generator", "of type generator can't be shared out by the 2 workers"),
        ("batch size", "must be at least its 2 workers, got 1"),
        ("jit", "jit_compile must be False in a gang"),
        ("sum", "'sum_over_batch_size', got 'sum'"),
        ("single examples", "must have batches"),
        ("unknown length", "does not know how many batches it has"),
        ("sparse", "sparse tensors"),
        ("small batches", "example for each of its 2 workers, got 1"),
        ("validation", "validation_data of type generator"),
        ("again", "before TensorFlow does anything else"),
    ],
)
def test_what_cannot_work_says_so_before_the_first_step(features, what, said):
    for answer in features[2]:
        assert said in answer["errors"][what]


@pytest.mark.parametrize("how", ["kill", pytest.param("freeze", marks=pytest.mark.slow)])
def test_the_loss_of_another_worker_is_told_from_own_errors(tmp_path, how):
    gang = Running("tests.distributed.lost_worker", 2, tmp_path, [how])
    try:
        gang.processes[0].wait(200)
    finally:
        for process in gang.processes:
            process.kill()
    first, _ = gang.wait()
    assert first.value is not None, first.output[-6000:]
    assert "another worker of the gang was lost" in first.value[1]
    assert "task:1" in first.value[1]


def test_a_port_that_is_taken_counts_as_a_lost_worker(tmp_path):
    (said,) = run("tests.distributed.taken_port", 1, tmp_path)
    assert "could not connect with its gang" in said
