"""The search that the pages' pictures show: a hundred small CNNs that read digits."""

from __future__ import annotations

from sparkexp import experiment
from sparkexp.engine.spark.session import build_session
from sparkexp.experiment import Float

__all__ = ["train_on_digits", "run_pictured_search"]


def train_on_digits(learning_rate, dropout, num_layers, optimizer):
    """Train a CNN; a fourth layer finds nothing left of the images, and fails."""
    import keras
    from sklearn.datasets import load_digits

    from sparkexp import experiment

    digits = load_digits()
    images, labels = digits.images[..., None] / 16.0, digits.target
    model = keras.Sequential([keras.Input((8, 8, 1))])
    for _ in range(num_layers):
        model.add(keras.layers.Conv2D(12, 3, activation="relu"))
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dropout(dropout))
    model.add(keras.layers.Dense(10, activation="softmax"))
    rule = {"class_name": optimizer, "config": {"learning_rate": learning_rate}}
    model.compile(
        keras.optimizers.get(rule), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    board = keras.callbacks.TensorBoard(experiment.logdir(), write_graph=False)
    history = model.fit(
        images[:600],
        labels[:600],
        epochs=4,
        verbose=0,
        callbacks=[board],
        validation_data=(images[600:1200], labels[600:1200]),
    )
    return {name: history.history[f"val_{name}"][-1] for name in ("accuracy", "loss")}


def run_pictured_search(logdir: str) -> experiment.Result:
    """Run the search on two local slots, which takes some minutes."""
    spark = build_session("pictures", "local[2]")
    spark.sparkContext.setLogLevel("ERROR")
    try:
        return experiment.evolutionary_search(
            spark,
            train_on_digits,
            {
                "learning_rate": Float(1e-5, 1e-1, log=True),
                "dropout": [0.01, 0.99],
                "num_layers": [1, 4],
                "optimizer": ["adam", "sgd", "rmsprop"],
            },
            direction="max",
            popsize=10,
            generations=9,
            seed=1,
            metric="accuracy",
            name="digits",
            logdir=logdir,
        )
    finally:
        spark.stop()
