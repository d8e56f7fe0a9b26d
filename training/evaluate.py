"""Evaluate: errors on rows that were held out, and the interval that they allow."""

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import RepeatedKFold

from models.manifest import Score
from training.dataset import Dataset

SPLITS, REPEATS, FOLD_SEED = 10, 5, 0
FOLDS = f"RepeatedKFold(n_splits={SPLITS}, n_repeats={REPEATS}, random_state={FOLD_SEED})"


def folds(rows: int) -> NDArray[np.bool_]:
    """Ten folds, five times over: bool [50, n], True where a row is trained on."""
    splits = RepeatedKFold(n_splits=SPLITS, n_repeats=REPEATS, random_state=FOLD_SEED)
    masks = np.zeros((SPLITS * REPEATS, rows), bool)
    for mask, (trained, _) in zip(masks, splits.split(np.empty(rows)), strict=True):
        mask[trained] = True
    return masks


def held_out(predictions: NDArray[np.float64], masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Each row's predictions by the folds that did not see it: float64 [repeats, n].

    `predictions` is float64 [folds, n], `masks` as `folds` gives them.
    """
    shape = (REPEATS, SPLITS, -1)
    unseen = np.where(masks, 0.0, predictions).reshape(shape)
    return np.asarray(unseen.sum(axis=1))


def score(predicted: NDArray[np.float64], truth: NDArray[np.float64]) -> Score:
    """Errors of held-out predictions [repeats, n] against the truth [n], over all repeats."""
    error = predicted - truth
    return Score(
        mean_absolute_error=float(np.abs(error).mean()),
        root_mean_squared_error=float(np.sqrt((error**2).mean())),
        r2=float(1 - (error**2).mean() / truth.var()),
    )


def baselines(data: Dataset, masks: NDArray[np.bool_]) -> dict[str, Score]:
    """What anyone would try first, on the same folds."""
    design = np.column_stack([np.ones(len(data)), data.rows])

    def least_squares(used: NDArray[np.bool_]) -> NDArray[np.float64]:
        solution = np.linalg.lstsq(design[used], data.calories[used], rcond=None)[0]
        return np.asarray(design @ solution)

    def mean(used: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.full(len(data), data.calories[used].mean())

    return {
        name: score(held_out(np.stack([predict(m) for m in masks]), masks), data.calories)
        for name, predict in (("mean", mean), ("least squares", least_squares))
    }


def half_width(
    predicted: NDArray[np.float64], truth: NDArray[np.float64], coverage: float
) -> float:
    """The conformal quantile of the held-out residuals, in kcal.

    Each row's residual is its mean over the repeats; the quantile is the
    ceil((n + 1) coverage)-th smallest of the n, as split conformal prediction takes it
    (Lei et al. 2018, "Distribution-Free Predictive Inference for Regression").
    """
    residuals = np.sort(np.abs(predicted - truth).mean(axis=0))
    rank = int(np.ceil((len(residuals) + 1) * coverage))
    return float(residuals[min(rank, len(residuals)) - 1])
