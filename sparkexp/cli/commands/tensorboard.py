"""``sparkexp tensorboard``."""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path

from sparkexp.cli.command import Command
from sparkexp.errors import RunDirectoryError
from sparkexp.tracking.tensorboard import (
    TensorBoardServer,
    find_overview_directory,
    start_tensorboard,
)

__all__ = ["COMMAND"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("logdir", metavar="LOGDIR", help="log directory of a run")
    parser.add_argument("--port", type=int, default=0, help="a free one by default")
    parser.add_argument("--open", action="store_true", help="open the overview in a browser")
    parser.add_argument(
        "--overview",
        action="store_true",
        help="only the search's own run: quick, however many trials there are",
    )


def _run(arguments: argparse.Namespace) -> int:
    logdir = _overview(arguments.logdir) if arguments.overview else arguments.logdir
    with start_tensorboard(logdir, port=arguments.port) as server:
        print(_board_text(server), flush=True)
        if arguments.open:
            webbrowser.open(server.links[0].url)
        server.wait()
    return 0


def _overview(logdir: str) -> Path | str:
    found = find_overview_directory(logdir)
    if found is None:
        raise RunDirectoryError(
            f"--overview shows the search's own run, and {logdir!r} has none: it is written when "
            "the first trial ends. Name the log directory of a run, or leave --overview out."
        )
    return found


def _board_text(server: TensorBoardServer) -> str:
    width = max(len(link.title) for link in server.links)
    lines = [f"TensorBoard: {server.url}", "These open with something to see:"]
    lines += [f"  {link.title:{width}}  {link.url}" for link in server.links]
    return "\n".join([*lines, "Ctrl-C stops it."])


COMMAND = Command("tensorboard", "show a run in TensorBoard until Ctrl-C", _arguments, _run)
