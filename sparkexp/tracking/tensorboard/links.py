"""Addresses within TensorBoard that open with something to see.

Beyond 40 runs TensorBoard ticks none of them, and its pages open empty: these links tick the
search's own run.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sparkexp.errors import StorageError
from sparkexp.runs.paths import RunPaths
from sparkexp.storage.filesystems import is_directory, is_remote, open_filesystem

__all__ = ["INNER_RUNS", "Link", "OVERVIEWS", "list_board_links", "find_overview_directory"]

# Directories of the driver's own runs.
OVERVIEWS = ("evolution", "search")
# Below them, the lines of the population, which differ in colour.
INNER_RUNS = RunPaths.LINES


@dataclass(frozen=True)
class Link:
    """A page of TensorBoard.

    Parameters
    ----------
    title : str
        What the page shows.
    url : str
        Its address.
    """

    title: str
    url: str


def find_overview_directory(logdir: str | os.PathLike[str]) -> Path | str | None:
    """Return the directory or URL of the search's own run; None if it does not exist yet.

    Raises
    ------
    StorageError
        If the log directory is a URL and can't be reached.
    """
    return (
        _find_remote_overview(os.fspath(logdir)) if is_remote(logdir) else _find_overview(logdir)
    )


def _find_remote_overview(logdir: str) -> str | None:
    filesystem, path = open_filesystem(logdir)
    try:
        found = [name for name in OVERVIEWS if is_directory(filesystem, f"{path}/{name}")]
    except Exception as error:  # the clients of file systems raise what they like
        raise StorageError(
            f"A log directory must be reachable and readable, and {logdir!r} is not: {error}. "
            "Check the address, the server and the credentials in the environment."
        ) from error
    return f"{logdir.rstrip('/')}/{found[0]}" if found else None


def _find_overview(logdir: str | os.PathLike[str]) -> Path | None:
    found = (Path(logdir, name) for name in OVERVIEWS)
    return next((path for path in found if path.is_dir()), None)


def list_board_links(url: str, logdir: str | os.PathLike[str]) -> list[Link]:
    """Return links to the pages of TensorBoard, the overview first.

    Parameters
    ----------
    url : str
        Where TensorBoard answers.
    logdir : str or path
        What it shows: a run, or a directory with several, or the search's own run alone.

    Examples
    --------
    >>> for link in list_board_links('http://127.0.0.1:6006/', 'sparkexp-runs'):
    ...     print(link.url)
    http://127.0.0.1:6006/#custom_scalars&regexInput=(%5E%7C%2F)(evolution%7Csearch)(%2F(best%7Cmean%7Cworst))%3F%24&_smoothingWeight=0
    http://127.0.0.1:6006/#hparams
    http://127.0.0.1:6006/#text&regexInput=(%5E%7C%2F)(evolution%7Csearch)%24
    http://127.0.0.1:6006/#distributions&regexInput=(%5E%7C%2F)(evolution%7Csearch)%24
    http://127.0.0.1:6006/#images&regexInput=(%5E%7C%2F)(evolution%7Csearch)%24
    """
    base = url.split("#")[0].split("?")[0]
    alone = Path(logdir).name in OVERVIEWS and _find_overview(logdir) is None
    own = _find_overview(logdir)
    if alone:
        run = r"^\.$"
    else:
        run = f"^{own.name}$" if own is not None else f"(^|/)({'|'.join(OVERVIEWS)})$"
    ticked = f"&regexInput={quote(run, safe='()')}"
    # Lines of other colours are runs below the search's own.
    below = "|".join(INNER_RUNS)
    if alone:
        lines = rf"^(\.|{below})$"
    else:
        lines = f"{run.removesuffix('$')}(/({below}))?$"
    charts = f"&regexInput={quote(lines, safe='()')}&_smoothingWeight=0"
    evolution = own is None or own.name == "evolution"
    links = [Link("how the search went", f"{base}#custom_scalars{charts}")]
    if not alone:
        links.append(Link("all trials: table, parallel coordinates", f"{base}#hparams"))
    links.append(Link("leaderboard and summary", f"{base}#text{ticked}"))
    if evolution:
        links.append(Link("distributions by generation", f"{base}#distributions{ticked}"))
    links.append(Link("pictures", f"{base}#images{ticked}"))
    return links
