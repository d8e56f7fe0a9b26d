"""Evaluation: only rows that were held out count, and choices are made inside the folds."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from training.dataset import Dataset
from training.evaluate import compare, difference, score
from training.folds import LeaveEachOut, Masks, Scheme, held_out, scheme_for
from training.intervals import cv_plus, half_width, measured, quantile
from training.learners import LEAST_SQUARES, Baseline, Settings, baselines, simple_baselines
from training.validate import Validated, choose, validate

SMALL = Scheme(splits=4, repeats=2, inner_splits=3)


@pytest.fixture(scope="module")
def least_squares(cereals: Dataset) -> Validated:
    [learner] = [each for each in simple_baselines() if each.name == LEAST_SQUARES]
    return validate(learner, cereals, Scheme())


@pytest.mark.parametrize("scheme", [Scheme(), SMALL, LeaveEachOut()])
def test_every_row_is_held_out_once_a_repeat(scheme: Scheme) -> None:
    masks = scheme.outer(76)
    repeats = (~masks).sum() // 76
    by_repeat = (~masks).reshape(repeats, -1, 76).sum(axis=1)
    assert (by_repeat == 1).all()


def test_inner_folds_leave_each_seen_row_out_once_and_never_see_another() -> None:
    outer = SMALL.outer(76)
    inner = SMALL.inner(outer)
    assert not (inner & ~outer[:, None]).any()
    assert ((outer[:, None] & ~inner).sum(axis=1) == outer).all()


def test_a_held_out_prediction_is_by_the_fold_that_did_not_see_the_row() -> None:
    masks = SMALL.outer(76)
    by_fold = np.repeat(np.arange(float(len(masks)))[:, None], 76, axis=1)
    for repeat, chosen in enumerate(held_out(by_fold, masks)):
        for row, fold in enumerate(chosen.astype(int)):
            assert not masks[fold, row]
            assert fold // SMALL.splits == repeat


def test_a_large_table_is_left_out_in_fewer_folds() -> None:
    assert len(scheme_for(5000).outer(5000)) < len(scheme_for(76).outer(76))


@dataclass(frozen=True)
class Offset:
    """Answers the truth plus its setting: the best setting is known."""

    offsets: tuple[float, ...]
    name: str = "offset"
    inner: bool = True

    @property
    def settings(self) -> int:
        return len(self.offsets)

    def predict(self, data: Dataset, _: Masks, chosen: Settings) -> NDArray[np.float64]:
        return np.asarray(data.target + np.array(self.offsets)[chosen][:, None])


def test_the_best_setting_is_chosen_in_every_fold(cereals: Dataset) -> None:
    choice = choose(Offset((5.0, 1.0, -3.0)), cereals, SMALL)
    assert set(choice.settings) == {1}
    assert choice.final == 1


def test_a_held_out_row_has_no_part_in_the_choice(cereals: Dataset) -> None:
    """The truth of the rows that fold 0 leaves out changes; its choice must not."""
    [vectors] = [each for each in baselines(len(cereals)) if each.settings > 1]
    changed = np.where(SMALL.outer(len(cereals))[0], cereals.target, 999.0)
    before = choose(vectors, cereals, SMALL)
    after = choose(vectors, replace(cereals, target=changed), SMALL)
    assert before.settings[0] == after.settings[0]
    np.testing.assert_array_equal(before.predictions[0], after.predictions[0])


def test_scores_are_what_is_known_of_them(cereals: Dataset, least_squares: Validated) -> None:
    truth = np.arange(10.0)
    perfect = score(np.stack([truth, truth]), truth)
    assert (perfect.mean_absolute_error, perfect.root_mean_squared_error, perfect.r2) == (0, 0, 1)
    assert score(np.full((1, 10), truth.mean()), truth).r2 == pytest.approx(0)
    found = score(least_squares.held_out, cereals.target)
    assert found.mean_absolute_error == pytest.approx(11.465, abs=0.01)


def test_a_difference_that_every_row_shows_has_its_interval_there() -> None:
    truth = np.arange(20.0)
    assert difference(truth[None] + 1, truth[None] - 1, truth) == (0, 0)
    assert difference(truth[None] + 1, truth[None] + 3, truth) == pytest.approx((-2, -2))


def test_the_comparison_has_the_worst_first_and_intervals_where_there_are_inner_folds(
    cereals: Dataset,
) -> None:
    median, simple = simple_baselines()
    assert isinstance(simple, Baseline)
    quick = Baseline("quick", simple.makers, inner=False)
    validated = [validate(each, cereals, SMALL) for each in (simple, quick, median)]
    lines = compare(validated, cereals.target, 0.9)
    assert [line.name for line in lines] == ["median", LEAST_SQUARES, "quick"]
    assert lines[1].difference == lines[2].difference == (0, 0)
    assert [line.coverage is None for line in lines] == [False, False, True]


@pytest.mark.parametrize(("coverage", "width"), [(0.5, 5.0), (0.8, 8.0), (0.9, 9.0), (0.99, 9.0)])
def test_the_half_width_is_the_conformal_quantile(coverage: float, width: float) -> None:
    assert quantile(np.arange(1.0, 10.0), coverage) == width  # the ceil(10 * coverage)-th of 9


def test_intervals_hold_about_as_many_truths_as_they_claim(
    cereals: Dataset, least_squares: Validated
) -> None:
    for found in (
        measured(least_squares, cereals.target, 0.9),
        cv_plus(least_squares, cereals.target, 0.9),
    ):
        assert 0.86 < found.observed < 0.97
        assert found.half_width == pytest.approx(26.5, abs=1.5)
    widths = [half_width(least_squares, cereals.target, each) for each in (0.5, 0.8, 0.95)]
    assert widths == sorted(widths)
