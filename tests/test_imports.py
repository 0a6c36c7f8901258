"""What gets imported when, in interpreters of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("pyspark", "tensorflow", "keras", "pandas", "tensorboard", "cloudpickle", "pyarrow")


def run_python(code: str, cwd: Path, *path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "statement",
    [
        "import sparkexp",
        "from sparkexp import experiment",
        "from sparkexp.cli import main",
        "from sparkexp.engine import SparkEngine, InlineEngine",
        "import sparkexp.tracking, sparkexp.search, sparkexp.storage",
    ],
)
def test_importing_is_light(tmp_path, statement):
    loaded = f"sorted(set(sys.modules) & set({HEAVY!r}))"
    assert run_python(f"{statement}\nimport sys\nprint({loaded})", tmp_path) == "[]"


def test_the_check_above_would_see_one(tmp_path):
    (tmp_path / "pyspark").mkdir()
    (tmp_path / "pyspark" / "__init__.py").write_text("")
    loaded = f"sorted(set(sys.modules) & set({HEAVY!r}))"
    assert run_python(f"import pyspark, sys\nprint({loaded})", tmp_path) == "['pyspark']"


def test_a_search_without_spark_and_tensorflow_loads_neither(tmp_path):
    code = """
import sys
from sparkexp import experiment
def train(x):
    experiment.report(0, loss=x)
    return x
result = experiment.random_search(None, train, {'x': [0.0, 1.0]}, n_trials=2, logdir='run',
                                  engine='inline', progress=False)
loaded = sorted(set(sys.modules) & {'pyspark', 'tensorflow', 'keras', 'pandas', 'pyarrow'})
str(result)
print(loaded, sorted(set(sys.modules) & {'pyspark', 'tensorflow', 'keras', 'pandas'}))
"""
    assert run_python(code, tmp_path) == "[] ['pandas']"


def test_everything_but_user_code_works_where_tensorflow_is_not_installed(tmp_path):
    blocked = tmp_path / "blocked"
    for name in ("tensorflow", "keras"):
        (blocked / name).mkdir(parents=True)
        (blocked / name / "__init__.py").write_text(
            f"raise ModuleNotFoundError('No module named {name}', name={name!r})"
        )
    code = """
try:
    import tensorflow
except ModuleNotFoundError:
    print('blocked')
from sparkexp import experiment
from sparkexp.tracking import start_tensorboard
def train(x):
    for step in range(3):
        experiment.report(step, loss=x / (step + 1))
    return x
result = experiment.evolutionary_search(None, train, {'x': [0.0, 1.0]}, popsize=4, generations=1,
    seed=1, logdir='run', engine='inline', progress=False)
print(len(result), sorted(result.to_pandas().status.unique()))
from tests.tracking.tensorboard.reading import scalars, session_groups
print(sorted({group['status'] for group in session_groups('run')}))
print(len(scalars('run')['gen-000/trial-00000']['loss']))
with start_tensorboard('run') as server:
    print(server.url.startswith('http'))
"""
    assert run_python(code, tmp_path, blocked, ROOT).splitlines() == [
        "blocked",
        "8 ['SUCCEEDED']",
        "['SUCCESS']",
        "3",
        "True",
    ]
