"""Weights that a model inherits from that of its parent (Real et al. 2017, section 3.3)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sparkexp.nas.drop_path import register_layers

__all__ = ["inherit_weights"]


def inherit_weights(model: Any, path: str | os.PathLike[str]) -> int:
    """Copy weights from a saved model into the layers of equal names and shapes.

    Call it in a train function, after `build`. In a search whose children go on from their
    parent's checkpoints, `experiment.checkpoint_dir` has what the parent saved there; the first
    trials find nothing, and begin with random weights.

    Parameters
    ----------
    model : keras.Model
        The model that gets the weights.
    path : str or path
        What ``model.save`` wrote. There need be no such file.

    Returns
    -------
    int
        How many layers got weights; 0 without the file.

    Examples
    --------
    >>> from sparkexp import experiment, nas
    >>> def train(architecture):
    ...     model = architecture.build(input_shape=(8, 8, 1), classes=10)
    ...     saved = experiment.checkpoint_dir() + '/model.keras'
    ...     n_inherited = nas.inherit_weights(model, saved)
    ...     ...  # compile, fit, evaluate
    ...     model.save(saved)
    """
    import keras

    if not Path(path).is_file():
        return 0
    register_layers()
    parent = keras.saving.load_model(path, compile=False)
    given = {layer.name: layer for layer in parent.layers if layer.weights}
    copied = 0
    for layer in model.layers:
        donor = given.get(layer.name)
        if donor is not None and layer.weights and _shapes(donor) == _shapes(layer):
            layer.set_weights(donor.get_weights())
            copied += 1
    return copied


def _shapes(layer: Any) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]
