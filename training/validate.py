"""Nested cross-validation: settings are chosen inside each fold, then the fold is measured.

A row that is held out has no part in the choice of the settings that answer it, so the
error of the held-out rows is that of the whole procedure, choice included (Varma and Simon
2006, "Bias in error estimation when using cross-validation for model selection").
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.dataset import Dataset
from training.folds import Folds, held_out
from training.learners import Learner, Settings


@dataclass(frozen=True)
class Choice:
    """What the inner fits say, for f folds of n rows.

    `predictions`, float64 [f, i, n], are the answers of the chosen setting's inner fits to all
    rows; a learner that wants no inner fits has none.
    """

    folds: Folds
    predictions: NDArray[np.float64]
    settings: Settings  # [f]: the setting of each fold
    final: int  # the setting for a fit on all rows

    @property
    def inner(self) -> bool:
        """Whether there were inner fits."""
        return bool(self.predictions.size)

    def residuals(self, fold: int, truth: NDArray[np.float64]) -> NDArray[np.float64]:
        """|truth - prediction| of rows that `fold` sees, by the inner fit that left them out."""
        inner, rows = np.nonzero(self.folds.left[fold])
        return np.asarray(np.abs(self.predictions[fold, inner, rows] - truth[rows]))


@dataclass(frozen=True)
class Validated:
    """A learner's answers by one definition of folds, float64 [f, n], and what all cost."""

    name: str
    choice: Choice
    predictions: NDArray[np.float64]
    seconds: float

    @property
    def folds(self) -> Folds:
        """The definition."""
        return self.choice.folds

    @property
    def held_out(self) -> NDArray[np.float64]:
        """Answers to the rows that are tested, by folds that saw none: float64 [repeats, h]."""
        return held_out(self.predictions, self.folds.outer)


def validate(learner: Learner, data: Dataset, folds: Sequence[Folds]) -> list[Validated]:
    """Choose inside the folds, then fit each fold with its choice; by each definition."""
    started = time.perf_counter()
    choices = choose(learner, data, folds)
    settings = np.concatenate([each.settings for each in choices])
    predictions = learner.predict(data, np.vstack([each.outer for each in folds]), settings)
    return validated(learner.name, choices, predictions, time.perf_counter() - started)


def validated(
    name: str, choices: Sequence[Choice], predictions: NDArray[np.float64], seconds: float
) -> list[Validated]:
    """The answers of all folds, float64 [f, n], by their definitions."""
    parts = _parted(predictions, [len(each.folds.outer) for each in choices])
    return [
        Validated(name, choice, part, seconds) for choice, part in zip(choices, parts, strict=True)
    ]


def choose(learner: Learner, data: Dataset, folds: Sequence[Folds]) -> list[Choice]:
    """Fit every setting on every pair's rows, all at once; the least mean absolute error is chosen.

    A learner that wants no inner fits (and has nothing to choose) gets none.
    """
    if not learner.inner:
        return [
            Choice(
                each, np.empty((len(each.outer), 0, len(data))), np.zeros(len(each.outer), int), 0
            )
            for each in folds
        ]
    pairs = np.vstack([each.pairs for each in folds])
    predictions = learner.predict(
        data,
        np.tile(pairs, (learner.settings, 1)),
        np.repeat(np.arange(learner.settings), len(pairs)),
    ).reshape(learner.settings, *pairs.shape)
    parts = _parted(predictions.swapaxes(0, 1), [len(each.pairs) for each in folds])
    return [_choice(each, part, data.target) for each, part in zip(folds, parts, strict=True)]


def _choice(folds: Folds, predictions: NDArray[np.float64], truth: NDArray[np.float64]) -> Choice:
    """The best setting of each fold by the answers of each pair and setting: float64 [p, s, n]."""
    left = folds.left
    errors = np.stack(
        [
            np.where(left, np.abs(answers[folds.inner] - truth), 0).sum(axis=(1, 2))
            / left.sum(axis=(1, 2))
            for answers in predictions.swapaxes(0, 1)
        ]
    )
    settings = errors.argmin(axis=0)
    return Choice(
        folds=folds,
        predictions=predictions[folds.inner, settings[:, None]],
        settings=settings,
        final=int(errors.mean(axis=1).argmin()),
    )


def _parted(values: NDArray[np.float64], lengths: Sequence[int]) -> list[NDArray[np.float64]]:
    return np.split(values, np.cumsum(lengths)[:-1])
