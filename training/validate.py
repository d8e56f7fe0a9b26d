"""Nested cross-validation: settings are chosen inside each fold, then the fold is measured.

A row that is held out has no part in the choice of the settings that answer it, so the
error of the held-out rows is that of the whole procedure, choice included (Varma and Simon
2006, "Bias in error estimation when using cross-validation for model selection").
"""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.dataset import Dataset
from training.folds import Masks, Scheme, held_out
from training.learners import Learner, Settings


@dataclass(frozen=True)
class Choice:
    """What the inner folds say, for f outer folds of n rows.

    `inner` is bool [f, i, n]; `predictions` float64 [f, i, n] are the answers of the chosen
    setting's inner fits to all rows.
    """

    outer: Masks
    inner: Masks
    predictions: NDArray[np.float64]
    settings: Settings  # [f]: the setting of each outer fold
    final: int  # the setting for a fit on all rows

    def residuals(self, fold: int, truth: NDArray[np.float64]) -> NDArray[np.float64]:
        """|truth - prediction| of each row that `fold` sees, by the inner fit that left it out."""
        seen = self.outer[fold]
        [unseen] = held_out(self.predictions[fold][:, seen], self.inner[fold][:, seen])
        return np.asarray(np.abs(unseen - truth[seen]))


@dataclass(frozen=True)
class Validated:
    """A learner's held-out answers: float64 [f, n] by outer fold, and what it cost."""

    name: str
    choice: Choice
    predictions: NDArray[np.float64]
    seconds: float

    @property
    def held_out(self) -> NDArray[np.float64]:
        """Each row's answers by folds that did not see it: float64 [repeats, n]."""
        return held_out(self.predictions, self.choice.outer)


def validate(learner: Learner, data: Dataset, scheme: Scheme) -> Validated:
    """Choose inside the folds, then fit each fold with its choice."""
    started = time.perf_counter()
    choice = choose(learner, data, scheme)
    predictions = learner.predict(data, choice.outer, choice.settings)
    return Validated(learner.name, choice, predictions, time.perf_counter() - started)


def choose(learner: Learner, data: Dataset, scheme: Scheme) -> Choice:
    """Fit every setting on every inner fold; the least mean absolute error is chosen.

    A learner that wants no inner folds (and has nothing to choose) gets none: `inner` is empty.
    """
    outer = scheme.outer(len(data))
    if not learner.inner:
        nothing = np.empty((len(outer), 0, len(data)))
        return Choice(outer, nothing.astype(bool), nothing, np.zeros(len(outer), int), 0)
    inner = scheme.inner(outer)
    folds, splits, rows = inner.shape
    stacked = inner.reshape(-1, rows)
    predictions = learner.predict(
        data,
        np.tile(stacked, (learner.settings, 1)),
        np.repeat(np.arange(learner.settings), len(stacked)),
    ).reshape(learner.settings, folds, splits, rows)
    left_out = outer[:, None] & ~inner
    error = np.abs(predictions - data.target)
    errors = np.where(left_out, error, 0).sum(axis=(2, 3)) / left_out.sum(axis=(1, 2))
    settings = errors.argmin(axis=0)
    return Choice(
        outer=outer,
        inner=inner,
        predictions=predictions[settings, np.arange(folds)],
        settings=settings,
        final=int(errors.mean(axis=1).argmin()),
    )
