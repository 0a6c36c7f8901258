"""Which backend Keras may have in a gang."""

from __future__ import annotations

import os

from sparkexp.errors import EnvironmentUnfitError

__all__ = ["check_backend"]

NAME = "tensorflow"
VARIABLE = "KERAS_BACKEND"


def check_backend() -> None:
    """Check that Keras uses TensorFlow, by whose operations the workers of a gang connect.

    Raises
    ------
    EnvironmentUnfitError
        If it uses another backend, or is asked to after it was imported.
    """
    asked = os.environ.get(VARIABLE) or NAME
    if asked == NAME:
        import keras

        asked = keras.backend.backend()
    if asked != NAME:
        raise EnvironmentUnfitError(
            "The workers of a gang are connected by TensorFlow, so Keras's backend must be "
            f"'{NAME}', got {asked!r}. Leave {VARIABLE} (and 'backend' in keras.json) out, or "
            "train with one worker as a plain trial: experiment.launch."
        )
