"""The SavedModel engine: runs the SavedModel itself. The only file that imports TensorFlow."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from models.errors import BrokenVersion
from models.graph import check
from models.manifest import Manifest
from models.registry import Registry
from service.serving.engines import Columns, Rows, width_of

GRAPH = "saved_model.pb"


class SavedModel:
    """The `features` signature of a SavedModel; TensorFlow's functions may share threads.

    Must be made after the server has forked: a SavedModel loaded before hangs in the child.
    """

    name = "saved_model"

    def __init__(self, registry: Registry, manifest: Manifest) -> None:
        self._outputs = manifest.output_names
        self._loaded = _load(registry, manifest)  # kept: it owns the variables
        self._features = self._loaded.signatures["features"]
        shape = self._features.structured_input_signature[1]["features"].shape
        self.width = width_of(shape.as_list() if shape.rank else ())

    def predict(self, rows: Rows) -> Columns:
        """Answer float32 [n, k] rows."""
        outputs = self._features(features=tf.constant(rows))
        return tuple(outputs[name].numpy() for name in self._outputs)


def _load(registry: Registry, manifest: Manifest) -> Any:
    """Load what was checked: TensorFlow reads from a folder, so it gets a private copy.

    Once loaded, everything is in memory and the copy goes. Only the graph and its variables
    are in it, for TensorFlow knows other forms of a graph, which nobody looked at. Raises
    BrokenVersion when the graph may do more than compute.
    """
    names = [name for name in manifest.files if name == GRAPH or name.startswith("variables/")]
    with TemporaryDirectory(prefix="calories-") as private:  # readable by this user only
        folder = Path(private)
        registry.copy(manifest, names, folder)
        where = f"{GRAPH} of {manifest.model} version {manifest.version}"
        check(_parsed(folder / GRAPH, where), where)
        return tf.saved_model.load(private)


def _parsed(path: Path, where: str) -> Any:
    try:
        return saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except FileNotFoundError as error:
        raise BrokenVersion(f"There is no {where}.") from error
    except DecodeError as error:
        raise BrokenVersion(f"{where} cannot be read as a SavedModel: {error}.") from error
