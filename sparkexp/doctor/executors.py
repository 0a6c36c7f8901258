"""Makes findings of what the executors saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from sparkexp.doctor.findings import Finding, ok, problem, warning
from sparkexp.engine.spark.inspection import Inspection, Sighting
from sparkexp.runs.logdir_probe import LogdirProbe
from sparkexp.storage.filesystems import is_remote

__all__ = ["executor_findings", "logdir_findings"]

ENVIRONMENT = (
    "Let spark.pyspark.python (or PYSPARK_PYTHON) name a Python with the packages of "
    "requirements.txt, the same on every host."
)


def executor_findings(
    inspection: Inspection, driver: Mapping[str, str | None], local: bool
) -> Iterator[Finding]:
    """Yield findings about the number of executors, their Python, packages and GPUs.

    Parameters
    ----------
    inspection : Inspection
        What the executors saw.
    driver : Mapping[str, str or None]
        The driver's versions of the packages.
    local : bool
        Whether the master is local, where sparkexp assigns the GPUs and not Spark.
    """
    by_executor = _group_by_executor(inspection.sightings)
    yield from _count_findings(inspection, len(by_executor))
    for where, seen in by_executor.items():
        first = seen[0]
        yield ok("executor", f"{where}: Python {first.python} at {first.executable}")
    yield from _package_findings(by_executor, driver)
    for where, seen in by_executor.items():
        yield from _gpu_findings(where, seen, local)


def _group_by_executor(sightings: Iterable[Sighting]) -> dict[str, list[Sighting]]:
    grouped: defaultdict[str, list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        grouped[sighting.where].append(sighting)
    return dict(sorted(grouped.items()))


def _count_findings(inspection: Inspection, n_seen: int) -> Iterator[Finding]:
    n_executors = inspection.n_executors
    text = f"{n_seen} reached; {inspection.slots} trials at the same time"
    if n_executors is not None and n_seen < n_executors:
        yield problem(
            "executors",
            f"Every executor must run tasks, and only {n_seen} of {n_executors} did.",
            "Look at the logs of the others, on Spark's page Executors.",
        )
    else:
        yield ok("executors", text)


def _package_findings(
    by_executor: Mapping[str, list[Sighting]], driver: Mapping[str, str | None]
) -> Iterator[Finding]:
    fine = True
    for name, ours in driver.items():
        by_version: defaultdict[str | None, list[str]] = defaultdict(list)
        for where, seen in by_executor.items():
            by_version[seen[0].packages.get(name)].append(where)
        for theirs, there in by_version.items():
            if theirs is None:
                fine = False
                yield problem(
                    "executors' packages",
                    f"Trials need {name}, and it is missing on {_join_names(there)}.",
                    ENVIRONMENT,
                )
            elif ours and theirs and theirs != ours:
                fine = False
                yield warning(
                    "executors' packages",
                    f"{name} should be {ours} as on the driver, and is {theirs} on "
                    f"{_join_names(there)}.",
                    ENVIRONMENT,
                )
    if fine:
        yield ok("executors' packages", "the same as the driver's")


def _gpu_findings(where: str, seen: list[Sighting], local: bool) -> Iterator[Finding]:
    announced = sorted({address for sighting in seen for address in sighting.announced})
    absent = sorted({device for sighting in seen for device in sighting.absent})
    indices = [gpu for gpu in seen[0].gpus if gpu.isdecimal()]
    there = f"GPUs {', '.join(indices)} are there" if indices else "there is no GPU"
    if absent:
        yield problem(
            "gpus",
            f"Each GPU that Spark announces must exist. On {where} it announces "
            f"{', '.join(announced)}, and {there}: trials would see none at "
            f"{', '.join(absent)}.",
            "Correct spark.worker.resource.gpu.discoveryScript (standalone) or "
            "spark.executor.resource.gpu.discoveryScript; conf/gpu_discovery.sh asks nvidia-smi.",
        )
    elif indices and not announced and not local:
        yield warning(
            "gpus",
            f"{where}: {there}, and Spark gives trials none.",
            "Set spark.executor.resource.gpu.amount and spark.task.resource.gpu.amount, as "
            "conf/spark-defaults-standalone-gpu.conf does.",
        )
    elif announced:
        yield ok("gpus", f"{where}: trials get GPU {', '.join(announced)}")
    else:
        yield ok("gpus", f"{where}: {there}")


def logdir_findings(
    probe: LogdirProbe, sightings: Iterable[Sighting], logdir: str
) -> Iterator[Finding]:
    """Yield findings about whether executors read and write the driver's log directory.

    Parameters
    ----------
    probe : LogdirProbe
        The probe in the log directory, which still exists.
    sightings : iterable of Sighting
        What the executors saw.
    logdir : str
        The log directory as the user gave it.
    """
    fine = True
    shared = "Name a directory that all hosts see under the same path, such as an NFS mount."
    allowed = "Let the executors run as the same user, or name another directory."
    if is_remote(logdir):
        shared = allowed = (
            "Executors need the package for it and the same address and credentials in their "
            "environment, such as spark.executorEnv.AWS_ENDPOINT_URL; docs/storage.md has all."
        )
    for where, seen in _group_by_executor(sightings).items():
        visits = [sighting.visit for sighting in seen if sighting.visit is not None]
        read_error = next((visit.read_error for visit in visits if visit.read_error), "")
        write_error = next((visit.write_error for visit in visits if visit.write_error), "")
        lost = any(not probe.has_file(v.name) for v in visits if not v.write_error)
        if read_error or (lost and not write_error):
            fine = False
            yield problem(
                "log directory",
                f"The log directory must be the same for all, and {where} can't read what the "
                f"driver wrote to {logdir!r} ({read_error}): the directory is another one there, "
                "or missing."
                if read_error
                else f"The log directory must be the same for all, and the driver doesn't see "
                f"what {where} wrote to {logdir!r}.",
                shared,
            )
        elif write_error:
            fine = False
            yield problem(
                "log directory",
                f"Executors must be able to write to the log directory, and {where} can only "
                f"read {logdir!r} ({write_error}).",
                allowed,
            )
    if fine:
        yield ok("log directory", f"{logdir}: written and read by the driver and all executors")


def _join_names(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} more"
