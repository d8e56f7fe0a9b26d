"""Intervals: how far from its answer the truth may lie, from rows that were held out.

The shipped interval is the answer plus and minus one half-width, a conformal quantile of
held-out residuals. Held against it offline is CV+. What theorems promise and what was
measured are told apart in docs/intervals.md.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.validate import Validated

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # the coverages at which calibration is shown


@dataclass(frozen=True)
class Coverage:
    """What intervals did on held-out rows: the share of truths inside, and the mean half-width."""

    nominal: float
    observed: float
    half_width: float  # kcal


def half_width(validated: Validated, truth: NDArray[np.float64], coverage: float) -> float:
    """The half-width to ship, in kcal: the conformal quantile of a repeat, averaged over them."""
    residuals = np.abs(validated.held_out - truth)
    return float(np.mean([quantile(each, coverage) for each in residuals]))


def quantile(residuals: NDArray[np.float64], coverage: float) -> float:
    """The ceil((n + 1) coverage)-th smallest of n residuals, the largest where that is beyond n.

    As split conformal prediction takes it (Lei, G'Sell, Rinaldo, Tibshirani and Wasserman
    2018, "Distribution-Free Predictive Inference for Regression", section 2.2).
    """
    rank = math.ceil((len(residuals) + 1) * coverage - 1e-9)
    return float(np.sort(residuals)[min(rank, len(residuals)) - 1])


def measured(validated: Validated, truth: NDArray[np.float64], coverage: float) -> Coverage:
    """The same half-width made inside each outer fold, tried on the rows that it left out."""
    choice = validated.choice
    widths = np.array(
        [quantile(choice.residuals(fold, truth), coverage) for fold in range(len(choice.outer))]
    )
    held = ~choice.outer
    inside = np.abs(validated.predictions - truth) <= widths[:, None]
    return Coverage(
        nominal=coverage,
        observed=float(inside[held].mean()),
        half_width=float((widths[:, None] * held).sum() / held.sum()),
    )


def calibration(validated: Validated, truth: NDArray[np.float64]) -> tuple[Coverage, ...]:
    """`measured` at every level."""
    return tuple(measured(validated, truth, level) for level in LEVELS)


def cv_plus(validated: Validated, truth: NDArray[np.float64], coverage: float) -> Coverage:
    """CV+ inside each outer fold, tried on the rows that it left out.

    The interval of x runs from the floor(alpha (n + 1))-th smallest of m(x) - R to the
    ceil((1 - alpha)(n + 1))-th smallest of m(x) + R, over the seen rows, where m is the inner
    fit that left the row out and R its residual there (Barber, Candes, Ramdas and Tibshirani
    2021, "Predictive inference with the jackknife+", section 3).
    """
    choice = validated.choice
    inside, widths = [], []
    for fold, (seen, inner) in enumerate(zip(choice.outer, choice.inner, strict=True)):
        left_out = (seen & ~inner)[:, seen].argmax(axis=0)  # the inner fit that left a row out
        answers = choice.predictions[fold][left_out][:, ~seen]  # [seen rows, held-out rows]
        residuals = choice.residuals(fold, truth)[:, None]
        count = seen.sum()
        low = min(max(math.floor((1 - coverage) * (count + 1) + 1e-9), 1), count)
        high = min(math.ceil(coverage * (count + 1) - 1e-9), count)
        lower = np.sort(answers - residuals, axis=0)[low - 1]
        upper = np.sort(answers + residuals, axis=0)[high - 1]
        inside.append((lower <= truth[~seen]) & (truth[~seen] <= upper))
        widths.append((upper - lower) / 2)
    return Coverage(
        coverage, float(np.concatenate(inside).mean()), float(np.concatenate(widths).mean())
    )
