"""Pythons for executors that are not the driver's: without a package, another user's, older."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
# A user who may read everything, as executors on another host's account do on a shared directory.
AS_NOBODY = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)


def bare_python(folder: Path, *missing: str, writes: bool = True) -> Path:
    """Make a Python that has this one's packages but for sparkexp and those named.

    Parameters
    ----------
    folder : Path
        Takes the program and its packages.
    missing : str
        Modules that it hasn't.
    writes : bool
        Whether it may write files: else it is another user's, or, where nobody but root could
        arrange that, any file is too large for it.
    """
    packages = folder / "packages"
    packages.mkdir(parents=True)
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        name = entry.name.partition("-")[0].removesuffix(".py")
        if name in ("sparkexp", "__pycache__", *missing) or "editable" in entry.name:
            continue
        if entry.suffix != ".pth":
            (packages / entry.name).symlink_to(entry)
    before = ""
    if not writes and os.getuid() == 0 and shutil.which("setpriv"):
        before = shlex.join(AS_NOBODY)
    limit = "" if writes or before else "ulimit -f 0\n"
    program = folder / "python"
    # This one's own packages are left out (-S), and so is the checkout, wherever it is named.
    program.write_text(
        "#!/bin/bash\n"
        f'PYTHONPATH=":$PYTHONPATH:"; PYTHONPATH="${{PYTHONPATH//":{ROOT}:"/:}}"\n'
        f'export PYTHONPATH="{packages}$PYTHONPATH"\n'
        f'{limit}exec {before} {shlex.quote(sys.executable)} -S "$@"\n'
    )
    program.chmod(0o755)
    return program


def python_of_another_minor_version(folder: Path) -> tuple[Path, str]:
    """Return a Python of another minor version, and that version.

    It is a real one where this machine has one; else this one, which calls itself 3.9 to all that
    it runs, and so to Spark's check.
    """
    known = [shutil.which(f"python3.{minor}") for minor in range(10, 15)]
    known += map(str, Path.home().glob(".pyenv/versions/3.1[0-9].*/bin/python"))
    for candidate in filter(None, known):
        version = _version(candidate)
        if version and version != "{}.{}".format(*sys.version_info):
            return Path(candidate), version
    (folder / "site").mkdir(parents=True)
    (folder / "site" / "sitecustomize.py").write_text(
        "import sys\nsys.version_info = (3, 9, 2, 'final', 0)\n"
    )
    program = folder / "python3.9"
    program.write_text(
        f'#!/bin/sh\nexport PYTHONPATH="{folder}/site:$PYTHONPATH"\n'
        f'exec {shlex.quote(sys.executable)} "$@"\n'
    )
    program.chmod(0o755)
    return program, "3.9"


def _version(python: str) -> str:
    """Return the minor version of a Python; empty if it can't be run (a shim of pyenv's)."""
    code = "import sys; print('{}.{}'.format(*sys.version_info))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip()
