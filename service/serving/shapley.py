"""Shapley values: what each input adds to a prediction, on average over all orders of the inputs.

Lundberg and Lee, A Unified Approach to Interpreting Model Predictions (2017), equation 4,
with one background row: an input outside the coalition has its background value.
"""

from collections.abc import Callable
from functools import lru_cache
from math import factorial
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

EXACT = 10  # inputs: above that, 2^k coalitions are more than the orders that are drawn
ORDERS = 100
LEAST_ORDERS = 4  # two pairs, or nobody could tell how far off they are
CELLS = 1 << 18  # float32 that are asked at once: 1 MB

Ask = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # [m, k] rows, [m] predictions


class Values(NamedTuple):
    """The base, and float64 [n, k] contributions, which with it sum to the predictions.

    `standard_error` is float64 [n]: of no contribution to the row it is more. None when exact.
    """

    base: np.float32
    contributions: NDArray[np.float64]
    standard_error: NDArray[np.float64] | None


class Plan(Protocol):
    """Which coalitions of the inputs are asked, and what their predictions come to."""

    size: int

    def coalitions(self, begin: int, end: int) -> NDArray[np.bool_]:
        """Some of them, bool [end - begin, k]: the first of all is empty, the last has all."""

    def values(self, predictions: NDArray[np.float32]) -> Values:
        """Of predictions [n, size]."""


def plan(k: int, most: int) -> Plan:
    """How k inputs are explained by at most `most` predictions a row, if so few can do it."""
    if k <= EXACT:
        return Exact(k)
    return Sampled(k, min(ORDERS, max(LEAST_ORDERS, most // (k + 1) // 2 * 2)))


def explain(
    plan: Plan, ask: Ask, rows: NDArray[np.float32], background: NDArray[np.float32]
) -> Values:
    """The values of float32 [n, k] rows against a background [k].

    Asks so many coalitions at once that they stay within CELLS, one of all rows at least.
    """
    predictions = np.empty((len(rows), plan.size), np.float32)
    step = max(1, CELLS // rows.size)
    for begin in range(0, plan.size, step):
        end = min(begin + step, plan.size)
        mixed = np.where(plan.coalitions(begin, end), rows[:, None, :], background)
        predictions[:, begin:end] = ask(mixed.reshape(-1, len(background))).reshape(len(rows), -1)
    return plan.values(predictions)


class Exact:
    """All sets of k inputs, each with its weight."""

    def __init__(self, k: int) -> None:
        self.k = k
        self.size = 2**k

    def coalitions(self, begin: int, end: int) -> NDArray[np.bool_]:
        """As Plan has it."""
        sets: NDArray[np.bool_] = (np.arange(begin, end)[:, None] >> np.arange(self.k) & 1) > 0
        return sets

    def values(self, predictions: NDArray[np.float32]) -> Values:
        """As Plan has it."""
        return Values(predictions[0, 0], predictions.astype(np.float64) @ weights(self.k), None)


@lru_cache(maxsize=EXACT)
def weights(k: int) -> NDArray[np.float64]:
    """How much each coalition's prediction counts for each input, float64 [2^k, k]."""
    sets = Exact(k).coalitions(0, 2**k)
    joining = np.array([factorial(s) * factorial(k - s - 1) for s in range(k)]) / factorial(k)
    others = sets.sum(axis=1, keepdims=True) - sets  # members of the set beside the input
    found: NDArray[np.float64] = np.where(
        sets, joining[others], -joining[np.minimum(others, k - 1)]
    )
    return found


class Sampled:
    """Orders in which k inputs come one after another, an even number, the same each time.

    One half is the other backwards: antithetic permutation sampling (Mitchell, Cooper, Frank and
    Holmes, Sampling Permutations for Shapley Value Estimation, 2022).
    """

    def __init__(self, k: int, orders: int) -> None:
        half = np.random.default_rng(0).permuted(np.tile(np.arange(k), (orders // 2, 1)), axis=1)
        self.places = np.concatenate([half, k - 1 - half])  # of each input in each order
        self.size = orders * (k + 1)

    def coalitions(self, begin: int, end: int) -> NDArray[np.bool_]:
        """As Plan has it: those of an order together, each with one input more."""
        order, members = np.divmod(np.arange(begin, end), self.places.shape[1] + 1)
        sets: NDArray[np.bool_] = self.places[order] < members[:, None]
        return sets

    def values(self, predictions: NDArray[np.float32]) -> Values:
        """As Plan has it; the error is that of the mean over pairs of orders."""
        n, (orders, k) = len(predictions), self.places.shape
        along = np.diff(predictions.reshape(n, orders, k + 1).astype(np.float64))
        pairs = np.take_along_axis(along, self.places[None], 2).reshape(n, 2, -1, k).mean(axis=1)
        error = pairs.std(axis=1, ddof=1).max(axis=1) / np.sqrt(orders / 2)
        return Values(predictions[0, 0], pairs.mean(axis=1), error)
