"""The names that aren't public, and what to do when one of them is gone."""

from __future__ import annotations

import inspect

import pytest


def signature(function):
    return set(inspect.signature(function).parameters)


def test_a_process_can_be_connected():
    from tensorflow.python.distribute import collective_all_reduce_strategy
    from tensorflow.python.eager import context

    todo = (
        "sparkexp.distributed.connection starts TensorFlow with collectives through its context, "
        "as tf.distribute.MultiWorkerMirroredStrategy does: look there "
        "(collective_all_reduce_strategy.py, _initialize_multi_worker) for how it is done now."
    )
    kind = context.Context
    assert {
        "collective_leader",
        "scoped_allocator_enabled_ops",
        "use_nccl_communication",
        "device_filters",
    } <= signature(kind.configure_collective_ops), todo
    assert {
        "service_type",
        "service_leader",
        "cluster_register_timeout_in_ms",
        "heartbeat_timeout_in_ms",
        "shutdown_barrier_timeout_in_ms",
        "coordinated_jobs",
    } <= signature(kind.configure_coordination_service), todo
    assert hasattr(kind, "enable_collective_ops") and hasattr(kind, "ensure_initialized"), todo
    assert hasattr(context.context(), "_context_handle"), todo
    job = collective_all_reduce_strategy.coordination_config_pb2.CoordinatedJob
    assert job(name="worker", num_tasks=2).num_tasks == 2, todo


def test_sums_over_processes_exist():
    import tensorflow as tf

    assert {
        "input", "group_size", "group_key", "instance_key", "ordering_token", "merge_op",
        "final_op", "communication_hint", "timeout_seconds",
    } <= signature(tf.raw_ops.CollectiveReduceV2), (
        "sparkexp.distributed.collectives sums with this op; look for its successor in "
        "tensorflow/python/ops/collective_ops.py."
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("compile", {"optimizer", "jit_compile"}),
        (
            "fit",
            {
                "x", "y", "batch_size", "epochs", "verbose", "callbacks", "validation_split",
                "validation_data", "shuffle", "class_weight", "sample_weight", "initial_epoch",
                "steps_per_epoch", "validation_steps", "validation_batch_size",
            },
        ),
        (
            "evaluate",
            {"x", "y", "batch_size", "verbose", "sample_weight", "steps", "callbacks", "kwargs"},
        ),
        ("_get_metrics_result_or_logs", {"logs"}),
        ("_symbolic_build", {"data_batch"}),
        ("_flatten_layers", set()),
    ],
)  # fmt: skip
def test_a_model_has_what_is_patched(name, parameters):
    import keras

    assert parameters <= signature(getattr(keras.Model, name)), (
        f"sparkexp.distributed.keras_model relies on Model.{name}: see what fit calls instead."
    )


def test_fit_asks_for_metrics_and_validation_as_is_relied_on():
    import keras

    owner = next(base for base in keras.Model.__mro__ if "fit" in vars(base))
    source = inspect.getsource(vars(owner)["fit"])
    for needed in (
        "self._get_metrics_result_or_logs(", "_use_cached_eval_dataset=True", "self.evaluate(",
        "self._initial_epoch", "if self.stop_training",
    ):  # fmt: skip
        assert needed in source, (
            f"Keras's fit has no {needed!r} any more. sparkexp.distributed.keras_model sums "
            "metrics, shares validation data and stops training there: see how fit does it now."
        )


def test_data_goes_through_adapters():
    from keras.src.trainers.data_adapters import (
        array_data_adapter,
        array_slicing,
        data_adapter,
        get_data_adapter,
    )
    from keras.src.trainers.epoch_iterator import EpochIterator

    todo = (
        "sparkexp.distributed.sharing and shared_arrays give fit a DataAdapter of their own: see "
        "how keras/src/trainers/data_adapters does it now."
    )
    adapter = data_adapter.DataAdapter()
    assert get_data_adapter(adapter) is adapter, todo
    assert {"x", "y", "sample_weight", "batch_size", "steps", "class_weight"} <= signature(
        array_data_adapter.ArrayDataAdapter
    ), todo
    assert hasattr(array_data_adapter, "can_convert_arrays"), todo
    for name in (
        "convert_to_sliceable", "train_validation_split", "TensorflowSparseWrapper",
        "slice_tensorflow_sparse_wrapper",
    ):  # fmt: skip
        assert hasattr(array_slicing, name), todo
    source = inspect.getsource(array_data_adapter.ArrayDataAdapter.__init__)
    for name in ("_inputs", "_num_samples", "_batch_size"):
        assert f"self.{name} =" in source, todo
    source = inspect.getsource(EpochIterator._enumerate_iterator)
    assert "self._num_batches" in source and "self.data_adapter.on_epoch_begin()" in source, todo


def test_layers_have_seed_generators():
    import keras

    assert keras.layers.Dropout(0.5)._seed_generators, (
        "sparkexp.distributed.fit_callbacks gives each worker other dropout masks by the states "
        "of layers' seed generators: see where Layer keeps them."
    )


def test_synchronised_batch_norm_asks_one_function():
    from keras.src.backend.tensorflow import nn

    todo = (
        "sparkexp.distributed.batch_norm takes the place of this function of "
        "keras/src/backend/tensorflow/nn.py: see what moments(…, synchronized=True) calls."
    )
    assert signature(nn._compute_moments_sync) == {"x", "axes", "keepdims"}, todo
    assert signature(nn._compute_moments) == {"x", "axes", "keepdims"}, todo
    assert "_compute_moments_sync(x, axes, keepdims)" in inspect.getsource(nn.moments), todo


def test_an_optimizer_takes_own_functions():
    import keras

    source = inspect.getsource(keras.optimizers.Optimizer.apply_gradients)
    assert "self.apply(" in source, (
        "sparkexp.distributed.gradients puts a function in the place of optimizer.apply, which "
        "apply_gradients must call."
    )
