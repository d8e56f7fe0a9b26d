"""The data plane's checks are the same for a row alone and for a row among others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.registry import Registry
from service.errors import EngineFailure
from service.serving.dataplane import predict
from service.serving.engines import Columns, Rows
from service.serving.loaded import Loaded

EDGES = [0.0, 0.1, 1.0, 14.0, 14.000001, 15.0, 15.000001, 1000.0]


class Constant:
    """An engine that answers every row with the same three numbers."""

    name = "constant"
    width: int | None = None

    def __init__(self, *answers: float) -> None:
        self._answers = answers

    def predict(self, rows: Rows) -> Columns:
        return tuple(np.full(len(rows), answer, np.float32) for answer in self._answers)


def loaded(shipped: Registry, *answers: float) -> Loaded:
    return Loaded(shipped.manifest("calories", 1), Constant(*answers))


@given(st.lists(st.sampled_from(EDGES) | st.floats(0, 20), min_size=3, max_size=3))
def test_a_row_alone_is_in_range_as_among_others(shipped: Registry, row: list[float]) -> None:
    source = loaded(shipped, 2, 1, 3)
    rows = np.array([row, row], np.float32)
    alone = predict(source, rows[:1])
    assert alone.in_range.dtype == bool
    assert [*alone.in_range] * 2 == [*predict(source, rows).in_range]


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_answer_that_is_no_finite_number_is_a_failure(
    shipped: Registry, rows: int, wrong: float, place: int
) -> None:
    answers = [100.0, 90.0, 110.0]
    answers[place] = wrong
    with pytest.raises(EngineFailure, match="calories version 1 answered something"):
        predict(loaded(shipped, *answers), np.ones((rows, 3), np.float32))
