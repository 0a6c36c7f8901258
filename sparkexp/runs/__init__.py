"""A run on disk or at a URL: its files, its lock, and the copies that are kept up to date."""

from sparkexp.runs.directory import RunDirectory, new_run_id
from sparkexp.runs.opening import create_run, open_run
from sparkexp.runs.paths import RunPaths
from sparkexp.runs.state_files import damage_error, find_root

__all__ = [
    "RunDirectory",
    "RunPaths",
    "create_run",
    "damage_error",
    "new_run_id",
    "open_run",
    "find_root",
]
