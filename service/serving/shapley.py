"""Exact Shapley values: what each input adds to a prediction, over all 2^k coalitions.

Lundberg and Lee, A Unified Approach to Interpreting Model Predictions (2017), equation 4,
with one background row: an input outside the coalition has its background value.
"""

from functools import lru_cache
from math import factorial

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=16)
def coalitions(k: int) -> NDArray[np.bool_]:
    """All sets of k inputs, bool [2^k, k]: the first is empty, the last holds all."""
    sets: NDArray[np.bool_] = (np.arange(2**k)[:, None] >> np.arange(k) & 1).astype(bool)
    return sets


@lru_cache(maxsize=16)
def weights(k: int) -> NDArray[np.float64]:
    """How much each coalition's prediction counts for each input, float64 [2^k, k].

    `predictions [n, 2^k] @ weights(k)` are the Shapley values [n, k].
    """
    sets = coalitions(k)
    joining = np.array([factorial(s) * factorial(k - s - 1) for s in range(k)]) / factorial(k)
    others = sets.sum(axis=1, keepdims=True) - sets  # members of the set beside the input
    found: NDArray[np.float64] = np.where(
        sets, joining[others], -joining[np.minimum(others, k - 1)]
    )
    return found


def mixed(rows: NDArray[np.float32], background: NDArray[np.float32]) -> NDArray[np.float32]:
    """Every coalition of every row, float32 [n * 2^k, k], those of one row together."""
    k = len(background)
    every: NDArray[np.float32] = np.where(coalitions(k), rows[:, None, :], background)
    return every.reshape(-1, k)
