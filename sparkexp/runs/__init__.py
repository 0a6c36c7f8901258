"""A run on disk or at a URL: its files, its lock, and the copies that are kept up to date."""

from sparkexp.runs.directory import RunDirectory
from sparkexp.runs.opening import create_run, open_run
from sparkexp.runs.paths import RunPaths

__all__ = ["RunDirectory", "RunPaths", "create_run", "open_run"]
