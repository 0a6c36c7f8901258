"""What a chief's checkpoint of a running `fit` holds, and how it is put back."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparkexp.distributed.model_building import find_optimizers
from sparkexp.distributed.peers import Peers, gather_differing, sum_plain
from sparkexp.distributed.plain_values import Unwritable, decode, encode, same
from sparkexp.distributed.schedule import find_schedule
from sparkexp.distributed.state_file import Content
from sparkexp.errors import InvalidArgumentError

__all__ = [
    "CallbackStates",
    "FitState",
    "Progress",
    "capture",
    "counters",
    "restore_metrics",
    "restore_model",
    "restore_own",
]

logger = logging.getLogger(__name__)

# Keras sets these before each training; of min_delta it turns the sign when it begins to monitor.
_NOT_STATE = frozenset(("model", "_model", "params", "validation_data", "min_delta"))


@dataclass(frozen=True)
class Progress:
    """How far a training has come.

    Parameters
    ----------
    epoch : int
        The epoch to go on with, from 0.
    position : int
        Examples of that epoch that are done, all workers together.
    stopped : bool
        Whether a callback has stopped the training.
    ended : bool
        Whether `fit` has come to its end.
    """

    epoch: int = 0
    position: int = 0
    stopped: bool = False
    ended: bool = False


@dataclass(frozen=True)
class FitState:
    """A training at one moment.

    Parameters
    ----------
    progress : Progress
        How far it has come.
    size : int
        How many workers it had.
    build : dict, optional
        Keras's build config of the model.
    variables, optimizer : sequence of numpy.ndarray
        Those of the chief.
    rows : mapping of int to numpy.ndarray
        What the workers have of variables that differ among them: the states of dropout, and
        within an epoch the statistics of batch normalisation. By the variable's number.
    metrics : sequence of numpy.ndarray
        Sums over the workers; empty at the end of an epoch.
    callbacks : mapping of str to dict
        The state of each callback, History included.
    scheduled : list of float
        What `experiment.scaled` had counted: its epochs, and the optimizer's step then.
    """

    progress: Progress
    size: int
    build: Any
    variables: Sequence[np.ndarray]
    optimizer: Sequence[np.ndarray]
    rows: Mapping[int, np.ndarray] = field(default_factory=dict)
    metrics: Sequence[np.ndarray] = ()
    callbacks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scheduled: Sequence[float] = ()

    def pack(self) -> Content:
        """Return it as plain values and arrays."""
        arrays: list[np.ndarray] = []
        done = self.progress
        parts = {
            "epoch": done.epoch,
            "position": done.position,
            "stopped": done.stopped,
            "ended": done.ended,
            "size": self.size,
            "build": self.build,
            "variables": [*self.variables],
            "optimizer": [*self.optimizer],
            "rows": dict(self.rows),
            "metrics": [*self.metrics],
            "callbacks": {name: dict(state) for name, state in self.callbacks.items()},
            "scheduled": [*self.scheduled],
        }
        return Content({"state": encode(parts, arrays)}, arrays)

    @classmethod
    def unpack(cls, content: Content) -> FitState:
        """Return the state that was packed."""
        parts = decode(content.values["state"], content.arrays)
        names = ("epoch", "position", "stopped", "ended")
        return cls(Progress(*(parts.pop(name) for name in names)), **parts)


def capture(
    model: Any, peers: Peers, progress: Progress, callbacks: Mapping[str, Mapping[str, Any]]
) -> FitState:
    """Return the state of a training; all workers call it.

    Parameters
    ----------
    model : keras.Model
        The model in training.
    peers : Peers
        The gang.
    progress : Progress
        How far the training has come. Within an epoch the metrics' states belong to it.
    callbacks : mapping
        The state of the callbacks.
    """
    metrics = _values(_metric_variables(model)) if progress.position else []
    variables = _variables(model)
    trained = {id(variable) for variable in model.trainable_variables}
    others = [i for i, variable in enumerate(variables) if id(variable) not in trained]
    differing = gather_differing(peers, _values(variables[i] for i in others))
    metrics = sum_plain(peers, metrics)
    if peers.rank:  # the chief's is the one that is written
        return FitState(progress, peers.size, None, [], [])
    try:
        build = model.get_build_config()
        encode(build, [])
    except (Unwritable, NotImplementedError):
        build = None  # needed only where neither model nor data tell the shapes before fit
    return FitState(
        progress=progress,
        size=peers.size,
        build=build,
        variables=_values(variables),
        optimizer=_values(_optimizer_variables(model)),
        rows={others[i]: rows for i, rows in differing.items()},
        metrics=metrics,
        callbacks=callbacks,
        scheduled=_scheduled(model.optimizer),
    )


def _scheduled(optimizer: Any) -> list[float]:
    schedule = find_schedule(optimizer)
    step = int(optimizer.iterations)
    return [] if schedule is None else [schedule.epoch_at(step), step]


def restore_model(model: Any, state: FitState, peers: Peers, source: str) -> None:
    """Give a model and its optimizer the values of a state.

    Raises
    ------
    InvalidArgumentError
        If the model is another one. To begin anew instead would silently throw the training away.
    """
    if not model.built and state.build:
        model.build_from_config(state.build)
    unbuilt = len(_optimizer_variables(model)) < len(state.optimizer)
    if unbuilt and not model.optimizer.built:  # a train_step of the user's own may not use it
        model.optimizer.build(model.trainable_variables)
    variables, optimizer = _variables(model), _optimizer_variables(model)
    _check_shapes("the model", variables, state.variables, source)
    _check_shapes("the optimizer", optimizer, state.optimizer, source)
    values = (*state.variables, *state.optimizer)
    for variable, value in zip([*variables, *optimizer], values, strict=True):
        variable.assign(value)
    schedule = find_schedule(model.optimizer)
    if schedule is not None and state.scheduled:
        epoch, step = state.scheduled
        schedule.go_on(epoch, int(step))
    restore_own(model, state, peers)


def restore_own(model: Any, state: FitState, peers: Peers) -> None:
    """Give a worker's model what was its own, such as the state of dropout.

    Parameters
    ----------
    model, state, peers
        As of `restore_model`, which was called before.
    """
    variables = _variables(model)
    for index, rows in state.rows.items():
        variables[index].assign(_own_row(rows, peers))


def _own_row(rows: np.ndarray, peers: Peers) -> Any:
    """Return what this worker had, or what comes near to it if there were more or fewer."""
    if len(rows) != peers.size and rows.dtype.kind not in "biu":
        return rows.astype("float64").mean(0).astype(rows.dtype)
    return rows[peers.rank % len(rows)]


def restore_metrics(model: Any, state: FitState) -> None:
    """Add the examples before the checkpoint to the metrics; the chief does it, for all.

    Keras makes most metrics in the first step, so it can't be done before. The metrics' states
    are sums, which the gang adds up over its workers, too.
    """
    variables = _metric_variables(model)
    if len(variables) != len(state.metrics):
        logger.warning(
            "The metrics of the epoch that goes on count from the checkpoint only: there were %d "
            "variables, and there are %d now.", len(state.metrics), len(variables)
        )  # fmt: skip
        return
    for variable, value in zip(variables, state.metrics, strict=True):
        variable.assign_add(value)


def counters(model: Any) -> list[Any]:
    """Return the variables that change in a step without data: random states, step counters."""
    variables = [*model.non_trainable_variables, *_optimizer_variables(model)]
    return [variable for variable in variables if "int" in variable.dtype]


def _check_shapes(
    whose: str, variables: Sequence[Any], values: Sequence[np.ndarray], source: str
) -> None:
    for variable, value in itertools.zip_longest(variables, values):
        here = "none" if variable is None else f"{variable.path} of shape {(*variable.shape,)}"
        there = "none" if value is None else f"one of shape {value.shape}"
        if variable is None or value is None or (*variable.shape,) != value.shape:
            raise InvalidArgumentError(
                "A training goes on with the model and the optimizer it began with, got other "
                f"variables of {whose}: {here} now, {there} in the checkpoint ({source}). Build "
                "the same model, or begin anew with another log directory."
            )


def _variables(model: Any) -> list[Any]:
    """Return all that a model knows but for its metrics, such as weights and random states."""
    metrics = {id(variable) for variable in _metric_variables(model)}
    return [variable for variable in model.variables if id(variable) not in metrics]


def _optimizer_variables(model: Any) -> list[Any]:
    return [variable for each in find_optimizers(model) for variable in each.variables]


def _metric_variables(model: Any) -> list[Any]:
    found = [variable for metric in model.metrics for variable in metric.variables]
    return [*{id(variable): variable for variable in found}.values()]


def _values(variables: Iterable[Any]) -> list[np.ndarray]:
    # A copy: on a CPU the array may be the variable's own memory.
    return [np.array(variable) for variable in variables]


class CallbackStates:
    """The states of callbacks: what of their attributes is plain values and changes in training.

    What doesn't change stays out, such as the names of files, which another attempt has elsewhere.

    Parameters
    ----------
    callbacks : sequence of keras.callbacks.Callback
        The callbacks, in the order of the call.
    """

    def __init__(self, callbacks: Sequence[Any]) -> None:
        counts: Counter[str] = Counter()
        self._callbacks: dict[str, Any] = {}
        for callback in callbacks:
            kind = type(callback).__qualname__
            self._callbacks[f"{kind} {counts[kind]}"] = callback
            counts[kind] += 1
        self._first: dict[tuple[str, str], tuple[Any, list[np.ndarray]]] = {}

    def begin(self) -> None:
        """Take note of the attributes before the training."""
        self._first = dict(self._encode_all())

    def read(self) -> dict[str, dict[str, Any]]:
        """Return the attributes that have changed, by callback."""
        states: dict[str, dict[str, Any]] = {}
        for (name, attribute), encoded in self._encode_all():
            first = self._first.get((name, attribute))
            if first is None or not same(first, encoded):
                states.setdefault(name, {})[attribute] = decode(*encoded)
        return states

    def put_back(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        """Give the callbacks their attributes."""
        for name, attributes in states.items():
            if name in self._callbacks:  # some callbacks are the chief's only
                vars(self._callbacks[name]).update(attributes)

    def _encode_all(self) -> Iterable[tuple[tuple[str, str], tuple[Any, list[np.ndarray]]]]:
        for name, callback in self._callbacks.items():
            for attribute, value in vars(callback).items():
                arrays: list[np.ndarray] = []
                try:
                    encoded = encode(value, arrays)
                except Unwritable:
                    continue
                if attribute not in _NOT_STATE:
                    # Copies: a callback may change its arrays in place.
                    yield (name, attribute), (encoded, [np.array(array) for array in arrays])
