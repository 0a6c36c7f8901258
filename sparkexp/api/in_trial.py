"""The functions that a train function calls while it runs as a trial."""

from __future__ import annotations

from typing import Any

from sparkexp.context.current import current_trial
from sparkexp.context.keras_callback import make_keras_callback
from sparkexp.errors import InvalidArgumentError

__all__ = [
    "artifact_dir",
    "checkpoint_dir",
    "keras_callback",
    "logdir",
    "report",
    "save_model",
    "stop_search",
]


def artifact_dir() -> str:
    """Return the directory for files to keep with the trial; the first call makes it.

    Call it in a train function. ``result.best.load_artifact(name)`` reads the files, and the
    option ``keep=`` says how many trials keep theirs.

    Raises
    ------
    EnvironmentUnfitError
        If no trial runs in this process.
    OSError
        If the directory can't be made.

    Examples
    --------
    >>> import json, os
    >>> from sparkexp.experiment import launch
    >>> def train(x):
    ...     with open(os.path.join(artifact_dir(), 'history.json'), 'w') as file:
    ...         json.dump([x, 2 * x], file)
    ...     return x
    >>> result = launch(None, train, {'x': [1, 2]}, engine='inline', progress=False)
    >>> result.best.artifacts, result.best.load_artifact('history.json')
    (['history.json'], [2, 4])
    """
    return current_trial("artifact_dir()").artifacts.make_directory()


def save_model(model: Any, name: str = "model") -> str:
    """Save a Keras model with the trial, and return the file.

    Call it in a train function. ``result.best_model()`` loads it.

    Parameters
    ----------
    model : keras.Model
        The model.
    name : str
        The file's name among the artifacts of the trial, without ``.keras``.

    Raises
    ------
    EnvironmentUnfitError
        If no trial runs in this process.
    InvalidArgumentError
        If `model` is no Keras model, or `name` can't be a file name.
    OSError
        If the file can't be written.

    Examples
    --------
    >>> from sparkexp.experiment import launch
    >>> def train(units):
    ...     import keras
    ...     save_model(keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)]))
    ...     return units
    >>> result = launch(None, train, {'units': [1, 2]}, engine='inline', progress=False)
    >>> result.best_model().output_shape
    (None, 2)
    """
    return current_trial("save_model()").artifacts.save_model(model, name)


def checkpoint_dir() -> str:
    """Return the directory of the configuration's checkpoints, for saving and loading.

    Call it in a train function. In a multi-fidelity search, the trial of a promoted configuration
    finds there the checkpoints of its trial with fewer epochs. In a tournament of
    `architecture_search`, a child finds those of its parent, another architecture: see
    `nas.inherit_weights`. Else the directory is empty. What the trial writes doesn't change the
    checkpoints of earlier trials. Checkpoints are kept when the train function returns; a trial
    that fails leaves none.

    Raises
    ------
    EnvironmentUnfitError
        If no trial runs in this process.
    OSError
        If the directory can't be made, or earlier checkpoints can't be copied.

    Examples
    --------
    >>> import os
    >>> from sparkexp.experiment import launch
    >>> def train(x):
    ...     return float(len(os.listdir(checkpoint_dir())))
    >>> launch(None, train, {'x': [1]}, engine='inline', progress=False).best.value
    0.0
    """
    return current_trial("checkpoint_dir()").checkpoints.make_directory()


def logdir() -> str:
    """Return the directory of the running trial, for ``tf.keras.callbacks.TensorBoard``.

    Call it in a train function.

    Raises
    ------
    EnvironmentUnfitError
        If no trial runs in this process.

    Examples
    --------
    >>> from sparkexp.experiment import launch
    >>> def train(x):
    ...     directory = logdir()
    ...     return float(directory.endswith('trial-00000'))
    >>> launch(None, train, {'x': [1]}, engine='inline', progress=False).best.value
    1.0
    """
    return current_trial("logdir()").directory


def report(step: int, **metrics: float) -> None:
    """Write metrics of the running trial to TensorBoard, which shows them at once.

    Call it in a train function, say once per epoch.

    Parameters
    ----------
    step : int
        A number of at least 0 that grows from call to call.
    **metrics : float
        Numbers by name; a number that isn't finite is left out with a warning. Curves are in
        single precision, 24 bits: 16777217 becomes 16777216, and what is beyond 3.4e38 infinite.
        What the train function returns keeps double precision.

    Raises
    ------
    EnvironmentUnfitError
        If no trial runs in this process.
    InvalidArgumentError
        If the step or a metric isn't a number.

    Examples
    --------
    >>> from sparkexp.experiment import launch
    >>> def train(x):
    ...     for epoch in range(3):
    ...         report(epoch, accuracy=1 - x / (epoch + 1))
    ...     return 1 - x / 3
    >>> launch(None, train, {'x': [0.5]}, engine='inline', progress=False).best.params
    {'x': 0.5}
    """
    trial = current_trial("report()")
    trial.reporter.report(step, metrics)


def keras_callback() -> Any:
    """Return a `keras.callbacks.Callback` that reports every epoch of a call of ``fit``.

    Call it in a train function, once for each call of ``fit``, and give it to ``fit(callbacks=…)``
    as the last one. Each epoch's logs are reported under their names: TensorBoard shows them live,
    and ``prune=`` sees them. In a multi-fidelity search, the trial of a promoted configuration
    goes on where its last trial ended, with the weights and the optimizer's state: ``fit`` begins
    with the next epoch, and its history has the new epochs only. The state of other callbacks,
    such as the patience of EarlyStopping, begins anew.

    Raises
    ------
    EnvironmentUnfitError
        If no trial runs in this process.

    Examples
    --------
    >>> from sparkexp.experiment import launch
    >>> def train(rate):
    ...     import keras, numpy as np
    ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    ...     model.compile(keras.optimizers.SGD(rate), 'mse')
    ...     x = np.ones((8, 1))
    ...     history = model.fit(x, x, epochs=2, verbose=0, callbacks=[keras_callback()])
    ...     return history.history['loss'][-1]
    >>> result = launch(None, train, {'rate': [0.1]}, engine='inline', progress=False)
    >>> result.best.value < 10
    True
    """
    return make_keras_callback(current_trial("keras_callback()"))


def stop_search(reason: str = "no more trials are needed") -> None:
    """Ask for the end of the search: no trial is started any more once this one has ended.

    Call it in a train function, which goes on and returns its value. Trials that run then are
    ended, and the search returns its result so far. `experiment.resume` goes on with the search.

    Parameters
    ----------
    reason : str
        Why, for the result's ``stopped``.

    Raises
    ------
    EnvironmentUnfitError
        If no trial runs in this process.
    InvalidArgumentError
        If the reason is no text.

    Examples
    --------
    >>> from sparkexp.experiment import launch
    >>> def train(x):
    ...     if x == 2:
    ...         stop_search('two is enough')
    ...     return x
    >>> result = launch(None, train, {'x': [1, 2, 3, 4]}, engine='inline', progress=False)
    >>> len(result), result.stopped
    (2, 'trials/trial-00001 asked for it: two is enough')
    """
    if not isinstance(reason, str) or not reason.strip():
        raise InvalidArgumentError(f"A reason to stop is a text, got {reason!r}. Leave it out.")
    current_trial("stop_search()").stop_search(reason)
