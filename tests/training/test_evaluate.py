"""Evaluation: only rows that were held out count, and choices are made inside the folds."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.dataset import Dataset
from training.evaluate import (
    compare,
    covered,
    difference,
    evaluation,
    mistakes,
    noise,
    resampled,
    score,
)
from training.folds import Folds, Masks, definitions, split
from training.intervals import cv_plus, half_width, measured, parts, quantile
from training.learners import (
    BOOSTING,
    LEAST_SQUARES,
    Baseline,
    Settings,
    more_baselines,
    usual_baselines,
)
from training.validate import Validated, choose, validate

SMALL = split(np.arange(76), 4, 2, 0)


@pytest.fixture(scope="module")
def folds(cereals: Dataset) -> list[Folds]:
    return definitions(cereals.rows, cereals.inputs)


@pytest.fixture(scope="module")
def simple(cereals: Dataset, folds: list[Folds]) -> dict[str, list[Validated]]:
    """What is cheap, by both definitions."""
    return {
        each.name: validate(each, cereals, folds)
        for each in usual_baselines()
        if each.name != BOOSTING
    }


@pytest.fixture(scope="module")
def least_squares(simple: dict[str, list[Validated]]) -> Validated:
    return simple[LEAST_SQUARES][0]


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
    [choice] = choose(Offset((5.0, 1.0, -3.0)), cereals, [SMALL])
    assert set(choice.settings) == {1}
    assert choice.final == 1


def test_a_held_out_row_has_no_part_in_the_choice(cereals: Dataset) -> None:
    """The truth of the rows that fold 0 leaves out changes; its choice must not."""
    [vectors] = [each for each in more_baselines(len(cereals)) if each.settings > 1]
    changed = np.where(SMALL.outer[0], cereals.target, 999.0)
    [before] = choose(vectors, cereals, [SMALL])
    [after] = choose(vectors, replace(cereals, target=changed), [SMALL])
    assert before.settings[0] == after.settings[0]
    np.testing.assert_array_equal(before.predictions[0], after.predictions[0])


def test_definitions_validated_together_are_those_validated_alone(
    cereals: Dataset, folds: list[Folds], simple: dict[str, list[Validated]]
) -> None:
    [learner] = [each for each in usual_baselines() if each.name == LEAST_SQUARES]
    for each, together in zip(folds, simple[LEAST_SQUARES], strict=True):
        [alone] = validate(learner, cereals, [each])
        np.testing.assert_allclose(alone.held_out, together.held_out)


def test_scores_are_what_is_known_of_them(
    cereals: Dataset, simple: dict[str, list[Validated]]
) -> None:
    truth = np.arange(10.0)
    perfect = score(np.stack([truth, truth]), truth)
    assert (perfect.mean_absolute_error, perfect.root_mean_squared_error, perfect.r2) == (0, 0, 1)
    assert score(np.full((1, 10), truth.mean()), truth).r2 == pytest.approx(0)
    together, apart = (
        score(each.held_out, cereals.target).mean_absolute_error for each in simple[LEAST_SQUARES]
    )
    assert together == pytest.approx(11.63, abs=0.1)
    assert apart == pytest.approx(11.29, abs=0.1)


def test_a_difference_that_every_row_shows_has_its_interval_there() -> None:
    everyone = np.arange(20)
    assert resampled(np.zeros(20), everyone) == (0, 0)
    assert resampled(np.full(20, -2.0), everyone) == pytest.approx((-2, -2))


def test_rows_of_one_group_count_as_one_observation() -> None:
    gains = np.repeat(np.random.default_rng(0).normal(size=40), 10)
    low, high = resampled(gains, np.arange(400))
    together = resampled(gains, np.arange(400) // 10)
    assert together[1] - together[0] > 2 * (high - low)


def test_the_comparison_has_the_worst_first_and_intervals_where_there_are_inner_fits(
    cereals: Dataset, folds: list[Folds], simple: dict[str, list[Validated]]
) -> None:
    [learner] = [each for each in usual_baselines() if each.name == LEAST_SQUARES]
    assert isinstance(learner, Baseline)
    quick = validate(Baseline("quick", learner.makers, inner=False), cereals, folds)
    lines = compare([*simple.values(), quick], cereals.target, 0.9, "median")
    assert [line.name for line in lines] == ["median", LEAST_SQUARES, "quick"]
    assert lines[1].difference == lines[2].difference == (0, 0)
    assert [line.coverage is None for line in lines] == [False, False, True]
    assert [line.lead is None for line in lines] == [True, False, False]
    assert lines[1].lead == difference(
        simple["median"][0], simple[LEAST_SQUARES][0], cereals.target
    )
    assert lines[1].apart != lines[1].mean_absolute_error


def test_an_evaluation_leads_with_rows_kept_together_and_has_the_other_beside_it(
    cereals: Dataset, simple: dict[str, list[Validated]]
) -> None:
    [median, ours] = simple.values()
    found = evaluation(ours, [median], cereals, 0.9)
    assert "alike in sugar, fiber, protein together" in found.folds
    assert found.apart
    assert found.apart.folds.startswith("RepeatedKFold")
    assert found.baselines.keys() == found.apart.baselines.keys() == {"median"}
    assert len(found.mistakes) == 5


# What rows with identical inputs tell


def test_the_noise_floor_is_what_twins_show() -> None:
    rows = np.array([[1.0], [1.0], [2.0], [3.0], [3.0], [3.0]])
    found = noise(rows, np.array([10.0, 14.0, 99.0, 0.0, 3.0, 9.0]))
    assert found
    assert (found.rows, found.groups) == (5, 2)
    assert found.mean_absolute_error == pytest.approx((2 + 2 + 3 + 0 + 6) / 5)
    assert found.standard_deviation == pytest.approx(np.sqrt((8 + 42) / 3))
    assert noise(rows[2:4], np.arange(2.0)) is None


def test_of_the_cereals_34_share_their_figures_with_another(cereals: Dataset) -> None:
    found = noise(cereals.rows, cereals.target)
    assert found
    assert found.rows == 34


values = st.lists(st.sampled_from([-1.5, 0.0, 2.0, 2.0, 7.0, 1e6]), min_size=1, max_size=80)


@given(values.map(np.array), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_parts_hold_each_row_once_and_rise(
    values: NDArray[np.float64], most: int, seed: int
) -> None:
    inside = np.random.default_rng(seed).integers(0, 2, len(values)).astype(float)
    found = parts(values, inside, most)
    assert 1 <= len(found) <= most
    assert sum(part.rows for part in found) == len(values)
    assert sum(part.rows * part.coverage for part in found) == pytest.approx(inside.sum())
    ends = [end for part in found for end in (part.low, part.high)]
    assert ends == sorted(ends)


def test_the_parts_together_cover_what_the_whole_does(
    cereals: Dataset, least_squares: Validated
) -> None:
    found = covered(least_squares, cereals, 0.9)
    whole = measured(least_squares, cereals.target, 0.9).observed
    assert len(found.by_prediction) == 5
    assert found.by_input.keys() == set(cereals.inputs)
    for each in (found.by_prediction, *found.by_input.values()):
        assert sum(part.rows * part.coverage for part in each) / 76 == pytest.approx(whole)


def test_the_largest_errors_are_named(cereals: Dataset, least_squares: Validated) -> None:
    error = np.sort(np.abs(least_squares.held_out.mean(axis=0) - cereals.target))[::-1]
    found = mistakes(least_squares, cereals)
    assert [abs(it.predicted - it.measured) for it in found] == pytest.approx(error[:5])
    assert all(it.measured == cereals.target[cereals.names.index(it.name)] for it in found)


# Intervals


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
