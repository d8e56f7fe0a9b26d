"""The SavedModel engine: runs the SavedModel itself. The only file that imports TensorFlow."""

from pathlib import Path

import tensorflow as tf

from service.engines import OUTPUTS, Columns, Rows


class SavedModel:
    """The `features` signature of a SavedModel; TensorFlow's functions may share threads.

    Must be made after the server has forked: a SavedModel loaded before hangs in the child.
    """

    name = "saved_model"

    def __init__(self, folder: Path) -> None:
        self._loaded = tf.saved_model.load(str(folder))  # kept: it owns the variables
        self._features = self._loaded.signatures["features"]

    def predict(self, rows: Rows) -> Columns:
        """Answer float32 [n, k] rows."""
        outputs = self._features(features=tf.constant(rows))
        return tuple(outputs[name].numpy() for name in OUTPUTS)
