"""Evaluation: only rows that were held out count."""

import numpy as np
import pytest

from training.evaluate import REPEATS, SPLITS, folds, half_width, held_out, score


def test_every_row_is_held_out_once_a_repeat() -> None:
    masks = folds(76)
    assert masks.shape == (SPLITS * REPEATS, 76)
    assert (~masks).reshape(REPEATS, SPLITS, 76).sum(axis=1).tolist() == [[1] * 76] * REPEATS


def test_a_held_out_prediction_is_by_the_fold_that_did_not_see_the_row() -> None:
    masks = folds(76)
    by_fold = np.repeat(np.arange(float(len(masks)))[:, None], 76, axis=1)
    for repeat, chosen in enumerate(held_out(by_fold, masks)):
        for row, fold in enumerate(chosen.astype(int)):
            assert not masks[fold, row]
            assert fold // SPLITS == repeat


def test_perfect_predictions_have_no_error() -> None:
    truth = np.arange(10.0)
    perfect = score(np.stack([truth, truth]), truth)
    assert (perfect.mean_absolute_error, perfect.root_mean_squared_error, perfect.r2) == (0, 0, 1)


def test_predicting_the_mean_explains_nothing() -> None:
    truth = np.arange(10.0)
    assert score(np.full((1, 10), truth.mean()), truth).r2 == pytest.approx(0)


@pytest.mark.parametrize(("coverage", "width"), [(0.5, 5.0), (0.8, 8.0), (0.9, 9.0), (0.99, 9.0)])
def test_the_half_width_is_the_conformal_quantile(coverage: float, width: float) -> None:
    truth = np.zeros(9)
    residuals = np.arange(1.0, 10.0)  # of 9, the ceil(10 * coverage)-th smallest
    assert half_width(residuals[None], truth, coverage) == width
