"""Models that load, compute, and are not what their manifest says: refused with a reason."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from models.manifest import TWIN, Manifest
from models.publish import publish, staging
from models.registry import Registry
from service.app import create_app, create_host
from service.serving.engines import Choice
from service.settings import Settings

ENGINES: tuple[Choice, ...] = ("litert", "saved_model")
Answer = Callable[[tf.Tensor], tf.Tensor]


def total(features: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(features, axis=1)


def write(folder: Path, answer: Answer, width: int) -> None:
    """A SavedModel and its twin that answer float32 [n, width] rows so."""
    module = tf.Module()
    module.features = tf.function(
        lambda features: {name: answer(features) for name in ("calories", "lower", "upper")},
        [tf.TensorSpec((None, width), tf.float32, "features")],
    )
    tf.saved_model.save(module, str(folder), {"features": module.features})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), ["features"])
    (folder / TWIN).write_bytes(converter.convert())


@pytest.mark.parametrize(
    ("answer", "width", "reason"),
    [
        (total, 1, ""),
        (total, 2, "takes 2 inputs, and its manifest has 1"),
        (lambda rows: total(rows)[:, None], 1, "float32 [2, 1], expected float32 [2]"),
        (lambda rows: total(rows)[:1], 1, "float32 [1], expected float32 [2]"),
        (lambda rows: tf.cast(total(rows), tf.int32), 1, "int32 [2], expected float32 [2]"),
        (lambda rows: total(rows) / 0, 1, "own training mean with no finite number"),
    ],
    ids=["right", "width", "columns", "one answer", "whole numbers", "infinity"],
)
def test_a_model_is_served_only_when_it_answers_as_its_manifest_says(
    registry: Registry, card: Manifest, answer: Answer, width: int, reason: str
) -> None:
    with staging(registry, card.model) as draft:
        write(draft, answer, width)
        publish(registry, draft, card, promote=True)
    for engine in ENGINES:
        settings = Settings(registry=registry.root, engine=engine, default_model=card.model)
        client = create_app(settings, create_host(settings)).test_client()
        told = client.get(f"/models/{card.model}/1")
        assert told.status_code == (503 if reason else 200)
        assert reason in told.text
