"""The SavedModel engine: runs the SavedModel itself. The only file that imports TensorFlow."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from tensorflow.core.protobuf import saved_model_pb2

from models.errors import BrokenVersion
from models.graph import check
from models.manifest import FEATURES, Manifest
from models.registry import Registry
from service.errors import EngineFailure
from service.serving.engines import Columns, Rows, width_of

GRAPH = "saved_model.pb"


class SavedModel:
    """A signature of a SavedModel: our own `features`, or the one that its manifest names.

    Must be made after the server has forked: a SavedModel loaded before hangs in the child.
    TensorFlow's functions may share threads.
    """

    name = "saved_model"

    def __init__(self, registry: Registry, manifest: Manifest) -> None:
        self._manifest = manifest
        self._loaded = _load(registry, manifest)  # kept: it owns the variables
        self._signature = manifest.signature or manifest.signatures[FEATURES]
        about, name = f"{manifest.model} version {manifest.version}", self._signature.name
        if name not in self._loaded.signatures:
            raise BrokenVersion(f"{about} has no signature {name!r} in its {GRAPH}.")
        self._call = self._loaded.signatures[name]
        self._specs = self._call.structured_input_signature[1]
        if {each.name for each in self._signature.tensors} != self._specs.keys():
            raise BrokenVersion(f"Signature {name!r} of {about} takes other tensors than it says.")
        self.width = self._width()

    def predict(self, rows: Rows) -> Columns:
        """Answer float32 [n, k] rows; raises EngineFailure when TensorFlow cannot."""
        tensors = {
            name: tf.cast(part, self._specs[name].dtype)
            for name, part in self._signature.split(rows).items()
        }
        try:
            outputs = self._call(**tensors)
        except tf.errors.OpError as error:
            about = f"{self._manifest.model} version {self._manifest.version}"
            raise EngineFailure(f"{about} cannot answer these rows.") from error
        if self._manifest.signature:
            return self._with_interval(outputs[self._signature.output.name].numpy())
        return tuple(outputs[name].numpy() for name in self._manifest.output_names)

    def _with_interval(self, answers: NDArray[Any]) -> Columns:
        """What was made elsewhere answers [n] or [n, 1], of any float, and knows no interval."""
        wide = answers.ndim == 2 and answers.shape[1] == 1
        column = (answers[:, 0] if wide else answers).astype(np.float32)
        if self._manifest.interval is None:
            return (column,)
        half_width = self._manifest.interval.half_width
        return (column, column - half_width, column + half_width)

    def _width(self) -> int | None:
        """How many inputs the tensors take together, where they say it."""
        shapes = [spec.shape for spec in self._specs.values()]
        widths = [width_of(shape.as_list() if shape.rank else ()) for shape in shapes]
        return sum(width or 0 for width in widths) if all(widths) else None


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
