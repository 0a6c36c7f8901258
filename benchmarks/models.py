"""Tables of scikit-learn models on its own data: every configuration of a grid, measured.

Those of a model that learns by epochs (or grows by trees) keep its learning curves.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from problems import Axis, Table

__all__ = ["MODELS"]

# A configuration's objective after each level, from its values.
Measure = Callable[..., Sequence[float]]
EPOCHS = tuple(range(1, 28))
# A diverging model is a bad one, not a missing one: the worst that a table holds.
WORST_REGRESSION = 2.0


def _log(name: str, low: float, high: float, n: int) -> Axis:
    return Axis(name, "float", tuple(float(f"{v:.6g}") for v in np.geomspace(low, high, n)), True)


def _linear(name: str, low: float, high: float, n: int) -> Axis:
    return Axis(name, "float", tuple(np.linspace(low, high, n).round(6).tolist()))


def _grid(name: str, axes: Sequence[Axis], levels: Sequence[int], measure: Measure) -> Table:
    """Measure every configuration."""
    rows = [measure(*values) for values in itertools.product(*(axis.values for axis in axes))]
    shape = (*(len(axis.values) for axis in axes), len(levels))
    return Table(name, axes, np.array(rows, dtype=float).reshape(shape), levels)


def _folds(
    x: np.ndarray, y: np.ndarray, n: int, stratified: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    from sklearn.model_selection import KFold, StratifiedKFold

    kind = StratifiedKFold if stratified else KFold
    return list(kind(n, shuffle=True, random_state=0).split(x, y))


def _cross_validated(
    model: Any, x: np.ndarray, y: np.ndarray, folds: Sequence[tuple[np.ndarray, np.ndarray]]
) -> float:
    """Return one minus the mean score (accuracy, or R² where it isn't a classifier)."""
    scores = [model.fit(x[i], y[i]).score(x[j], y[j]) for i, j in folds]
    return min(1 - float(np.mean(scores)), WORST_REGRESSION)


def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return x / 16.0, y


def _breast_cancer() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_breast_cancer

    return load_breast_cancer(return_X_y=True)


def _diabetes() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_diabetes
    from sklearn.preprocessing import scale

    x, y = load_diabetes(return_X_y=True)
    return scale(x), scale(y)


def _scalers() -> Mapping[str, Any]:
    from sklearn.preprocessing import MinMaxScaler, QuantileTransformer, StandardScaler

    return {
        "minmax": MinMaxScaler(),
        "quantile": QuantileTransformer(n_quantiles=100, random_state=0),
        "standard": StandardScaler(),
    }


def svc_breast_cancer() -> Table:
    from sklearn.svm import SVC

    x, y = _breast_cancer()
    folds = _folds(x, y, 5, stratified=True)
    scaled = {name: scaler.fit_transform(x) for name, scaler in _scalers().items()}

    def measure(scaler: str, kernel: str, c: float, gamma: float, weight: str) -> list[float]:
        model = SVC(
            C=c,
            gamma=gamma,
            kernel=kernel,
            class_weight=None if weight == "none" else weight,
            max_iter=2000,
        )
        return [_cross_validated(model, scaled[scaler], y, folds)]

    axes = [
        Axis("scaler", "categorical", tuple(scaled)),
        Axis("kernel", "categorical", ("rbf", "poly", "sigmoid")),
        _log("C", 1e-2, 1e3, 11),
        _log("gamma", 1e-5, 1e1, 13),
        Axis("class_weight", "categorical", ("none", "balanced")),
    ]
    return _grid("svc-breast_cancer", axes, (1,), measure)


def svc_digits() -> Table:
    from sklearn.svm import SVC

    x, y = _digits()
    x, y = x[:900], y[:900]
    folds = _folds(x, y, 3, stratified=True)

    def measure(kernel: str, c: float, gamma: float, coef0: float) -> list[float]:
        model = SVC(C=c, gamma=gamma, kernel=kernel, coef0=coef0, max_iter=1000)
        return [_cross_validated(model, x, y, folds)]

    axes = [
        Axis("kernel", "categorical", ("rbf", "poly", "sigmoid")),
        _log("C", 1e-2, 1e3, 7),
        _log("gamma", 1e-4, 1e1, 9),
        _linear("coef0", 0.0, 1.0, 2),
    ]
    return _grid("svc-digits", axes, (1,), measure)


def svr_diabetes() -> Table:
    from sklearn.svm import SVR

    x, y = _diabetes()
    folds = _folds(x, y, 4, stratified=False)

    def measure(kernel: str, c: float, gamma: float, epsilon: float) -> list[float]:
        model = SVR(C=c, gamma=gamma, kernel=kernel, epsilon=epsilon, coef0=1.0, max_iter=3000)
        return [_cross_validated(model, x, y, folds)]

    axes = [
        Axis("kernel", "categorical", ("rbf", "poly", "sigmoid")),
        _log("C", 1e-2, 1e2, 6),
        _log("gamma", 1e-4, 1e0, 6),
        _log("epsilon", 1e-3, 1e0, 4),
    ]
    return _grid("svr-diabetes", axes, (1,), measure)


def kernel_ridge_diabetes() -> Table:
    from sklearn.kernel_ridge import KernelRidge

    x, y = _diabetes()
    folds = _folds(x, y, 4, stratified=False)

    def measure(kernel: str, alpha: float, gamma: float, degree: int) -> list[float]:
        model = KernelRidge(alpha=alpha, gamma=gamma, kernel=kernel, degree=degree, coef0=1.0)
        return [_cross_validated(model, x, y, folds)]

    axes = [
        Axis("kernel", "categorical", ("rbf", "laplacian", "polynomial", "sigmoid")),
        _log("alpha", 1e-3, 1e3, 13),
        _log("gamma", 1e-5, 1e1, 13),
        Axis("degree", "int", (2, 3, 4, 5)),
    ]
    return _grid("kernel_ridge-diabetes", axes, (1,), measure)


def knn_digits() -> Table:
    from sklearn.metrics import pairwise_distances
    from sklearn.neighbors import KNeighborsClassifier

    x, y = _digits()
    x, y = x[:900], y[:900]
    folds = _folds(x, y, 4, stratified=True)
    axes = [
        Axis("scaler", "categorical", ("minmax", "quantile", "standard")),
        Axis("p", "float", (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)),
        _linear("power", 0.5, 2.0, 4),
        Axis("n_neighbors", "int", (1, 2, 3, 4, 5, 7, 9, 12, 16, 22, 30), True),
        Axis("weights", "categorical", ("uniform", "distance")),
    ]
    scaled = {name: scaler.fit_transform(x) for name, scaler in _scalers().items()}
    known: dict[tuple[str, float, float], np.ndarray] = {}

    def distances(scaler: str, p: float, power: float) -> np.ndarray:
        if (scaler, p, power) not in known:
            known.clear()  # the grid comes back to none
            z = np.sign(scaled[scaler]) * np.abs(scaled[scaler]) ** power
            known[scaler, p, power] = pairwise_distances(z, metric="minkowski", p=p)
        return known[scaler, p, power]

    def measure(scaler: str, p: float, power: float, n: int, weights: str) -> list[float]:
        d = distances(scaler, p, power)
        model = KNeighborsClassifier(n, weights=weights, metric="precomputed")
        scores = [model.fit(d[np.ix_(i, i)], y[i]).score(d[np.ix_(j, i)], y[j]) for i, j in folds]
        return [1 - float(np.mean(scores))]

    return _grid("knn-digits", axes, (1,), measure)


def forest_digits() -> Table:
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    x, y = _digits()
    x, y = x[:900], y[:900]
    folds = _folds(x, y, 2, stratified=True)

    def measure(
        trees: str, criterion: str, bootstrap: bool, depth: int, features: float, leaf: int
    ) -> list[float]:
        kind = RandomForestClassifier if trees == "random" else ExtraTreesClassifier
        model = kind(
            n_estimators=20,
            criterion=criterion,
            bootstrap=bootstrap,
            max_depth=depth,
            max_features=features,
            min_samples_leaf=leaf,
            random_state=0,
        )
        return [_cross_validated(model, x, y, folds)]

    axes = [
        Axis("trees", "categorical", ("random", "extra")),
        Axis("criterion", "categorical", ("gini", "entropy")),
        Axis("bootstrap", "categorical", (True, False)),
        Axis("max_depth", "int", (2, 4, 8, 16), True),
        _log("max_features", 0.03, 1.0, 4),
        Axis("min_samples_leaf", "int", (1, 3, 9), True),
    ]
    return _grid("forest-digits", axes, (1,), measure)


def _boosting(name: str, model: type[Any], losses: tuple[str, ...], data: Any) -> Table:
    """Measure gradient boosting; one fit gives all numbers of trees."""
    x, y = data
    classifies = len(np.unique(y)) == 2
    folds = _folds(x, y, 2, stratified=classifies)
    trees = (1, 3, 9, 27, 81)
    axes = [
        Axis("loss", "categorical", losses),
        _log("learning_rate", 0.01, 1.0, 4),
        Axis("max_depth", "int", (1, 2, 4)),
        _linear("subsample", 0.4, 1.0, 2),
        _log("max_features", 0.1, 1.0, 2),
        Axis("min_samples_leaf", "int", (1, 8), True),
    ]

    def measure(
        loss: str, rate: float, depth: int, subsample: float, features: float, leaf: int
    ) -> list[float]:
        from sklearn.metrics import accuracy_score, r2_score

        score = accuracy_score if classifies else r2_score
        errors = np.zeros(len(trees))
        for i, j in folds:
            fitted = model(
                loss=loss,
                learning_rate=rate,
                max_depth=depth,
                subsample=subsample,
                max_features=features,
                min_samples_leaf=leaf,
                n_estimators=trees[-1],
                random_state=0,
            ).fit(x[i], y[i])
            staged = list(fitted.staged_predict(x[j]))
            errors += [1 - score(y[j], staged[n - 1]) for n in trees]
        return np.minimum(errors / len(folds), WORST_REGRESSION).tolist()

    return _grid(name, axes, trees, measure)


def boosting_diabetes() -> Table:
    from sklearn.ensemble import GradientBoostingRegressor

    losses = ("squared_error", "huber")
    return _boosting("boosting-diabetes", GradientBoostingRegressor, losses, _diabetes())


def boosting_breast_cancer() -> Table:
    from sklearn.ensemble import GradientBoostingClassifier

    losses = ("log_loss", "exponential")
    data = _breast_cancer()
    return _boosting("boosting-breast_cancer", GradientBoostingClassifier, losses, data)


def _epochs(model: Any, x: np.ndarray, y: np.ndarray, n_train: int) -> Iterator[float]:
    """Train epoch by epoch; yield the validation error after each."""
    classes = np.unique(y)
    for _ in EPOCHS:
        model.partial_fit(x[:n_train], y[:n_train], classes=classes)
        yield 1 - float(model.score(x[n_train:], y[n_train:]))


def sgd_digits() -> Table:
    from sklearn.linear_model import SGDClassifier

    x, y = _digits()

    def measure(loss: str, schedule: str, alpha: float, eta0: float, average: bool) -> list[float]:
        model = SGDClassifier(
            loss=loss,
            learning_rate=schedule,
            alpha=alpha,
            eta0=eta0,
            average=average,
            random_state=0,
        )
        return list(_epochs(model, x, y, 1200))

    axes = [
        Axis("loss", "categorical", ("hinge", "log_loss", "modified_huber", "squared_hinge")),
        Axis("schedule", "categorical", ("constant", "invscaling", "optimal")),
        _log("alpha", 1e-6, 1e-1, 4),
        _log("eta0", 1e-3, 1e1, 5),
        Axis("average", "categorical", (True, False)),
    ]
    return _grid("sgd-digits", axes, EPOCHS, measure)


def mlp_digits() -> Table:
    from sklearn.neural_network import MLPClassifier

    x, y = _digits()

    def measure(solver: str, activation: str, rate: float, width: int, batch: int) -> list[float]:
        model = MLPClassifier(
            (width,),
            solver=solver,
            activation=activation,
            learning_rate_init=rate,
            batch_size=batch,
            random_state=0,
        )
        try:
            return list(_epochs(model, x, y, 1200))
        except ValueError:  # its weights are no longer finite
            return [0.9] * len(EPOCHS)

    axes = [
        Axis("solver", "categorical", ("adam", "sgd")),
        Axis("activation", "categorical", ("relu", "tanh", "logistic")),
        _log("learning_rate", 1e-4, 1e0, 6),
        Axis("width", "int", (8, 64), True),
        Axis("batch_size", "int", (64, 512), True),
    ]
    return _grid("mlp-digits", axes, EPOCHS, measure)


MODELS: dict[str, Callable[[], Table]] = {
    "svc-breast_cancer": svc_breast_cancer,
    "kernel_ridge-diabetes": kernel_ridge_diabetes,
    "svr-diabetes": svr_diabetes,
    "svc-digits": svc_digits,
    "knn-digits": knn_digits,
    "sgd-digits": sgd_digits,
    "boosting-diabetes": boosting_diabetes,
    "boosting-breast_cancer": boosting_breast_cancer,
    "forest-digits": forest_digits,
    "mlp-digits": mlp_digits,
}
