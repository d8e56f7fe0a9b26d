"""The folds: which rows a learner may see, and which are kept to measure it.

    outer   one fold is left out: its rows give the score
    pairs   two folds are left out: what the rows of one say chooses the settings for the other
            (nested cross-validation), and shows how wide an interval must be

A fit that left out folds 2 and 5 serves both of them, so that the choice costs half of what inner
folds of their own would. Rows with identical inputs are kept together: when such twins are split,
a learner that remembers looks better than it is to whoever asks about a row that nobody has seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, RepeatedKFold

Masks = NDArray[np.bool_]  # [f, n]: True where fold f may see row n
Whole = NDArray[np.intp]

SMALL = 200  # rows below which one repeat says more of the folds than of the model
LARGE = 1000  # rows from which on fewer folds are enough
VERY_LARGE = 100_000  # rows from which on one split is enough
NAMED = 5  # inputs that the name of a definition lists


@dataclass(frozen=True)
class Folds:
    """The folds of a table by one definition, which `name` tells.

    `groups` is int [n]: rows of one group are never in different folds. `outer` is [f, n], `pairs`
    [p, n], and `inner`, int [f, i], the pairs that each fold is one of.
    """

    name: str
    groups: Whole
    outer: Masks
    pairs: Masks
    inner: Whole

    @property
    def left(self) -> Masks:
        """The rows that an inner fit left out and the fold may see: bool [f, i, n]."""
        return self.outer[:, None] & ~self.pairs[self.inner]

    @property
    def tested(self) -> Whole:
        """The rows that are held out, int [h]: all, but for those that one split leaves in."""
        return np.flatnonzero(~self.outer.all(axis=0))


def definitions(rows: NDArray[np.float64], inputs: Sequence[str], seed: int = 0) -> list[Folds]:
    """The definitions by which a table of inputs, float64 [n, k], is measured; the first leads.

    Rows with identical inputs stay together. A small table is measured with each row by itself
    too, once over. Where no two are identical, or hardly any differ, that is all there is.
    """
    groups = identical(rows)
    size, different = len(rows), int(groups.max()) + 1
    splits, repeats = 10 if size < LARGE else 5, 5 if size < SMALL else 1
    if different == size or different < 2 * splits:
        return [split(np.arange(size), splits, repeats, seed)]
    names = ", ".join(inputs) if len(inputs) <= NAMED else f"all {len(inputs)} inputs"
    together = split(groups, splits, repeats, seed, f"rows alike in {names} together")
    alone = [split(np.arange(size), splits, 1, seed)] if size < LARGE else []
    return [together, *alone]


def identical(rows: NDArray[np.float64]) -> Whole:
    """The group of each row, int [n]: rows with identical inputs have the same number."""
    groups = np.zeros(len(rows), np.intp)
    for column in rows.T:
        values, places = np.unique(column, return_inverse=True)
        known, groups = np.unique(groups * len(values) + places, return_inverse=True)
        if len(known) == len(rows):
            break
    return groups


def split(groups: Whole, splits: int, repeats: int, seed: int, alike: str = "") -> Folds:
    """The folds of a table, of which a very large one needs the first alone, and a single pair.

    `alike` says what makes a group, where that is not each row by itself.
    """
    numbers = _numbers(groups, splits, repeats, seed)
    once = len(groups) >= VERY_LARGE
    outer = [(repeat, fold) for repeat in range(repeats) for fold in range(1 if once else splits)]
    pairs = [(0, (0, 1))] if once else list(product(range(repeats), combinations(range(splits), 2)))
    name = f"RepeatedKFold(n_splits={splits}, n_repeats={repeats}, random_state={seed})"
    if alike:
        times = f", {repeats} times over" if repeats > 1 else ""
        name = f"{splits} folds{times}, {alike}, random_state={seed}"
    return Folds(
        name=f"the first fold of {name}" if once else name,
        groups=groups,
        outer=np.stack([numbers[repeat] != fold for repeat, fold in outer]),
        pairs=np.stack([~np.isin(numbers[repeat], pair) for repeat, pair in pairs]),
        inner=np.array([_with(pairs, *each) for each in outer]),
    )


def _with(pairs: Sequence[tuple[int, tuple[int, ...]]], repeat: int, fold: int) -> list[int]:
    """The places of the pairs of a repeat that a fold is one of."""
    return [place for place, (of, pair) in enumerate(pairs) if of == repeat and fold in pair]


def _numbers(groups: Whole, splits: int, repeats: int, seed: int) -> Whole:
    """The number of each row's fold: int [repeats, n]. Folds are as alike in size as groups let."""
    rows, rng = np.empty(len(groups)), np.random.default_rng(seed)
    if groups.max() + 1 == len(groups):
        folds = RepeatedKFold(n_splits=splits, n_repeats=repeats, random_state=seed).split(rows)
    else:
        names = (rng.permutation(groups.max() + 1)[groups] for _ in range(repeats))
        folds = chain.from_iterable(GroupKFold(splits).split(rows, groups=each) for each in names)
    numbers = np.empty((repeats, len(groups)), np.intp)
    for place, (_, left_out) in enumerate(folds):
        numbers[place // splits, left_out] = place % splits
    return numbers


def held_out(answers: NDArray[np.float64] | NDArray[np.bool_], outer: Masks) -> NDArray[np.float64]:
    """What the fold that did not see a row says of it: float64 [repeats, h].

    `answers` are of each fold to each row, [f, n], or of each fold, [f, 1]. A row that is held out
    at all must be so once a repeat.
    """
    left = ~outer
    tested = left.any(axis=0)
    repeats = int(left[:, tested].sum(axis=0)[0])
    unseen = np.where(left, answers, 0.0)[:, tested]
    return np.asarray(unseen.reshape(repeats, -1, unseen.shape[1]).sum(axis=1))
