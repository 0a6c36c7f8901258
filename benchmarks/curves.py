"""Learning curves of small networks and boosted trees: what multi-fidelity search is measured on.

Every configuration of a grid is trained once, on scikit-learn's data; the validation error after
each epoch (or number of trees) is kept. The networks of a grid are trained side by side in numpy.
"""

from __future__ import annotations

import itertools

import numpy as np
from problems import Axis, Table

__all__ = ["NAMES", "made"]

EPOCHS = tuple(range(1, 28))
TREES = tuple(range(1, 82))


def _log(name: str, low: float, high: float, n: int) -> Axis:
    return Axis(name, "float", tuple(float(f"{v:.6g}") for v in np.geomspace(low, high, n)), True)


def network(name: str, x: np.ndarray, y: np.ndarray, n_train: int) -> Table:
    """Train networks of one hidden layer with SGD: rate, width, batch, momentum, decay, ..."""
    axes = [
        _log("learning_rate", 1e-3, 3.0, 8),
        Axis("width", "int", (8, 24, 72), True),
        Axis("batch_size", "ordinal", (16, 64, 256)),
        Axis("momentum", "ordinal", (0.0, 0.5, 0.9)),
        _log("l2", 1e-6, 1e-1, 4),
        Axis("activation", "categorical", ("relu", "tanh")),
        Axis("schedule", "categorical", ("constant", "cosine")),
    ]
    shape = tuple(len(axis.values) for axis in axes)
    curves = np.empty((*shape, len(EPOCHS)))
    vector = list(itertools.product(axes[0].values, axes[3].values, axes[4].values, (0, 1)))
    rate, momentum, l2, cosine = (
        np.array(column, dtype=np.float32) for column in zip(*vector, strict=True)
    )
    for (i, width), (j, batch), (k, activation) in itertools.product(
        enumerate(axes[1].values), enumerate(axes[2].values), enumerate(axes[5].values)
    ):
        errors = _train(x, y, n_train, width, batch, activation, rate, momentum, l2, cosine)
        block = errors.reshape(shape[0], shape[3], shape[4], shape[6], len(EPOCHS))
        curves[:, i, j, :, :, k, :, :] = block
    return Table(name, axes, curves, EPOCHS)


def _train(
    x: np.ndarray,
    y: np.ndarray,
    n_train: int,
    width: int,
    batch: int,
    activation: str,
    rate: np.ndarray,
    momentum: np.ndarray,
    l2: np.ndarray,
    cosine: np.ndarray,
) -> np.ndarray:
    """Return the validation error of each network after each epoch."""
    rng = np.random.default_rng(0)
    n, n_in, n_out = len(rate), x.shape[1], int(y.max()) + 1
    x = x.astype(np.float32)
    one_hot = np.eye(n_out, dtype=np.float32)[y]

    def weights(rows: int, columns: int) -> np.ndarray:
        draw = rng.normal(0, np.sqrt(2 / rows), (rows, columns)).astype(np.float32)
        return np.repeat(draw[None], n, axis=0)

    layers = [
        weights(n_in, width),
        np.zeros((n, 1, width), np.float32),
        weights(width, n_out),
        np.zeros((n, 1, n_out), np.float32),
    ]
    velocity = [np.zeros_like(layer) for layer in layers]
    column = [v[:, None, None] for v in (rate, momentum, l2, cosine)]
    errors = np.empty((n, len(EPOCHS)))
    for epoch in range(len(EPOCHS)):
        shrunk = 0.5 * (1 + np.cos(np.pi * epoch / len(EPOCHS)))
        step = column[0] * np.where(column[3] > 0, np.float32(shrunk), np.float32(1))
        order = rng.permutation(n_train)
        for start in range(0, n_train - batch + 1, batch):
            rows = order[start : start + batch]
            a, t = x[rows], one_hot[rows]
            z = a @ layers[0] + layers[1]
            h = np.maximum(z, 0) if activation == "relu" else np.tanh(z)
            o = h @ layers[2] + layers[3]
            o = np.exp(o - o.max(axis=2, keepdims=True))
            o /= o.sum(axis=2, keepdims=True)
            d = (o - t) / batch
            dh = d @ layers[2].transpose(0, 2, 1)
            dz = dh * ((z > 0) if activation == "relu" else 1 - h * h)
            gradients = [
                np.matmul(a.T, dz) + column[2] * layers[0],
                dz.sum(axis=1, keepdims=True),
                h.transpose(0, 2, 1) @ d + column[2] * layers[2],
                d.sum(axis=1, keepdims=True),
            ]
            for v, layer, gradient in zip(velocity, layers, gradients, strict=True):
                v *= column[1]
                v -= step * gradient
                layer += v
        a = x[n_train:]
        z = a @ layers[0] + layers[1]
        h = np.maximum(z, 0) if activation == "relu" else np.tanh(z)
        o = h @ layers[2] + layers[3]
        right = np.where(np.isfinite(o).all(axis=2), o.argmax(axis=2) == y[n_train:], False)
        errors[:, epoch] = 1 - right.mean(axis=1)
    return errors


def boosting(name: str, x: np.ndarray, y: np.ndarray, classes: bool = True) -> Table:
    """Grow boosted trees; one fit gives all numbers of trees.

    The objective is the share of errors, or where `y` is no class, the mean squared error.
    """
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
    from sklearn.model_selection import train_test_split

    make = GradientBoostingClassifier if classes else GradientBoostingRegressor

    axes = [
        _log("learning_rate", 0.01, 1.0, 7),
        Axis("max_depth", "int", (1, 2, 3, 4, 6)),
        Axis("subsample", "ordinal", (0.4, 0.7, 1.0)),
        _log("max_features", 0.05, 1.0, 4),
        Axis("min_samples_leaf", "int", (1, 5, 25), True),
    ]
    parts = train_test_split(x, y, test_size=0.5, random_state=0, stratify=y if classes else None)
    rows = []
    for rate, depth, subsample, features, leaf in itertools.product(*(a.values for a in axes)):
        model = make(
            learning_rate=rate,
            max_depth=depth,
            subsample=subsample,
            max_features=features,
            min_samples_leaf=leaf,
            n_estimators=TREES[-1],
            random_state=0,
        ).fit(parts[0], parts[2])
        away = [p - parts[3] for p in model.staged_predict(parts[1])]
        rows.append([np.mean(d != 0 if classes else d**2) for d in away])
    shape = (*(len(axis.values) for axis in axes), len(TREES))
    return Table(name, axes, np.array(rows).reshape(shape), TREES)


def fashion(n_train: int = 1500, side: int = 14) -> tuple[np.ndarray, np.ndarray]:
    """Return small images of clothes, from Debian's package dataset-fashion-mnist."""
    from sparkexp.demo.images import FASHION_MNIST, load_images

    if not FASHION_MNIST.is_dir():
        raise FileNotFoundError(f"{FASHION_MNIST}: apt install dataset-fashion-mnist")
    parts = load_images()
    x = np.concatenate([parts["train"].x[:n_train], parts["validation"].x])
    block = 28 // side
    x = x.reshape(len(x), side, block, side, block).mean(axis=(2, 4)).reshape(len(x), -1)
    return x, np.concatenate([parts["train"].y[:n_train], parts["validation"].y])


def digits(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's digits in random order."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(x))[:n]
    return x[order] / 16.0, y[order]


def made(name: str) -> Table:
    """Train all configurations of a table."""
    from sklearn.datasets import load_breast_cancer, load_diabetes

    if name == "network-breast_cancer":
        x, y = load_breast_cancer(return_X_y=True)
        return network(name, (x - x.mean(axis=0)) / x.std(axis=0), y, 300)
    if name == "trees-diabetes":
        return boosting(name, *load_diabetes(return_X_y=True), classes=False)
    if name == "network-parity":
        x, y = digits(1797)
        return network(name, x, y % 2, 1000)
    if name == "trees-fashion":
        x, y = fashion(800, side=7)
        return boosting(name, x[:800], y[:800] % 2)
    if name == "network-digits":
        return network(name, *digits(1797), 1000)
    if name == "network-fashion":
        x, y = fashion()
        return network(name, x, y, 1500)
    if name == "trees-breast_cancer":
        return boosting(name, *load_breast_cancer(return_X_y=True))
    x, y = digits(800)
    return boosting(name, x, y % 2)


# Settings were chosen by the first six; the last two are for the end.
NAMES = (
    "network-digits",
    "network-fashion",
    "trees-breast_cancer",
    "trees-digits",
    "network-breast_cancer",
    "trees-diabetes",
    "network-parity",
    "trees-fashion",
)
