"""The worst bodies: bytes that cost their sender little and would cost a service much.

Each is a value that is large in its own way (many small items, many names, deep, long) at one of
the places where an operation takes a value; then CSV, Arrow and binary tensors; then what is right
and as much as may be sent.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

Make = Callable[[int], bytes]  # of at most so many bytes

JSON, CSV, ARROW = "application/json", "text/csv", "application/vnd.apache.arrow.stream"
INPUTS = ("sugar", "fiber", "protein")
ROWS = 100_000  # MAX_ROWS
HEADER = b"sugar,fiber,protein\n"
UNASKED = "a body nobody asked for"


@dataclass(frozen=True)
class Worst:
    """A request with such a body; `json` bytes of it come before binary tensors."""

    name: str
    method: str
    path: str
    make: Make
    content_type: str = JSON
    json: int = 0

    @property
    def headers(self) -> dict[str, str]:
        tensors = {"Inference-Header-Content-Length": str(self.json)} if self.json else {}
        return {"Content-Type": self.content_type, **tensors}


def filled(opening: bytes, item: bytes, closing: bytes = b"", between: bytes = b",") -> Make:
    """As many of an item as there is room for."""

    def make(size: int) -> bytes:
        room = size - len(opening) - len(closing) + len(between)
        return opening + between.join([item] * (room // (len(item) + len(between)))) + closing

    return make


def numbered(opening: bytes, item: bytes, closing: bytes, between: bytes = b",") -> Make:
    """The same, no two items alike."""

    def make(size: int) -> bytes:
        room = size - len(opening) - len(closing)
        items = range(room // (len(item % 0) + len(between)))
        return opening + between.join([item % i for i in items]) + closing

    return make


def at(opening: bytes, closing: bytes, value: Make, size: int) -> bytes:
    """A value at its place."""
    return opening + value(size - len(opening) - len(closing)) + closing


ROW = b'{"sugar":5.5,"fiber":1.5,"protein":2.5}'
ITEMS = {
    "empty objects": b"{}",
    "empty arrays": b"[]",
    "empty strings": b'""',
    "strings": b'"ab"',
    "numbers as strings": b'"1.5"',
    "digits": b"1",
    "fractions": b"1.5",
    "large integers": b"1000000",
    "nulls": b"null",
    "truths": b"true",
    "fields": b'{"a":1}',
    "inputs": b'{"sugar":1}',
    "rows": ROW,
    "rows with a string": b'{"sugar":5,"fiber":1,"protein":"2"}',
    "lists of three": b"[5.5,1.5,2.5]",
    "lists of one": b"[5]",
    "rows of lists": b'{"sugar":[5.5],"fiber":[1.5],"protein":[2.5]}',
    "lists of lists": b"[[]]",
    "objects of objects": b'{"":{}}',
    "escapes": b'"\\u0061\\u00e9"',
    "long numbers": b"1" * 1000,
    "emoji": '"😀"'.encode(),
}
VALUES: dict[str, Make] = {
    **{f"array of {name}": filled(b"[", item, b"]") for name, item in ITEMS.items()},
    "object of names": numbered(b"{", b'"%07d":1', b"}"),
    "object of names of objects": numbered(b"{", b'"%07d":{}', b"}"),
    "object of one name": filled(b"{", b'"sugar":1', b"}"),
    "arrays in arrays": lambda size: b"[" * (size // 2) + b"]" * (size // 2),
    "objects in objects": lambda size: (
        b'{"a":' * ((size - 1) // 6) + b"1" + b"}" * ((size - 1) // 6)
    ),
    "open arrays": lambda size: b"[" * size,
    "long string": lambda size: b'"' + b"a" * (size - 2) + b'"',
    "long string, then an emoji": lambda size: b'"' + b"a" * (size - 6) + '😀"'.encode(),
    "long string of escapes": filled(b'"', b"\\n", b'"', b""),
    "quotes": lambda size: b'"' * size,
    "long number": lambda size: b"1" * size,
    "long fraction": lambda size: b"0." + b"1" * (size - 2),
    "spaces": lambda size: b" " * (size - 1) + b"1",
    "colons": lambda size: b":" * size,
}


def _tensor(name: str, data: bytes, shape: bytes = b"[1]", kind: bytes = b"FP32") -> bytes:
    given = (name.encode(), shape, kind, data)
    return b'{"name":"%b","shape":%b,"datatype":"%b","data":%b}' % given


TENSORS = b'"inputs":[%b]' % b",".join(_tensor(name, b"[1]") for name in INPUTS)
V1, V2 = "/v1/models/calories", "/v2/models/calories"
LABEL = "/admin/models/calories/labels/canary"
# Method, path, and what stands before and behind the value there.
PLACES = (
    *(
        place
        for path in ("/predict", "/explain")
        for place in (
            ("POST", path, b"", b""),
            ("POST", path, b'{"sugar":', b',"fiber":[1],"protein":[1]}'),
        )
    ),
    ("POST", "/predict", b'{"sugar":1,"fiber":1,"protein":1,"x":', b"}"),
    *(
        place
        for verb in ("predict", "explain")
        for key in (b"instances", b"inputs")
        for place in (
            ("POST", f"{V1}:{verb}", b'{"%b":' % key, b"}"),
            ("POST", f"{V1}:{verb}", b'{"signature_name":"features","%b":' % key, b"}"),
        )
    ),
    ("POST", f"{V1}:predict", b'{"inputs":{"sugar":', b',"fiber":[1],"protein":[1]}}'),
    ("POST", f"{V1}:predict", b'{"signature_name":', b',"instances":[]}'),
    ("POST", f"{V1}:predict", b'{"instances":[],"x":', b"}"),
    ("POST", "/v1/models/linear-unit:predict", b'{"instances":', b"}"),
    ("POST", f"{V1}:regress", b'{"examples":', b"}"),
    ("POST", f"{V1}:regress", b'{"examples":[{}],"context":', b"}"),
    ("POST", f"{V1}:classify", b'{"examples":', b"}"),
    ("POST", f"{V2}/infer", b"", b""),
    ("POST", f"{V2}/versions/1/infer", b'{"inputs":', b"}"),
    (
        "POST",
        f"{V2}/infer",
        b'{"inputs":[{"name":"sugar","shape":[1],"datatype":"FP32","data":',
        b"}]}",
    ),
    (
        "POST",
        f"{V2}/infer",
        b'{"inputs":[{"name":"features","shape":[99999,3],"datatype":"INT64","data":',
        b"}]}",
    ),
    ("POST", f"{V2}/infer", b'{"inputs":[{"datatype":"FP32","data":[1],"name":', b"}]}"),
    ("POST", f"{V2}/infer", b'{"inputs":[{"name":"sugar","datatype":"FP32","shape":', b"}]}"),
    ("POST", f"{V2}/infer", b"{%b" % TENSORS + b',"outputs":', b"}"),
    ("POST", f"{V2}/infer", b"{%b" % TENSORS + b',"parameters":', b"}"),
    ("POST", f"{V2}/infer", b"{%b" % TENSORS + b',"id":', b"}"),
    ("POST", "/v2/repository/index", b"", b""),
    ("POST", "/v2/repository/index", b'{"ready":', b"}"),
    ("PUT", LABEL, b"", b""),
    ("PUT", LABEL, b'{"version":', b"}"),
    ("POST", "/admin/models/calories/rollback", b'{"label":', b"}"),
)
# What takes no body, or is not there.
BODILESS = (
    *(("GET", path) for path in ("/healthz", "/metrics", "/models", V1, f"{V2}/ready")),
    *(("DELETE", LABEL), ("POST", "/v2/repository/models/calories/load"), ("POST", "/nothing")),
)
CSVS: dict[str, Make] = {
    "a header of names": numbered(b"", b"%07d", b"\n1"),
    "a header of one name": filled(b"", b"sugar", b"\n1"),
    "a header of commas": lambda size: b"," * size,
    "a long name": lambda size: b"a" * (size - 2) + b"\n1",
    "a quoted header": lambda size: b'"' + b"a" * (size - 3) + b'"\n',
    "lines before the header": lambda size: at(b"", HEADER + b"1,1,1\n", lambda n: b"\n" * n, size),
    "CRs before the header": lambda size: at(b"", HEADER + b"1,1,1\n", lambda n: b"\r" * n, size),
    **{
        name: partial(at, HEADER, b"", value)
        for name, value in {
            "empty lines": lambda size: b"\n" * size,
            "commas": lambda size: b"," * size,
            "quotes": lambda size: b'"' * size,
            "a long number": lambda size: b"1" * size,
            "a long line in quotes": lambda size: b'"' + b"\n" * (size - 8) + b'",1,1\n',
            "an emoji": lambda size: "😀".encode() + b"1" * (size - 4),
            "quoted cells": filled(b"", b'"1",1,1', b"\n", b"\n"),
            "rows": filled(b"", b"1,1,1", b"\n", b"\n"),
            "rows, then a word": filled(b"", b"1,1,1", b"\nword,1,1\n", b"\n"),
            "wide rows": filled(b"", b"1,1,1,1", b"\n", b"\n"),
            "words": filled(b"", b"a,b,c", b"\n", b"\n"),
            "single cells": filled(b"", b"1", b"\n", b"\n"),
            "empty cells": filled(b"", b",,", b"\n", b"\n"),
            "empty quotes": filled(b"", b'""', b"\n"),
        }.items()
    },
}

STREAMS = (
    *("batches of a row", "batches of no row", "fields", "fields of one name", "nested fields"),
    *("metadata", "bytes", "nulls", "strings", "dictionaries", "all rows"),
)


def _times(item: bytes, rows: int = ROWS) -> Make:
    """As many rows as may be sent, in whatever size they have."""
    return lambda _: b",".join([item] * rows)


RIGHT: tuple[tuple[str, str, bytes, bytes, Make], ...] = (
    ("rows", "/predict", b"[", b"]", _times(ROW)),
    ("rows, one wrong", "/predict", b"[", b',{"sugar":1}]', _times(ROW, ROWS - 1)),
    ("rows, cut off", "/predict", b"[", b',{"sugar":1', _times(ROW, ROWS - 1)),
    (
        "rows, a name twice",
        "/predict",
        b"[",
        b"," + ROW[:-1] + b',"sugar":1}]',
        _times(ROW, 99_999),
    ),
    ("rows of one", "/predict?model=linear-unit", b"[", b"]", _times(b'{"sugar":5.5}')),
    ("rows", "/explain", b"[", b"]", _times(ROW, ROWS >> 3)),
    ("rows of one", "/explain?model=linear-unit", b"[", b"]", _times(b'{"sugar":5.5}', ROWS >> 1)),
    ("instances", f"{V1}:predict", b'{"instances":[', b"]}", _times(ROW)),
    ("instances, one wrong", f"{V1}:predict", b'{"instances":[', b",{}]}", _times(ROW, 99_999)),
    ("instances", f"{V1}:explain", b'{"instances":[', b"]}", _times(ROW, ROWS >> 3)),
    (
        "features",
        f"{V1}:predict",
        b'{"signature_name":"features","instances":[',
        b"]}",
        _times(b"[5.5,1.5,2.5]"),
    ),
    ("examples", f"{V1}:regress", b'{"examples":[', b"]}", _times(ITEMS["rows of lists"])),
    (
        "examples with a context",
        f"{V1}:regress",
        b'{"context":{"sugar":1,"fiber":1},"examples":[',
        b"]}",
        _times(b'{"protein":1.5}'),
    ),
    *(
        (
            name,
            f"{V2}/infer",
            b'{"inputs":[{"name":"features","shape":[100000,3],"datatype":"%b","data":[' % kind,
            b"]}]}",
            data,
        )
        for name, kind, data in (
            ("nested tensor", b"FP32", _times(b"[5.5,1.5,2.5]")),
            ("flat tensor", b"INT64", _times(b"5", 3 * ROWS)),
            ("flat tensor out of range", b"INT64", _times(b"5000", 3 * ROWS)),
        )
    ),
)


def worst() -> Iterator[Worst]:
    """All of them, those of JSON by their places first."""
    for method, path, opening, closing in PLACES:
        place = (opening[-30:] + b"#" + closing[:10]).decode()
        for name, value in VALUES.items():
            yield Worst(f"{name} at {place}", method, path, partial(at, opening, closing, value))
    for method, path in BODILESS:
        yield Worst(UNASKED, method, path, VALUES["array of empty arrays"])
    for path in ("/predict", "/explain"):
        for name, make in CSVS.items():
            yield Worst(f"CSV: {name}", "POST", path, make, CSV)
        for name in STREAMS:
            yield Worst(f"Arrow: {name}", "POST", path, partial(stream, name), ARROW)
    for name, path, opening, closing, value in RIGHT:
        yield Worst(f"right: {name}", "POST", path, partial(at, opening, closing, value))
    columns = b",".join([b"1.5"] * ROWS)
    told = b",".join(b'"%b":[%b]' % (name.encode(), columns) for name in INPUTS)
    yield Worst("right: columns", "POST", "/predict", lambda _: b"{%b}" % told)
    yield Worst("right: columns", "POST", f"{V1}:predict", lambda _: b'{"inputs":{%b}}' % told)
    lines = b"\n".join([HEADER[:-1], *[b'"5.5",1.5,2.5'] * ROWS])
    yield Worst("right: CSV", "POST", "/predict", lambda _: lines, CSV)
    yield from _binary()


def _binary() -> Iterator[Worst]:
    """Binary tensors behind the JSON: of the smallest and the largest types, and of many rows."""
    for kind, width, rows in (("UINT8", 1, ROWS), ("FP16", 2, 1_300_000), ("FP64", 8, ROWS)):
        size = 3 * width * rows
        told = {"name": "features", "shape": [rows, 3], "datatype": kind}
        tensor = {**told, "parameters": {"binary_data_size": size}}
        head = json.dumps({"inputs": [tensor]}).encode()
        make = partial(_zeros, head, size)
        yield Worst(f"binary: {kind}", "POST", f"{V2}/infer", make, json=len(head))


def _zeros(head: bytes, count: int, _: int) -> bytes:
    return head + bytes(count)


def stream(name: str, size: int) -> bytes:
    """An Arrow stream of about so many bytes."""
    import pyarrow as pa  # noqa: PLC0415  half a second

    def written(*batches: Any, schema: Any = None) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema or batches[0].schema) as out:
            for batch in batches:
                out.write_batch(batch)
        encoded: bytes = sink.getvalue().to_pybytes()
        return encoded

    def of(values: list[Any], kind: Any) -> Any:
        return pa.record_batch({name: pa.array(values, kind) for name in INPUTS})

    def many(batch: Any) -> bytes:
        each = len(written(batch, batch)) - len(written(batch))
        return written(*[batch] * max(1, size // each - 8))

    def fields(name: str) -> bytes:
        kind = pa.float32()
        return written(schema=pa.schema([(name.format(i), kind) for i in range(size // 100)]))

    def nested() -> bytes:
        kind = pa.float32()
        for _ in range(60):
            kind = pa.list_(kind)
        return written(schema=pa.schema([(f"{i}", kind) for i in range(size // 8000)]))

    def metadata() -> bytes:
        pairs = {f"key {i}": "value" for i in range(size // 60)}
        return written(one, schema=one.schema.with_metadata(pairs))

    def dictionaries() -> bytes:
        words = pa.array([f"{i}" for i in range(size // 60)]).dictionary_encode()
        return written(pa.record_batch(dict.fromkeys(INPUTS, words)))

    one = of([1.0], pa.float32())
    makers: dict[str, Callable[[], bytes]] = {
        "batches of a row": lambda: many(one),
        "batches of no row": lambda: many(one[:0]),
        "fields": lambda: fields("{}"),
        "fields of one name": lambda: fields("sugar"),
        "nested fields": nested,
        "metadata": metadata,
        "bytes": lambda: written(of([1] * (size // 3 - 500), pa.int8())),
        "nulls": lambda: written(of([None] * ROWS, pa.float64())),
        "strings": lambda: written(of(["ab"] * (size // 20), pa.string())),
        "dictionaries": dictionaries,
        "all rows": lambda: written(of([1] * ROWS, pa.int8())),
    }
    return makers[name]()
