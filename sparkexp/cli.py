"""The ``sparkexp`` command."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from sparkexp._version import __version__
from sparkexp.errors import RunDirectoryError, SparkexpError
from sparkexp.result import Result
from sparkexp.storage import RunDirectory, RunPaths
from sparkexp.tracking import TensorBoardServer, overview_directory, start_tensorboard

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after the command's name; those of the process by default.

    Returns
    -------
    int
        0, or 1 after an error that was printed, or 130 after Ctrl-C.
    """
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        return status
    except SparkexpError as error:
        print(f"sparkexp: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sparkexp", description="Hyperparameter search for TensorFlow models on Spark."
    )
    parser.add_argument("--version", action="version", version=f"sparkexp {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser(
        "demo", help="train small CNNs on real images: a grid search, then an evolution"
    )
    demo.add_argument("--master", help="Spark master, local[2] by default")
    demo.add_argument("--logdir", help="directory for the two runs")
    demo.set_defaults(run=_demo)

    board = commands.add_parser("tensorboard", help="show a run in TensorBoard until Ctrl-C")
    board.add_argument("logdir", metavar="LOGDIR", help="log directory of a run")
    board.add_argument("--port", type=int, default=0, help="a free one by default")
    board.add_argument("--open", action="store_true", help="open the overview in a browser")
    board.add_argument(
        "--overview",
        action="store_true",
        help="only the search's own run: quick, however many trials there are",
    )
    board.set_defaults(run=_tensorboard)

    report = commands.add_parser("report", help="write a run as one page of HTML, to be mailed")
    report.add_argument("logdir", metavar="LOGDIR", help="log directory of a run")
    report.add_argument("-o", "--output", default="report.html", help="default: %(default)s")
    report.set_defaults(run=_report)

    show = commands.add_parser("show", help="print the table of a run")
    show.add_argument(
        "logdir", metavar="LOGDIR", help="log directory of a run, or one that holds several"
    )
    show.set_defaults(run=_show)
    return parser


def _demo(arguments: argparse.Namespace) -> int:
    from sparkexp.demo.search import run_demo

    print(run_demo(arguments.master, arguments.logdir), flush=True)
    return 0


def _tensorboard(arguments: argparse.Namespace) -> int:
    logdir = _overview(arguments.logdir) if arguments.overview else arguments.logdir
    with start_tensorboard(logdir, port=arguments.port) as server:
        print(_board_text(server), flush=True)
        if arguments.open:
            webbrowser.open(server.links[0].url)
        server.wait()
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from sparkexp.report import report_html

    page = report_html(RunDirectory.open(arguments.logdir))
    try:
        Path(arguments.output).write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        raise RunDirectoryError(
            f"The report must be writable, and {arguments.output!r} is not: {error.strerror}. "
            "Name another file with -o."
        ) from error
    print(arguments.output)
    return 0


def _overview(logdir: str) -> Path:
    found = overview_directory(logdir)
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


def _show(arguments: argparse.Namespace) -> int:
    runs = _runs_in(Path(arguments.logdir))
    if len(runs) <= 1:
        print(Result.of_run(RunDirectory.open(runs[0] if runs else arguments.logdir)))
    else:
        print("\n\n".join(f"{run}\n{Result.of_run(RunDirectory.open(run))}" for run in runs))
    return 0


def _runs_in(logdir: Path) -> list[Path]:
    """Return the directory if it holds a run, else those right below it that do."""
    candidates = [logdir, *sorted(logdir.glob("*/"))]
    runs = [path for path in candidates if RunPaths(path).experiment.is_file()]
    return runs[:1] if runs[:1] == [logdir] else runs


if __name__ == "__main__":
    sys.exit(main())
