"""Export: the SavedModel with its two signatures, the twin, and the proof that they agree."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from models.manifest import FEATURES, LARGEST, TWIN, Input

ROWS = 20_000  # that twin and SavedModel are compared on
ALONE = 16  # rows of each kind that are asked one by one as well
TOLERANCE = 1e-5  # of the largest answer to rows of a kind
VARIABLES = {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"}

Rows = NDArray[np.float32]  # [n, k]
Answers = NDArray[np.float64]  # [outputs, n]
Ask = Callable[[Rows], Answers]
DIFFERS = "The twin differs from the SavedModel"


class ExportError(Exception):
    """The exported files do not give the same answers; nothing is published."""


def export(
    model: keras.Model, inputs: tuple[Input, ...], output: str, half_width: float, folder: Path
) -> float:
    """Write `saved_model.pb` and the twin into `folder`, and check one against the other.

    Returns the largest difference, as a share of the largest answer to rows of its kind. Raises
    ExportError when the twin's answers differ from the SavedModel's.
    """
    write_saved_model(model, [each.name for each in inputs], output, half_width, folder)
    (folder / TWIN).write_bytes(compile_twin(folder))
    return check_parity(folder, inputs, output)


def write_saved_model(
    model: keras.Model, inputs: list[str], output: str, half_width: float, folder: Path
) -> None:
    """Write the model with `serving_default` (a column an input) and `features` ([n, k]).

    Both answer float32 [n] under `output`, `lower` and `upper`. Keras's ExportArchive
    is what keeps the weights constants in the twin; a bare tf.Module around a Keras model
    saves as well, but leaves its variables uninitialised there.
    """

    def answer(features: tf.Tensor) -> dict[str, tf.Tensor]:
        return with_interval(output, model(features)[:, 0], half_width)

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        FEATURES, answer, [tf.TensorSpec((None, len(inputs)), tf.float32, FEATURES)]
    )
    archive.add_endpoint(
        "serving_default",
        lambda *columns: answer(tf.stack(columns, axis=1)),
        [tf.TensorSpec((None,), tf.float32, name) for name in inputs],
    )
    archive.write_out(str(folder), verbose=False)


def with_interval(
    output: str, answers: tf.Tensor, half_width: float | None
) -> dict[str, tf.Tensor]:
    """Answers by name, with the interval around them, where there is one."""
    if half_width is None:
        return {output: answers}
    return {output: answers, "lower": answers - half_width, "upper": answers + half_width}


def compile_twin(folder: Path) -> bytes:
    """The SavedModel's `features` signature as a LiteRT flatbuffer; refuses variables in it."""
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=[FEATURES])
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


def check_parity(folder: Path, inputs: tuple[Input, ...], output: str) -> float:
    """Compare twin and both signatures of a SavedModel; as `export` says."""
    loaded = tf.saved_model.load(str(folder))
    names = [each.name for each in inputs]
    outputs = (output, "lower", "upper")

    def by_row(rows: Rows) -> Answers:
        return stacked(loaded.signatures[FEATURES](features=tf.constant(rows)), outputs)

    def by_column(rows: Rows) -> Answers:
        columns = dict(zip(names, rows.T, strict=True))
        return stacked(loaded.signatures["serving_default"](**columns), outputs)

    found = twin_of((folder / TWIN).read_bytes(), outputs)
    tried = kinds_of_rows(inputs)
    return max(difference(each, found, tried, TOLERANCE, DIFFERS) for each in (by_row, by_column))


def twin_of(twin: bytes, outputs: Sequence[str]) -> Ask:
    """A twin that can be asked, as the service asks it: resized to each count of rows."""
    runner = Interpreter(model_content=twin, num_threads=1).get_signature_runner(FEATURES)
    return lambda rows: stacked(runner(**{FEATURES: rows}), outputs)


def stacked(answers: Mapping[str, Any], outputs: Sequence[str]) -> Answers:
    """The answers as float64 [outputs, n]."""
    return np.stack([np.asarray(answers[name], np.float64) for name in outputs])


def kinds_of_rows(inputs: Sequence[Input]) -> dict[str, Rows]:
    """Random rows by what they are: inside the training range, where it is known, and far outside.

    All are what the inputs accept. The first kind is the one that matters most.
    """
    spans = {}
    if all(each.min is not None for each in inputs):
        low = np.array([each.min for each in inputs], np.float64)
        high = np.array([each.max for each in inputs], np.float64)
        wide = 10 * (high - low)
        spans["inside the training range"] = (low, high)
        spans["ten times as far"] = (low - wide, high + wide)
    for size in (1.0, 100.0, 10_000.0, 1_000_000.0):
        spans[f"up to {size:,.0f}"] = (np.full(len(inputs), -size), np.full(len(inputs), size))
    if all(each.accept for each in inputs):
        low, high = np.array([each.accept for each in inputs]).T
        spans["that are accepted"] = (low, high)
    bounds = np.array([each.accept or (-LARGEST, LARGEST) for each in inputs]).T
    rng = np.random.default_rng(0)
    shape = (ROWS // len(spans), len(inputs))
    return {
        kind: rng.uniform(low, high, shape).clip(*bounds).astype(np.float32)
        for kind, (low, high) in spans.items()
    }


def difference(
    expected: Ask, found: Ask, tried: Mapping[str, Rows], allowed: float, told: str
) -> float:
    """The largest difference between two that are asked the same, as a share of an answer's size.

    Each kind of rows is asked among all others, alone with its kind, and some of it one by one,
    and held against its largest answer, or that of the first kind: what rounds there does so near
    zero, too. Rows that `expected` answers with no finite number are passed over. Raises
    ExportError above `allowed`, with what is `told` of it, and when no answer is finite.
    """
    largest, first, answered = 0.0, 0.0, False
    ends = np.cumsum([len(rows) for rows in tried.values()])
    together = np.split(found(np.concatenate([*tried.values()])), ends[:-1], axis=1)
    for (kind, rows), among in zip(tried.items(), together, strict=True):
        answers = expected(rows)
        some = np.linspace(0, len(rows) - 1, ALONE).astype(int)
        alone = np.hstack([found(rows[[row]]) for row in some])
        finite = np.asarray(np.isfinite(answers).all(axis=0))
        answered |= bool(finite.any())
        size = np.abs(answers[:, finite]).max(initial=first)
        first = first or size
        every = np.arange(len(rows))
        for other, at in ((among, every), (found(rows), every), (alone, some)):
            seen = finite[at]
            off = np.abs(other[:, seen] - answers[:, at[seen]]).max(initial=0)
            if not off <= allowed * size:
                raise ExportError(
                    f"{told} by {off:g} on rows {kind}, where the largest answer is {size:g}; at "
                    f"most {allowed:g} of that is allowed."
                )
            largest = max(largest, float(off / size) if size else 0.0)
    if not answered:
        raise ExportError("The SavedModel answers none of the rows that were tried with a number.")
    return largest
