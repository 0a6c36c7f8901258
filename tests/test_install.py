"""What is built can be installed into an empty environment, and searches there."""

from __future__ import annotations

import os
import subprocess
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import sparkexp

ROOT = Path(__file__).parent.parent
# A search without Spark, whose summary of files says where the package was found.
SEARCH = """
import sparkexp
from sparkexp import experiment

result = experiment.random_search(
    None, lambda x: x, {"x": [0.0, 1.0]}, max_trials=3, engine="inline", progress=False
)
assert len(result) == 3 and result.failures() == {}
print(sparkexp.__file__, sparkexp.__version__)
"""


def run(*command: str | Path, cwd: Path) -> str:
    # Nothing of this project's environment is to be found.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=900, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The Python of an environment that has pip, setuptools and nothing of ours."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "setuptools>=77", "build", cwd=folder)
    return python


@pytest.fixture(scope="module")
def built(python, tmp_path_factory):
    """The folder with a wheel and an sdist, the wheel made of the sdist."""
    folder = tmp_path_factory.mktemp("built")
    clone = folder / "clone"
    listed = run("git", "ls-files", "-z", cwd=ROOT).split("\0")
    for name in filter(None, listed):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_bytes((ROOT / name).read_bytes())
    run(python, "-m", "build", "--no-isolation", "--outdir", folder, clone, cwd=folder)
    return folder


@pytest.mark.slow
def test_what_is_in_them(built):
    (wheel,) = built.glob("*.whl")
    (sdist,) = built.glob("*.tar.gz")
    assert f"sparkexp-{sparkexp.__version__.partition('.dev')[0]}" in wheel.name
    modules = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "sparkexp").rglob("*")
        if path.suffix in (".py", ".typed")
    }
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert modules == {name for name in names if name.startswith("sparkexp/")}
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "requirements.txt"} | modules <= inside


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("pattern", ["*.whl", "*.tar.gz"])
def test_it_searches_in_an_empty_environment(python, built, tmp_path, pattern):
    (package,) = built.glob(pattern)
    pip = [python, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps"]
    run(python, "-m", "pip", "install", "--quiet", package, cwd=tmp_path)
    run(*pip, package, cwd=tmp_path)
    place, _, version = run(python, "-c", SEARCH, cwd=tmp_path).rpartition(" ")
    assert str(python.parent.parent) in place and version.strip() == sparkexp.__version__
    assert "sparkexp run" in run(python.with_name("sparkexp"), "run", "--help", cwd=tmp_path)
