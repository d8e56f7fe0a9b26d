"""Intervals: how far from its answer the truth may lie, from rows that were held out.

The shipped interval is the answer plus and minus one half-width, a conformal quantile of
held-out residuals. Held against it offline is CV+. What theorems promise and what was
measured are told apart in docs/model.md.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.manifest import Part
from training.folds import held_out
from training.validate import Validated

Floats = NDArray[np.float64]

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # the coverages at which calibration is shown


@dataclass(frozen=True)
class Coverage:
    """What intervals did on held-out rows: the share of truths inside, and the mean half-width."""

    nominal: float
    observed: float
    half_width: float


def half_width(validated: Validated, truth: Floats, coverage: float) -> float:
    """The half-width to ship: the conformal quantile of a repeat, averaged over them."""
    residuals = np.abs(validated.held_out - truth[validated.folds.tested])
    return float(np.mean([quantile(each, coverage) for each in residuals]))


def quantile(residuals: Floats, coverage: float) -> float:
    """The ceil((n + 1) coverage)-th smallest of n residuals, the largest where that is beyond n.

    As split conformal prediction takes it (Lei, G'Sell, Rinaldo, Tibshirani and Wasserman
    2018, "Distribution-Free Predictive Inference for Regression", section 2.2).
    """
    rank = math.ceil((len(residuals) + 1) * coverage - 1e-9)
    return float(np.sort(residuals)[min(rank, len(residuals)) - 1])


def tried(validated: Validated, truth: Floats, coverage: float) -> tuple[Floats, Floats]:
    """The same half-width made inside each fold, tried on the rows that the fold left out.

    Gives 1 where a truth is inside, else 0, and the half-width: float64 [repeats, h] each.
    """
    folds, choice = validated.folds, validated.choice
    each = range(len(folds.outer))
    widths = np.array([[quantile(choice.residuals(fold, truth), coverage)] for fold in each])
    inside = np.abs(validated.predictions - truth) <= widths
    return held_out(inside, folds.outer), held_out(widths, folds.outer)


def measured(validated: Validated, truth: Floats, coverage: float) -> Coverage:
    """What those intervals did."""
    inside, widths = tried(validated, truth, coverage)
    return Coverage(coverage, observed=float(inside.mean()), half_width=float(widths.mean()))


def calibration(validated: Validated, truth: Floats) -> tuple[Coverage, ...]:
    """`measured` at every level."""
    return tuple(measured(validated, truth, level) for level in LEVELS)


def parts(values: Floats, inside: Floats, most: int) -> tuple[Part, ...]:
    """The coverage of rows by the size of their values, in `most` parts of as many rows each.

    `inside`, float64 [h], is the share of a row's intervals that held its truth. Rows of one value
    are in one part, so that there may be fewer parts.
    """
    edges = np.unique(np.quantile(values, np.arange(1, most) / most))
    place = np.searchsorted(edges, values, side="left")
    chosen = (place == number for number in np.unique(place))
    return tuple(
        Part(
            low=float(values[part].min()),
            high=float(values[part].max()),
            rows=int(part.sum()),
            coverage=float(inside[part].mean()),
        )
        for part in chosen
    )


def cv_plus(validated: Validated, truth: Floats, coverage: float) -> Coverage:
    """CV+ inside each fold, tried on the rows that it left out.

    The interval of x runs from the floor(alpha (n + 1))-th smallest of m(x) - R to the
    ceil((1 - alpha)(n + 1))-th smallest of m(x) + R, over the seen rows, where m is the inner
    fit that left the row out and R its residual there (Barber, Candes, Ramdas and Tibshirani
    2021, "Predictive inference with the jackknife+", section 3).
    """
    choice, folds = validated.choice, validated.folds
    inside, widths = [], []
    for fold, (seen, left) in enumerate(zip(folds.outer, folds.left, strict=True)):
        inner, _ = np.nonzero(left)  # the fit that left a row out
        answers = choice.predictions[fold][inner][:, ~seen]  # [seen rows, held-out rows]
        residuals = choice.residuals(fold, truth)[:, None]
        count = len(residuals)
        low = min(max(math.floor((1 - coverage) * (count + 1) + 1e-9), 1), count)
        high = min(math.ceil(coverage * (count + 1) - 1e-9), count)
        lower = np.sort(answers - residuals, axis=0)[low - 1]
        upper = np.sort(answers + residuals, axis=0)[high - 1]
        inside.append((lower <= truth[~seen]) & (truth[~seen] <= upper))
        widths.append((upper - lower) / 2)
    return Coverage(
        coverage, float(np.concatenate(inside).mean()), float(np.concatenate(widths).mean())
    )
