"""How the shipped models behave, whatever their scores: asked through the service's own engine."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.registry import Registry
from service.serving.engines import load
from tests.conftest import SHIPPED

GRAM_MOVES_AT_MOST = 45.0  # kcal, inside the training range; fat, the richest food, has 9 a gram


def answers(registry: Registry, model: str, rows: NDArray[np.float64]) -> NDArray[np.float32]:
    engine = load(registry, registry.manifest(model, 1), "litert")
    return engine.predict(np.ascontiguousarray(rows, np.float32))[0]


def inside(registry: Registry, model: str, count: int = 2000) -> NDArray[np.float64]:
    """Rows of whole and broken grams inside the training range."""
    inputs = registry.manifest(model, 1).inputs
    low, high = [each.min for each in inputs], [each.max for each in inputs]
    return np.random.default_rng(0).uniform(low, high, (count, len(inputs)))


def test_more_sugar_never_lowers_the_sugar_only_line(shipped: Registry) -> None:
    line = answers(shipped, "linear-unit", np.linspace(0, 100, 1001)[:, None])
    assert (np.diff(line) > 0).all()


@pytest.mark.parametrize("model", SHIPPED)
def test_a_gram_more_moves_the_answer_by_a_bounded_amount(shipped: Registry, model: str) -> None:
    rows = inside(shipped, model)
    before = answers(shipped, model, rows)
    for gram in np.eye(rows.shape[1]):
        assert np.abs(answers(shipped, model, rows + gram) - before).max() < GRAM_MOVES_AT_MOST


@pytest.mark.parametrize("model", ["calories", "deep", "linear"])
@pytest.mark.parametrize("swap", [(1, 0, 2), (0, 2, 1), (2, 1, 0)])
def test_swapping_two_inputs_changes_the_answer(
    shipped: Registry, model: str, swap: tuple[int, int, int]
) -> None:
    row = np.array([[9.0, 2.0, 4.0]])
    assert abs(answers(shipped, model, row) - answers(shipped, model, row[:, swap]))[0] > 1


@pytest.mark.parametrize("model", SHIPPED)
def test_the_interval_is_as_wide_everywhere_as_the_manifest_says(
    shipped: Registry, model: str
) -> None:
    manifest = shipped.manifest(model, 1)
    _, lower, upper = load(shipped, manifest, "litert").predict(
        np.ascontiguousarray(inside(shipped, model), np.float32)
    )
    np.testing.assert_allclose((upper - lower) / 2, manifest.interval.half_width, atol=1e-3)


def test_the_shipped_calories_keeps_what_is_said_of_it(shipped: Registry) -> None:
    """Nested inside the folds: the figures of docs/model.md, from the manifest of version 1."""
    manifest = shipped.manifest("calories", 1)
    assert manifest.evaluation.model.mean_absolute_error <= 7.6
    assert manifest.interval.observed is not None
    assert 0.88 <= manifest.interval.observed <= 0.95
    lines = {line.name: line for line in manifest.evaluation.comparison}
    ours, reference = lines["ensemble"].half_width, lines["least squares"].half_width
    assert ours is not None
    assert reference is not None
    assert ours < reference
