"""The examples of README and site run as they stand, pasted into a shell or a cell."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pasting import paste

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]
# Those that train no network, and run as they stand.
QUICK = [
    "concepts/trials.md",
    "coming_from/hops.md",
    "coming_from/hyperopt.md",
    "coming_from/optuna.md",
    "coming_from/ray_tune.md",
    "how_to/data.md",
    "how_to/frameworks.md",
    "how_to/number_of_trials.md",
    "how_to/resume.md",
    "how_to/stop_early.md",
    "search_dict.md",
]
# Those that train networks, with the number of trials that is enough to see that they run.
TRAINED = {
    "../README.md": 3,
    "coming_from/keras_tuner.md": 2,
    "gallery/images.md": 4,
    "gallery/objectives.md": 4,
    "gallery/pytorch.md": 8,
    "gallery/texts.md": 4,
    "gallery/xgboost.md": 12,
    "how_to/best_model.md": 2,
    "start/index.md": 3,
}
_BLOCK = re.compile(r"^```python( spark)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path) -> list[str]:
    """Return the Python of a page that needs no session."""
    return [code for spark, code in _BLOCK.findall(path.read_text()) if not spark]


def paste_page(path: Path, n_trials: int | None = None) -> dict[str, Any]:
    """Paste a page's blocks one after another; return the names that there are then."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for code in blocks(path):
        if n_trials is not None:
            code = re.sub(r"max_trials=\d+", f"max_trials={n_trials}", code)
        paste(code, names)
    return names


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_all_python_can_be_pasted(path):
    for _, code in _BLOCK.findall(path.read_text()):
        ast.parse(code)  # as a cell is read
        paste(code, run=False)


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("def f():\n    x = 1\n\n    return x\n", "can't read this:\n    return x"),
        ("def f():\n    return 1\nf()\n", "can't read this:\ndef f"),
        ("f(1,\n", "has no end"),
    ],
)
def test_what_a_shell_can_t_read_is_found(code, fault):
    with pytest.raises(AssertionError) as found:
        paste(code)
    assert fault in str(found.value)


def test_a_shell_runs_what_is_pasted():
    assert paste("def f():\n    return 1\n\nx = f()\n")["x"] == 1


@pytest.mark.parametrize("name", QUICK)
def test_a_page_s_python_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = paste_page(DOCS / name)["result"]
    assert result.failures() == {}


@pytest.mark.notebook
@pytest.mark.parametrize("name", TRAINED)
def test_a_page_that_trains_runs(name, tmp_path, monkeypatch):
    if "pytorch" in name:
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    result = paste_page(DOCS / name, TRAINED[name])["result"]
    assert result.failures() == {} and len(result) == TRAINED[name]


def test_every_page_with_python_is_run():
    # In tests/test_docs.py, and what needs a server.
    elsewhere = {"architecture_search.md", "extending.md", "multi_fidelity.md", "searching.md"}
    elsewhere |= {"mlflow.md"}
    with_python = {str(path.relative_to(DOCS)) for path in PAGES[1:] if blocks(path)}
    assert with_python - elsewhere <= {*QUICK, *TRAINED}


@pytest.mark.notebook
def test_the_search_of_the_readme_runs_in_a_shell(tmp_path):
    """In the real one, which reads line by line."""
    (code,) = blocks(README)
    shell = subprocess.run(
        [sys.executable, "-i", "-q"], input=code.replace("max_trials=20", "max_trials=2"),
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert "Error" not in shell.stderr, shell.stderr
    assert shell.stdout.count("SUCCEEDED") == 2
