"""What the executors saw, judged."""

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
    """Judge how many executors there are, their Python, their packages and their GPUs.

    Parameters
    ----------
    inspection : Inspection
        What was seen.
    driver : Mapping[str, str or None]
        The driver's versions of the packages.
    local : bool
        Whether executors are the driver's own: sparkexp assigns the GPUs then.
    """
    by_place = _by_place(inspection.sightings)
    yield from _count_findings(inspection, len(by_place))
    for where, seen in by_place.items():
        first = seen[0]
        yield ok("executor", f"{where}: Python {first.python} at {first.executable}")
    yield from _package_findings(by_place, driver)
    for where, seen in by_place.items():
        yield from _gpu_findings(where, seen, local)


def _by_place(sightings: Iterable[Sighting]) -> dict[str, list[Sighting]]:
    grouped: defaultdict[str, list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        grouped[sighting.where].append(sighting)
    return dict(sorted(grouped.items()))


def _count_findings(inspection: Inspection, n_reached: int) -> Iterator[Finding]:
    known = inspection.n_executors
    text = f"{n_reached} reached; {inspection.slots} trials at the same time"
    if known is not None and n_reached < known:
        yield problem(
            "executors",
            f"Every executor runs tasks, and of {known} only {n_reached} did.",
            "Look at the logs of the others, on Spark's page Executors.",
        )
    else:
        yield ok("executors", text)


def _package_findings(
    by_place: Mapping[str, list[Sighting]], driver: Mapping[str, str | None]
) -> Iterator[Finding]:
    fine = True
    for name, ours in driver.items():
        places: defaultdict[str | None, list[str]] = defaultdict(list)
        for where, seen in by_place.items():
            places[seen[0].packages.get(name)].append(where)
        for theirs, there in places.items():
            if theirs is None:
                fine = False
                yield problem(
                    "executors' packages",
                    f"Trials need {name}, and it is missing on {_listed(there)}.",
                    ENVIRONMENT,
                )
            elif ours and theirs and theirs != ours:
                fine = False
                yield warning(
                    "executors' packages",
                    f"{name} should be the driver's {ours}, and is {theirs} on {_listed(there)}.",
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
            f"Each GPU that Spark announces is there, and on {where} it announces "
            f"{', '.join(announced)}, where {there}: trials would see none at "
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
    place: LogdirProbe, sightings: Iterable[Sighting], logdir: str
) -> Iterator[Finding]:
    """Judge whether executors read and write the log directory that the driver has.

    Parameters
    ----------
    place : LogdirProbe
        Where the driver wrote; it is still there.
    sightings : iterable of Sighting
        What the executors saw.
    logdir : str
        The log directory, as the user named it.
    """
    fine = True
    shared = "Name a directory that all hosts see under the same path, such as an NFS mount."
    allowed = "Let the executors run as the same user, or name another directory."
    if is_remote(logdir):
        shared = allowed = (
            "Executors need the package for it and the same address and credentials in their "
            "environment, such as spark.executorEnv.AWS_ENDPOINT_URL; docs/storage.md has all."
        )
    for where, seen in _by_place(sightings).items():
        visits = [sighting.visit for sighting in seen if sighting.visit is not None]
        read_error = next((visit.read_error for visit in visits if visit.read_error), "")
        write_error = next((visit.write_error for visit in visits if visit.write_error), "")
        lost = any(not place.has_file(v.name) for v in visits if not v.write_error)
        if read_error or (lost and not write_error):
            fine = False
            yield problem(
                "log directory",
                f"The log directory must be the same place for all, and on {where} {logdir!r} is "
                f"another or none: what the driver wrote there can't be read ({read_error})."
                if read_error
                else f"The log directory must be the same place for all, and what {where} writes "
                f"to {logdir!r} doesn't arrive at the driver.",
                shared,
            )
        elif write_error:
            fine = False
            yield problem(
                "log directory",
                f"Executors must be able to write where the driver does, and on {where} "
                f"{logdir!r} can be read only ({write_error}).",
                allowed,
            )
    if fine:
        yield ok("log directory", f"{logdir}: written and read by the driver and all executors")


def _listed(places: list[str]) -> str:
    return ", ".join(places) if len(places) <= 3 else f"{places[0]} and {len(places) - 1} more"
