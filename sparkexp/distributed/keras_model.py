"""What a worker of a gang changes in Keras: compile, fit, evaluate and synchronised BatchNorm.

All changes are made here, in the worker's process alone, to the class that defines a method: Keras
compares `Model.compile` with its base class's, and loads a model uncompiled if they differ. Names
that aren't public are guarded by tests/distributed/test_private_names.py.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sparkexp.distributed.agreement import check_agreement
from sparkexp.distributed.backend import check_backend
from sparkexp.distributed.batch_norm import synchronise_moments
from sparkexp.distributed.collectives import Collectives
from sparkexp.distributed.fit import Fit, FitHook
from sparkexp.distributed.fit_callbacks import (
    closing_callback,
    keep_for_worker,
    opening_callback,
    shared_variables,
)
from sparkexp.distributed.gradients import BUCKET_BYTES, distribute
from sparkexp.distributed.metric_sums import average_statistics, sum_metrics
from sparkexp.distributed.model_building import build_model, check_model, find_optimizers
from sparkexp.distributed.sharing import Shared, share_batch, share_data
from sparkexp.distributed.steps import GangSteps
from sparkexp.engine.gang import BatchSize
from sparkexp.errors import InvalidArgumentError

__all__ = ["patch_keras"]


@dataclass(frozen=True)
class _Patch:
    """The settings of one process."""

    gang: Collectives
    meaning: BatchSize
    hooks: Sequence[FitHook]
    bucket_bytes: int
    #: Those of the calls of fit.
    numbers: Iterator[int] = field(default_factory=itertools.count)


def patch_keras(
    gang: Collectives,
    meaning: BatchSize = "gang",
    hooks: Sequence[FitHook] = (),
    bucket_bytes: int = BUCKET_BYTES,
) -> None:
    """Let plain compile and fit of this process train with the whole gang.

    Parameters
    ----------
    gang : Collectives
        The workers. A gang of one has the same order of data.
    meaning : str
        Whether batch_size is that of the gang or of each worker.
    hooks : sequence of FitHook
        Take part in every fit.
    bucket_bytes : int
        The size of gradients that are summed together.
    """
    import keras
    from keras.src.trainers import epoch_iterator

    patch = _Patch(gang, meaning, hooks, bucket_bytes)
    makers = {
        "compile": _make_compile,
        "fit": _make_fit,
        "evaluate": _make_evaluate,
        "train_on_batch": _make_train_on_batch,
        "_get_metrics_result_or_logs": _make_results,
    }
    for name, make in makers.items():
        owner = next(base for base in keras.Model.__mro__ if name in vars(base))
        original = vars(owner)[name]
        setattr(owner, name, functools.wraps(original)(make(original, patch)))
    iterator = epoch_iterator.EpochIterator
    iterator._enumerate_iterator = _count_anew(iterator._enumerate_iterator)
    synchronise_moments(gang)


def _make_compile(original: Callable[..., Any], patch: _Patch) -> Callable[..., Any]:
    def compile(model: Any, *args: Any, **kwargs: Any) -> Any:
        check_backend()
        # 'auto' is True on GPUs, and XLA has no sums over processes.
        if kwargs.get("jit_compile", "auto") == "auto":
            kwargs["jit_compile"] = False
        result = original(model, *args, **kwargs)
        _prepare(model, patch)
        return result

    return compile


def _prepare(model: Any, patch: _Patch) -> GangSteps:
    """Let a model's optimizers and steps work for the gang, once; return its steps."""
    for optimizer in find_optimizers(model):
        distribute(optimizer, patch.gang, patch.bucket_bytes)
    steps: GangSteps | None = vars(model).get("_sparkexp_steps")
    if steps is None:
        steps = GangSteps(model, patch.gang)
        # Past Keras's tracking of attributes: these are no part of the model.
        object.__setattr__(model, "_sparkexp_steps", steps)
        if patch.gang.size > 1:
            object.__setattr__(model, "train_step", steps.training(model.train_step))
            object.__setattr__(model, "test_step", steps.testing(model.test_step))
            model.train_function = model.test_function = None
    return steps


def _make_fit(original: Callable[..., Any], patch: _Patch) -> Callable[..., Any]:
    signature = inspect.signature(original)

    def fit(model: Any, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(model, *args, **kwargs)
        bound.apply_defaults()
        call = bound.arguments
        if not model.compiled:
            return original(**call)
        with patch.gang.calling("fit"):
            _begin_fit(call, model, patch)
            return original(**call)

    return fit


def _begin_fit(call: dict[str, Any], model: Any, patch: _Patch) -> None:
    """Make the arguments of fit those of this worker."""
    check_model(model)
    patch.gang.seed = _choose_seed(patch, next(patch.numbers))
    shared = _share_training(call, patch)
    validation = _share_validation(call, patch, model)
    steps = _prepare(model, patch)
    patch.gang.align_keys()
    build_model(model, shared.spec, training=True)
    start = Fit(
        model=model,
        gang=patch.gang,
        epochs=call["epochs"],
        batch_size=shared.batch_size,
        examples=shared.examples,
        steps=call["steps_per_epoch"] or _count_steps(shared),
        own_batch=call["batch_size"] or _own_batch(shared, patch),
        by_place=shared.by_place,
        initial_epoch=call["initial_epoch"],
    )
    check_agreement(
        patch.gang,
        "fit",
        {
            "epochs": start.epochs,
            "first epochs": start.initial_epoch,
            "steps in an epoch": start.steps,
            "examples": start.examples,
            "examples in a batch": start.batch_size,
            "steps of the validation": call["validation_steps"] or _count_steps(validation),
            "examples of the validation": None if validation is None else validation.examples,
        },
    )
    callbacks = keep_for_worker(_as_list(call["callbacks"]), patch.gang)
    for hook in patch.hooks:
        callbacks = hook.begin(start, callbacks)
    _begin_together(start)
    call["initial_epoch"] = start.initial_epoch
    steps.expect_training(shared.batch_size, _may_be_empty(shared, start), shared.spec)
    if shared.by_place:
        call["steps_per_epoch"] = None  # the data has that many
    call["callbacks"] = [
        opening_callback(_beginning(start, shared, steps)),
        *callbacks,
        *([closing_callback(patch.gang)] if patch.gang.size > 1 else []),
    ]
    call["verbose"] = call["verbose"] if patch.gang.is_chief else 0


def _share_training(call: dict[str, Any], patch: _Patch) -> Shared:
    """Put this worker's part into the arguments of fit."""
    data = (call["x"], call["y"], call["sample_weight"])
    if call["validation_split"] and call["validation_data"] is None:
        from keras.src.trainers.data_adapters import array_slicing

        data, call["validation_data"] = array_slicing.train_validation_split(
            data, validation_split=call["validation_split"]
        )
        call["validation_split"] = 0.0
    shared = share_data(
        data,
        patch.gang,
        patch.meaning,
        batch_size=call["batch_size"],
        steps=call["steps_per_epoch"],
        shuffle=call["shuffle"],
        class_weight=call["class_weight"],
    )
    call["x"] = shared.data
    if shared.by_place:
        call["y"] = call["sample_weight"] = call["class_weight"] = None
    return shared


def _share_validation(call: dict[str, Any], patch: _Patch, model: Any) -> Shared | None:
    import keras

    data = call["validation_data"]
    if data is None:
        return None
    shared = share_data(
        keras.utils.unpack_x_y_sample_weight(data),
        patch.gang,
        patch.meaning,
        batch_size=_evaluation_batch(call["validation_batch_size"] or call["batch_size"], patch),
        steps=call["validation_steps"],
        name="validation_data",
    )
    call["validation_data"] = shared.data
    if shared.by_place:
        call["validation_steps"] = None
    _prepare(model, patch).expect_testing(shared.may_be_empty, shared.spec)
    return shared


def _evaluation_batch(batch_size: int | None, patch: _Patch) -> int | None:
    """Return Keras's size where none is given, but an example for each worker."""
    if batch_size is None and patch.meaning == "gang":
        return max(32, patch.gang.size)
    return batch_size


def _count_anew(original: Callable[..., Any]) -> Callable[..., Any]:
    """Let an epoch that begins in its middle have fewer steps than others.

    Keras asks once how many there are. An epoch that just ends early has a step too many, in which
    there is no data, but the optimizer counts.
    """

    def enumerate_iterator(epochs: Any) -> Any:
        if epochs.steps_per_epoch is None:
            epochs._num_batches = epochs.data_adapter.num_batches or epochs._num_batches
        yield from original(epochs)

    return enumerate_iterator


def _make_evaluate(original: Callable[..., Any], patch: _Patch) -> Callable[..., Any]:
    signature = inspect.signature(original)

    def evaluate(model: Any, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(model, *args, **kwargs)
        bound.apply_defaults()
        call = dict(bound.arguments)
        more = call.pop("kwargs", {})
        call["verbose"] = call["verbose"] if patch.gang.is_chief else 0
        with patch.gang.calling("evaluate"):
            # fit has shared out its validation data already.
            if model.compiled and not more.get("_use_cached_eval_dataset"):
                _begin_evaluate(call, model, patch)
            with _prepare(model, patch).evaluating():
                return original(**call, **more)

    return evaluate


def _begin_evaluate(call: dict[str, Any], model: Any, patch: _Patch) -> None:
    """Make the arguments of evaluate those of this worker."""
    shared = share_data(
        (call["x"], call["y"], call["sample_weight"]),
        patch.gang,
        patch.meaning,
        batch_size=_evaluation_batch(call["batch_size"], patch),
        steps=call["steps"],
    )
    check_agreement(
        patch.gang,
        "evaluate",
        {
            "steps": call["steps"] or _count_steps(shared),
            "examples": shared.examples,
            "examples in a batch": shared.batch_size,
        },
    )
    call["x"] = shared.data
    if shared.by_place:
        call["y"] = call["sample_weight"] = call["steps"] = None
    steps = _prepare(model, patch)
    build_model(model, shared.spec, training=False)
    steps.expect_testing(shared.may_be_empty, shared.spec)
    call["callbacks"] = keep_for_worker(_as_list(call["callbacks"]), patch.gang)
    if steps.in_epoch:
        average_statistics(model, patch.gang)


def _make_train_on_batch(original: Callable[..., Any], patch: _Patch) -> Callable[..., Any]:
    signature = inspect.signature(original)

    def train_on_batch(model: Any, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(model, *args, **kwargs)
        bound.apply_defaults()
        call = bound.arguments
        if patch.gang.size == 1 or not model.compiled:
            return original(**call)
        check_model(model)
        names = ("x", "y", "sample_weight")
        shared = share_batch(tuple(call[name] for name in names), patch.gang, patch.meaning)
        call.update(zip(names, shared.data, strict=True))
        steps = _prepare(model, patch)
        if not steps.has_begun:
            with patch.gang.calling("train_on_batch"):
                patch.gang.align_keys()
                build_model(model, shared.spec, training=True)
                patch.gang.broadcast(shared_variables(model))
            steps.has_begun = True
        steps.expect_training(None, False, shared.spec)
        return original(**call)

    return train_on_batch


def _make_results(original: Callable[..., Any], patch: _Patch) -> Callable[..., Any]:
    def results(model: Any, logs: Any) -> Any:
        if patch.gang.size == 1:
            return original(model, logs)
        result = functools.partial(original, model)
        return sum_metrics(model, patch.gang, _prepare(model, patch), result, logs)

    return results


def _choose_seed(patch: _Patch, number: int) -> int:
    """Return the seed of the order of a fit's data: the chief's, which the user may have set."""
    import random

    state = zlib.crc32(repr((random.getstate(), number)).encode())
    return int(patch.gang.broadcast_values([float(state)])[0])


def _count_steps(shared: Shared | None) -> int | None:
    if shared is None:
        return None
    if shared.by_place:
        return int(shared.data.num_batches)
    n = int(getattr(shared.data, "cardinality", lambda: -1)())
    return n if n > 0 else None


def _own_batch(shared: Shared, patch: _Patch) -> int | None:
    """Return what fit would have been given for the batches that the data have."""
    batch = shared.batch_size
    return batch if batch is None or patch.meaning == "gang" else batch // patch.gang.size


def _begin_together(start: Fit) -> None:
    values = start.gang.broadcast_values([start.initial_epoch, start.first_example])
    start.initial_epoch, start.first_example = (int(value) for value in values)
    if start.first_example and not start.by_place:
        raise InvalidArgumentError(
            "An epoch can go on in its middle with arrays only, got "
            f"first_example={start.first_example}. Begin the epoch anew."
        )


def _may_be_empty(shared: Shared, start: Fit) -> bool:
    if not start.first_example or shared.batch_size is None or shared.examples is None:
        return shared.may_be_empty
    left = (shared.examples - start.first_example) % shared.batch_size
    return shared.may_be_empty or 0 < left < start.gang.size


def _beginning(start: Fit, shared: Shared, steps: GangSteps) -> Callable[[int], None]:
    def begin(epoch: int) -> None:
        steps.in_epoch = True
        if shared.by_place:
            first = start.first_example if epoch == start.initial_epoch else 0
            shared.data.start_at(epoch, first)

    return begin


def _as_list(callbacks: Any) -> list[Any]:
    from keras import tree

    if callbacks is None:
        return []
    return list(tree.flatten(getattr(callbacks, "callbacks", callbacks)))
