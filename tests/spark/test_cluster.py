"""A standalone cluster with announced GPUs, driven as users drive it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.spark.cluster import StandaloneCluster
from tests.spark.driving import run_driver

pytestmark = [pytest.mark.spark, pytest.mark.cluster]

PINNING = """
def train(k):
    import time
    with open(os.path.join(experiment.logdir(), "seen.json"), "w") as file:
        json.dump([os.getcwd(), os.environ.get("CUDA_VISIBLE_DEVICES"), time.time()], file)
    time.sleep(1.5)
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


def test_concurrent_trials_have_a_gpu_each(cluster: StandaloneCluster, tmp_path: Path) -> None:
    told = run_driver(tmp_path, PINNING, cluster.conf())

    assert told["failures"] == {}
    pairs = [(Path(where).parts[:-1], gpu) for where, gpu, _ in told["seen"]]
    assert all(gpu in ("0", "1") for _, gpu in pairs)
    assert told["gpu"] == [gpu for _, gpu in pairs]
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
