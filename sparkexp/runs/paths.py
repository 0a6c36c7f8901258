"""The names of all files of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sparkexp.errors import InvalidArgumentError

__all__ = ["RunPaths", "model_file"]


@dataclass(frozen=True)
class RunPaths:
    """The files of a run.

    ::

        <root>/experiment.json             settings, written once
              /searcher.json               the searcher's state, after every ended trial
              /driver.lock                 held by the driver that works on the run
              /records/trial-00007.json    the result of an ended trial
              /curves/trial-00007.json     what a trial has reported, if trials are pruned
              /search/ or /evolution/      the driver's event files; below it best, mean and
                                           worst, a run of TensorBoard each
              /gen-002/trial-00007/        the trial's event files and its output.log
              /gen-002/trial-00007/artifacts/   files that the train function saves
              /gen-002/trial-00007/attempt-1/   the same for a second attempt
              /rung-2/trial-00007/checkpoints/  what a promoted trial starts from
              /trials/trial-00007/worker-1/     the output.log of another worker of its gang
              /trials/trial-00007/training/     from what the gang goes on after a restart

    Parameters
    ----------
    root : Path
        The run's log directory.
    """

    root: Path

    @property
    def experiment(self) -> Path:
        return self.root / "experiment.json"

    @property
    def searcher(self) -> Path:
        return self.root / "searcher.json"

    @property
    def lock(self) -> Path:
        return self.root / "driver.lock"

    @property
    def records(self) -> Path:
        return self.root / "records"

    def record(self, number: int) -> Path:
        return self.records / f"trial-{number:05d}.json"

    @property
    def curves(self) -> Path:
        return self.root / "curves"

    def curve(self, number: int) -> Path:
        """Return the file with the values that a trial reports, if trials may be pruned."""
        return self.curves / f"trial-{number:05d}.json"

    #: Directories below that of `search`.
    LINES = ("best", "mean", "worst")

    def search(self, evolution: bool) -> Path:
        return self.root / ("evolution" if evolution else "search")

    def trial(self, trial_id: str, attempt: int = 0) -> Path:
        directory = self.root / trial_id
        return directory / f"attempt-{attempt}" if attempt else directory

    @staticmethod
    def worker(trial_directory: Path, rank: int) -> Path:
        """Return the directory of a worker of a trial's gang; the chief has the trial's own."""
        return trial_directory / f"worker-{rank}"

    @staticmethod
    def artifacts(trial_directory: Path) -> Path:
        """Return the directory of the files that a train function saves."""
        return trial_directory / "artifacts"

    @property
    def mlflow(self) -> Path:
        """The file that says which runs in MLflow are this run's."""
        return self.root / "mlflow.json"

    @staticmethod
    def reports(trial_directory: Path) -> Path:
        """Return the file with all that a trial has reported, if a curve is too small for it."""
        return trial_directory / "reports.jsonl"

    @staticmethod
    def output(trial_directory: Path) -> Path:
        """Return the file with a trial's stdout, stderr and logging."""
        return trial_directory / "output.log"


def model_file(name: str) -> str:
    """Return the name of a model's file among the artifacts.

    Raises
    ------
    InvalidArgumentError
        If the name can't be the name of a file.

    Examples
    --------
    >>> model_file('encoder')
    'encoder.keras'
    """
    if not isinstance(name, str) or not name.strip() or Path(name).name != name:
        raise InvalidArgumentError(
            f"A model's name must be the name of a file, got {name!r}. Write name='model'."
        )
    return name if name.endswith(".keras") else f"{name}.keras"
