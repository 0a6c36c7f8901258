"""Write what follows from the tables of options: signatures, dicts of options, a page.

The tables are `sparkexp.driver.option_table.OptionTable` and
`sparkexp.api.fidelity_options.FidelityTable`.
Editors look for keywords in the source of a call, so they have to stand there::

    .venv/bin/python -m docs.write_options

A test tells when that is to be done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from sparkexp.api.dry_run import DRY_ROWS
from sparkexp.api.fidelity_options import FIDELITY_ROWS, SEARCH_ROWS
from sparkexp.api.resume import RESUME_ROWS
from sparkexp.driver.option_row import Row, format_options
from sparkexp.driver.options import ROWS

ROOT = Path(__file__).parent.parent
API = ROOT / "sparkexp" / "api"
TYPED = API / "typed_options.py"
PAGE = ROOT / "docs" / "options.md"

Default = Callable[[Row], str]
DICTS = {
    "ResumeOptions": (
        "TypedDict",
        "Keyword options of `resume`, and of all searches.",
        {name: row for name, row in ROWS.items() if row.resumed},
    ),
    "RunOptions": (
        "ResumeOptions",
        "Keyword options of all searches, those of `ResumeOptions` included.",
        {name: row for name, row in ROWS.items() if not row.resumed},
    ),
    "FidelityOptions": (
        "RunOptions",
        "Keyword options of a search with ``fidelity=``, those of `RunOptions` included.",
        FIDELITY_ROWS,
    ),
}
HEAD = '''"""The options as dicts with types, written by `docs.write_options` from the tables.

>>> quiet: ResumeOptions = {'engine': 'inline', 'progress': False}
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

from sparkexp.api.fidelity_options import HalvingName
from sparkexp.driver.options import EngineName
from sparkexp.driver.pruning_rule import PruningRule
from sparkexp.engine import Engine, Gang, Isolation
from sparkexp.space.constraint import Where
from sparkexp.tracking import Tracker

__all__ = ["FidelityOptions", "ResumeOptions", "RunOptions"]
'''


def _own(row: Row) -> str:
    return repr(row.default).replace("'", '"')


def _unless_recorded(row: Row) -> str:
    return "LEFT_OUT" if row.recorded else _own(row)


def _left_out(row: Row) -> str:
    return "LEFT_OUT"


# Which options a call has, and what stands there as their default.
CALLS: dict[str, tuple[Mapping[str, Row], Default]] = {
    **dict.fromkeys(
        ("launch", "evolutionary_search", "random_search", "search", "architecture_search"),
        (SEARCH_ROWS, _own),
    ),
    "resume": (RESUME_ROWS, _unless_recorded),
    "dry_run": (DRY_ROWS, _left_out),
}


def with_signature(source: str, call: str, rows: Iterable[Row], default: Default) -> str:
    """Return a call's module with the options as its last keywords."""
    before, start, rest = source.partition(f"def {call}(\n")
    parameters, end, after = rest.partition("\n) -> ")
    positional, star, keywords = parameters.partition("\n    *,\n")
    # An option that may be given by position stays where it is.
    rows = [row for row in rows if f"\n    {row.name}:" not in positional]
    names = {row.name for row in rows}
    own = [line for line in keywords.splitlines() if line.split(":")[0].strip() not in names]
    options = [f"    {row.name}: {row.annotation} = {default(row)}," for row in rows]
    return before + start + positional + star + "\n".join([*own, *options]) + end + after


def typed_dicts() -> str:
    """Return the module with the dicts of options."""
    found = HEAD
    for name, (base, first, rows) in DICTS.items():
        text = format_options(rows.values()).replace("\n", "\n    ")
        found += f"\n\nclass {name}({base}, total=False):\n"
        found += f'    """{first}\n\n    Parameters\n    ----------\n    {text}\n    """\n\n'
        found += "".join(f"    {row.name}: {row.annotation}\n" for row in rows.values())
    return found


def with_table(text: str) -> str:
    """Return the page with the table of options."""
    head, title, rest = text.partition("\n| Option | Default | Meaning |\n|---|---|---|\n")
    _, _, after = rest.partition("\n\n")
    return f"{head}{title}" + "\n".join(map(_line, ROWS.values())) + f"\n\n{after}"


def _line(row: Row) -> str:
    default = row.default_words or f"`{row.default!r}`"
    page = f" ([more]({row.page.removeprefix('docs/')}))" if row.page else ""
    meaning = re.sub("`+", "`", row.sentence.removesuffix("."))
    return f"| `{row.name}` | {default} | {meaning}{page} |"


def written() -> dict[Path, str]:
    """Return the files, and what is to stand in them."""
    found = {TYPED: typed_dicts(), PAGE: with_table(PAGE.read_text())}
    for call, (rows, default) in CALLS.items():
        path = API / f"{call}.py"
        found[path] = with_signature(path.read_text(), call, rows.values(), default)
    return found


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text)
