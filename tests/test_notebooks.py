"""The notebooks run from top to bottom on real Spark, and are committed without outputs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from sparkexp.results.result import Result
from sparkexp.runs import open_run

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


class OurKernelSpecs(KernelSpecManager):
    """Knows one kernel: this Python. Nothing is read from or written to the user's home."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="Python 3", language="python")


class OurKernelManager(AsyncKernelManager):
    def _kernel_spec_manager_default(self) -> KernelSpecManager:
        return OurKernelSpecs(parent=self)


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Runs a notebook in an empty directory; returns it with its outputs."""
    for kind in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(kind, str(tmp_path / kind.lower()))
    # A path with a space is what a user's may have.
    cwd = tmp_path / "my runs"
    cwd.mkdir()

    def run(name: str | Any) -> tuple[Any, Path]:
        given = isinstance(name, nbformat.NotebookNode)
        notebook = name if given else nbformat.read(FOLDER / name, as_version=4)
        client = NotebookClient(
            notebook,
            kernel_manager_class=OurKernelManager,
            timeout=300,
            resources={"metadata": {"path": str(cwd)}},
        )
        client.execute()
        return notebook, cwd

    return run


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def texts(notebook: Any) -> str:
    found = []
    for output in outputs(notebook):
        found += [output.get("text", ""), output.get("data", {}).get("text/plain", "")]
    return "\n".join(found)


def runs(cwd: Path) -> dict[str, Result]:
    """Return the results of the runs below a working directory, by their names."""
    found = [Result.of_run(open_run(path)) for path in cwd.glob("sparkexp-runs/*")]
    return {result.name: result for result in found}


def test_there_are_notebooks():
    names = [
        "01_grid_search",
        "02_evolutionary_search",
        "03_distributed_training",
        "04_architecture_search",
    ]
    assert [path.stem for path in NOTEBOOKS] == names


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_notebooks_are_valid_and_have_no_outputs(path):
    raw = json.loads(path.read_text())
    assert (raw["nbformat"], raw["nbformat_minor"]) == (4, 5)
    nbformat.validate(raw)
    ids = [cell["id"] for cell in raw["cells"]]
    assert len(set(ids)) == len(ids)
    assert set(raw["metadata"]) == {"kernelspec", "language_info"}
    for cell in raw["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert cell["metadata"] == {}
        assert "".join(cell["source"]).strip()


@pytest.mark.spark
@pytest.mark.notebook
@pytest.mark.slow
def test_grid_search(execute):
    notebook, cwd = execute("01_grid_search.ipynb")
    results = runs(cwd)
    assert [r.succeeded for r in results["train"].trials] == [True] * 6
    assert results["train"].best.value > 0.85
    assert [r.succeeded for r in results["sometimes"].trials] == [True, False, True]
    shown = texts(notebook)
    assert "two is too much" in shown
    assert "sparkexp tensorboard" in shown
    tables = [o for o in outputs(notebook) if "text/html" in o.get("data", {})]
    assert len(tables) == 3


@pytest.mark.spark
@pytest.mark.notebook
def test_evolutionary_search(execute):
    notebook, cwd = execute("02_evolutionary_search.ipynb")
    result = runs(cwd)["train"]
    assert [r.succeeded for r in result.trials] == [True] * 12
    assert {r.trial.generation for r in result.trials} == {0, 1, 2}
    assert result.best.value == result.best.metrics["accuracy"] > 0.7
    assert "best so far" in texts(notebook)


@pytest.mark.spark
@pytest.mark.notebook
@pytest.mark.slow
def test_distributed_training(execute):
    notebook, cwd = execute("03_distributed_training.ipynb")
    results = runs(cwd)
    assert set(results) == {"search", "together", "alone", "killed", "large", "split"}
    assert all(trial.succeeded for result in results.values() for trial in result.trials)
    alone, together, killed = (results[name].trials[0] for name in ("alone", "together", "killed"))
    assert together.notes["losses"] == pytest.approx(alone.notes["losses"], abs=1e-5)
    assert killed.notes["losses"] == pytest.approx(together.notes["losses"], abs=1e-5)
    assert (together.attempt, killed.attempt) == (0, 1)
    shown = texts(notebook)
    assert "['epoch 3', 'epoch 4']" in shown and "worker-1/output.log" in shown
    usual, unscaled, scaled = (trial.value for trial in results["large"].trials)
    assert unscaled < min(usual, scaled)
    devices = results["split"].trials[0].notes["devices"]
    assert {device for path, device in devices.items() if "wide" in path} == {"device:CPU:0"}
    assert {device for path, device in devices.items() if "outputs" in path} == {"device:CPU:1"}


@pytest.mark.spark
@pytest.mark.notebook
@pytest.mark.slow
def test_architecture_search(execute):
    notebook, cwd = execute("04_architecture_search.ipynb")
    results = runs(cwd)
    assert all(trial.succeeded for result in results.values() for trial in result.trials)
    assert len(results["train"]) == 12 and results["train"].best.value > 0.6
    small, large = results["train"].best, results["large"].best
    # How many times as many depends on the cell that was the best.
    assert large.metrics["parameters"] > 2 * small.metrics["parameters"]
    assert large.value > 0.8
    assert str(results["train"].best.architecture) in texts(notebook)
    assert [o for o in outputs(notebook) if "image/svg+xml" in o.get("data", {})]


CELLS = (
    "class Scaler:\n    pass\n\ndef square(v):\n    return v * v",
    "def fail():\n    raise RuntimeError('no')  # the line that fails",
    """
import multiprocessing, pickle
from pyspark.sql import SparkSession
from sparkexp import experiment

def train(x):
    assert type(pickle.loads(pickle.dumps(Scaler()))) is Scaler
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(square, [x]) == [x * x]
    return x if x < 2 else fail()

spark = SparkSession.builder.master("local[2]").getOrCreate()
result = experiment.launch(spark, train, {"x": [1, 2]}, progress=False)
""",
    "print(result.failures(), result.best.value)",
)


@pytest.mark.spark
@pytest.mark.notebook
def test_definitions_of_cells(execute):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook, _ = execute(notebook)
    shown = texts(notebook)
    assert "RuntimeError: no" in shown and "# the line that fails" in shown, shown
    assert "1.0" in shown


@pytest.mark.notebook
@pytest.mark.slow
def test_the_search_of_the_readme_runs_in_a_cell(execute):
    text = (FOLDER.parent / "README.md").read_text()
    code = text.partition("```python\n")[2].partition("```")[0]
    assert "max_trials=20" in code
    cell = nbformat.v4.new_code_cell(code.replace("max_trials=20", "max_trials=2"))
    notebook, cwd = execute(nbformat.v4.new_notebook(cells=[cell]))
    assert "SUCCEEDED" in texts(notebook)
    assert len(runs(cwd)["train"]) == 2
