"""How Sphinx builds the site: `make docs`. Warnings are errors there.

The source folder is the repository's root, so that the links of the pages work in a clone and in
the site alike: to pages, to the changelog, and to files, of which the site gets copies.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

from sparkexp import __version__

project = "sparkexp"
author = "the authors of sparkexp"
version = release = __version__
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
]

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
]
myst_heading_anchors = 4
autodoc_default_options = {
    "members": True,
    "undoc-members": True,
    "show-inheritance": True,
    "member-order": "bysource",
}
# The parameters' descriptions have their types; with them a search's signature would be a page.
autodoc_typehints = "none"
default_role = "code"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "pydata_sphinx_theme"
html_title = "sparkexp"
html_extra_path = ["start_page"]
html_static_path = ["site_style"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
}

_LOG = logging.getLogger(__name__)
_SHOWN = (type, property, functools.cached_property)


def skip_fields(
    app: Sphinx, what: str, name: str, thing: object, skip: bool, options: Any
) -> bool | None:
    """Leave out the fields of a class, which its parameters have told of already."""
    return None if inspect.isroutine(thing) or isinstance(thing, _SHOWN) else True


def warn_of_missing(
    app: Sphinx, what: str, name: str, thing: object, options: Any, lines: list[str]
) -> None:
    """Make a missing docstring a warning, and so an error.

    The tests of `sparkexp.testing` need none: their names are sentences.
    """
    if not any(lines) and not name.rpartition(".")[2].startswith("test_"):
        _LOG.warning("%s %s is in the reference and has no docstring", what, name)


def setup(app: Sphinx) -> None:
    """Let Sphinx ask for each docstring that it shows."""
    app.connect("autodoc-skip-member", skip_fields)
    # Before numpydoc, which writes lines of its own.
    app.connect("autodoc-process-docstring", warn_of_missing, priority=100)
