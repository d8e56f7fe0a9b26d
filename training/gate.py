"""The gate: whether a new version may become `stable`.

Errors are taken relative to least squares on the same rows and folds, so that versions
trained on different tables can be told apart as well; on the same table that is the plain
comparison of their errors.
"""

from models.manifest import Evaluation
from training.learners import LEAST_SQUARES

MARGIN = 0.05  # of the error: what another seed makes of the same recipe
ROUNDING = 0.01  # a linear unit is least squares, but for the last steps of its training


def refusal(new: Evaluation, stable: Evaluation | None) -> str:
    """Empty when the new version may become stable, else the sentence that says why not."""
    if relative(new) > 1 + ROUNDING:
        return (
            f"its held-out error, {new.model.mean_absolute_error:.2f} kcal, is worse than that of "
            f"{LEAST_SQUARES}, {new.baselines[LEAST_SQUARES].mean_absolute_error:.2f} kcal"
        )
    if stable is not None and relative(new) > relative(stable) * (1 + MARGIN):
        return (
            f"its held-out error is {relative(new):.0%} of that of {LEAST_SQUARES}, that of stable "
            f"is {relative(stable):.0%} (at most {MARGIN:.0%} more is allowed)"
        )
    return ""


def relative(evaluation: Evaluation) -> float:
    """The mean absolute error as a share of that of least squares on the same inputs and folds."""
    reference = evaluation.baselines[LEAST_SQUARES].mean_absolute_error
    return evaluation.model.mean_absolute_error / reference
