"""``sparkexp doctor``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from sparkexp.cli.command import Command
from sparkexp.errors import InvalidArgumentError
from sparkexp.texts.printable import printable

__all__ = ["COMMAND"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--master", help="Spark master, or sc://HOST:PORT of a Connect server; default: local[2]"
    )
    parser.add_argument(
        "--logdir", default="sparkexp-runs", help="log directory of the searches (%(default)s)"
    )
    parser.add_argument("--properties-file", help="Spark settings, as spark-submit takes them")
    parser.add_argument(
        "--conf", action="append", default=[], metavar="KEY=VALUE", help="one more of them"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def _run(arguments: argparse.Namespace) -> int:
    from sparkexp.doctor import Level, examine, line, to_json

    settings = _settings(arguments.properties_file, arguments.conf)
    findings = []
    for finding in examine(arguments.master, arguments.logdir, settings):
        findings.append(finding)
        if not arguments.json:  # at once, since the next check may take a minute
            print(printable(line(finding)), flush=True)
    if arguments.json:
        print(to_json(findings), flush=True)
    return int(any(finding.level is Level.PROBLEM for finding in findings))


def _settings(properties_file: str | None, pairs: Sequence[str]) -> dict[str, str]:
    """Return the settings of a file and of --conf, which override those of the file."""
    settings: dict[str, str] = {}
    if properties_file is not None:
        try:
            text = Path(properties_file).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise InvalidArgumentError(
                f"--properties-file must be a file of Spark settings, and {properties_file!r} "
                f"can't be read: {error}. Name one of conf/."
            ) from error
        for line in (line.strip() for line in text.splitlines()):
            if line and not line.startswith("#"):
                key, _, value = line.replace("=", " ", 1).partition(" ")
                settings[key] = value.strip()
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InvalidArgumentError(
                f"--conf must be KEY=VALUE, got {pair!r}. Write for example "
                "--conf spark.executor.cores=2."
            )
        settings[key] = value
    return settings


COMMAND = Command(
    "doctor",
    "look for what would keep searches from running",
    _arguments,
    _run,
    "Look for what would keep searches from running, on the driver and on every executor: Java, "
    "Python, packages, GPUs, the log directory. The exit status is 1 where there is a problem.",
)
