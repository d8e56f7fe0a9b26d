"""Fitting: the right numbers, the same numbers, and no fold knows of another."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from training import fit as fitting
from training.architectures import ARCHITECTURES, SUGAR_FIBER_PROTEIN, Architecture
from training.dataset import Dataset, load
from training.fit import CHUNK, Fit

LINEAR_UNIT, LINEAR = ARCHITECTURES["linear-unit"], ARCHITECTURES["linear"]


def short(architecture: Architecture, steps: int = 2 * CHUNK) -> Architecture:
    return replace(architecture, recipe=replace(architecture.recipe, steps=steps))


DEEP = short(ARCHITECTURES["deep"])


def fit(architecture: Architecture, data: Dataset, masks: NDArray[np.bool_], seed: int) -> Fit:
    """Fit with the recipe's first weight decay in every fold."""
    decays = np.full(len(masks), architecture.recipe.weight_decays[0])
    return fitting.fit(architecture, data, masks, decays, seed)


@pytest.fixture(scope="module")
def cereals() -> Dataset:
    return load("cereals", SUGAR_FIBER_PROTEIN)


def everything(data: Dataset, times: int = 1) -> NDArray[np.bool_]:
    return np.ones((times, len(data)), bool)


def halves(data: Dataset) -> NDArray[np.bool_]:
    even = np.arange(len(data)) % 2 == 0
    return np.stack([even, ~even])


def test_the_linear_unit_is_the_least_squares_line() -> None:
    data = load("cereals", LINEAR_UNIT.inputs)
    [[[(kernel, bias)]]] = fit(LINEAR_UNIT, data, everything(data), seed=0).networks
    assert kernel[0, 0] == pytest.approx(2.5356, rel=0.01)
    assert bias[0] == pytest.approx(89.158, rel=0.01)
    assert kernel[0, 0] * 5 + bias[0] == pytest.approx(102, abs=0.5)


def test_the_linear_unit_with_three_inputs_is_the_least_squares_plane(cereals: Dataset) -> None:
    [[[(kernel, bias)]]] = fit(LINEAR, cereals, everything(cereals), seed=0).networks
    assert kernel[:, 0] == pytest.approx([2.837, -3.483, 7.982], rel=0.01)
    assert bias[0] == pytest.approx(74.450, rel=0.01)


def test_training_stops_early_when_the_loss_stands_still(cereals: Dataset) -> None:
    architecture = short(LINEAR, steps=5000)
    history = fit(architecture, cereals, everything(cereals), seed=0).history
    assert history[-1].step < architecture.recipe.steps


def test_the_same_seed_gives_the_same_answers_to_the_bit(cereals: Dataset) -> None:
    first, second = (fit(DEEP, cereals, halves(cereals), seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.predictions, second.predictions)


def test_another_seed_gives_other_answers(cereals: Dataset) -> None:
    first, second = (fit(DEEP, cereals, halves(cereals), seed=s) for s in (3, 4))
    assert np.abs(first.predictions - second.predictions).max() > 0.1


def test_a_fold_does_not_see_the_rows_it_leaves_out(cereals: Dataset) -> None:
    masks = halves(cereals)
    unseen = np.where(masks[0], cereals.calories, 999.0)
    before = fit(DEEP, cereals, masks, seed=0).predictions[0]
    after = fit(DEEP, replace(cereals, calories=unseen), masks, seed=0).predictions[0]
    np.testing.assert_array_equal(before, after)


def test_folds_fitted_together_are_those_fitted_alone(cereals: Dataset) -> None:
    masks = halves(cereals)
    together = fit(DEEP, cereals, masks, seed=0).predictions
    alone = [fit(DEEP, cereals, mask[None], seed=0).predictions[0] for mask in masks]
    np.testing.assert_allclose(together, alone, atol=0.05)


def test_the_networks_give_the_predictions(cereals: Dataset) -> None:
    fitted = fit(LINEAR, cereals, halves(cereals), seed=0)
    for [[(kernel, bias)]], predictions in zip(fitted.networks, fitted.predictions, strict=True):
        np.testing.assert_allclose(cereals.rows @ kernel[:, 0] + bias, predictions, atol=1e-3)


def test_a_column_that_is_constant_does_no_harm(cereals: Dataset) -> None:
    rows = cereals.rows.copy()
    rows[:, 1] = 3.0
    fitted = fit(DEEP, replace(cereals, rows=rows), everything(cereals), seed=0)
    assert np.isfinite(fitted.predictions).all()


def test_each_fold_has_its_own_weight_decay(cereals: Dataset) -> None:
    masks = everything(cereals, 2)
    weak, strong = fitting.fit(DEEP, cereals, masks, np.array([0.0, 10.0]), seed=0).networks
    assert np.abs(strong[0][1][0]).max() < np.abs(weak[0][1][0]).max()
