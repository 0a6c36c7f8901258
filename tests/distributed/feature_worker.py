"""Run as a worker of a gang: what users do in compile and fit."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np

from sparkexp.distributed.connection import connect
from sparkexp.distributed.current import gang
from sparkexp.distributed.member import GangMember
from tests.distributed.exact_worker import QUICK, outcome
from tests.distributed.processes import answer, own_place


def small(loss="binary_crossentropy", optimizer=None, metrics=("accuracy",), **compiled):
    import keras

    keras.utils.set_random_seed(1 + gang().rank)
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(5, activation="relu")(inputs)
    model = keras.Model(
        inputs, keras.layers.Dense(1, activation="sigmoid", dtype="float32")(hidden)
    )
    optimizer = optimizer or keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer, loss, metrics=list(metrics), **compiled)
    return model


def rows(n=101):
    x = np.random.default_rng(0).normal(size=(n, 6)).astype("float32")
    return x, (x.sum(1, keepdims=True) > 0).astype("float32")


def auc():
    import keras
    from sklearn.metrics import roc_auc_score

    x, y = rows(33)

    class Evaluate(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:  # the last of its batches has one example
                found.append(self.model.evaluate(*rows(33), verbose=0))

    found = []
    model = small(metrics=["accuracy", keras.metrics.AUC(name="auc")])
    history = model.fit(
        *rows(96), batch_size=16, epochs=2, verbose=0, validation_data=rows(34),
        callbacks=[Evaluate()],
    )  # fmt: skip
    return outcome(model, history) | {
        "evaluate": [*found, model.evaluate(*rows(33), verbose=0)],
        "sklearn": roc_auc_score(y.ravel(), model.predict(x, verbose=0).ravel()),
    }


def sample_and_class_weights():
    x, y = rows(65)  # the last batch has one example
    model = small(weighted_metrics=["accuracy"])
    weights = np.linspace(0.5, 2, len(x)).astype("float32")
    model.fit(x, y, sample_weight=weights, batch_size=32, verbose=0)
    history = model.fit(x, y, class_weight={0: 1.0, 1: 3.0}, batch_size=32, verbose=0, epochs=2)
    return outcome(model, history)


def steps_per_epoch():
    x, y = rows(100)
    model = small()
    history = model.fit(x, y, steps_per_epoch=5, batch_size=16, epochs=3, verbose=0)
    return outcome(model, history)


def dicts_and_steps_per_execution():
    import keras

    keras.utils.set_random_seed(1 + gang().rank)
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    both = keras.layers.Concatenate()([a, b])
    model = keras.Model({"a": a, "b": b}, keras.layers.Dense(1, activation="sigmoid")(both))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"], steps_per_execution=3)
    x, y = rows()
    history = model.fit(
        {"a": x[:, :3], "b": x[:, 3:]}, y, batch_size=16, epochs=2, verbose=0, shuffle="batch"
    )
    return outcome(model, history)


def accumulation_and_average():
    import keras

    optimizer = keras.optimizers.Adam(0.01, gradient_accumulation_steps=2, use_ema=True)
    model = small(optimizer=optimizer)
    return outcome(model, model.fit(*rows(), batch_size=16, epochs=2, verbose=0))


def plain_dataset():
    import tensorflow as tf

    tf.random.set_seed(5)
    data = tf.data.Dataset.from_tensor_slices(rows()).shuffle(100).batch(20)
    model = small()
    model.fit(data.filter(lambda x, y: True), verbose=0)  # of unknown length
    history = model.fit(data, epochs=2, verbose=0, validation_data=data)
    return outcome(model, history)


def shared_dataset():
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(rows(97))
    own = gang().share(data).batch(16 // gang().size)
    model = small()
    history = model.fit(own, epochs=2, verbose=0, validation_data=own)
    return outcome(model, history)


def py_dataset():
    import keras

    x, y = rows(97)

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return x[index * 32 : index * 32 + 32], y[index * 32 : index * 32 + 32]

    model = small()
    return outcome(model, model.fit(Batches(), epochs=2, verbose=0, shuffle=False))


def own_loop():
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    model = small()
    optimizer = gang().optimizer(keras.optimizers.Adam(0.01))
    loss = keras.losses.BinaryCrossentropy()

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        weights = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(value, weights), weights, strict=True))
        return value

    gang().broadcast(model.weights)
    data = tf.data.Dataset.from_tensor_slices(rows(102)).take(100)
    data = gang().share(data, drop_remainder=True)
    for _ in range(2):
        for x, y in data.batch(20 // gang().size):
            last = step(x, y)
    return {"weights": model.get_weights(), "history": {"loss": [gang().sum(last) / gang().size]}}


def own_train_step():
    import keras
    import tensorflow as tf

    class Model(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(keras.losses.binary_crossentropy(y, self(x, training=True)))
            grads = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply(grads, self.trainable_variables)
            return {"mine": loss}

    keras.utils.set_random_seed(1 + gang().rank)
    inputs = keras.Input((6,))
    model = Model(inputs, keras.layers.Dense(1, activation="sigmoid")(inputs))
    model.compile("adam")
    return outcome(model, model.fit(*rows(97), batch_size=16, epochs=2, verbose=0))


def two_optimizers():
    """A model without call(), as that of an adversarial network."""
    import keras
    import tensorflow as tf

    class Adversaries(keras.Model):
        def __init__(self):
            super().__init__()
            layers = keras.layers
            self.generator = keras.Sequential([layers.Dense(4, "relu"), layers.Dense(6)])
            self.judge = keras.Sequential([layers.Dense(4, "relu"), layers.Dense(1)])

        def compile(self, of_generator, of_judge):
            super().compile()
            self.of_generator, self.of_judge = of_generator, of_judge
            self.score = keras.metrics.Mean("score")

        def train_step(self, real):
            def loss_of(values, label):
                labels = tf.fill(tf.shape(values), label)
                return tf.reduce_mean(
                    keras.losses.binary_crossentropy(labels, values, from_logits=True)
                )

            with tf.GradientTape(persistent=True) as tape:
                invented = self.judge(self.generator(real[:, ::-1]))
                judged = loss_of(self.judge(real), 1.0) + loss_of(invented, 0.0)
                fooled = loss_of(invented, 1.0)
            for network, optimizer, loss in (
                (self.judge, self.of_judge, judged),
                (self.generator, self.of_generator, fooled),
            ):
                weights = network.trainable_weights
                optimizer.apply(tape.gradient(loss, weights), weights)
            return {"judged": judged, "fooled": fooled}

    keras.utils.set_random_seed(1 + gang().rank)
    model = Adversaries()
    model.compile(keras.optimizers.Adam(0.01), keras.optimizers.SGD(0.1, momentum=0.9))
    data = tf.data.Dataset.from_tensor_slices(rows(97)[0]).batch(16)
    return outcome(model, model.fit(data, epochs=2, verbose=0))


def on_batches():
    """A loop of train_on_batch, with a last batch of one part more for some."""
    x, y = rows(63)
    model = small()
    for start in range(0, 63, 16):
        model.train_on_batch(x[start : start + 16], y[start : start + 16])
    return {"weights": model.get_weights(), "history": {}}


def built_late():
    import keras

    keras.utils.set_random_seed(1 + gang().rank)
    model = keras.Sequential(
        [keras.layers.Dense(5, activation="relu"), keras.layers.Dense(1, activation="sigmoid")]
    )
    model.compile("adam", "binary_crossentropy")
    return outcome(model, model.fit(*rows(), batch_size=16, epochs=1, verbose=0))


def embedding():
    import keras

    keras.utils.set_random_seed(1 + gang().rank)
    x = np.random.default_rng(0).integers(0, 20, (101, 4))
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Embedding(20, 3),
            keras.layers.Flatten(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    return outcome(model, model.fit(x, rows()[1], batch_size=16, epochs=2, verbose=0))


def saved_and_loaded():
    import keras

    model = small(optimizer=keras.optimizers.Adam(0.01))
    model.fit(*rows(), batch_size=16, verbose=0)
    file = f"{os.environ['FILES']}/{gang().size}-{gang().rank}.keras"
    model.save(file)
    loaded = keras.saving.load_model(file)
    return outcome(loaded, loaded.fit(*rows(), batch_size=16, verbose=0))


def eagerly():
    model = small(run_eagerly=True)
    return outcome(model, model.fit(*rows(33), batch_size=16, verbose=0))


# Those that must give the weights of one worker.
EQUAL = (
    auc, sample_and_class_weights, steps_per_epoch, dicts_and_steps_per_execution,
    accumulation_and_average, plain_dataset, shared_dataset, py_dataset, own_loop, own_train_step,
    two_optimizers, on_batches, built_late, embedding, saved_and_loaded, eagerly,
)  # fmt: skip


def early_stopping():
    import keras

    files = Path(os.environ["FILES"])
    model = small(optimizer=keras.optimizers.SGD(0.5))
    rank, callbacks = gang().rank, keras.callbacks
    history = model.fit(
        *rows(), batch_size=16, epochs=9, verbose=2, validation_data=rows(33),
        callbacks=[
            callbacks.EarlyStopping("val_loss", patience=1, min_delta=0.1),
            callbacks.ReduceLROnPlateau("val_loss", patience=0, min_delta=0.2, factor=0.5),
            callbacks.ModelCheckpoint(files / f"checkpoint-{rank}.keras"),
            callbacks.CSVLogger(files / f"log-{rank}.csv"),
            callbacks.TensorBoard(files / f"board-{rank}"),
            callbacks.BackupAndRestore(files / f"backup-{rank}"),
        ],
    )  # fmt: skip
    return {"history": history.history, "rate": float(model.optimizer.learning_rate)}


def stop_of_one():
    """The last worker sees NaN, wherever it gets it from; training stops everywhere."""
    import keras

    last = gang().rank == gang().size - 1

    class Steps(keras.callbacks.Callback):
        count = 0

        def on_train_batch_end(self, batch, logs=None):
            self.count += 1
            if last and self.count == 9:
                logs["loss"] = float("nan")

    model, steps = small(), Steps()
    model.fit(
        *rows(), batch_size=16, epochs=5, verbose=0,
        callbacks=[steps, keras.callbacks.TerminateOnNaN()],
    )  # fmt: skip
    first = steps.count

    # After the last batch of an epoch: no gradients are left to send it with.
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if last and batch == 6:
                self.model.stop_training = True

    history = model.fit(*rows(), batch_size=16, epochs=5, verbose=0, callbacks=[Stop()])
    return {"steps": first, "epochs": len(history.epoch), "weights": model.get_weights()}


def mixed_precision():
    import keras

    found = {}
    for policy in ("mixed_float16", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        try:
            model = small()
            history = model.fit(*rows(), batch_size=16, epochs=2, verbose=0)
        finally:
            keras.config.set_dtype_policy("float32")
        found[policy] = (type(model.optimizer).__name__, model.get_weights(), history.history)
    return found


def dropout_and_unsynchronised_batch_norm():
    import keras

    keras.utils.set_random_seed(1)
    dropout = keras.layers.Dropout(0.5)
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.BatchNormalization(), dropout, keras.layers.Dense(1)]
    )
    model.compile("adam", "mse")
    model.fit(*rows(), batch_size=16, verbose=0)
    return {
        "weights": model.get_weights(),
        "mask": dropout(np.ones((1, 64), "float32"), training=True).numpy().tobytes(),
    }


def times():
    from sparkexp.distributed.current import _active

    model = small()
    model.fit(*rows(), batch_size=16, epochs=2, verbose=0)
    variables = _active[-1].variables
    return {
        "waits": variables.waits.numpy().tolist(),
        "reduce_seconds": float(variables.reduce_seconds),
    }


def errors():
    import keras
    import tensorflow as tf

    x, y = rows()
    data = tf.data.Dataset.from_tensor_slices((x, y))

    def generator():
        while True:
            yield x[:8], y[:8]

    unknown = gang().share(data).filter(lambda x, y: True).batch(8)
    sparse = data.batch(16).map(lambda x, y: (tf.sparse.from_dense(x), y))
    bad = {
        "generator": lambda: small().fit(generator(), steps_per_epoch=3),
        "batch size": lambda: small().fit(x, y, batch_size=1),
        "jit": lambda: small(jit_compile=True).fit(x, y),
        "sum": lambda: small(keras.losses.BinaryCrossentropy(reduction="sum")).fit(x, y),
        "single examples": lambda: small().fit(data.map(lambda x, y: (x[0], y[0]))),
        "unknown length": lambda: small().fit(unknown),
        "sparse": lambda: small().fit(sparse),
        "small batches": lambda: small().fit(data.batch(1, drop_remainder=True)),
        "validation": lambda: small().fit(x, y, validation_data=generator()),
    }
    found = {}
    bad["again"] = lambda: connect(own_place(), 10, 10, 1)
    for name, call in bad.items():
        try:
            call()
            found[name] = ""
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
    return found


class Start:
    """Lets the next fit begin in the middle of an epoch."""

    def __init__(self):
        self.epoch, self.example, self.seen = 0, 0, None

    def begin(self, fit, callbacks):
        fit.initial_epoch, fit.first_example = self.epoch, self.example
        self.seen = (
            fit.epochs,
            fit.batch_size,
            fit.examples,
            fit.steps,
            fit.model.optimizer.built,
        )
        return callbacks


START = Start()


class Member(GangMember):
    def hooks(self, gang, place):
        return [START]


def goes_on():
    """Half an epoch, then the rest: the weights of a fit that was not interrupted."""
    import keras

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    # Each call of fit has an order of its own.
    options = {"batch_size": 16, "epochs": 3, "verbose": 0, "shuffle": False}
    whole = small()
    whole.fit(*rows(), **options)
    parts = small()
    parts.fit(*rows(), **options, callbacks=[Stop()])
    steps = int(parts.optimizer.iterations)
    START.epoch, START.example = 0, steps * 16
    history = parts.fit(*rows(), **options)
    START.epoch, START.example = 0, 0
    return {
        "difference": max(
            float(np.abs(a - b).max())
            for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True)
        ),
        "steps": (steps, int(parts.optimizer.iterations), int(whole.optimizer.iterations)),
        "epochs": len(history.epoch),
        "seen": START.seen,
    }


OTHERS = (
    goes_on,
    early_stopping, stop_of_one, mixed_precision, dropout_and_unsynchronised_batch_norm, times,
    errors,
)  # fmt: skip


def train(names):
    found = {}
    others = OTHERS if gang().size > 1 else ()
    for situation in (*QUICK, *EQUAL, *others):
        if not names or situation.__name__ in names:
            start = time.monotonic()
            found[situation.__name__] = situation()
            print(situation.__name__, f"{time.monotonic() - start:.1f} s", flush=True)
    return found


if __name__ == "__main__":
    answer(Member()(train, own_place())(sys.argv[1:]))
