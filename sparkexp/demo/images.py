"""Real images for the demo, and the train function that learns them."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkexp import experiment

__all__ = ["FASHION_MNIST", "Images", "data_name", "load_images", "test_accuracy", "train_cnn"]

# Where Debian's package dataset-fashion-mnist puts its files.
FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
# A small sample: the demo is to end within minutes on two cores.
N_TRAIN, N_VALIDATION, N_TEST = 2000, 1000, 2000
EPOCHS = 3
BATCH_SIZE = 64


@dataclass(frozen=True)
class Images:
    """Images of shape ``(n, height, width, 1)`` in [0, 1], and labels 0 to 9 of shape ``(n,)``."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.y)


def data_name() -> str:
    """Return which data there are on this machine."""
    return "Fashion-MNIST" if FASHION_MNIST.is_dir() else "scikit-learn's digits"


def load_images() -> dict[str, Images]:
    """Return the parts 'train', 'validation' and 'test', the same on every call.

    Fashion-MNIST where Debian's package has installed it, else scikit-learn's digits (8 × 8).
    """
    if FASHION_MNIST.is_dir():
        learn, test = _fashion_mnist("train"), _fashion_mnist("t10k")
        return {
            "train": _part(learn, 0, N_TRAIN),
            "validation": _part(learn, N_TRAIN, N_TRAIN + N_VALIDATION),
            "test": _part(test, 0, N_TEST),
        }
    digits = _digits()
    return {
        "train": _part(digits, 0, 1000),
        "validation": _part(digits, 1000, 1400),
        "test": _part(digits, 1400, len(digits)),
    }


def train_cnn(learning_rate: float, dropout: float, num_layers: int = 2) -> float:
    """Train a small convolutional network and return its accuracy on the validation images."""
    images = load_images()
    model = _fitted(images["train"], images["validation"], learning_rate, dropout, num_layers)
    return _accuracy(model, images["validation"])


def test_accuracy(learning_rate: float, dropout: float, num_layers: int = 2) -> float:
    """Train on the training and validation images, and return the accuracy on the test images."""
    images = load_images()
    both = Images(
        np.concatenate([images["train"].x, images["validation"].x]),
        np.concatenate([images["train"].y, images["validation"].y]),
    )
    model = _fitted(both, images["test"], learning_rate, dropout, num_layers)
    return _accuracy(model, images["test"])


test_accuracy.__test__ = False  # type: ignore[attr-defined]  # no test, for all its name says


def _fitted(
    learn: Images, watch: Images, learning_rate: float, dropout: float, num_layers: int
) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(learn.x.shape[1:])])
    for k in range(num_layers):
        model.add(keras.layers.Conv2D(8 * 2**k, 3, padding="same", activation="relu"))
        model.add(keras.layers.MaxPooling2D(padding="same"))
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dropout(dropout))
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile(
        keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(
        learn.x,
        learn.y,
        BATCH_SIZE,
        EPOCHS,
        verbose=0,
        validation_data=(watch.x, watch.y),
        callbacks=[keras.callbacks.TensorBoard(experiment.logdir(), write_graph=False)],
    )
    return model


def _accuracy(model: Any, images: Images) -> float:
    return float(model.evaluate(images.x, images.y, verbose=0)[1])


def _part(images: Images, start: int, stop: int) -> Images:
    return Images(images.x[start:stop], images.y[start:stop])


def _digits() -> Images:
    from sklearn.datasets import load_digits

    digits = load_digits()
    # The file is ordered by writer; a fixed shuffle spreads them over the parts.
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(digits.target))
    x = (digits.images[order, :, :, None] / 16.0).astype(np.float32)
    return Images(x, digits.target[order].astype(np.int64))


def _fashion_mnist(part: str) -> Images:
    x = _idx(FASHION_MNIST / f"{part}-images-idx3-ubyte.gz")
    y = _idx(FASHION_MNIST / f"{part}-labels-idx1-ubyte.gz")
    return Images((x[..., None] / 255.0).astype(np.float32), y.astype(np.int64))


def _idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file of bytes: a magic number whose last byte counts the axes, then sizes."""
    with gzip.open(path) as file:
        data = file.read()
    n_axes = data[3]
    shape = np.frombuffer(data, ">i4", n_axes, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * n_axes).reshape(shape)
