"""JSON of many rows is read quickly and in parts, and written, as if it were done the plain way."""

import json

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.manifest import LARGEST
from service.codecs import json_parts, json_quick, text_csv
from service.codecs.json_records import records
from service.codecs.json_rows import Schema
from service.serving.accepted import Accepted
from tests.dialects import tensor, tensors
from tests.fuzz import bodies
from tests.fuzz.targets import Target, targets

INPUTS = ("sugar", "fiber", "protein")
UNITS = ("", "", "")
ACCEPTED = (
    Accepted(INPUTS, ((0.0, 1000.0),) * 3, UNITS),
    Accepted(INPUTS, ((-LARGEST, LARGEST), (-5.0, 5.0), (0.0, LARGEST)), UNITS),
    Accepted(INPUTS, ((-9.0, -1.0), (0.0, 1.0), (1.0, 9.0)), UNITS),  # which have nothing in common
)
MOST = 5

# Text as a client might write it: valid JSON, nearly valid JSON, and what is easily mistaken.
NUMBERS = st.one_of(
    st.floats(0, 1000).map(repr),
    st.floats(-10, 10).map(repr),
    st.integers(0, 1000).map(str),
    st.floats().map(json.dumps),
    st.sampled_from(["-0", "-0.0", "1e2", "1E+2", "1e999", "5e-324", "01", "1.", ".5", "+1"]),
    st.sampled_from(["1_0", "0x1", "18446744073709551616", "1000.0000001", "9" * 400, " 7\t"]),
    st.sampled_from(["true", "false", "null", '"1.5"', "[1]", "[]", "{}", '{"sugar":1}', ""]),
    st.just("1000.00000000000001"),
)
NAMES = st.sampled_from(
    ['"sugar"', '"fiber"', '"protein"'] * 4 + ['"\\u0073ugar"', '"fat"', '"a\\"b"']
)


def named(values: tuple[str, ...]) -> list[str]:
    """The cells of an object with a value for each input."""
    return [f'"{name}":{value}' for name, value in zip(INPUTS, values, strict=True)]


def joined(cells: list[str]) -> str:
    return "[" + ",".join(cells) + "]"


def braced(cells: list[str]) -> str:
    return "{" + ",".join(cells) + "}"


RIGHT = st.tuples(NUMBERS, NUMBERS, NUMBERS).map(named)
ANY = st.lists(st.tuples(NAMES, NUMBERS).map(":".join), max_size=4)
ROWS = st.lists((RIGHT | RIGHT | ANY).flatmap(st.permutations).map(braced), max_size=MOST + 1)
COLUMN = st.lists(NUMBERS, max_size=MOST + 1).map(joined)
EVEN = st.integers(0, MOST + 1).flatmap(
    lambda n: st.tuples(*[st.lists(NUMBERS, min_size=n, max_size=n).map(joined)] * 3).map(named)
)
COLUMNS = (EVEN | st.lists(st.tuples(NAMES, COLUMN).map(":".join), max_size=4)).map(braced)


def check(form: str, body: bytes) -> None:
    """What the quick way takes is what pydantic reads when the quick way takes nothing."""
    for accepted in ACCEPTED:
        taken = getattr(json_quick, form)(body, accepted, MOST)
        if taken is not None:
            assert taken.flags.c_contiguous
            assert taken.dtype == np.float32
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(json_quick, form, lambda *_: None)
                assert np.array_equal(taken, getattr(Schema(accepted, MOST), form)(body))


MISTAKEN = [
    *('[{"sugar":1,"fiber":1,"protein":1,"sugar":true}]', '["sugarfiberprotein"]'),
    *('[{"sugar":1,"fiber":1,"protein":1,"sugar":2}]', '[{"sugar":1,"fiber":1,"protein":false}]'),
    '[{"sugar":,"fiber":,"protein":}]',
    *('{"sugar":[1],"fiber":[true],"protein":[1]}', '{"sugar":[],"fiber":[],"protein":[]}'),
    '{"sugar":[[1]],"fiber":[[1]],"protein":[[1]]}',
    '\ufeff{"sugar":[1],"fiber":[1],"protein":[1]}',
    '{"sugar":[1],"fiber":[1],"protein":[1],"fat":1}',
]


@settings(max_examples=300)
@given(ROWS.map(joined), COLUMNS, st.binary())
def test_what_is_taken_is_what_pydantic_reads(rows: str, columns: str, other: bytes) -> None:
    check("rows", rows.encode())
    check("columns", columns.encode())
    for form in ("rows", "columns"):
        check(form, other)


def test_what_is_easily_mistaken_is_what_pydantic_reads() -> None:
    for body in MISTAKEN:
        check("rows" if body[0] == "[" else "columns", body.encode())


@pytest.mark.parametrize("n", [1, 2])
def test_right_rows_with_a_byte_anywhere_are_what_pydantic_reads(n: int) -> None:
    body = "[" + ",".join(['{"sugar":5,"fiber":1,"protein":2}'] * n) + "]"
    for at in range(len(body) + 1):
        for byte in [*'0.-,:{}[]" 1eE"', "12", "\\"]:
            check("rows", (body[:at] + byte + body[at:]).encode())
            check("rows", (body[:at] + byte + body[at + 1 :]).encode())


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["JavaScript", "Python"])
def test_what_is_right_is_taken(separators: tuple[str, str]) -> None:
    rows = [{"sugar": 5, "fiber": 1.5, "protein": 2}, {"sugar": 0, "fiber": 1000, "protein": 0.1}]
    columns = {name: [row[name] for row in rows] for name in INPUTS}
    expected = np.array([[*row.values()] for row in rows], np.float32).tolist()
    for form, body in (("rows", rows), ("columns", columns)):
        text = json.dumps(body, separators=separators).encode()
        assert getattr(json_quick, form)(text, ACCEPTED[0], MOST).tolist() == expected


LONG = [  # tensors of more items than a part has
    {"inputs": [tensor("features", [5, 1, "x" if wrong else 2] * 4, datatype, [4, 3])]}
    for datatype in ("INT64", "FP32")
    for wrong in (False, True)
] + [{"inputs": tensors()}]
BODIES = {
    **dict.fromkeys(("native", "explain"), bodies.NATIVE),
    "csv": bodies.CSV,
    "v1": bodies.V1_ROWS,
    "v1-regress": bodies.V1_EXAMPLES,
    "v2": bodies.V2_JSON,
    "admin": bodies.MOVES,
}


@pytest.fixture(scope="module")
def operations() -> dict[str, Target]:
    return targets()


@pytest.mark.parametrize("name", BODIES)
def test_what_is_read_in_parts_is_answered_alike(operations: dict[str, Target], name: str) -> None:
    ask = operations[name]

    @settings(max_examples=100)
    @given(BODIES[name])
    def check(body: bytes) -> None:
        whole = ask(body)
        with pytest.MonkeyPatch.context() as patch:
            for codec in (json_parts, text_csv):
                patch.setattr(codec, "PART", 6)  # bytes: fewer than most items have
            parts = ask(body)
        assert parts.status // 100 == whole.status // 100
        if whole.status == 200:
            assert parts.body == whole.body

    check()


@given(arrays(np.float32, st.integers(1, 20), elements=st.floats(width=32, allow_nan=False)))
def test_records_are_what_orjson_writes_of_dictionaries(column: np.ndarray) -> None:
    columns = {"calories": column, "in_range": column > 0, 'a"b': -column}
    rows = [
        dict(zip(columns, cells, strict=True))
        for cells in zip(*([*column] for column in columns.values()), strict=True)
    ]
    assert records(columns) == orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY)
    one = [{"x": i} for i in range(len(column))]
    assert orjson.loads(records({"x": np.arange(len(column))})) == one
