"""The quick way in takes only what pydantic takes, as the same numbers."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.codecs import json_quick
from service.codecs.json_rows import LARGEST, Schema

INPUTS = ("sugar", "fiber", "protein")
MOST = 5

# Text as a client might write it: valid JSON, nearly valid JSON, and what is easily mistaken.
NUMBERS = st.one_of(
    st.floats(0, 1000).map(repr),
    st.integers(0, 1000).map(str),
    st.floats().map(json.dumps),
    st.sampled_from(["-0", "-0.0", "1e2", "1E+2", "1e999", "5e-324", "01", "1.", ".5", "+1"]),
    st.sampled_from(["1_0", "0x1", "18446744073709551616", "1000.0000001", "9" * 400, " 7\t"]),
    st.sampled_from(["true", "false", "null", '"1.5"', "[1]", "[]", "{}", '{"sugar":1}', ""]),
    st.just("1000.00000000000001"),
)
NAMES = st.sampled_from(
    ['"sugar"'] * 4 + ['"fiber"'] * 4 + ['"protein"'] * 4 + ['"\\u0073ugar"', '"fat"', '"a\\"b"']
)
RIGHT = st.tuples(NUMBERS, NUMBERS, NUMBERS).map(
    lambda values: [f'"{name}":{value}' for name, value in zip(INPUTS, values, strict=True)]
)
ANY = st.lists(st.tuples(NAMES, NUMBERS).map(":".join), max_size=4)
ROW = (RIGHT | RIGHT | ANY).flatmap(st.permutations).map(lambda cells: "{" + ",".join(cells) + "}")
ROWS = st.lists(ROW, max_size=MOST + 1).map(lambda rows: "[" + ", ".join(rows) + "]")
COLUMN = st.lists(NUMBERS, max_size=MOST + 1).map(lambda cells: "[" + ",".join(cells) + "]")
COLUMNS = st.one_of(
    st.integers(0, MOST + 1).flatmap(
        lambda n: st.tuples(*[st.lists(NUMBERS, min_size=n, max_size=n)] * 3).map(
            lambda columns: [f'"{name}":[{",".join(cells)}]'
                             for name, cells in zip(INPUTS, columns, strict=True)]
        )
    ),
    st.lists(st.tuples(NAMES, COLUMN).map(":".join), max_size=4),
).map(lambda cells: "{" + ",".join(cells) + "}")  # fmt: skip


def pydantic_alone(form: str, body: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """What the schema reads when the quick way takes nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_quick, form, lambda *_: None)
        read = getattr(Schema(INPUTS, MOST), form)(body)
        assert isinstance(read, np.ndarray)
        return read


def check(form: str, body: bytes) -> None:
    taken = getattr(json_quick, form)(body, INPUTS, MOST, LARGEST)
    if taken is not None:
        assert taken.flags.c_contiguous
        assert taken.dtype == np.float32
        assert np.array_equal(taken, pydantic_alone(form, body))


@settings(max_examples=1000)
@given(ROWS)
@example('[{"sugar":1,"fiber":1,"protein":1,"sugar":true}]')
@example('[{"sugar":1,"fiber":1,"protein":1,"sugar":2}]')
@example('[{"sugar":1,"fiber":1,"protein":false}]')
@example('["sugarfiberprotein"]')
@example('[{"su1gar":1,"fiber":1,"protein":1}]')
@example('[5{"sugar":1,"fiber":1,"protein":1}]')
@example('[{"sugar":1,"fiber":1,"protein":1}5]')
@example('[{"sugar":1,"fiber":1,"protein":1},5{"sugar":1,"fiber":1,"protein":1}]')
@example('[{5"sugar":1,"fiber":1,"protein":1}]')
@example('[{"sugar":1,5"fiber":1,"protein":1}]')
@example('[{"sugar":1,"fiber"5:1,"protein":1}]')
@example('[{"sugar":,"fiber":,"protein":}]')
@example('[{"sugar":1 2,"fiber":1,"protein":1}]')
def test_rows_that_are_taken_are_what_pydantic_reads(body: str) -> None:
    check("rows", body.encode())


@settings(max_examples=1000)
@given(COLUMNS)
@example('{"sugar":[1],"fiber":[true],"protein":[1]}')
@example('{"sugar":[1],"fiber":[null],"protein":[1]}')
@example('{"sugar":[[1]],"fiber":[[1]],"protein":[[1]]}')
@example('{"sugar":[],"fiber":[],"protein":[]}')
@example('\ufeff{"sugar":[1],"fiber":[1],"protein":[1]}')
def test_columns_that_are_taken_are_what_pydantic_reads(body: str) -> None:
    check("columns", body.encode())


@settings(max_examples=1000)
@given(st.integers(1, 3), st.integers(0, 120), st.sampled_from([*'0.-,:{}[]" 1eE"', "12", "\\"]))
def test_right_rows_with_a_byte_anywhere_are_what_pydantic_reads(
    n: int, at: int, byte: str
) -> None:
    body = "[" + ",".join(['{"sugar":5,"fiber":1,"protein":2}'] * n) + "]"
    check("rows", (body[:at] + byte + body[at:]).encode())
    check("rows", (body[:at] + byte + body[at + 1 :]).encode())


@given(st.binary())
def test_no_bytes_make_the_quick_way_fail(body: bytes) -> None:
    for form in ("rows", "columns"):
        check(form, body)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["JavaScript", "Python"])
@pytest.mark.parametrize("form", ["rows", "columns"])
def test_what_is_right_is_taken(form: str, separators: tuple[str, str]) -> None:
    rows = [{"sugar": 5, "fiber": 1.5, "protein": 2}, {"sugar": 0, "fiber": 1000, "protein": 0.1}]
    body = rows if form == "rows" else {name: [row[name] for row in rows] for name in INPUTS}
    text = json.dumps(body, separators=separators).encode()
    taken = getattr(json_quick, form)(text, INPUTS, MOST, LARGEST)
    assert taken.tolist() == np.array([[*row.values()] for row in rows], np.float32).tolist()
