"""Records are what orjson would write of n dictionaries."""

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.codecs.json_records import records


@given(arrays(np.float32, st.integers(1, 20), elements=st.floats(width=32, allow_nan=False)))
def test_columns_become_the_same_bytes_as_dictionaries(column: np.ndarray) -> None:
    columns = {"calories": column, "in_range": column > 0, 'a"b': -column}
    rows = [
        dict(zip(columns, cells, strict=True))
        for cells in zip(*([*column] for column in columns.values()), strict=True)
    ]
    assert records(columns) == orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY)


@pytest.mark.parametrize("rows", [1, 2])
def test_a_single_column_is_an_array_of_objects(rows: int) -> None:
    assert orjson.loads(records({"x": np.arange(rows)})) == [{"x": i} for i in range(rows)]
