"""What trials reported while they ran, as tables of pandas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sparkexp.errors import InvalidArgumentError
from sparkexp.storage.remote_files import storage_errors
from sparkexp.tracking.tensorboard.reading import read_scalars
from sparkexp.tracking.tensorboard.sessions import reported_name
from sparkexp.trial import TrialResult

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["make_curves_frame", "read_curve"]


def read_curve(trial_id: str, trial_directory: str, name: str) -> pd.Series[float]:
    """Return a metric that a trial reported, by step, as `BestTrial.curve` says."""
    import pandas as pd

    curves = _read(trial_directory)
    if name not in curves:
        listed = ", ".join(map(repr, sorted(curves))) or "none"
        raise InvalidArgumentError(
            f"{trial_id} has reported {listed}, and not {name!r}. Report it in the function: "
            f"experiment.report(step, {name}=…), or fit(callbacks=[experiment.keras_callback()])."
        )
    points = curves[name]
    return pd.Series(points.values(), pd.Index(points, name="step"), name=name, dtype=float)


def _read(trial_directory: str) -> dict[str, dict[int, float]]:
    with storage_errors(trial_directory):
        curves = read_scalars(trial_directory)
    # Beside what was reported, there is the trial's row of TensorBoard's table.
    named = ((reported_name(tag), curve) for tag, curve in curves.items())
    return {name: curve for name, curve in named if name is not None}


def make_curves_frame(trials: Iterable[TrialResult]) -> pd.DataFrame:
    """Return a table with a row per trial and step, as `Result.curves` describes it."""
    import pandas as pd

    rows: list[dict[str, object]] = []
    names: dict[str, None] = {}
    for result in trials:
        if not result.logdir or result.reused_from is not None:
            continue
        curves = _read(result.logdir)
        names |= dict.fromkeys(curves)
        for step in sorted({step for points in curves.values() for step in points}):
            there = {name: points[step] for name, points in curves.items() if step in points}
            rows.append({"id": result.trial.id, "step": step, **there})
    return pd.DataFrame(rows, columns=["id", "step", *names])
