"""A .keras file: a zip of a network's description and its weights, looked at before it is loaded.

The description names classes, and some of Keras's own run code of the file's or read other files.
So only layers of numbers are loaded, and weights that lie in the file itself.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import keras

from models import files
from training.adopt import NotAdopted

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MEMBERS = {CONFIG: 16 * 1024**2, WEIGHTS: files.LARGEST, "metadata.json": 1024**2}  # bytes at most
MODULES = (
    "keras",
    "keras.constraints",
    "keras.initializers",
    "keras.layers",
    "keras.models",
    "keras.regularizers",
    "keras.src.models.functional",
    "keras.src.ops.nn",
    "keras.src.ops.numpy",
)
LAYERS = frozenset(
    """
    Activation ActivityRegularization Add AlphaDropout Average AveragePooling1D AveragePooling2D
    BatchNormalization Bidirectional CategoryEncoding Concatenate Conv1D Conv2D Cropping1D Dense
    DepthwiseConv1D Discretization Dot Dropout ELU EinsumDense Embedding Flatten GRU
    GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalMaxPooling1D
    GlobalMaxPooling2D GroupNormalization Identity InputLayer LSTM LayerNormalization LeakyReLU
    Masking MaxPooling1D MaxPooling2D Maximum Minimum MultiHeadAttention Multiply Normalization
    PReLU Permute RMSNormalization ReLU RepeatVector Rescaling Reshape SeparableConv1D SimpleRNN
    Softmax SpectralNormalization Subtract TimeDistributed UnitNormalization ZeroPadding1D
    """.split()  # noqa: SIM905  one a line they would fill a page
)
WAY_OUT = "Load it where it was made, write a SavedModel with model.export(FOLDER), and adopt that."


def export(path: Path, draft: Path) -> None:
    """Load a .keras file in Keras's safe mode and export it; raises NotAdopted."""
    content = files.read(path)
    _check(content, path)
    with TemporaryDirectory(prefix="adopt-") as private:  # what was looked at is what is loaded
        copy = Path(private) / "model.keras"
        copy.write_bytes(content)
        try:
            model = keras.saving.load_model(copy, compile=False, safe_mode=True)
            model.export(str(draft), verbose=False)
        except Exception as error:  # Keras raises whatever a wrong description leads to
            said = " ".join(str(error).split())[:300]
            raise NotAdopted(f"Keras cannot load {path.name}: {said} … {WAY_OUT}") from error


def _check(content: bytes, path: Path) -> None:
    """Raise NotAdopted for anything but layers of numbers, and weights in the file itself."""
    name = files.shown(path.name)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = {each.filename: each for each in archive.infolist()}
            unknown = sorted(parts.keys() - MEMBERS.keys())
            if unknown or len(parts) < len(archive.infolist()):
                what = files.shown(unknown[0]) if unknown else "a file twice"
                raise NotAdopted(
                    f"{name} holds {what}: layers that keep files beside their weights are not "
                    f"loaded. {WAY_OUT}"
                )
            large = [part for part, each in parts.items() if each.file_size > MEMBERS[part]]
            if large:
                raise NotAdopted(f"{name} holds a {large[0]} of more bytes than it may have.")
            description = json.loads(_read(archive, CONFIG))
            _check_weights(_read(archive, WEIGHTS), name)
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError, OSError, EOFError) as error:
        raise NotAdopted(f"{name} cannot be read as a .keras file: {error}.") from error
    _check_classes(description, name)


def _read(archive: zipfile.ZipFile, part: str) -> bytes:
    """A part of the archive, of no more bytes than it says and may have."""
    with archive.open(part) as file:
        content = file.read(MEMBERS[part] + 1)
    if len(content) > MEMBERS[part]:
        raise ValueError(f"{part} has more bytes than it may have")
    return content


def _check_weights(content: bytes, name: str) -> None:
    """Weights can lie in other files, and grow from a few bytes to any size."""
    total = 0
    with h5py.File(io.BytesIO(content), "r") as weights:
        waiting: list[Any] = [weights]
        while waiting:
            group = waiting.pop()
            for key in group:
                link = group.get(key, getlink=True)
                if not isinstance(link, h5py.HardLink):
                    raise NotAdopted(f"{name} has weights that lie elsewhere. {WAY_OUT}")
                found = group[key]
                if isinstance(found, h5py.Group):
                    waiting.append(found)
                    total += 1
                elif found.external or found.is_virtual:
                    raise NotAdopted(f"{name} has weights that lie elsewhere. {WAY_OUT}")
                else:
                    total += found.nbytes
                if total > files.LARGEST:
                    raise NotAdopted(f"{name} has more weights than the {files.LARGEST:,} bytes.")


def _check_classes(description: Any, name: str) -> None:
    for each in _objects(description):
        kind, module = each["class_name"], each.get("module")
        if kind in {"Lambda", "__lambda__"}:
            raise NotAdopted(
                f"{name} has a Lambda layer, which is code in a file: it is not loaded. {WAY_OUT}"
            )
        if kind in ("__tensor__", "__keras_tensor__", "__numpy__", "__ellipsis__"):
            continue
        if module not in MODULES or each.get("registered_name") not in (None, kind):
            raise NotAdopted(
                f"{name} has {files.shown(kind)!r}, which is none of Keras 3's own. {WAY_OUT}"
            )
        if module == "keras.layers" and kind not in LAYERS:
            raise NotAdopted(
                f"{name} has a layer {kind!r}, which is none of those of numbers. {WAY_OUT}"
            )


def _objects(description: Any) -> Iterator[dict[str, Any]]:
    """All that names a class, wherever in the description; what training needs is passed over."""
    waiting = [description]
    while waiting:
        it = waiting.pop()
        if isinstance(it, dict):
            if isinstance(it.get("class_name"), str):
                yield it
            waiting.extend(value for key, value in it.items() if key != "compile_config")
        elif isinstance(it, list):
            waiting.extend(it)
