"""spark-submit from a clean directory: neither the driver nor the executors have sparkexp."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.spark.cluster import StandaloneCluster
from tests.spark.other_python import ROOT, bare_python
from tests.tracking.tensorboard.reading import session_groups

pytestmark = [pytest.mark.spark, pytest.mark.cluster]

SCRIPT = """
import json
from pyspark.sql import SparkSession
from sparkexp import experiment

def train(learning_rate, dropout, num_layers=1):
    return num_layers - abs(learning_rate - 0.004) * dropout

spark = SparkSession.builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")

def tell(result):
    rows = [[r.trial.id, r.value] for r in result.trials]
    told[result.logdir] = {"rows": rows, "failures": result.failures()}

told = {}
CALLS
with open("told.json", "w") as file:
    json.dump({"sparkexp": experiment.__file__, "runs": told}, file)
"""


def calls_of_the_readme() -> str:
    """Return the two calls, word for word."""
    found = re.findall(
        r"^result = (experiment\.(?:launch|evolutionary_search)\(spark, train,\s*\{.*?\)$)",
        (ROOT / "README.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    assert len(found) == 2 and "popsize=10, generations=3, crossover=0.7" in found[1]
    return "\n".join(f"tell({call})" for call in found)


def submit(folder: Path, cluster: StandaloneCluster, python: Path) -> dict[str, Any]:
    """Run the script as docs/deploy.md says, and return what it wrote."""
    with zipfile.ZipFile(folder / "sparkexp.zip", "w") as archive:
        for path in sorted((ROOT / "sparkexp").rglob("*.py")):
            archive.write(path, path.relative_to(ROOT))
    (folder / "my_search.py").write_text(SCRIPT.replace("CALLS", calls_of_the_readme()))
    conf = cluster.conf()
    # What the file says is to be adapted.
    adapted = {key: conf[key] for key in ("spark.master", "spark.executor.memory")} | {
        "spark.executor.cores": "1",
        "spark.task.cpus": "1",
        "spark.pyspark.python": str(python),
        "spark.pyspark.driver.python": str(python),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
    }
    command = [str(Path(sys.executable).parent / "spark-submit"), "--py-files", "sparkexp.zip"]
    command += ["--properties-file", str(ROOT / "conf" / "spark-defaults-standalone-gpu.conf")]
    command += [f"--conf={key}={value}" for key, value in adapted.items()]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYSPARK_", "PYTHON"))}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        [*command, "my_search.py"],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    told: dict[str, Any] = json.loads((folder / "told.json").read_text())
    return told


def test_the_two_calls_from_a_clean_directory(cluster, tmp_path):
    python = bare_python(tmp_path / "bare")
    (folder := tmp_path / "clean").mkdir()
    told = submit(folder, cluster, python)

    assert not told["sparkexp"].startswith(str(ROOT))
    assert len(told["runs"]) == 2
    for (logdir, run), n_trials in zip(told["runs"].items(), (6, 40), strict=True):
        assert Path(logdir).is_relative_to(folder)
        assert run["failures"] == {} and len(run["rows"]) == n_trials
        # A configuration that came again was not trained again.
        trained = {row["runs"][-1]: row for row in session_groups(logdir)}
        assert 6 <= len(trained) <= n_trials
        values = {name: value for name, value in run["rows"] if name in trained}
        assert len(values) == len(trained)
        for name, row in trained.items():
            assert row["status"] == "SUCCESS"
            assert any(abs(m - values[name]) < 1e-5 for m in row["metrics"].values())
