"""The folds: what is kept together, left out and shared."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.folds import LARGE, SMALL, VERY_LARGE, Folds, definitions, held_out, identical, split

VALUES = st.sampled_from([-1.0, -0.0, 0.0, 0.5, 2.0, 7.0])
# Tables of up to three inputs with few values, so that many rows are alike.
tables = st.integers(1, 3).flatmap(
    lambda inputs: st.lists(
        st.lists(
            st.sampled_from([-1.0, -0.0, 0.0, 0.5, 2.0, 7.0]), min_size=inputs, max_size=inputs
        ),
        min_size=20,
        max_size=120,
    ).map(np.array)
)


@pytest.fixture(scope="module", params=["together", "apart"])
def folds(request: pytest.FixtureRequest) -> Folds:
    groups = np.arange(76) // 2 if request.param == "together" else np.arange(76)
    return split(groups, 4, 2, 0, "alike" if request.param == "together" else "")


@given(tables)
def test_every_row_is_held_out_once_a_repeat_and_never_away_from_its_like(
    rows: NDArray[np.float64],
) -> None:
    for place, folds in enumerate(definitions(rows, ["x"] * rows.shape[1])):
        left = (~folds.outer).reshape(-1, 10, len(rows))
        assert (left.sum(axis=1) == 1).all()
        sizes = left.sum(axis=2)
        assert (np.ptp(sizes, axis=1) <= np.bincount(folds.groups).max()).all()
        if place == 0 and "together" in folds.name:
            alike = (rows[:, None] == rows[None]).all(axis=2)
            number = left.argmax(axis=1)
            assert (number[:, :, None] == number[:, None])[:, alike].all()


@given(tables)
def test_rows_are_of_one_group_if_all_their_inputs_are_equal(rows: NDArray[np.float64]) -> None:
    groups = identical(rows)
    alike = (rows[:, None] == rows[None]).all(axis=2)
    assert ((groups[:, None] == groups[None]) == alike).all()


def test_a_fold_never_learns_from_what_it_left_out_nor_its_inner_fits_from_more(
    folds: Folds,
) -> None:
    inner = folds.pairs[folds.inner]
    assert not (inner & ~folds.outer[:, None]).any()
    assert (folds.left.sum(axis=1) == folds.outer).all(), "each seen row is left out once"
    alike = folds.groups[:, None] == folds.groups[None]
    for masks in (folds.outer, folds.pairs):
        assert all((mask[:, None] == mask)[alike].all() for mask in masks)


def test_a_held_out_answer_is_by_the_fold_that_did_not_see_the_row(folds: Folds) -> None:
    for repeat, chosen in enumerate(held_out(np.arange(8.0)[:, None], folds.outer)):
        for row, fold in enumerate(chosen.astype(int)):
            assert not folds.outer[fold, row]
            assert fold // 4 == repeat


@pytest.mark.parametrize(
    ("size", "twins", "outer", "pairs", "names"),
    [
        (100, 0, [50], [225], ["RepeatedKFold(n_splits=10, n_repeats=5, random_state=0)"]),
        (100, 5, [50, 10], [225, 45], ["10 folds, 5 times over, rows alike in a, b together"]),
        (SMALL, 5, [10, 10], [45, 45], ["10 folds, rows alike in a, b together"]),
        (LARGE, 5, [5], [10], ["5 folds, rows alike in a, b together"]),
        (VERY_LARGE, 0, [1], [1], ["the first fold of RepeatedKFold(n_splits=5"]),
    ],
)
def test_the_larger_a_table_the_fewer_its_folds(
    size: int, twins: int, outer: list[int], pairs: list[int], names: list[str]
) -> None:
    rows = np.arange(2.0 * size).reshape(-1, 2)
    rows[:twins] = rows[twins : 2 * twins]
    found = definitions(rows, ["a", "b"])
    assert [len(each.outer) for each in found] == outer
    assert [len(each.pairs) for each in found] == pairs
    assert found[0].name.startswith(names[0])
    assert len(found[0].tested) == (size // 5 if size == VERY_LARGE else size)


def test_of_inputs_that_hardly_differ_each_row_is_by_itself() -> None:
    [folds] = definitions(np.arange(100.0)[:, None] % 19, ["a"])
    assert folds.name.startswith("RepeatedKFold")
