"""How the shipped models behave, whatever their scores: asked through the service's own engine."""

import numpy as np
import pytest

from models.registry import Registry
from service.serving.engines import load
from tests.conftest import SHIPPED

GRAM_MOVES_AT_MOST = 45.0  # kcal, inside the training range; fat, the richest food, has 9 a gram


@pytest.mark.parametrize("model", SHIPPED)
def test_answers_move_with_each_input_and_by_a_bounded_amount_and_intervals_are_as_wide_as_said(
    shipped: Registry, model: str
) -> None:
    manifest = shipped.manifest(model, 1)
    engine = load(shipped, manifest, "litert")
    low, high = [it.min for it in manifest.seen], [it.max for it in manifest.seen]
    rows = np.random.default_rng(0).uniform(low, high, (2000, len(low))).astype(np.float32)
    before, lower, upper = engine.predict(rows)
    assert manifest.interval
    half_width = manifest.interval.half_width
    np.testing.assert_allclose((upper - lower) / 2, half_width, atol=1e-3)
    for gram in np.eye(len(low), dtype=np.float32):
        moved = np.abs(engine.predict(rows + gram)[0] - before)
        assert 0.1 < moved.max() < GRAM_MOVES_AT_MOST
    if len(low) == 3:
        row = np.array([[9, 2, 4]], np.float32)
        for swap in ((1, 0, 2), (0, 2, 1), (2, 1, 0)):
            swapped = engine.predict(np.ascontiguousarray(row[:, swap]))[0]
            assert abs(engine.predict(row)[0] - swapped)[0] > 1


def test_the_shipped_calories_keeps_what_is_said_of_it(shipped: Registry) -> None:
    """Nested inside the folds: the figures of docs/model.md, from the manifest of version 1."""
    manifest = shipped.manifest("calories", 1)
    assert manifest.evaluation
    assert manifest.interval
    assert manifest.evaluation.apart
    assert manifest.evaluation.model.mean_absolute_error <= 8.6
    assert manifest.evaluation.apart.model.mean_absolute_error <= 7.8
    assert 0.88 <= (manifest.interval.observed or 0) <= 0.95
    widths = {line.name: line.half_width for line in manifest.evaluation.comparison}
    assert 0 < (widths["ensemble"] or 0) < (widths["least squares"] or 0)
