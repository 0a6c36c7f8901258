"""Keras's `compile` and `fit` in a worker of strategy 'async': all that is patched is here."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sparkexp.distributed.async_optimizer import SharedOptimizer
from sparkexp.distributed.async_sharing import DataShare
from sparkexp.distributed.async_worker import AsyncWorker
from sparkexp.distributed.backend import check_backend
from sparkexp.distributed.schedule import find_schedule
from sparkexp.errors import InvalidArgumentError

__all__ = ["patch_keras"]

logger = logging.getLogger(__name__)

_CHIEFS_CALLBACKS = ("ModelCheckpoint", "TensorBoard", "CSVLogger", "BackupAndRestore")


@contextmanager
def patch_keras(worker: AsyncWorker, share: DataShare) -> Iterator[None]:
    """Let `compile` and `fit` of all of Keras's models work with the servers, in a ``with`` block.

    Parameters
    ----------
    worker : AsyncWorker
        Who calls the servers.
    share : DataShare
        How data is shared; its seed is replaced by the gang's.
    """
    fits = _Fits(worker, share)
    # On the classes that define them, else Keras takes them for methods of the user's class.
    compile_owner = _find_owner("compile")
    fit_owner = _find_owner("fit")
    own_compile, own_fit = compile_owner.compile, fit_owner.fit
    compile_owner.compile = _wrap(own_compile, fits.compile)
    fit_owner.fit = _wrap(own_fit, fits.fit)
    try:
        yield
    finally:
        compile_owner.compile, fit_owner.fit = own_compile, own_fit


def _find_owner(name: str) -> Any:
    import keras

    return next(owner for owner in keras.Model.__mro__ if name in vars(owner))


def _wrap(own: Callable[..., Any], called: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that passes its arguments by name, and the method that it replaces."""
    signature = inspect.signature(own)

    @functools.wraps(own)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        given = dict(bound.arguments)
        del given["self"]
        return called(functools.partial(own, self), self, given)

    return method


class _Fits:
    """The calls of `compile` and `fit` in this process."""

    def __init__(self, worker: AsyncWorker, share: DataShare) -> None:
        self._worker = worker
        self._share = share
        self._optimizers: dict[int, SharedOptimizer] = {}
        # Kept, so that no other model's optimizer gets the same id.
        self._kept: list[Any] = []
        self._n_fits = 0

    def compile(self, own: Callable[..., Any], model: Any, given: dict[str, Any]) -> Any:
        if given["jit_compile"] is True:
            raise InvalidArgumentError(
                "With strategy='async' jit_compile must be False or 'auto', since calls to the "
                "servers can't be compiled, got True. Leave it out."
            )
        check_backend()
        result = own(**{**given, "jit_compile": False})
        optimizer = model.optimizer
        if optimizer is not None and id(optimizer) not in self._optimizers:
            self._optimizers[id(optimizer)] = SharedOptimizer(self._worker, model, optimizer)
            self._kept.append(optimizer)
        return result

    def fit(self, own: Callable[..., Any], model: Any, given: dict[str, Any]) -> Any:
        import keras
        import tensorflow as tf

        shared = self._find_optimizer(model)
        number, self._n_fits = self._n_fits, self._n_fits + 1
        earlier, seed = self._worker.read_epochs(number)
        # At least one epoch is trained: callbacks and the history need it.
        earlier = earlier[: max(0, given["epochs"] - given["initial_epoch"] - 1)]
        given = replace(self._share, seed=seed).share(given)
        self._bind_schedule(model.optimizer, given)
        if not model.built:
            # Keras would build it while it traces the first step, with no weights to send yet.
            model(keras.utils.unpack_x_y_sample_weight(next(iter(given["x"])))[0])
        first, last = _make_callbacks(self._worker, shared, number, earlier)
        given["callbacks"] = [first, *_select(given["callbacks"], self._worker.rank), last]
        first_epoch = given["initial_epoch"]
        if earlier:
            logger.warning("Goes on from epoch %d.", first_epoch + len(earlier))
            given["initial_epoch"] = first_epoch + len(earlier)
        try:
            history = own(**given)
        except tf.errors.OpError:
            if self._worker.error is not None:
                raise self._worker.error from None
            raise
        for logs in reversed(earlier):
            for name, value in logs.items():
                if name in history.history:
                    history.history[name].insert(0, value)
        history.epoch[:0] = range(first_epoch, first_epoch + len(earlier))
        return history

    def _bind_schedule(self, optimizer: Any, given: dict[str, Any]) -> None:
        """Tell a schedule of `scaled` how many updates an epoch has, and of which batch each is.

        The servers apply each worker's gradients alone, so the batch of an update is a worker's.
        """
        import keras

        schedule = find_schedule(optimizer)
        steps = given["steps_per_epoch"] or int(given["x"].cardinality())
        if schedule is None or steps < 1:
            return
        batch = len(keras.tree.flatten(next(iter(given["x"])))[0])
        schedule.bind(steps * self._share.workers, batch, batch)

    def _find_optimizer(self, model: Any) -> SharedOptimizer:
        import keras

        optimizer = model.optimizer if model.compiled else None
        if id(optimizer) not in self._optimizers:
            raise InvalidArgumentError(
                "With strategy='async' a model must be compiled in the train function before "
                f"fit, and {model.name!r} was not. Call model.compile(...) first."
            )
        others = [
            name
            for name, value in vars(model).items()
            if isinstance(value, keras.optimizers.Optimizer) and value is not optimizer
        ]
        if others:
            raise InvalidArgumentError(
                "With strategy='async' a model must have one optimizer, that of compile, and "
                f"{model.name!r} has another one in {', '.join(others)}. Use one optimizer."
            )
        return self._optimizers[id(optimizer)]


def _select(callbacks: Any, rank: int) -> list[Any]:
    """Return the callbacks of a worker: those that write files are worker 0's."""
    import keras

    if isinstance(callbacks, keras.callbacks.CallbackList):
        given = [c for c in callbacks.callbacks if not isinstance(c, keras.callbacks.History)]
    else:
        given = [] if callbacks is None else keras.tree.flatten(callbacks)
    if rank == 0:
        return given
    files = tuple(getattr(keras.callbacks, name) for name in _CHIEFS_CALLBACKS)
    return [callback for callback in given if not isinstance(callback, files)]


def _make_callbacks(
    worker: AsyncWorker, shared: SharedOptimizer, fit: int, earlier: list[dict[str, float]]
) -> tuple[Any, Any]:
    """Return the callbacks that come before and after the user's."""
    import keras

    finished = list(earlier)

    class First(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_begin(self, logs: Any = None) -> None:
            shared.register()
            shared.pull()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if logs is not None:
                logs.update(worker.staleness.take())

        def on_train_end(self, logs: Any = None) -> None:
            # Before EarlyStopping's, which may restore the best weights.
            shared.pull()

    class Last(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            finished.append({name: float(value) for name, value in (logs or {}).items()})
            others = shared.read_other_weights() if worker.rank == 0 else b""
            worker.finish_epoch(shared.key, fit, finished, others)

    return First(), Last()
