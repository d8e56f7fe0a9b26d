"""The engines: the same answers, whoever computes them and however many ask at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from models.manifest import TWIN
from models.publish import import_version
from models.registry import BrokenVersion, Registry
from service.serving.engines import Choice, Engine, load
from service.serving.engines.litert import BLOCK, IDLE
from service.serving.engines.saved_model import GRAPH

MODELS = ["calories", "deep", "linear", "linear-unit"]


def loaded(registry: Registry, model: str, choice: str = "litert") -> Engine:
    return load(registry, registry.manifest(model, 1), choice)  # type: ignore[arg-type]


def rows(
    count: int, inputs: int, seed: int = 0
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(seed).uniform(0, 15, (count, inputs)).astype(np.float32)


@pytest.mark.parametrize("model", MODELS)
def test_both_engines_give_the_same_numbers(shipped: Registry, model: str) -> None:
    features = rows(1000, len(shipped.manifest(model, 1).inputs))
    twin = loaded(shipped, model).predict(features)
    saved = loaded(shipped, model, "saved_model").predict(features)
    np.testing.assert_allclose(twin, saved, rtol=0, atol=2e-4)


def test_a_batch_larger_than_a_block_keeps_its_order(shipped: Registry) -> None:
    engine = loaded(shipped, "calories")
    features = rows(2 * BLOCK + 7, 3)
    whole = np.stack(engine.predict(features))
    parts = [np.stack(engine.predict(part)) for part in np.array_split(features, 5)]
    np.testing.assert_allclose(whole, np.concatenate(parts, axis=1), rtol=0, atol=1e-4)


def test_many_threads_at_once_never_get_each_others_answers(shipped: Registry) -> None:
    engine = loaded(shipped, "linear-unit")
    [weight] = (
        engine.predict(np.ones((1, 1), np.float32))[0]
        - engine.predict(np.zeros((1, 1), np.float32))[0]
    )
    [bias] = engine.predict(np.zeros((1, 1), np.float32))[0]

    def ask(seed: int) -> float:
        features = rows(1 + seed % 5, 1, seed)
        calories, lower, upper = engine.predict(features)
        assert (lower < calories).all()
        assert (calories < upper).all()
        return float(np.abs(calories - (features[:, 0] * weight + bias)).max())

    with ThreadPoolExecutor(32) as pool:
        assert max(pool.map(ask, range(20_000))) < 1e-3


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
        load(registry, registry.manifest("linear-unit", 1), choice)


def test_auto_takes_the_twin(shipped: Registry) -> None:
    assert loaded(shipped, "calories", "auto").name == "litert"


def test_auto_takes_tensorflow_for_a_version_without_a_twin(shipped: Registry) -> None:
    manifest = shipped.manifest("calories", 1)
    files = {name: digest for name, digest in manifest.files.items() if name != TWIN}
    without = manifest.model_copy(update={"files": files})
    assert load(shipped, without, "auto").name == "saved_model"


def test_litert_refuses_a_version_without_a_twin(shipped: Registry) -> None:
    manifest = shipped.manifest("calories", 1).model_copy(update={"files": {}})
    with pytest.raises(BrokenVersion, match=r"has no model\.tflite: set ENGINE=saved_model"):
        load(shipped, manifest, "litert")
