"""Reports of a train function, without the train function."""

from __future__ import annotations

import os

from sparkexp.analysis.description import SearchDescription
from sparkexp.context.reporter import Reporter
from sparkexp.tracking import AttemptTrackers
from sparkexp.tracking.tensorboard import TrialSession


def reporter_in(directory: str | os.PathLike[str]) -> Reporter:
    """A reporter whose scalars TensorBoard reads in this directory; no session is started."""
    session = TrialSession(SearchDescription("a run"))
    vars(session)["_directory"] = str(directory)
    return Reporter(AttemptTrackers([session]))
