"""Strategies for the bodies of each dialect, from right ones to damaged ones."""

import struct
from functools import cache
from typing import Any

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
    record,
)

INPUTS = ("sugar", "fiber", "protein")
ROWS = objects(dict.fromkeys(INPUTS, GRAMS)) | objects(dict.fromkeys(INPUTS, NUMBERS))
COLUMNS = st.builds(
    lambda columns, cell: record(
        [(name, array([*column, cell][-2:])) for name, column in zip(INPUTS, columns, strict=True)]
    ),
    st.tuples(*[st.lists(GRAMS, min_size=1, max_size=2)] * 3),
    NUMBERS,
) | objects(dict.fromkeys(INPUTS, arrays(NUMBERS)))

NATIVE = damaged(ROWS | arrays(ROWS) | COLUMNS)

SIGNATURES = st.sampled_from(
    [b'"serving_default"', b'"features"', b'"tensorflow/serving/regress"', b'""', b'"\\u0000"']
)


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
ROLLBACKS = damaged(objects({"label": st.sampled_from([b'"canary"', b'"stable"']) | TEXTS | ANY}))

DATATYPES = st.sampled_from(
    [b'"FP32"', b'"FP32"', b'"INT64"', b'"UINT8"', b'"FP16"', b'"FP64"', b'"BOOL"', b'"BYTES"']
)
SHAPES = arrays(SIZES, 3) | st.sampled_from([b"[1]", b"[1,1]", b"[1,3]", b"[2,3]", b"[0]"])
FLAGS = st.sampled_from([b"true", b"false"]) | ANY
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
OUTPUTS = arrays(
    objects(
        {"name": st.sampled_from([b'"calories"', b'"lower"']) | TEXTS, "parameters": PARAMETERS}
    )
)
V2_JSON = damaged(
    objects({"inputs": TENSORS})
    | objects({"id": TEXTS, "inputs": TENSORS, "outputs": OUTPUTS})
    | objects({"parameters": PARAMETERS | ANY, "inputs": TENSORS | ANY, "outputs": OUTPUTS | ANY})
)
RAW = st.lists(st.floats(width=32), max_size=4).map(
    lambda numbers: struct.pack(f"<{len(numbers)}f", *numbers)
)

CELLS = GRAMS | NUMBERS | st.sampled_from([b'"1"', b'"1\n2"', b'"', b'""', b" 1 ", b"1e", b"\x00"])
HEADERS = st.permutations(INPUTS).map(lambda names: ",".join(names).encode()) | st.sampled_from(
    [b"sugar", b"", b"sugar,fiber,protein,", b"sugar,sugar,fiber,protein", b'"sugar",fiber,protein']
)
LINES = st.lists(CELLS, min_size=3, max_size=3).map(b",".join) | st.lists(CELLS).map(b",".join)
ENDS = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r", b"\n\n", b"\x0b", "\u2028".encode()])
CSV = damaged(
    st.builds(
        lambda header, lines, end: end.join([header, *lines]),
        HEADERS,
        st.lists(LINES, max_size=3),
        ENDS,
    )
)


@cache
def arrow_streams() -> tuple[bytes, ...]:
    """Arrow streams of right and of odd columns."""
    import pyarrow as pa  # noqa: PLC0415  half a second

    def stream(*batches: Any, **options: Any) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(
            sink, batches[0].schema, options=pa.ipc.IpcWriteOptions(**options)
        ) as out:
            for batch in batches:
                out.write_batch(batch)
        encoded: bytes = sink.getvalue().to_pybytes()
        return encoded

    def batch(values: Any, kind: Any) -> Any:
        return pa.record_batch({name: pa.array(values, kind) for name in INPUTS})

    kinds = [pa.float64(), pa.float32(), pa.float16(), pa.int8(), pa.uint64(), pa.int64()]
    odd = [pa.string(), pa.list_(pa.float32()), pa.bool_(), pa.decimal128(5, 2), pa.null()]
    right = batch([5.0, 1.0], pa.float32())
    return (
        *(stream(batch([5, 1, 2], kind)) for kind in kinds),
        *(stream(batch([None], kind)) for kind in [*kinds, *odd]),
        stream(right, right),
        stream(right[:0]),
        stream(right, compression="zstd"),
        stream(batch(["a", "a"], pa.dictionary(pa.int8(), pa.string()))),
        stream(batch([float("nan"), float("inf"), 1e300], pa.float64())),
    )


@st.composite
def arrow(draw: st.DrawFn) -> bytes:
    """A stream with up to three places overwritten: its lengths, offsets, types or numbers."""
    body = bytearray(draw(st.sampled_from(arrow_streams())))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(body) - 1))
        patch = draw(
            st.binary(min_size=1, max_size=8)
            | st.sampled_from([b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\xff" * 8, b"\x00" * 8])
        )
        body[at : at + len(patch)] = patch
    return bytes(body)


ARROW = arrow() | damaged(st.deferred(lambda: st.sampled_from(arrow_streams())))
