"""The site is built without a warning, and its reference has all that is public."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import sparkexp
from sparkexp import errors, experiment, nas, storage, testing, tracking

pytest.importorskip("sphinx", reason="the site is built by the packages of the extra docs")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("docs")
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q"]
    places = ["-d", str(folder / "doctrees"), "-c", "docs", ".", str(folder / "site")]
    done = subprocess.run(build + places, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "site"


def anchors(page: Path) -> set[str]:
    return set(re.findall(r'<dt[^>]* id="([\w.]+)"', page.read_text()))


@pytest.mark.together("site")
def test_the_reference_has_all_that_is_public(site):
    shown = set().union(*(anchors(page) for page in (site / "docs" / "reference").glob("*.html")))
    public = {
        f"{module.__name__}.{name}"
        for module in (errors, experiment, nas, storage, testing, tracking)
        for name in module.__all__
    }
    # Constants and the names of types, which have no docstring of their own.
    public -= {"sparkexp.nas.NASNET_A", "sparkexp.tracking.Outcome"}
    assert public - shown == set()
    assert "sparkexp.experiment.Result.plot" in shown


@pytest.mark.together("site")
def test_its_first_page_leads_to_all_sections(site):
    first = (site / "index.html").read_text()
    assert 'url=docs/index.html"' in first
    links = re.findall(r'href="(\w+)/index\.html"', (site / "docs" / "index.html").read_text())
    assert {"start", "how_to", "gallery", "concepts", "reference", "coming_from"} <= set(links)


def test_a_missing_docstring_and_a_broken_link_are_errors(tmp_path):
    """A site of one page, with the settings of ours."""
    (tmp_path / "undocumented.py").write_text('"""A module."""\n\n\ndef f():\n    pass\n')
    page = "# One\n\n[nowhere](nowhere.md)\n\n```{eval-rst}\n.. automodule:: undocumented\n```\n"
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(page)
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q"]
    done = subprocess.run(
        [*build, "-c", str(ROOT / "docs"), str(tmp_path), str(tmp_path / "site")],
        env={"PYTHONPATH": f"{tmp_path}:{Path(sparkexp.__file__).parent.parent}"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0
    assert "undocumented.f is in the reference and has no docstring" in done.stderr
    assert "target not found: 'nowhere.md'" in done.stderr
