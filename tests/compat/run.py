"""Makes an environment for each combination of versions, and writes docs/compatibility.md.

::

    python -m tests.compat.run                 # all, and the table
    python -m tests.compat.run --only 3.5.9    # those with this in their versions

The environments need 3 GB each and are removed one after the other. Pythons are found as
``python3.12`` on the PATH, or below ``~/.pyenv/versions``. uv installs: for the minimums, pip of
Python 3.11 was still loading versions of TensorFlow when it had loaded forty, 0.6 GB each.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "compatibility.md"
BEGIN, END = "<!-- table: make compat -->\n", "<!-- end of the table -->\n"
GROUPS = ("local", "gpus", "submit", "connect")
GROUP_S = 600
COLUMNS = {
    "two_calls": "the two calls",
    "two_workers": "two workers",
    "crash": "crash",
    "time_limit": "time limit",
    "ctrl_c_and_resume": "Ctrl-C, resume",
    "gpus": "GPUs, local-cluster",
    "submit": "spark-submit, standalone",
    "connect": "Connect",
    "tensorboard": "TensorBoard",
}
SHOWN = ("pyspark", "tensorflow", "numpy", "pyarrow", "pandas")


@dataclass(frozen=True)
class Combination:
    """A Python and the versions of what is pinned; the others are the newest that go with it.

    Parameters
    ----------
    python : str
        Minor version.
    pins : dict
        Versions by package.
    minimums : bool
        Whether all lower bounds of requirements.txt are pinned.
    submit : bool
        Whether spark-submit is tried on a standalone cluster, too: it takes the longest.
    connect : bool
        Whether the packages of Spark Connect are there and it is tried.
    """

    python: str
    pins: dict[str, str] = field(default_factory=dict)
    minimums: bool = False
    submit: bool = False
    connect: bool = True

    @property
    def name(self) -> str:
        pins = "-".join(f"{name}{version}" for name, version in self.pins.items())
        return f"py{self.python}-{'minimums' if self.minimums else pins}"


COMBINATIONS = (
    Combination("3.11", minimums=True, submit=True),
    Combination(
        "3.11",
        {"pyspark": "3.5.9", "tensorflow": "2.16.2", "numpy": "1.26.4", "pyarrow": "20.0.0"},
        submit=True,
    ),
    Combination("3.12", {"pyspark": "3.5.9", "tensorflow": "2.18.1", "pyarrow": "20.0.0"}),
    Combination("3.11", {"pyspark": "4.0.5", "tensorflow": "2.18.1"}),
    Combination("3.12", {"pyspark": "4.1.4", "tensorflow": "2.20.0"}),
    Combination("3.13", {"pyspark": "4.2.1", "tensorflow": "2.21.0"}),
    Combination("3.11", {"pyspark": "4.3.0", "tensorflow": "2.21.0"}, submit=True),
    Combination("3.12", {"pyspark": "4.3.0", "tensorflow": "2.18.1"}, connect=False),
    Combination("3.13", {"pyspark": "4.3.0", "tensorflow": "2.21.0"}),
)


def main() -> int:
    """Run what is asked for; the exit status is 1 if a check failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="a part of the combination's name")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/compat-envs"))
    parser.add_argument("--groups", nargs="+", default=GROUPS, choices=GROUPS)
    parser.add_argument("--keep", action="store_true", help="keep the environments")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    failed = False
    for one in COMBINATIONS:
        if args.only in one.name:
            row = run(one, args.folder, args.groups, args.keep)
            failed |= any("FAILED" in result for result in row["results"].values())
    write_page(args.folder)
    return int(failed)


def run(one: Combination, folder: Path, groups: tuple[str, ...], keep: bool) -> dict[str, dict]:
    """Make the environment, run the groups in it, and return the versions and results."""
    environment = folder / one.name
    started = time.monotonic()
    path = folder / f"{one.name}.json"
    row = json.loads(path.read_text()) if path.exists() else {"versions": {}, "results": {}}
    try:
        python = install(one, environment)
        row["versions"] = versions(python)
        left_out = {"submit": not one.submit, "connect": not one.connect}
        for group in [name for name in groups if not left_out.get(name)]:
            row["results"] |= run_group(python, group, folder / "work" / one.name / group)
            path.write_text(json.dumps(row))
    finally:
        if not keep:
            shutil.rmtree(environment, ignore_errors=True)
    minutes = (time.monotonic() - started) / 60
    print(f"{one.name}: {minutes:.1f} min, {row['results']}", flush=True)
    return row


def run_group(python: Path, group: str, work: Path) -> dict[str, str]:
    """Run a group in a process of its own; what it doesn't tell has failed."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("PY", "SPARK_"))
    }
    variables |= {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }
    with (work.parent / f"{group}.log").open("w") as log:
        command = [str(python), "-m", "tests.compat.cells", group, str(work)]
        process = subprocess.Popen(
            command, cwd=work, env=variables, stdout=log, stderr=log, start_new_session=True
        )
        try:
            status = str(process.wait(GROUP_S))
        except subprocess.TimeoutExpired:
            status = f"none after {GROUP_S} s"
            os.killpg(process.pid, signal.SIGKILL)
    told = work / f"{group}.json"
    results: dict[str, str] = json.loads(told.read_text()) if told.exists() else {}
    return results or {group: f"FAILED: exit status {status}"}


def install(one: Combination, environment: Path) -> Path:
    """Make a virtual environment and return its Python."""
    python = environment / "bin" / "python"
    shutil.rmtree(environment, ignore_errors=True)
    subprocess.run([find_python(one.python), "-m", "venv", str(environment)], check=True)
    pins = minimums() if one.minimums else [f"{n}=={v}" for n, v in one.pins.items()]
    command = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", str(python)]
    if one.connect:
        pins = [pin.replace("pyspark==", "pyspark[connect]==") for pin in pins]
    subprocess.run([*command, "-r", str(ROOT / "requirements.txt"), *pins], check=True)
    return python


def minimums() -> list[str]:
    """Return requirements.txt with each lower bound as the version."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [re.sub(r">=([\w.]+).*", r"==\1", line) for line in lines if ">=" in line]


def find_python(version: str) -> str:
    """Return the path of a Python of a minor version."""
    below = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    found = str(below[-1]) if below else shutil.which(f"python{version}")
    if found is None:
        sys.exit(f"There is no python{version} on the PATH or below ~/.pyenv/versions.")
    return found


def versions(python: Path) -> dict[str, str]:
    """Return the versions that an environment has."""
    code = (
        "import importlib.metadata as m, json, platform; "
        f"found = {{name: m.version(name) for name in {SHOWN}}}; "
        "print(json.dumps({'python': platform.python_version(), **found}))"
    )
    told = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(told.stdout)
    return found


def write_page(folder: Path) -> None:
    """Write the table of all combinations that were run, now or before."""
    lines = [
        "| " + " | ".join(["Python", *SHOWN, *COLUMNS.values()]) + " |",
        "|" + "---|" * (1 + len(SHOWN) + len(COLUMNS)),
    ]
    for one in COMBINATIONS:
        path = folder / f"{one.name}.json"
        if not path.exists():
            continue
        row = json.loads(path.read_text())
        found = [row["versions"].get(name, "") for name in ("python", *SHOWN)]
        cells = [row["results"].get(name, "not run").partition(":")[0] for name in COLUMNS]
        lines.append("| " + " | ".join([*found, *cells]) + " |")
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + rest.partition(END)[2])


if __name__ == "__main__":
    sys.exit(main())
