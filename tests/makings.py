"""SavedModels and .keras files as others make them, to adopt and to refuse.

`ADOPTED` are right, whoever made them; `REFUSED` are not, and have the sentence that says so.
Keras 2 made those in tests/keras2.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from warnings import catch_warnings

import keras
import numpy as np
import tensorflow as tf

from models.registry import Registry
from training.adopt import adopt as adopting
from training.adopt.adopt import Adopted, Wanted

KERAS_2 = Path(__file__).parent / "keras2"
NAMES = ("sugar", "fiber", "protein")

Make = Callable[[Path], object]


def dense(*more: keras.Layer) -> list[keras.Layer]:
    return [keras.Input((3,), name="features"), *more, keras.layers.Dense(1)]


def functional(path: Path) -> None:
    keras.utils.set_random_seed(0)
    normal = keras.layers.Normalization(mean=[5.0, 1.0, 2.0], variance=[4.0, 1.0, 1.0])
    features, *layers = dense(normal, keras.layers.Dense(8, "relu"))
    answer = features
    for layer in layers:
        answer = layer(answer)
    save(keras.Model(features, answer), path)


def save(model: keras.Model, path: Path) -> None:
    if path.suffix == ".keras":
        with catch_warnings(action="ignore", category=DeprecationWarning):  # of Keras at NumPy's
            model.save(path)
    else:
        model.export(str(path), verbose=False)


class Subclassed(keras.Model):  # type: ignore[misc]
    """The softplus of LiteRT ends at 88, so it has no twin."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.last = keras.layers.Dense(4, "softplus"), keras.layers.Dense(1)

    def call(self, rows: tf.Tensor) -> tf.Tensor:
        return self.last(self.hidden(rows))


def subclassed(path: Path) -> None:
    model = Subclassed()
    model(np.zeros((2, 3), np.float32))
    save(model, path)


def with_dropout(path: Path) -> None:
    of = keras.layers
    layers = (of.Dense(8, "gelu"), of.BatchNormalization(), of.Dropout(0.5), of.GaussianNoise(1.0))
    save(keras.Sequential(dense(*layers)), path)


def with_named_inputs(path: Path) -> None:
    given = {name: keras.Input((1,), name=name) for name in NAMES}
    hidden = keras.layers.Dense(4, "relu")(keras.layers.Concatenate()(list(given.values())))
    save(keras.Model(given, {"price": keras.layers.Dense(1)(hidden)}), path)


def with_extra_signatures(path: Path) -> None:
    model = keras.Sequential(dense(keras.layers.Dense(8, "relu")))
    spec = [tf.TensorSpec((None, 3), tf.float32)]
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", model.call, spec)
    archive.add_endpoint("doubled", lambda rows: 2 * model(rows), spec)
    archive.write_out(str(path), verbose=False)


def in_float64(path: Path) -> None:
    layers = [keras.layers.Dense(n, dtype="float64") for n in (4, 1)]
    save(keras.Sequential([keras.Input((3,), dtype="float64"), *layers]), path)


Function = Callable[..., object]


def module(answer: Function, *tensors: tf.TensorSpec, name: str = "serving_default") -> Make:
    """A tf.Module with a signature."""

    def make(path: Path) -> None:
        made = tf.Module()
        made.answer = tf.function(answer, tensors, autograph=False)
        tf.saved_model.save(made, str(path), {name: made.answer})

    return make


def table(kind: tf.DType = tf.float32, rows: int | None = None, k: int | None = 3) -> tf.TensorSpec:
    return tf.TensorSpec((rows, k), kind, "x")


def column(name: str, *one: int, kind: tf.DType = tf.float32) -> tf.TensorSpec:
    return tf.TensorSpec((None, *one), kind, name)


def total(rows: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.tanh(rows), axis=1)


def of_names(sugar: tf.Tensor, fiber: tf.Tensor, protein: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"predictions": 2 * sugar - fiber / 3 + tf.sqrt(tf.abs(protein))}


ADOPTED: dict[str, Make] = {
    "keras2": lambda path: shutil.copytree(KERAS_2 / "exported", path),
    "functional": functional,
    "file.keras": functional,
    "subclassed": subclassed,
    "dropout": with_dropout,
    "named": with_named_inputs,
    "extra": with_extra_signatures,
    "float64": in_float64,
    "module": module(total, table()),
    "estimator": module(of_names, *(column(name, 1) for name in NAMES), name="predict"),
    "scalars": module(of_names, *(column(name) for name in NAMES)),
    "one": module(lambda x: x * 2, column("x")),
}
WITHOUT_TWIN = {
    "subclassed": "The twin differs from the SavedModel by",
    "float64": "LiteRT lacks BiasAdd, MatMul",
}


def reading(rows: tf.Tensor) -> tf.Tensor:
    return total(rows) + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)


def writing(rows: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([tf.io.write_file("written", "x")]):
        return total(rows)


def in_python(rows: tf.Tensor) -> tf.Tensor:
    return tf.ensure_shape(tf.py_function(lambda x: x, [total(rows)], tf.float32), [None])


def looked_up(rows: tf.Tensor) -> tf.Tensor:
    return tf.gather(tf.constant([1.0, 2.0]), tf.cast(rows[:, 0], tf.int32))


def among_others(rows: tf.Tensor) -> tf.Tensor:
    return total(rows - tf.reduce_mean(rows, axis=0))


def drawn(rows: tf.Tensor) -> tf.Tensor:
    return total(rows) + tf.random.normal(tf.shape(rows)[:1])


def no_number(rows: tf.Tensor) -> tf.Tensor:
    return total(rows) / 0


MANY = [column(f"x{i}") for i in range(257)]
REFUSED: dict[str, tuple[Make, str]] = {
    "keras2": (
        lambda path: shutil.copytree(KERAS_2 / "saved", path),
        r"'RandomUniform' .* among those that only compute\. Keras 2's .* with model.export\(",
    ),
    "lambda.keras": (
        lambda path: save(keras.Sequential(dense(keras.layers.Lambda(lambda x: x))), path),
        r"has a Lambda layer, which is code in a file: .* with model.export\(FOLDER\), and adopt",
    ),
    "custom.keras": (subclassed, r"has 'Subclassed', which is none of Keras 3's own\. Load it"),
    "lookup.keras": (
        lambda path: save(
            keras.Sequential([keras.Input((1,)), keras.layers.IntegerLookup(vocabulary=[1])]), path
        ),
        "has a layer 'IntegerLookup', which is none of those of numbers",
    ),
    "reading": (module(reading, table()), r"operation 'ReadFile' \(node"),
    "writing": (module(writing, table()), r"operation 'WriteFile' \(node"),
    "python": (module(in_python, table()), r"operation 'EagerPyFunc' \(node"),
    "chance": (module(drawn, table()), "operation 'RandomStandardNormal'"),
    "neighbours": (module(among_others, table()), "depends on the rows beside it, or on chance"),
    "no number": (module(no_number, table()), "answers none of the rows that were tried"),
    "looked up": (module(looked_up, table()), "TensorFlow cannot answer"),
    "two outputs": (
        module(lambda x: {"a": total(x), "b": total(x)}, table()),
        r"answers 2 tensors \('a', 'b'\)\. Numbers go in and one number comes out",
    ),
    "wide output": (
        module(lambda x: x, table()),
        r"answers 'output_0' as \[n, 3\]; expected \[n\]",
    ),
    "texts": (
        module(tf.strings.to_number, column("x", kind=tf.string)),
        "'x' is a tensor of string",
    ),
    "integers": (
        module(lambda x: tf.cast(x, tf.float32), column("x", kind=tf.int64)),
        "'x' is a tensor of int64. Numbers go in and one number comes out: give the model float",
    ),
    "of one row": (module(total, table(rows=1)), r"'x' has the shape \[1, 3\]; expected \[n\] or"),
    "any width": (module(total, table(k=None)), "does not say how many numbers .* with --inputs"),
    "no input": (module(lambda: tf.constant([1.0])), "takes no tensor, so it answers nothing"),
    "257 columns": (module(total, table(k=257)), "'x' takes 257 inputs; 1 to 256 can be served"),
    "257 tensors": (module(lambda *x: sum(x), *MANY), "takes 257 inputs; 1 to 256 can be served"),
    "mixed": (
        module(lambda x, y: total(x) + y, table(), column("y")),
        r"'x' is \[n, 3\]; expected one tensor \[n, k\], or one of \[n\] or \[n, 1\] for each",
    ),
}


def adopt(path: Path, registry: Registry, model: str, **more: Any) -> Adopted:
    """Publish what was made at `path` as a version of `model`."""
    return adopting.adopt(Wanted(path=path, model=model, **more), registry)
