"""A standalone cluster with announced GPUs, driven as users drive it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.spark.cluster import StandaloneCluster
from tests.spark.driving import run_driver
from tests.spark.watching import MEET

pytestmark = [pytest.mark.spark, pytest.mark.cluster]

PINNING = (
    MEET
    + """
def train(k):
    from sparkexp.engine.worker.executor_id import find_executor_id
    with open(os.path.join(experiment.logdir(), "seen.json"), "w") as file:
        json.dump([os.getcwd(), os.environ.get("CUDA_VISIBLE_DEVICES"), find_executor_id()], file)
    meet(4)
    return k

result = experiment.launch(spark, train, {"k": list(range(8))}, logdir=logdir)
seen = [json.load(open(os.path.join(r.logdir, "seen.json"))) for r in result.trials]
answer({
    "seen": seen,
    "gpu": [r.gpu for r in result.trials],
    "spans": [[r.started, r.ended] for r in result.trials],
    "failures": result.failures(),
    "sparkexp": experiment.__file__,
})
"""
)


def test_concurrent_trials_have_a_gpu_each(cluster: StandaloneCluster, tmp_path: Path) -> None:
    told = run_driver(tmp_path, PINNING, cluster.conf())

    assert told["failures"] == {}
    pairs = [(Path(where).parts[:-1], gpu) for where, gpu, _ in told["seen"]]
    assert all(gpu in ("0", "1") for _, gpu in pairs)
    assert told["gpu"] == [gpu for _, gpu in pairs]
    # A standalone executor's directory has its id as name.
    assert {Path(where).name == executor != "" for where, _, executor in told["seen"]} == {True}
    # Whenever four trials ran at once, they had four different GPUs.
    spans = told["spans"]
    most = 0
    for start, _ in spans:
        at_once = [k for k, (a, b) in enumerate(spans) if a <= start < b]
        assert len({pairs[k] for k in at_once}) == len(at_once)
        most = max(most, len(at_once))
    assert most == 4
    # Eight trials on four slots: each slot ran a second one on a reused worker.
    assert len(set(pairs)) == 4


def test_resources_of_a_trial(cluster: StandaloneCluster, tmp_path: Path) -> None:
    told = run_driver(
        tmp_path,
        MEET
        + textwrap.dedent("""
        def train(k):
            meet(2)
            return len(os.environ["CUDA_VISIBLE_DEVICES"].split(","))
        both = experiment.launch(spark, train, {"k": [0, 1, 2]}, logdir=logdir + "/gpus",
                                 gpus_per_trial=2)
        def threads(k):
            import tensorflow as tf
            tf.constant(1.0)
            return {
                "intra": tf.config.threading.get_intra_op_parallelism_threads(),
                "omp": int(os.environ["OMP_NUM_THREADS"]),
                "tf": int(os.environ["TF_NUM_INTRAOP_THREADS"]),
            }
        cores = experiment.launch(spark, threads, {"k": [0]}, logdir=logdir + "/cpus",
                                  cpus_per_trial=2, metric="omp")
        answer({
            "both": [[r.value, r.gpu, r.started, r.ended] for r in both.trials],
            "errors": [both.failures(), cores.failures()],
            "threads": dict(cores.trials[0].metrics),
        })
        """),
        cluster.conf(),
    )
    assert told["errors"] == [{}, {}]
    assert [(value, gpu) for value, gpu, *_ in told["both"]] == [(2, "0,1")] * 3
    spans = [(start, end) for *_, start, end in told["both"]]
    at_once = [sum(a <= start < b for a, b in spans) for start, _ in spans]
    assert max(at_once) == 2  # one a worker
    assert told["threads"]["omp"] == told["threads"]["tf"] == 2
