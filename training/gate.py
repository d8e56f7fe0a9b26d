"""The gate: whether a new version may become `stable`.

Errors are taken relative to least squares on the same rows and folds, so that versions
trained on different tables can be told apart as well; on the same table that is the plain
comparison of their errors. Errors by different definitions of folds are not compared: a change
of folds alone would hold a version back, or let a worse one pass.
"""

from typing import NamedTuple

from models.manifest import Evaluation, Scores
from training.learners import LEAST_SQUARES

MARGIN = 0.05  # of the error: what another seed makes of the same recipe
ROUNDING = 0.01  # a linear unit is least squares, but for the last steps of its training
LEAST = 1e-300  # an error of 0 has no share


class Verdict(NamedTuple):
    """`refusal` is empty when the version may become stable; `note` tells what was not compared."""

    refusal: str = ""
    note: str = ""


def judge(new: Evaluation, stable: Evaluation | None) -> Verdict:
    """Hold a version against least squares, and against the one that is stable."""
    if relative(new) > 1 + ROUNDING:
        return Verdict(
            f"its held-out error, {new.model.mean_absolute_error:.4g}, is worse than that of "
            f"{LEAST_SQUARES}, {new.baselines[LEAST_SQUARES].mean_absolute_error:.4g}"
        )
    if stable is None:
        return Verdict()
    before = by_definition(stable)
    shared = [(each, before[name]) for name, each in by_definition(new).items() if name in before]
    if not shared:
        return Verdict(
            note=f"stable was measured on other folds ({stable.folds}) than this version "
            f"({new.folds}), and their errors cannot be compared: this one was held against "
            f"{LEAST_SQUARES} alone"
        )
    ours, theirs = map(relative, shared[0])
    if ours > theirs * (1 + MARGIN):
        return Verdict(
            f"its held-out error is {ours:.0%} of that of {LEAST_SQUARES}, that of stable "
            f"is {theirs:.0%} (at most {MARGIN:.0%} more is allowed)"
        )
    return Verdict()


def by_definition(evaluation: Evaluation) -> dict[str, Scores]:
    """The scores by the definition of their folds; none where least squares is not among them."""
    scores = [each for each in (evaluation, evaluation.apart) if each]
    return {each.folds: each for each in scores if LEAST_SQUARES in each.baselines}


def relative(scores: Scores) -> float:
    """The mean absolute error as a share of that of least squares on the same inputs and folds."""
    reference = scores.baselines[LEAST_SQUARES].mean_absolute_error
    return scores.model.mean_absolute_error / max(reference, LEAST)
