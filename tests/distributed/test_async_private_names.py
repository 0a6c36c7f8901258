"""What strategy 'async' uses of Keras and TensorFlow though nobody promises it."""

from __future__ import annotations

import inspect


def test_an_optimizer_says_which_variables_decay():
    import keras

    optimizer = keras.optimizers.AdamW()
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    assert hasattr(optimizer, "_use_weight_decay"), (
        "Keras's optimizers have no _use_weight_decay any more: in "
        "distributed/async_optimizer.py, find another way to know what "
        "exclude_from_weight_decay() was told, or refuse optimizers that were told something."
    )
    variables = [keras.Variable([1.0], name=name) for name in ("kernel", "bias")]
    assert [optimizer._use_weight_decay(variable) for variable in variables] == [True, False]


def test_compile_and_fit_are_defined_once_with_the_known_parameters():
    import keras

    for name, parameters in {
        "compile": {"optimizer", "jit_compile"},
        "fit": {
            *("x", "y", "batch_size", "epochs", "callbacks", "validation_split", "initial_epoch"),
            *("validation_data", "shuffle", "sample_weight", "steps_per_epoch"),
            *("validation_batch_size",),
        },
    }.items():
        owners = [owner for owner in keras.Model.__mro__ if name in vars(owner)]
        assert owners, f"no base of keras.Model defines {name}: see distributed/async_model.py"
        known = set(inspect.signature(vars(owners[0])[name]).parameters)
        assert parameters <= known, (
            f"Keras's {name} has lost {parameters - known}: distributed/async_model.py and "
            "async_sharing.py set them by these names."
        )


def test_an_optimizers_apply_can_be_replaced_on_the_instance():
    import keras

    optimizer = keras.optimizers.SGD()
    seen = []
    optimizer.apply = lambda grads, variables=None: seen.append((grads, variables))
    optimizer.apply_gradients([(1, "a"), (2, "b")])
    assert seen == [((1, 2), ("a", "b"))], (
        "apply_gradients doesn't call the instance's apply: distributed/async_optimizer.py must "
        "replace what Keras's train_step calls."
    )


def test_an_optimizer_counts_in_a_variable_of_that_name():
    import keras

    from sparkexp.distributed.served_model import count_of

    optimizer = keras.optimizers.SGD(gradient_accumulation_steps=2)
    optimizer.build([keras.Variable([1.0])])
    names = [variable.name for variable in optimizer.variables]
    assert "iteration" in names, f"served_model.count_of must find the count among {names}"
    count_of(optimizer).assign(6)
    assert int(optimizer.iterations) == 3
