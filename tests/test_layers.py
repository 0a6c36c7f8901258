"""Imports point downwards only. The table is the design; a new module needs its place in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import sparkexp

PACKAGE = Path(sparkexp.__file__).parent

# From the top, a row for what stands side by side: a folder imports what stands below its row.
LAYERS = (
    ("cli",),
    ("demo", "testing"),
    ("experiment",),
    ("api",),
    ("doctor", "driver"),
    ("distributed",),
    ("engine",),
    ("context", "results"),
    ("tracking",),
    ("runs", "search"),
    ("nas",),
    ("analysis",),
    ("space", "storage"),
    ("checks",),
    ("objective",),
    ("trial",),
    ("errors", "texts", "_version"),
)
# Side by side or not, these never meet: the driver asks the one and feeds the other.
APART = {("engine", "search"), ("search", "engine")}
# Who may import what is heavy, and whether only inside of functions.
PYSPARK = {"engine"}
PYTEST = {"testing"}
TENSORBOARD = {"tracking"}
HEAVY = (
    *("pandas", "pyarrow", "cloudpickle", "sklearn", "scipy"),
    *("matplotlib", "plotly", "PIL", "optuna"),
    *("fsspec", "s3fs", "botocore", "hdfs_native"),
    *("mlflow", "requests"),
)
TENSORFLOW = ("tensorflow", "keras", "tf_keras")

RANK = {unit: rank for rank, units in enumerate(LAYERS) for unit in units}


@dataclass(frozen=True)
class Import:
    """A module imported by one of ours."""

    path: str
    line: int
    module: str
    in_function: bool
    typing_only: bool

    @property
    def unit(self) -> str:
        return unit_of(self.path)

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.module}"


def unit_of(path: str) -> str:
    return path.partition("/")[0].removesuffix(".py")


def imports_of(source: str, path: str) -> list[Import]:
    """All imports of a module, `from sparkexp import x` as sparkexp.x."""
    return list(_walk(ast.parse(source), path, False, False))


def _walk(node: ast.AST, path: str, in_function: bool, typing_only: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        names = []
        if isinstance(child, ast.Import):
            names = [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{path}:{child.lineno}: a relative import"
            names = [child.module or ""]
            if child.module == "sparkexp":
                names = [f"sparkexp.{alias.name}" for alias in child.names]
        for name in names:
            yield Import(path, child.lineno, name, in_function, typing_only)
        function = in_function or isinstance(
            child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        )
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            for part in child.body:
                yield from _walk(ast.Module([part], []), path, function, True)
            for part in child.orelse:
                yield from _walk(ast.Module([part], []), path, function, typing_only)
        else:
            yield from _walk(child, path, function, typing_only)


def complaints(imports: list[Import]) -> list[str]:
    """What breaks the rules."""
    return [f"{i}: {why}" for i in imports for why in _why(i)]


def _why(found: Import) -> Iterator[str]:
    top, _, rest = found.module.partition(".")
    if top == "sparkexp" and rest:
        target = rest.partition(".")[0]
        if target == found.unit:
            return
        if found.unit == "__init__":
            if target != "_version":
                yield "the package itself imports nothing but its version"
        elif (found.unit, target) in APART:
            yield f"{found.unit} keeps away from {target}"
        elif RANK.get(target, -1) <= RANK.get(found.unit, -1):
            yield "imports point downwards"
    elif top == "pyspark":
        if found.unit not in PYSPARK and not found.typing_only:
            yield "Spark is the engine's business"
        elif not (found.in_function or found.typing_only):
            yield "inside of functions only"
    elif top == "pytest":
        if found.unit not in PYTEST:
            yield "pytest is testing's business"
    elif top in TENSORFLOW:
        if not found.in_function:
            yield "inside of functions only"
    elif top == "tensorboard":
        if found.unit not in TENSORBOARD:
            yield "TensorBoard is tracking's business"
        elif not (found.in_function or found.typing_only):
            yield "inside of functions only"
    elif top in HEAVY:
        if not (found.in_function or found.typing_only):
            yield "inside of functions only"


SOURCES = sorted(PACKAGE.rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_imports_point_downwards(path):
    unit = unit_of(relative(path))
    assert unit == "__init__" or unit in RANK, f"{unit} has no place in LAYERS"
    assert complaints(imports_of(path.read_text(), relative(path))) == []


def test_few_modules_stand_beside_the_folders():
    assert len(list(PACKAGE.glob("*.py"))) <= 7


def test_the_table_names_what_there_is():
    there = {unit_of(relative(path)) for path in SOURCES}
    assert set(RANK) <= there, f"LAYERS names {set(RANK) - there}, which is gone"


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("trial.py", "from sparkexp.space import Space"),
        ("trial.py", "import sparkexp.engine.base"),
        ("search/grid.py", "from sparkexp.engine import Engine"),
        ("search/grid.py", "from sparkexp.runs import RunPaths"),
        ("search/grid.py", "def f():\n    from sparkexp.tracking import EventFile"),
        ("storage/files.py", "from sparkexp.runs.paths import RunPaths"),
        ("space/space.py", "from sparkexp.analysis.axes import Axis"),
        ("results/result.py", "from sparkexp.context.current import report"),
        ("tracking/base.py", "from sparkexp.results.result import Result"),
        ("engine/inline.py", "from sparkexp import search"),
        ("engine/inline.py", "from sparkexp.driver.loop import SearchLoop"),
        ("runs/paths.py", "from sparkexp.tracking import EventFile"),
        ("experiment.py", "from sparkexp.cli import main"),
        ("driver/loop.py", "from sparkexp.api.launch import launch"),
        ("demo/search.py", "from sparkexp.cli import main"),
        ("__init__.py", "from sparkexp import experiment"),
        ("driver/run.py", "def f():\n    import pyspark.sql"),
        ("engine/spark/engine.py", "from pyspark.sql import SparkSession"),
        ("engine/worker/task.py", "try:\n    import tensorflow\nexcept ImportError:\n    pass"),
        ("demo/images.py", "if TYPE_CHECKING:\n    import keras"),
        ("tracking/events.py", "from tensorboard.compat.proto.summary_pb2 import Summary"),
        ("driver/run.py", "def f():\n    from tensorboard import program"),
        ("results/result.py", "if TYPE_CHECKING:\n    pass\nelse:\n    import pandas"),
        ("driver/run.py", "def f():\n    import pytest"),
        ("experiment.py", "from sparkexp.testing import SearcherContract"),
        ("brand_new.py", "from sparkexp.errors import SparkexpError\nimport pyspark"),
    ],
)
def test_the_rules_see(path, source):
    assert len(complaints(imports_of(source, path))) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("engine/worker/task.py", "if TYPE_CHECKING:\n    from pyspark import TaskContext"),
        ("driver/run.py", "if TYPE_CHECKING:\n    from pyspark.sql import SparkSession"),
        ("engine/worker/task.py", "def f():\n    import pyspark"),
        ("demo/images.py", "def f():\n    import keras"),
        ("tracking/events.py", "class A:\n    def f(self):\n        import tensorboard"),
        ("tracking/events.py", "if TYPE_CHECKING:\n    import tensorboard"),
        ("search/grid.py", "from sparkexp.space import Space\nimport numpy as np"),
    ],
)
def test_the_rules_allow(path, source):
    assert complaints(imports_of(source, path)) == []


def imported(path: Path) -> set[str]:
    """The modules of ours that a module needs, wherever it imports them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
    return {name for name in found if name in MODULES}


def dotted(path: Path) -> str:
    name = path.relative_to(PACKAGE.parent).with_suffix("").as_posix().replace("/", ".")
    return name.removesuffix(".__init__")


MODULES = {dotted(path): path for path in SOURCES}


def test_no_imports_go_in_a_circle():
    needs = {name: imported(path) - {name} for name, path in MODULES.items()}
    while ready := {name for name, needed in needs.items() if not needed}:
        needs = {name: needed - ready for name, needed in needs.items() if name not in ready}
    assert needs == {}, "these import one another, or what does"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_nothing_is_too_long(path):
    source = path.read_text()
    assert source.count("\n") <= 400, "a module with two jobs?"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert lines <= 60, f"{node.name} has {lines} lines"
        if isinstance(node, ast.Call):
            assert len(node.args) <= 6, f"line {node.lineno}: what is passed together is a type"
