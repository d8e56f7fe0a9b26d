"""What a table says of a model that was made elsewhere: ranges, an interval, and scores."""

from dataclasses import dataclass

import numpy as np

from models.manifest import Evaluation, Input, Interval, Output
from training import evaluate, intervals
from training.adopt import NotAdopted
from training.dataset import Dataset
from training.export import Ask
from training.folds import definitions
from training.learners import usual_baselines
from training.publish import measured, ranges
from training.tables import Floats
from training.validate import validate

FOLDS = 10  # of the residuals, to see what share an interval of the others holds


@dataclass(frozen=True)
class Measured:
    """What goes into the manifest."""

    inputs: tuple[Input, ...]
    output: Output
    interval: Interval
    evaluation: Evaluation


def measure(ask: Ask, data: Dataset, coverage: float) -> Measured:
    """Ask the model the rows of a table that it was not trained on, and compare with the truth.

    The interval is the conformal quantile of the residuals. Raises NotAdopted for a row without
    a finite answer.
    """
    [answers] = ask(data.rows.astype(np.float32))
    if not np.isfinite(answers).all():
        name = data.names[int(np.argmin(np.isfinite(answers)))]
        raise NotAdopted(f"{data.source}, {name}: the model answers it with no finite number.")
    residuals = np.abs(answers - data.target)
    folds = definitions(data.rows, data.inputs)[0]
    others = [validate(each, data, [folds])[0] for each in usual_baselines()]
    truth = data.target[folds.tested]
    return Measured(
        inputs=ranges(data),
        output=measured(data.output, data.target),
        interval=Interval(
            coverage=coverage,
            method=f"conformal quantile of the absolute residuals on {data.source}, constant",
            half_width=intervals.quantile(residuals, coverage),
            observed=_observed(residuals, coverage),
        ),
        evaluation=Evaluation(
            folds=f"the rows of {data.source}, none of them trained on; others by {folds.name}",
            model=evaluate.score(answers[None], data.target),
            baselines={each.name: evaluate.score(each.held_out, truth) for each in others},
        ),
    )


def _observed(residuals: Floats, coverage: float) -> float:
    """The share of residuals inside intervals that were made of the other folds."""
    folds = np.arange(len(residuals)) % FOLDS
    np.random.default_rng(0).shuffle(folds)
    inside = [
        residuals[folds == fold] <= intervals.quantile(residuals[folds != fold], coverage)
        for fold in range(FOLDS)
    ]
    return float(np.concatenate(inside).mean())
