"""Evaluate: errors on rows that were held out, beside those of all else on the same folds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.files import shown
from models.manifest import Compared, Coverage, Evaluation, Mistake, Noise, Score, Scores
from training import intervals
from training.dataset import Dataset
from training.folds import Whole, identical
from training.learners import LEAST_SQUARES
from training.validate import Validated

RESAMPLES = 10_000
BLOCKS = 1000  # that are drawn; the rows of a larger table are drawn by so many blocks
MISTAKES = 5

Floats = NDArray[np.float64]
ByDefinition = Sequence[Validated]  # of one learner; the first leads


def evaluation(
    ours: ByDefinition, others: Sequence[ByDefinition], data: Dataset, coverage: float
) -> Evaluation:
    """The scores of a version beside those of others, of which least squares must be one."""
    lead = ours[0]
    first, *apart = (_scores(each, data.target) for each in zip(ours, *others, strict=True))
    return Evaluation(
        **dict(first),
        comparison=compare([ours, *others], data.target, coverage, lead.name),
        apart=apart[0] if apart else None,
        noise=noise(data.rows, data.target),
        coverage=covered(lead, data, coverage) if lead.choice.inner else None,
        mistakes=mistakes(lead, data),
    )


def _scores(validated: Sequence[Validated], truth: Floats) -> Scores:
    model, *others = (score(each.held_out, truth[each.folds.tested]) for each in validated)
    names = [each.name for each in validated[1:]]
    return Scores(
        folds=validated[0].folds.name, model=model, baselines=dict(zip(names, others, strict=True))
    )


def score(predicted: Floats, truth: Floats) -> Score:
    """Errors of held-out predictions [repeats, h] against the truth [h], over all repeats.

    Every row counts the same; averaging over folds first would give rows of small folds more
    weight (and 0.04 kcal less on the cereals).
    """
    error = predicted - truth
    return Score(
        mean_absolute_error=float(np.abs(error).mean()),
        root_mean_squared_error=float(np.sqrt((error**2).mean())),
        r2=float(1 - (error**2).mean() / truth.var()),
    )


def compare(
    measured: Sequence[ByDefinition], truth: Floats, coverage: float, model: str
) -> tuple[Compared, ...]:
    """One line each, worst first; least squares must be among them, and the named model."""
    by_name = {each[0].name: each for each in measured}
    reference, ours = by_name[LEAST_SQUARES][0], by_name[model][0]
    lines = [_compared(each, reference, ours, truth, coverage) for each in by_name.values()]
    return tuple(sorted(lines, key=lambda line: -line.mean_absolute_error))


def _compared(
    validated: ByDefinition,
    reference: Validated,
    ours: Validated,
    truth: Floats,
    coverage: float,
) -> Compared:
    lead, *apart = validated
    rows = lead.folds.tested
    interval = intervals.measured(lead, truth, coverage) if lead.choice.inner else None
    other = [score(each.held_out, truth[each.folds.tested]) for each in apart]
    return Compared(
        name=lead.name,
        **score(lead.held_out, truth[rows]).model_dump(),
        difference=difference(lead, reference, truth),
        lead=None if lead is ours else difference(ours, lead, truth),
        apart=other[0].mean_absolute_error if other else None,
        half_width=interval.half_width if interval else None,
        coverage=interval.observed if interval else None,
        seconds=lead.seconds,
    )


def difference(one: Validated, other: Validated, truth: Floats) -> tuple[float, float]:
    """A 95 % interval of the difference of two mean absolute errors, in the output's unit.

    Paired: rows are drawn with replacement, and a row brings both errors, each averaged over
    the repeats (percentile bootstrap; Efron and Tibshirani 1993, chapter 13). Rows of one group
    of the folds are drawn together, for they are not independent.
    """
    rows = one.folds.tested
    errors = (np.abs(each.held_out - truth[rows]).mean(axis=0) for each in (one, other))
    return resampled(np.subtract(*errors), one.folds.groups[rows])


def resampled(gains: Floats, groups: Whole) -> tuple[float, float]:
    """A 95 % interval of the mean of gains [h], whose groups, int [h], are drawn."""
    _, blocks = np.unique(groups % BLOCKS, return_inverse=True)
    sums, sizes = np.bincount(blocks, gains), np.bincount(blocks)
    drawn = np.random.default_rng(0).integers(0, len(sums), (RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def noise(rows: Floats, truth: Floats) -> Noise | None:
    """The noise floor that rows with identical inputs show; None where there are none.

    Nothing that is computed from the inputs is nearer to such rows, on average, than their median
    is. Their variance around their mean is the pure error of the lack-of-fit test (Draper and
    Smith 1998, section 2.1).
    """
    groups = identical(rows)
    sizes = np.bincount(groups)
    if not (several := sizes > 1).any():
        return None
    ordered = truth[np.lexsort((truth, groups))]
    first = np.cumsum(sizes) - sizes
    medians = (ordered[first + (sizes - 1) // 2] + ordered[first + sizes // 2]) / 2
    means = np.bincount(groups, truth) / sizes
    squares = float(((truth - means[groups]) ** 2).sum())
    shared = several[groups]
    return Noise(
        rows=int(shared.sum()),
        groups=int(several.sum()),
        mean_absolute_error=float(np.abs(truth - medians[groups])[shared].mean()),
        standard_deviation=float(np.sqrt(squares / (sizes - 1).sum())),
    )


def covered(validated: Validated, data: Dataset, coverage: float) -> Coverage:
    """The coverage by fifths of the prediction, and by thirds of each input."""
    rows = validated.folds.tested
    inside = intervals.tried(validated, data.target, coverage)[0].mean(axis=0)
    return Coverage(
        by_prediction=intervals.parts(validated.held_out.mean(axis=0), inside, 5),
        by_input={
            name: intervals.parts(column, inside, 3)
            for name, column in zip(data.inputs, data.rows[rows].T, strict=True)
        },
    )


def mistakes(validated: Validated, data: Dataset) -> tuple[Mistake, ...]:
    """The rows whose held-out prediction is furthest from the truth, the furthest first."""
    rows = validated.folds.tested
    predicted, truth = validated.held_out.mean(axis=0), data.target[rows]
    furthest = np.argsort(-np.abs(predicted - truth), kind="stable")[:MISTAKES]
    return tuple(
        Mistake(
            name=shown(data.names[rows[place]])[:200],
            predicted=float(predicted[place]),
            measured=float(truth[place]),
        )
        for place in furthest
    )
