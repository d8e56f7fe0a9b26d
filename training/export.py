"""Export: the SavedModel with its two signatures, the twin, and the proof that they agree."""

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from models.manifest import TWIN, Input

OUTPUTS = ("calories", "lower", "upper")
PARITY_ROWS = 10_000
INSIDE_TOLERANCE = 1e-4  # kcal, inside the training range
INSIDE_ROUNDING = 5e-7  # of the largest answer there: eight roundings of float32
OUTSIDE_TOLERANCE = 1e-5  # of the largest absolute output, up to 1,000 g
LARGEST_INPUT = 1000.0  # grams; the service takes no more
VARIABLES = {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"}


class ExportError(Exception):
    """The exported files do not give the same answers; nothing is published."""


def export(model: keras.Model, inputs: tuple[Input, ...], half_width: float, folder: Path) -> float:
    """Write `saved_model.pb` and the twin into `folder`, and check one against the other.

    Returns the largest difference found inside the training range, in kcal. Raises
    ExportError when the twin's answers differ from the SavedModel's.
    """
    write_saved_model(model, [each.name for each in inputs], half_width, folder)
    (folder / TWIN).write_bytes(compile_twin(folder))
    return check_parity(folder, inputs)


def write_saved_model(
    model: keras.Model, inputs: list[str], half_width: float, folder: Path
) -> None:
    """Write the model with `serving_default` (a column an input) and `features` ([n, k]).

    Both answer float32 [n] `calories`, `lower` and `upper` in kcal. Keras's ExportArchive
    is what keeps the weights constants in the twin; a bare tf.Module around a Keras model
    saves as well, but leaves its variables uninitialised there.
    """

    def answer(features: tf.Tensor) -> dict[str, tf.Tensor]:
        calories = model(features)[:, 0]
        return {
            "calories": calories,
            "lower": calories - half_width,
            "upper": calories + half_width,
        }

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "features", answer, [tf.TensorSpec((None, len(inputs)), tf.float32, "features")]
    )
    archive.add_endpoint(
        "serving_default",
        lambda *columns: answer(tf.stack(columns, axis=1)),
        [tf.TensorSpec((None,), tf.float32, name) for name in inputs],
    )
    archive.write_out(str(folder), verbose=False)


def compile_twin(folder: Path) -> bytes:
    """The SavedModel's `features` signature as a LiteRT flatbuffer; refuses variables in it."""
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=["features"])
    twin: bytes = converter.convert()
    left = VARIABLES.intersection(operations(twin))
    if left:
        raise ExportError(
            f"The twin of {folder} still holds {', '.join(sorted(left))}: its weights would be "
            "uninitialised memory. Export through keras.export.ExportArchive."
        )
    return twin


def operations(twin: bytes) -> list[str]:
    """The names of the operations in a twin."""
    return [op["op_name"] for op in Interpreter(model_content=twin)._get_ops_details()]  # noqa: SLF001


def check_parity(folder: Path, inputs: tuple[Input, ...]) -> float:
    """Compare twin and SavedModel on random rows, inside the training range and far outside.

    Returns the largest difference inside, in kcal; raises ExportError above the tolerances.
    """
    loaded = tf.saved_model.load(str(folder))
    twin = Interpreter(model_content=(folder / TWIN).read_bytes(), num_threads=1)
    rng = np.random.default_rng(0)
    shape = (PARITY_ROWS, len(inputs))
    low, high = [i.min or 0.0 for i in inputs], [i.max or 0.0 for i in inputs]
    inside, highest = _difference(loaded, twin, inputs, rng.uniform(low, high, shape))
    allowed = max(INSIDE_TOLERANCE, INSIDE_ROUNDING * highest)
    outside, largest = _difference(loaded, twin, inputs, rng.uniform(0, LARGEST_INPUT, shape))
    if not inside <= allowed:
        raise ExportError(
            f"The twin differs from the SavedModel by {inside:g} kcal inside the training range "
            f"(at most {allowed:g} is allowed); nothing was published."
        )
    if not outside <= OUTSIDE_TOLERANCE * largest:
        raise ExportError(
            f"The twin differs from the SavedModel by {outside:g} kcal up to "
            f"{LARGEST_INPUT:g} g (at most {OUTSIDE_TOLERANCE * largest:g} is allowed); "
            "nothing was published."
        )
    return inside


def _difference(
    loaded: tf.Module, twin: Interpreter, inputs: tuple[Input, ...], rows: NDArray[np.float64]
) -> tuple[float, float]:
    """The largest difference between twin and either signature, and the largest output."""
    features = rows.astype(np.float32)
    columns = {each.name: features[:, i] for i, each in enumerate(inputs)}
    found = _stacked(twin.get_signature_runner("features")(features=features))
    expected = [
        _stacked(loaded.signatures["features"](features=tf.constant(features))),
        _stacked(loaded.signatures["serving_default"](**columns)),
    ]
    return (
        float(max(np.abs(found - each).max() for each in expected)),
        float(max(np.abs(each).max() for each in expected)),
    )


def _stacked(outputs: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float64]:
    return np.stack([np.asarray(outputs[name], np.float64) for name in OUTPUTS])
