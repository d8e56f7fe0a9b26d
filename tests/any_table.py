"""Tiny models of tables that have nothing to do with cereals, to try what must hold of any.

    one        1 input     with ranges, without an interval
    thirteen   13 inputs   with both; ranges below 0, words in two languages
    sixty      60 inputs   with ranges, without an interval
    bare       3 inputs    with neither, nor a unit: nobody knows what it was trained on

Each answers `price`, which is below 0 for some rows.
"""

from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from models.manifest import TWIN, Input, Interval, Manifest, Output, Words
from models.publish import publish, staging
from models.registry import Registry
from training.export import compile_twin

INPUTS = {"one": 1, "thirteen": 13, "sixty": 60, "bare": 3}
HALF_WIDTH = 1.5  # of the interval of `thirteen`
LEAST, MOST = -3.0, 5.0  # of every input in training


def fill(registry: Registry) -> Registry:
    """Publish version 1 of each; gives the registry."""
    for model, count in INPUTS.items():
        manifest = card(model, count)
        with staging(registry, model) as draft:
            write(network(count), manifest, draft)
            publish(registry, draft, manifest, promote=True)
    return registry


def card(model: str, count: int) -> Manifest:
    """The manifest of a model with so many inputs."""
    bare = model == "bare"
    seen = {} if bare else {"min": LEAST, "max": MOST, "mean": 1.0}
    quantiles = {} if bare else {"0.05": -2.5, "0.25": -1.0, "0.5": 1.0, "0.75": 3.0, "0.95": 4.5}
    told = {} if bare else {"unit": "m²", "description": "As the surveyor measured it."}
    words = {"zh": Words(name="面积", unit="平方米")} if model == "thirteen" else {}
    inputs = tuple(
        Input.model_validate(
            {"name": f"x{i}", **told, "words": words, **seen, "quantiles": quantiles}
        )
        for i in range(count)
    )
    priced = {} if bare else {"unit": "kUSD", "min": -8.0, "max": 12.0, "mean": 2.0}
    return Manifest(
        model=model,
        version=1,
        inputs=inputs,
        output=Output.model_validate({"name": "price", **priced}),
        interval=Interval(coverage=0.9, method="none", half_width=HALF_WIDTH)
        if model == "thirteen"
        else None,
        created=datetime(2026, 11, 27, tzinfo=UTC),
        files={},
    )


def network(count: int) -> keras.Model:
    """Eight rectified units over `count` inputs, the same each time."""
    rng = np.random.default_rng(count)
    model = keras.Sequential(
        [keras.Input((count,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)]
    )
    model.set_weights([rng.normal(0, 1 / np.sqrt(len(it)), it.shape) for it in model.get_weights()])
    return model


def write(model: keras.Model, manifest: Manifest, folder: Path) -> None:
    """The SavedModel with the two signatures, and its twin."""

    def answer(features: tf.Tensor) -> dict[str, tf.Tensor]:
        price = model(features)[:, 0]
        bounds = {"lower": price - HALF_WIDTH, "upper": price + HALF_WIDTH}
        return {"price": price, **(bounds if manifest.interval else {})}

    names = manifest.input_names
    features = tf.TensorSpec((None, len(names)), tf.float32, "features")
    columns = [tf.TensorSpec((None,), tf.float32, name) for name in names]
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("features", answer, [features])
    archive.add_endpoint("serving_default", lambda *it: answer(tf.stack(it, axis=1)), columns)
    archive.write_out(str(folder), verbose=False)
    (folder / TWIN).write_bytes(compile_twin(folder))
