"""Strategies for the bodies of each dialect, from right ones to damaged ones."""

import struct
from functools import cache

from hypothesis import strategies as st

from tests.fuzz.values import (
    ANY,
    GRAMS,
    HARD,
    NUMBERS,
    TEXTS,
    Bytes,
    array,
    arrays,
    damaged,
    objects,
    one_of,
    record,
)
from tests.overload.worst import INPUTS, batch, written

ROWS = objects(dict.fromkeys(INPUTS, GRAMS)) | objects(dict.fromkeys(INPUTS, NUMBERS))
COLUMNS = st.builds(
    lambda columns, cell: record(
        [(name, array([*column, cell][-2:])) for name, column in zip(INPUTS, columns, strict=True)]
    ),
    st.tuples(*[st.lists(GRAMS, min_size=1, max_size=2)] * 3),
    NUMBERS,
) | objects(dict.fromkeys(INPUTS, arrays(NUMBERS)))

NATIVE = damaged(ROWS | arrays(ROWS) | COLUMNS)

SIGNATURES = one_of(r'"serving_default" "features" "tensorflow/serving/regress" "" "\u0000"')


def _v1(key: str, content: Bytes) -> Bytes:
    return st.one_of(
        content.map(lambda text: record([(key, text)])),
        objects({"signature_name": SIGNATURES | ANY, key: content | ANY}),
        objects({key: content, "inputs": COLUMNS | ANY, "context": ROWS | ANY}),
    )


V1_ROWS = damaged(
    _v1("instances", arrays(ROWS) | arrays(arrays(NUMBERS, 3)) | arrays(NUMBERS))
    | _v1("inputs", COLUMNS | arrays(arrays(GRAMS, 3)) | ANY)
)
V1_EXAMPLES = damaged(
    _v1("examples", arrays(ROWS | objects(dict.fromkeys(INPUTS, arrays(NUMBERS, 1)))))
)

SIZES = st.integers(-1, 3).map(lambda size: b"%d" % size) | HARD
MOVES = damaged(
    objects({"version": st.just(b"1")})
    | objects({"version": SIZES | ANY, "percent": GRAMS | NUMBERS | ANY})
)
ROLLBACKS = damaged(objects({"label": one_of('"canary" "stable"') | TEXTS | ANY}))

DATATYPES = one_of('"FP32" "FP32" "INT64" "UINT8" "FP16" "FP64" "BOOL" "BYTES"')
SHAPES = arrays(SIZES, 3) | one_of("[1] [1,1] [1,3] [2,3] [0]")
FLAGS = one_of("true false") | ANY
PARAMETERS = objects({"binary_data_size": SIZES | GRAMS}) | objects({"binary_data": FLAGS})


def _tensor(name: str, shape: bytes, data: Bytes) -> Bytes:
    right = {"name": b'"%s"' % name.encode(), "shape": shape, "datatype": b'"FP32"'}
    named: dict[str, Bytes] = {key: st.just(text) for key, text in right.items()}
    return st.one_of(
        objects({**named, "data": data}),
        objects({**named, "datatype": DATATYPES, "data": data}),
        objects({**named, "shape": SHAPES, "datatype": DATATYPES | TEXTS, "data": data | ANY}),
        objects({**named, "parameters": st.just(b'{"binary_data_size":4}')}),
        objects({**named, "datatype": DATATYPES, "parameters": PARAMETERS}),
    )


TENSORS = st.tuples(
    *(_tensor(name, b"[1]", arrays(GRAMS, 1) | arrays(NUMBERS, 2)) for name in INPUTS)
).map(array) | _tensor(
    "features", b"[1,3]", st.lists(GRAMS, min_size=3, max_size=3).map(array)
).map(lambda tensor: array([tensor]))
OUTPUTS = arrays(objects({"name": one_of('"calories" "lower"') | TEXTS, "parameters": PARAMETERS}))
V2_JSON = damaged(
    objects({"inputs": TENSORS})
    | objects({"id": TEXTS, "inputs": TENSORS, "outputs": OUTPUTS})
    | objects({"parameters": PARAMETERS | ANY, "inputs": TENSORS | ANY, "outputs": OUTPUTS | ANY})
)
RAW = st.lists(st.floats(width=32), max_size=4).map(
    lambda numbers: struct.pack(f"<{len(numbers)}f", *numbers)
)

CELLS = GRAMS | NUMBERS | one_of('"1" " "" 1e', b'"1\n2"', b" 1 ", b"\x00")
HEADERS = st.permutations(INPUTS).map(lambda names: ",".join(names).encode()) | one_of(
    'sugar sugar,fiber,protein, sugar,sugar,fiber,protein "sugar",fiber,protein', b""
)
LINES = st.lists(CELLS, min_size=3, max_size=3).map(b",".join) | st.lists(CELLS).map(b",".join)
ENDS = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r", b"\n\n", b"\x0b", "\u2028".encode()])
TABLES = st.builds(
    lambda header, lines, end: end.join([header, *lines]),
    HEADERS,
    st.lists(LINES, max_size=3),
    ENDS,
)
CSV = damaged(TABLES)


@cache
def arrow_streams() -> tuple[bytes, ...]:
    """Arrow streams of right and of odd columns."""
    import pyarrow as pa  # noqa: PLC0415  half a second

    kinds = [pa.float64(), pa.float32(), pa.float16(), pa.int8(), pa.uint64(), pa.int64()]
    odd = [pa.string(), pa.list_(pa.float32()), pa.bool_(), pa.decimal128(5, 2), pa.null()]
    right = batch([5.0, 1.0], pa.float32())
    return (
        *(written(batch([5, 1, 2], kind)) for kind in kinds),
        *(written(batch([None], kind)) for kind in [*kinds, *odd]),
        written(right, right),
        written(right[:0]),
        written(right, compression="zstd"),
        written(batch(["a", "a"], pa.dictionary(pa.int8(), pa.string()))),
        written(batch([float("nan"), float("inf"), 1e300], pa.float64())),
    )


@st.composite
def arrow(draw: st.DrawFn) -> bytes:
    """A stream with up to three places overwritten: its lengths, offsets, types or numbers."""
    body = bytearray(draw(st.sampled_from(arrow_streams())))
    worst = [b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\xff" * 8, b"\x00" * 8]
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(body) - 1))
        patch = draw(st.binary(min_size=1, max_size=8) | st.sampled_from(worst))
        body[at : at + len(patch)] = patch
    return bytes(body)


ARROW = arrow() | damaged(st.deferred(lambda: st.sampled_from(arrow_streams())))
