"""The folds: which rows a network may see, and which are kept to measure it.

    outer   ten folds, five times over: the rows that are left out give the scores
    inner   five folds of each outer fold's own rows: they choose the settings (nested
            cross-validation) and show how wide an interval must be

A large table needs neither so many repeats nor so many folds, for its errors vary less.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, LeaveOneOut, RepeatedKFold

Masks = NDArray[np.bool_]  # [f, n]: True where fold f may see row n

LARGE = 1000  # rows from which on one repeat of fewer folds is enough


@dataclass(frozen=True)
class Scheme:
    """How rows are left out. Each repeat leaves every row out once."""

    splits: int = 10
    repeats: int = 5
    inner_splits: int = 5
    seed: int = 0

    def __str__(self) -> str:
        return (
            f"RepeatedKFold(n_splits={self.splits}, n_repeats={self.repeats}, "
            f"random_state={self.seed})"
        )

    def outer(self, rows: int) -> Masks:
        """Bool [repeats * splits, n], repeat by repeat."""
        folds = RepeatedKFold(n_splits=self.splits, n_repeats=self.repeats, random_state=self.seed)
        return _masks(rows, folds.split(np.empty(rows)))

    def inner(self, outer: Masks) -> Masks:
        """Bool [f, inner_splits, n]: folds of the rows that each outer fold may see."""
        folds = KFold(self.inner_splits, shuffle=True, random_state=self.seed)
        inner = np.repeat(outer[:, None], self.inner_splits, axis=1)
        for mask, splits in zip(outer, inner, strict=True):
            seen = np.flatnonzero(mask)
            for split, (_, left_out) in zip(splits, folds.split(seen), strict=True):
                split[seen[left_out]] = False
        return inner


class LeaveEachOut(Scheme):
    """One fold a row."""

    def __str__(self) -> str:
        return "LeaveOneOut()"

    def outer(self, rows: int) -> Masks:
        """Bool [n, n]: all True but the diagonal."""
        return _masks(rows, LeaveOneOut().split(np.empty(rows)))


def scheme_for(rows: int, seed: int = 0) -> Scheme:
    """Ten folds five times over; five folds once for a large table."""
    if rows < LARGE:
        return Scheme(seed=seed)
    return Scheme(splits=5, repeats=1, inner_splits=2, seed=seed)


def held_out(predictions: NDArray[np.float64], masks: Masks) -> NDArray[np.float64]:
    """Each row's prediction by the fold that did not see it: float64 [repeats, n].

    `predictions` is float64 [f, n]; every repeat must leave each row out once.
    """
    repeats = int((~masks).sum(axis=0)[0])
    unseen = np.where(masks, 0.0, predictions).reshape(repeats, -1, masks.shape[1])
    return np.asarray(unseen.sum(axis=1))


def _masks(rows: int, splits: object) -> Masks:
    pairs = list(splits)  # type: ignore[call-overload]  # scikit-learn ships no types
    masks = np.zeros((len(pairs), rows), bool)
    for mask, (seen, _) in zip(masks, pairs, strict=True):
        mask[seen] = True
    return masks
