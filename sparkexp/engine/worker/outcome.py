"""Calls the train function and returns its outcome as plain data."""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from sparkexp.engine.base import Train
from sparkexp.engine.transfer.object_train import ObjectTrain
from sparkexp.engine.transfer.train_imports import HEAVY_MODULES
from sparkexp.engine.worker.ending import end_copy
from sparkexp.engine.worker.returned import Returned, read_returned
from sparkexp.errors import PeerLostError
from sparkexp.objective import Objective
from sparkexp.trial import Fault, Loss, ParamValue, State

__all__ = ["EXITED", "Outcome", "TrialStopped", "call_train", "failure"]

MAX_ERROR_CHARS = 16_000
# Of one package.
MAX_PARTS = 50
EXITED = "The trial's process exited with status {} before the train function returned."
MISSING_MODULE = (
    "  The trial ran under {python}. Install the module there, on every host, or pass its file in "
    "py_files=[...]."
)

LITTLE_MEMORY = (
    "  There was no memory for a library: the worker has a limit. Raise or remove "
    "spark.executor.pyspark.memory, or run fewer trials at a time (parallelism=…)."
)


class TrialStopped(BaseException):
    """Ends a train function from within; its ``except Exception`` does not catch it."""


@dataclass(frozen=True)
class Outcome:
    """The result of a train function, as far as its own process can tell."""

    state: State
    value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    started: float = 0.0
    ended: float = 0.0
    imported: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    continued: bool = False
    notes: Mapping[str, Any] = field(default_factory=dict)
    fault: Fault | None = None
    loss: Loss | None = None
    stops_search: str = ""

    def to_bytes(self) -> bytes:
        return json.dumps(vars(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Outcome:
        record = json.loads(data)
        record["state"] = State(record["state"])
        record["imported"] = tuple(record["imported"])
        record["warnings"] = tuple(record["warnings"])
        record["fault"] = Fault(record["fault"]) if record["fault"] else None
        record["loss"] = Loss(record["loss"]) if record["loss"] else None
        return cls(**record)


def failure(
    error: str, started: float = 0.0, fault: Fault | None = None, loss: Loss | None = None
) -> Outcome:
    """Return the outcome of a trial that failed for a reason outside the train function."""
    return Outcome(
        State.FAILED, error=error, started=started, ended=time.time(), fault=fault, loss=loss
    )


def call_train(
    train: Train,
    params: Mapping[str, ParamValue],
    objectives: Sequence[Objective] = (Objective(),),
    needs_value: bool = True,
    reported: Mapping[str, float] | None = None,
    constraints: Sequence[str] = (),
) -> Outcome:
    """Call the train function and return its outcome; raise interrupts only.

    Copies of this process that the function makes, and that come back from it, end here.

    Parameters
    ----------
    train : Callable
        The user's function.
    params : Mapping[str, int | float | str | bool]
        Its keyword arguments.
    objectives : sequence of Objective
        What it must return.
    needs_value : bool
        Whether a trial without a value has failed.
    reported : Mapping[str, float], optional
        What it has reported last, once it has returned.
    constraints : sequence of str
        Entries that it must return besides.
    """
    n_before = len(sys.modules)
    before = {module for module in HEAVY_MODULES if module in sys.modules}
    started = time.time()
    own = os.getpid()
    loss = None
    try:
        try:
            given = train(**params)
        except BaseException as raised:
            end_copy(own, raised)
            raise
        end_copy(own)
        returned = read_returned(given, objectives, needs_value, reported or {}, constraints)
    except KeyboardInterrupt:
        raise
    except TrialStopped:
        return Outcome(State.CANCELLED, started=started, ended=time.time())
    except BaseException as raised:  # SystemExit and the like end the trial, not the worker
        if _lacks_memory(raised):
            raised.add_note(LITTLE_MEMORY)
        if isinstance(raised, ModuleNotFoundError):
            raised.add_note(MISSING_MODULE.format(python=sys.executable))
        returned = Returned(error=_format_traceback(raised), fault=_find_fault(raised))
        loss = Loss.PEER if isinstance(raised, PeerLostError) else None
    return Outcome(
        state=State.SUCCEEDED if returned.error is None else State.FAILED,
        value=returned.value if returned.error is None else None,
        metrics=returned.metrics,
        error=returned.error,
        notes=returned.notes,
        fault=returned.fault,
        loss=loss,
        warnings=returned.warnings,
        started=started,
        ended=time.time(),
        imported=_find_heavy(
            itertools.islice(reversed(sys.modules), len(sys.modules) - n_before), before
        ),
    )


def _find_fault(raised: BaseException) -> Fault | None:
    """Return what in the call made it raise; None if it was the function at work."""
    if isinstance(raised, ImportError):
        return None if _lacks_memory(raised) else Fault.MODULE
    entered = _find_user_frame(raised) is not None
    return Fault.ARGUMENTS if isinstance(raised, TypeError) and not entered else None


def _lacks_memory(raised: BaseException) -> bool:
    """Tell whether a shared library could not be loaded, since a limit of memory is reached."""
    words = ("failed to map segment", "cannot allocate memory", "cannot apply additional memory")
    if type(raised) not in (ImportError, OSError):  # a text of the user's own may raise
        return False
    return any(word in str(raised).lower() for word in words)


def _find_user_frame(raised: BaseException) -> TracebackType | None:
    """Return the traceback from the train function's own frame on."""
    own = raised.__traceback__
    # The first frames are call_train's and ours around the function, which tell the user nothing.
    found = own.tb_next if own else None
    if found is not None and found.tb_frame.f_code is ObjectTrain.__call__.__code__:
        found = found.tb_next
    return found


def _find_heavy(loaded: Iterable[str], before: Set[str]) -> tuple[str, ...]:
    """Return modules to import before the next trial: heavy ones, and submodules loaded late.

    Parameters
    ----------
    loaded : iterable of str
        Modules that the trial loaded, the last first. (Not all of `sys.modules`: touching every
        name copies memory pages that a fork shares, which takes 12 ms.)
    before : set of str
        Heavy modules that were loaded before.
    """
    names = [name for name in loaded if name.partition(".")[0] in HEAVY_MODULES]
    parts = _select_parts([name for name in names if name.partition(".")[0] in before])
    return tuple(reversed([name for name in names if name in HEAVY_MODULES] + parts))


def _select_parts(names: Sequence[str]) -> list[str]:
    """Return the submodules that are worth importing beforehand, in the given order.

    What loads every module of a package (`mlflow.autolog()` does so with scikit-learn) is not what
    trials need: no tests, and of a package no more than the last ones here, loaded first.
    """
    n_of_package: Counter[str] = Counter()
    found = []
    for name in reversed(names):
        package, *parts = name.split(".")
        if "tests" in parts or "conftest" in parts or n_of_package[package] >= MAX_PARTS:
            continue
        n_of_package[package] += 1
        found.append(name)
    return found[::-1]


def _format_traceback(raised: BaseException) -> str:
    """Return the traceback from the user's first frame on; if very long, only its end."""
    text = "".join(
        traceback.format_exception(type(raised), raised, _find_user_frame(raised))
    ).rstrip()
    if len(text) > MAX_ERROR_CHARS:
        text = "…" + text[-MAX_ERROR_CHARS:]
    # A lone surrogate (an undecodable file name, say) can't be written as UTF-8 later.
    return text.encode("utf-8", "replace").decode()
