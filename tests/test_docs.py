"""What the documents say is true: their Python runs, their links lead somewhere."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sparkexp.cli import main
from sparkexp.driver.options import ROWS, Options
from tests.pasting import paste

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
README = ROOT / "README.md"
OPTIONS = ROOT / "docs" / "options.md"
# Not imported: what tests import travels with the train functions of tests.
WRITTEN = runpy.run_path(str(ROOT / "docs" / "write_options.py"))["written"]()
# Documents whose Python blocks run one after another.
EXTENDING = ROOT / "docs" / "extending.md"
GUIDES = [ROOT / "docs" / "searching.md", EXTENDING]
COMMAND_LINE = ROOT / "docs" / "command_line.md"
# All of the site's, whose links are looked at.
PAGES = sorted((ROOT / "docs").rglob("*.md"))
MULTI_FIDELITY = ROOT / "docs" / "multi_fidelity.md"
ARCHITECTURE_SEARCH = ROOT / "docs" / "architecture_search.md"
# ```python for what runs by itself, ```python spark for steps of one session.
_FENCE = re.compile(r"^```(\w+)( spark)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# Enough to see that it runs; that the calls work word for word is another test's.
SMALLER = {"popsize=10, generations=3": "popsize=4, generations=1"}
START = ROOT / "docs" / "start" / "index.md"


def blocks(language: str, *, spark: bool = False, path: Path = README) -> list[str]:
    found = _FENCE.findall(path.read_text())
    return [
        code for name, needs_spark, code in found if (name, bool(needs_spark)) == (language, spark)
    ]


def prose(path: Path) -> str:
    """Return a document without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("code", blocks("python", path=MULTI_FIDELITY))
def test_python_of_the_page_on_multi_fidelity_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paste(code)


@pytest.mark.spark
@pytest.mark.slow
def test_python_of_the_page_on_multi_fidelity_runs_on_spark(spark, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(blocks("python", spark=True, path=MULTI_FIDELITY))
    for given, smaller in {
        "max_trials=61": "max_trials=7",
        "max=27, eta=3": "max=4, eta=2",
    }.items():
        assert given in code
        code = code.replace(given, smaller)
    result = paste(code)["result"]
    assert result.failures() == {} and len(result) == 7
    assert "8 epochs of the 16" in repr(result)


def shorten(code: str, smaller: dict[str, str]) -> str:
    """Return the code with other numbers, each of which it has."""
    for given, other in smaller.items():
        assert given in code
        code = code.replace(given, other)
    return code


@pytest.fixture
def eager():
    """Trains without graphs: tracing them takes most of a small training."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.filterwarnings(
    "ignore:Even though the `tf.config.experimental_run_functions_eagerly`"
)
def test_python_of_the_page_on_architecture_search_runs(eager, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(blocks("python", path=ARCHITECTURE_SEARCH))
    code = shorten(code, {"max_trials=4": "max_trials=2", "max_trials=6": "max_trials=4"})
    code = shorten(code, {"min=1, max=4, eta=2": "min=1, max=2, eta=2"})
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, "architecture_search.md", "exec"), names)
    own = re.search(r"^class Perceptron.*?\n\n\n", code, re.MULTILINE | re.DOTALL)
    assert own is not None and len(own[0].split("\n")) < 45
    assert names["result"].failures() == {} and names["result"].front
    space = names["Perceptron"](2)
    assert space.draw_svg(space.parse("none-relu:8").choices).count("8 relu") == 1


@pytest.mark.spark
@pytest.mark.slow
def test_python_of_the_page_on_architecture_search_runs_on_spark(spark, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(blocks("python", spark=True, path=ARCHITECTURE_SEARCH))
    names: dict[str, Any] = {"__name__": "__main__"}
    code = shorten(code, {"max_trials=200": "max_trials=2"})
    exec(compile(code, "architecture_search.md", "exec"), names)
    assert names["result"].failures() == {}
    assert names["large"].output_shape == (None, 100)


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_python_of_the_guides_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for code in (code for name, _, code in _FENCE.findall(path.read_text()) if name == "python"):
        paste(code, names)


def test_the_tests_of_the_page_on_extending_pass(tmp_path):
    """The searcher of the page, tested as the page says."""
    found = [code for code in blocks("python", path=EXTENDING) if "NearBestSearcher(" in code]
    (tmp_path / "test_of_the_page.py").write_text("\n".join(found[:2]))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_of_the_page.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d\d passed", done.stdout, re.MULTILINE)


def test_the_files_that_the_architecture_page_names_are_there():
    text = (ROOT / "docs" / "architecture.md").read_text()
    names = re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:\.py|/))`", text)
    assert len(names) > 40
    missing = [
        n
        for n in names
        if "/" in n and not (ROOT / "sparkexp" / n).exists() and not (ROOT / n).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_of_the_guides_lead_somewhere(path):
    for target in _LINK.findall(prose(path)):
        assert "://" in target or (path.parent / target.partition("#")[0]).exists(), target


def the_searches_train_function(path: Path) -> str:
    """Return what stands above a page's search without Spark."""
    (code,) = blocks("python", path=path)
    return code.partition("result = ")[0]


@pytest.mark.spark
@pytest.mark.slow
def test_python_of_the_readme_runs_on_spark(spark, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(blocks("python", spark=True))
    for given, smaller in SMALLER.items():
        assert given in code
        code = code.replace(given, smaller)
    # As in a shell: the function travels by value.
    names = paste(the_searches_train_function(README))
    result = paste(code, names)["result"]
    assert [r.error for r in result.trials] == [None] * 8
    assert result.best.value > 0.5


@pytest.mark.spark
@pytest.mark.slow
def test_python_of_the_first_page_runs_on_spark(spark, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = paste(the_searches_train_function(START))
    sizes = []
    for code in blocks("python", spark=True, path=START):
        result = paste(code.replace("max_trials=20", "max_trials=4"), names)["result"]
        sizes.append(len(result))
    assert sizes == [4, 4, 4] and result.failures() == {}
    assert "{'learning_rate': 0.0" in capsys.readouterr().out


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for target in _LINK.findall(prose(path)):
        if "://" not in target and not target.startswith("#"):
            assert (ROOT / target.partition("#")[0]).exists(), target


def test_pictures_are_small_and_legible():
    pages = [README, *PAGES]
    links = [(page, target) for page in pages for target in _LINK.findall(prose(page))]
    pictures = {(page.parent / t).resolve() for page, t in links if t.endswith("png")}
    assert len(pictures) == 7
    for path in pictures:
        assert path.stat().st_size < 300_000
        with Image.open(path) as picture:
            assert picture.width >= 1200
            # A page that was not rendered has few colours.
            assert len(picture.convert("RGB").getcolors(2**16)) > 100


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_exist(path):
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    named = re.findall(r"(?:^|`)make ([\w-]+)", path.read_text(), re.MULTILINE)
    assert set(named) <= targets


def test_the_pages_name_sparkexps_commands(capsys):
    pages = [README, *PAGES]
    lines = [
        line for page in pages for code in blocks("bash", path=page) for line in code.split("\n")
    ]
    text = "\n".join([*(page.read_text() for page in pages), *(f"`{line}" for line in lines)])
    named = set(re.findall(r"`sparkexp (\w+)", text))
    assert named == {
        "compare",
        "demo",
        "doctor",
        "mlflow",
        "report",
        "resume",
        "run",
        "show",
        "tensorboard",
    }
    for command in named:
        with pytest.raises(SystemExit) as leaving:
            main([command, "--help"])
        assert leaving.value.code == 0


def test_the_page_on_the_command_line(tmp_path, monkeypatch, capsys):
    (space,) = blocks("yaml", path=COMMAND_LINE)
    (tmp_path / "space.yaml").write_text(space)
    code = "def train(learning_rate, num_layers, optimizer, momentum=0): return learning_rate\n"
    (tmp_path / "train_of_the_page.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    shown = re.findall(r"sparkexp run ([^\n]+)\\\n([^\n]+)", COMMAND_LINE.read_text())
    words = " ".join(shown[0]).replace("train.py", "train_of_the_page.py").replace("'", "").split()
    assert main(["run", *words, "--engine", "inline", "--no-progress"]) == 0
    assert capsys.readouterr().out.startswith("train: 40 trials (40 succeeded")


def test_the_options_table_is_complete():
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", OPTIONS.read_text(), re.MULTILINE)
    assert [name for name, *_ in rows] == list(ROWS)
    literal = {name: default for name, default, _ in rows if re.fullmatch(r"`[^<]*`", default)}
    expected = {field.name: f"`{field.default!r}`" for field in fields(Options)}
    expected["trackers"] = f"`{list(Options().trackers)}`"
    assert literal == {name: expected[name] for name in literal}
    for name, _, meaning in rows:
        sentence = ROWS[name].sentence.replace("``", "`").removesuffix(".")
        assert meaning.partition(" ([more]")[0] == sentence


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_what_follows_from_the_tables_of_options_is_up_to_date(path):
    assert path.read_text() == WRITTEN[path], ".venv/bin/python -m docs.write_options"


def test_the_version_is_in_the_changelog():
    from sparkexp import __version__

    assert f"## {__version__.partition('.dev')[0]}" in (ROOT / "CHANGELOG.md").read_text()
