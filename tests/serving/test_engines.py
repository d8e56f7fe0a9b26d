"""The engines: the same answers whoever computes them, and none but what a manifest promises."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.manifest import TWIN, Manifest
from models.publish import import_version, publish, staging
from models.registry import BrokenVersion, Registry
from service.app import create_app, create_host
from service.errors import EngineFailure
from service.serving.dataplane import predict
from service.serving.engines import Choice, Columns, Engine, Rows, load
from service.serving.engines.litert import BLOCK, IDLE
from service.serving.engines.saved_model import GRAPH
from service.serving.loaded import Loaded
from service.settings import Settings
from tests.conftest import SHIPPED
from tests.dialects import COLUMNS, ROW, ROWS, answer, tensors
from tests.soak.run import resident

ENGINES: tuple[Choice, ...] = ("litert", "saved_model")


def loaded(registry: Registry, model: str, choice: Choice = "litert") -> Engine:
    return load(registry, registry.manifest(model, 1), choice)


def rows(count: int, inputs: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(0, 15, (count, inputs)).astype(np.float32)


@pytest.mark.parametrize("model", SHIPPED)
def test_both_engines_give_the_same_numbers(shipped: Registry, model: str) -> None:
    features = rows(1000, len(shipped.manifest(model, 1).inputs))
    twin, saved = (loaded(shipped, model, engine).predict(features) for engine in ENGINES)
    np.testing.assert_allclose(twin, saved, rtol=0, atol=2e-4)


def test_both_engines_answer_alike_in_every_dialect(shipped: Registry) -> None:
    def numbers(told: Any) -> list[float]:
        """All that are in an answer, in order."""
        if isinstance(told, dict | list):
            parts = told.values() if isinstance(told, dict) else told
            return [number for part in parts for number in numbers(part)]
        return [told] if isinstance(told, float) else []

    found = []
    for engine in ENGINES:
        settings = Settings(registry=shipped.root, engine=engine)
        client = create_app(settings, create_host(settings)).test_client()
        asked: dict[str, object] = {
            "/predict": ROW,
            "/predict?model=deep": COLUMNS,
            "/explain": ROWS,
            "/v1/models/calories:predict": {"instances": ROWS},
            "/v1/models/linear-unit:predict": {"instances": [1, 2]},
            "/v2/models/calories/infer": {"inputs": tensors()},
        }
        answers = [answer(client.post(path, json=body)) for path, body in asked.items()]
        found.append(numbers(answers))
    assert len(found[0]) > 40
    assert found[0] == pytest.approx(found[1], abs=1e-3)


def test_a_batch_larger_than_a_block_keeps_its_order(shipped: Registry) -> None:
    engine, features = loaded(shipped, "calories"), rows(2 * BLOCK + 7, 3)
    whole = np.stack(engine.predict(features))
    parts = [np.stack(engine.predict(part)) for part in np.array_split(features, 5)]
    np.testing.assert_allclose(whole, np.concatenate(parts, axis=1), rtol=0, atol=1e-4)


def test_many_threads_at_once_never_get_each_others_answers(shipped: Registry) -> None:
    engine = loaded(shipped, "linear-unit")
    bias, sum_ = engine.predict(np.array([[0], [1]], np.float32))[0]

    def ask(seed: int) -> float:
        features = rows(1 + seed % 5, 1, seed)
        calories, lower, upper = engine.predict(features)
        assert (lower < calories).all()
        assert (calories < upper).all()
        return float(np.abs(calories - (features[:, 0] * (sum_ - bias) + bias)).max())

    with ThreadPoolExecutor(32) as pool:
        assert max(pool.map(ask, range(10_000))) < 1e-3


class Meeting(np.ndarray[Any, Any]):
    """Rows whose length nobody learns before all who ask for one are there."""

    all_are_there = Barrier(2 * IDLE, timeout=60)

    def __len__(self) -> int:
        self.all_are_there.wait()
        return super().__len__()


def test_no_more_than_a_bounded_number_of_interpreters_is_kept(shipped: Registry) -> None:
    engine = loaded(shipped, "calories")
    with ThreadPoolExecutor(2 * IDLE) as pool:
        list(pool.map(engine.predict, [rows(1, 3).view(Meeting)] * (2 * IDLE)))
    assert len(engine._idle) == IDLE  # type: ignore[attr-defined]


def test_an_interpreter_that_raised_is_not_used_again(shipped: Registry) -> None:
    engine = loaded(shipped, "calories")
    with pytest.raises(RuntimeError):
        engine.predict(rows(1, 5))
    assert not engine._idle  # type: ignore[attr-defined]


def test_an_engine_that_is_let_go_leaves_the_memory_where_it_was(shipped: Registry) -> None:
    def use(times: int) -> float:
        for _ in range(times):
            loaded(shipped, "calories").predict(rows(1, 3))
        return resident(os.getpid())

    before = use(50)
    assert use(250) - before < 15  # MB: one takes a sixth of one


@pytest.mark.parametrize(
    ("choice", "name"),
    [("litert", TWIN), ("saved_model", GRAPH), ("saved_model", "variables/variables.index")],
)
def test_no_engine_loads_a_file_that_is_not_as_published(
    registry: Registry, shipped: Registry, choice: Choice, name: str
) -> None:
    import_version(registry, shipped.folder("linear-unit", 1))
    with (registry.folder("linear-unit", 1) / name).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(BrokenVersion, match=f"{name} is not the file that was published"):
        loaded(registry, "linear-unit", choice)


def test_auto_takes_the_twin_or_tensorflow_where_there_is_none(shipped: Registry) -> None:
    manifest = shipped.manifest("calories", 1)
    files = {name: digest for name, digest in manifest.files.items() if name != TWIN}
    without = manifest.model_copy(update={"files": files})
    assert load(shipped, manifest, "auto").name == "litert"
    assert load(shipped, without, "auto").name == "saved_model"
    with pytest.raises(BrokenVersion, match=r"has no model\.tflite\. Set ENGINE=saved_model"):
        load(shipped, without, "litert")


def total(features: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(features, axis=1)


@pytest.mark.parametrize(
    ("answered", "width", "reason"),
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
    registry: Registry,
    card: Manifest,
    answered: Callable[[tf.Tensor], tf.Tensor],
    width: int,
    reason: str,
) -> None:
    module = tf.Module()
    module.features = tf.function(
        lambda features: {name: answered(features) for name in ("calories", "lower", "upper")},
        [tf.TensorSpec((None, width), tf.float32, "features")],
    )
    with staging(registry, card.model) as draft:
        tf.saved_model.save(module, str(draft), {"features": module.features})
        converter = tf.lite.TFLiteConverter.from_saved_model(str(draft), ["features"])
        (draft / TWIN).write_bytes(converter.convert())
        publish(registry, draft, card, promote=True)
    for engine in ENGINES:
        settings = Settings(registry=registry.root, engine=engine, default_model=card.model)
        client = create_app(settings, create_host(settings)).test_client()
        told = client.get(f"/models/{card.model}/1")
        assert told.status_code == (503 if reason else 200)
        assert reason in told.text


class Constant:
    """An engine that answers every row with the same three numbers."""

    name = "constant"
    width: int | None = None

    def __init__(self, *answers: float) -> None:
        self._answers = answers

    def predict(self, rows: Rows) -> Columns:
        return tuple(np.full(len(rows), answer, np.float32) for answer in self._answers)


EDGES = [0.0, 0.1, 1.0, 14.0, 14.000001, 15.0, 15.000001, 1000.0]


@given(st.lists(st.sampled_from(EDGES) | st.floats(0, 20), min_size=3, max_size=3))
def test_a_row_alone_is_in_range_as_among_others(shipped: Registry, row: list[float]) -> None:
    source = Loaded(shipped.manifest("calories", 1), Constant(2, 1, 3))
    both = np.array([row, row], np.float32)
    alone = predict(source, both[:1])
    together = predict(source, both)
    assert alone.in_range is not None
    assert together.in_range is not None
    assert alone.in_range.dtype == bool
    assert [*alone.in_range] * 2 == [*together.in_range]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_answer_that_is_no_finite_number_is_a_failure(
    shipped: Registry, wrong: float, place: int
) -> None:
    answers = [100.0, 90.0, 110.0]
    answers[place] = wrong
    source = Loaded(shipped.manifest("calories", 1), Constant(*answers))
    for count in (1, 3):
        with pytest.raises(EngineFailure, match="calories version 1 answered something"):
            predict(source, np.ones((count, 3), np.float32))
