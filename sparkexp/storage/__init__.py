"""Where a run lives on disk: file names and run state."""

from sparkexp.storage.paths import RunPaths
from sparkexp.storage.run_directory import RunDirectory

__all__ = ["RunDirectory", "RunPaths"]
