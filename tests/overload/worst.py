"""The worst bodies: bytes that cost their sender little and would cost a service much.

Each is a value that is large in its own way (many small items, many names, deep, long) at one of
the places where an operation takes a value; then CSV, Arrow and binary tensors; then what is right
and as much as may be sent.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import pyarrow as pa

Make = Callable[[int], bytes]  # of about so many bytes

JSON, CSV, ARROW = "application/json", "text/csv", "application/vnd.apache.arrow.stream"
INPUTS = ("sugar", "fiber", "protein")
ROWS = 100_000  # MAX_ROWS
HEADER = "sugar,fiber,protein\n"
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


def placed(template: str, value: Make) -> Make:
    """A value in the place of # in a text."""
    opening, _, closing = template.encode().partition(b"#")
    return lambda size: opening + value(size - len(opening) - len(closing)) + closing


def filled(template: str, item: str, between: str = "", many: int | None = None) -> Make:
    """So many of an item in the place of #, or as many as there is room for; %07d is its number."""
    each, gap = item.encode(), between.encode()
    width = len(each % 0 if b"%" in each else each) + len(gap)

    def items(size: int) -> bytes:
        count = many or max(0, size + len(gap)) // width
        if b"%" in each:
            return gap.join([each % number for number in range(count)])
        return gap.join([each] * count) if gap else each * count

    return placed(template, items)


ROW = '{"sugar":5.5,"fiber":1.5,"protein":2.5}'
LISTS = '{"sugar":[5.5],"fiber":[1.5],"protein":[2.5]}'
ITEMS = (
    *("{}", "[]", '""', '"ab"', '"1.5"', "1", "1.5", "1000000", "null", "true", '{"a":1}'),
    *('{"sugar":1}', ROW, '{"sugar":5,"fiber":1,"protein":"2"}', "[5.5,1.5,2.5]", "[5]", LISTS),
    *("[[]]", '{"":{}}', '"\\u0061\\u00e9"', "1" * 1000, '"😀"'),
)
# As many of an item as there is room for, in what, and what is between two.
MANY = (
    *(("[#]", item, ",") for item in ITEMS),
    *(("{#}", field, ",") for field in ('"%07d":1', '"%07d":{}', '"sugar":1')),
)
LONG = (
    *(("#", "[", ""), ('"#"', "a", ""), ('"#😀"', "a", ""), ('"#"', "\\n", ""), ("#", '"', "")),
    *(("#", "1", ""), ("0.#", "1", ""), ("#1", " ", ""), ("#", ":", "")),
)
VALUES: dict[str, Make] = {
    **{f"{item[:20]}… in {template}": filled(template, item, gap) for template, item, gap in MANY},
    "arrays in arrays": lambda size: b"[" * (size // 2) + b"]" * (size // 2),
    "objects in objects": lambda size: (
        b'{"a":' * ((size - 1) // 6) + b"1" + b"}" * ((size - 1) // 6)
    ),
    **{f"{item}… in {template}": filled(template, item, gap) for template, item, gap in LONG},
}
# Method, path, and the body with # for the value.
PLACES = tuple(
    line.replace("TENSORS", ",".join(f'{{"name":"{name}",DATA,"data":[1]}}' for name in INPUTS))
    .replace("DATA", '"shape":[1],"datatype":"FP32"')
    .replace("FEATURES", '{"name":"features","shape":[99999,3],"datatype":"INT64"')
    .split(" ", 2)
    for line in """\
POST /predict #
POST /predict {"sugar":#,"fiber":[1],"protein":[1]}
POST /explain #
POST /predict {"sugar":1,"fiber":1,"protein":1,"x":#}
POST /v1/models/calories:predict {"instances":#}
POST /v1/models/calories:predict {"signature_name":"features","instances":#}
POST /v1/models/calories:predict {"inputs":#}
POST /v1/models/calories:predict {"signature_name":"features","inputs":#}
POST /v1/models/calories:explain {"instances":#}
POST /v1/models/calories:predict {"inputs":{"sugar":#,"fiber":[1],"protein":[1]}}
POST /v1/models/calories:predict {"signature_name":#,"instances":[]}
POST /v1/models/calories:predict {"instances":[],"x":#}
POST /v1/models/linear-unit:predict {"instances":#}
POST /v1/models/calories:regress {"examples":#}
POST /v1/models/calories:regress {"examples":[{}],"context":#}
POST /v1/models/calories:classify {"examples":#}
POST /v2/models/calories/infer #
POST /v2/models/calories/infer {"inputs":#}
POST /v2/models/calories/infer {"inputs":[{"name":"sugar",DATA,"data":#}]}
POST /v2/models/calories/infer {"inputs":[FEATURES,"data":#}]}
POST /v2/models/calories/infer {"inputs":[{"datatype":"FP32","data":[1],"name":#}]}
POST /v2/models/calories/infer {"inputs":[{"name":"sugar","datatype":"FP32","shape":#}]}
POST /v2/models/calories/infer {"inputs":[TENSORS],"outputs":#}
POST /v2/models/calories/infer {"inputs":[TENSORS],"parameters":#}
POST /v2/models/calories/infer {"inputs":[TENSORS],"id":#}
POST /v2/repository/index #
POST /v2/repository/index {"ready":#}
PUT /admin/models/calories/labels/canary #
PUT /admin/models/calories/labels/canary {"version":#}
POST /admin/models/calories/rollback {"label":#}
""".splitlines()
)
# What takes no body, or is not there.
BODILESS = """\
GET /healthz
GET /metrics
GET /models
GET /v1/models/calories
GET /v2/models/calories/ready
DELETE /admin/models/calories/labels/canary
POST /v2/repository/models/calories/load
POST /nothing"""
LINES = ('"1",1,1', "1,1,1", "1,1,1,1", "a,b,c", "1", ",,")
CSV_FILLED = (
    *(("#\n1", name, ",") for name in ("%07d", "sugar")),
    *(("#", ",", ""), ("#\n1", "a", ""), ('"#"\n', "a", "")),
    *((f"#{HEADER}1,1,1\n", end, "") for end in "\n\r"),
    *((f"{HEADER}#", item, "") for item in '\n,"1'),
    *((f'{HEADER}"#",1,1\n', "\n", ""), (f"{HEADER}😀#", "1", "")),
    *((f"{HEADER}#\n", line, "\n") for line in LINES),
    *((f"{HEADER}#\nword,1,1\n", "1,1,1", "\n"), (f"{HEADER}#\n", '""', ",")),
)
V1, V2 = "/v1/models/calories", "/v2/models/calories/infer"
FEATURES = '{"inputs":[{"name":"features","shape":[100000,3],"datatype":"%s","data":[#]}]}'
COLUMN = ",".join(["1.5"] * ROWS)
COLUMNS = "{" + ",".join(f'"{name}":[{COLUMN}]' for name in INPUTS) + "}"
# As many rows as may be sent, in whatever size they have: path, body, item, how many.
RIGHT: tuple[tuple[str, str, str, int], ...] = (
    ("/predict", "[#]", ROW, ROWS),
    ("/predict", '[#,{"sugar":1', ROW, ROWS - 1),
    ("/predict", f'[#,{ROW[:-1]},"sugar":1}}]', ROW, ROWS - 1),
    ("/explain", "[#]", ROW, ROWS // 8),
    ("/explain?model=linear-unit", "[#]", '{"sugar":5.5}', ROWS // 2),
    (f"{V1}:predict", '{"instances":[#,{}]}', ROW, ROWS - 1),
    (f"{V1}:explain", '{"instances":[#]}', ROW, ROWS // 8),
    (f"{V1}:predict", '{"signature_name":"features","instances":[#]}', "[5.5,1.5,2.5]", ROWS),
    (f"{V1}:regress", '{"examples":[#]}', LISTS, ROWS),
    (f"{V1}:regress", '{"context":{"sugar":1,"fiber":1},"examples":[#]}', '{"protein":1}', ROWS),
    (V2, FEATURES % "FP32", "[5.5,1.5,2.5]", ROWS),
    (V2, FEATURES % "INT64", "5000", 3 * ROWS),
    ("/predict", "#", COLUMNS, 1),
    (f"{V1}:predict", '{"inputs":#}', COLUMNS, 1),
)


def worst() -> Iterator[Worst]:
    """All of them, those of JSON by their places first."""
    for method, path, template in PLACES:
        for name, value in VALUES.items():
            yield Worst(f"{name} at {template}", method, path, placed(template, value))
    for method, path in map(str.split, BODILESS.split("\n")):
        yield Worst(UNASKED, method, path, filled("[#]", "[]", ","))
    for path in ("/predict", "/explain"):
        for template, item, gap in CSV_FILLED:
            name = f"CSV: {item!r}… in {template!r}"
            yield Worst(name, "POST", path, filled(template, item, gap), CSV)
        for name, make in STREAMS.items():
            yield Worst(f"Arrow: {name}", "POST", path, make, ARROW)
    for path, template, item, many in RIGHT:
        name = f"right: {many} of {item[:60]} at {template[:60]}"
        yield Worst(name, "POST", path, filled(template, item, ",", many))
    lines = filled(f"{HEADER}#", '"5.5",1.5,2.5', "\n", ROWS)
    yield Worst("right: CSV", "POST", "/predict", lines, CSV)
    # Binary tensors behind the JSON: of the smallest and the largest types, and of many rows.
    for kind, width, rows in (("UINT8", 1, ROWS), ("FP16", 2, 1_300_000), ("FP64", 8, ROWS)):
        size = {"binary_data_size": 3 * width * rows}
        told = {"name": "features", "shape": [rows, 3], "datatype": kind, "parameters": size}
        head = json.dumps({"inputs": [told]})
        make = filled(head + "#", "\0", many=3 * width * rows)
        yield Worst(f"binary: {kind}", "POST", V2, make, json=len(head))


def written(*batches: Any, schema: Any = None, **options: Any) -> bytes:
    """An Arrow stream of these record batches."""
    sink, how = pa.BufferOutputStream(), pa.ipc.IpcWriteOptions(**options)
    with pa.ipc.new_stream(sink, schema or batches[0].schema, options=how) as out:
        for batch in batches:
            out.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def batch(values: Any, kind: Any) -> Any:
    """A record batch with the same values for each input."""
    return pa.record_batch({name: pa.array(values, kind) for name in INPUTS})


def _batches(batch: Any, size: int) -> bytes:
    each = len(written(batch, batch)) - len(written(batch))
    return written(*[batch] * max(1, size // each - 8))


def _fields(name: str, kind: Any, size: int, width: int = 100) -> bytes:
    return written(schema=pa.schema([(name.format(i), kind) for i in range(size // width)]))


def _metadata(size: int) -> bytes:
    pairs = {f"key {i}": "value" for i in range(size // 60)}
    return written(ONE, schema=ONE.schema.with_metadata(pairs))


def _dictionaries(size: int) -> bytes:
    words = pa.array([f"{i}" for i in range(size // 60)]).dictionary_encode()
    return written(pa.record_batch(dict.fromkeys(INPUTS, words)))


ONE, NUMBER = batch([1.0], pa.float32()), pa.float32()
NESTED = reduce(lambda inner, _: pa.list_(inner), range(60), NUMBER)
# Arrow streams of about so many bytes.
STREAMS: dict[str, Make] = {
    "batches of a row": partial(_batches, ONE),
    "batches of no row": partial(_batches, ONE[:0]),
    "fields": partial(_fields, "{}", NUMBER),
    "fields of one name": partial(_fields, "sugar", NUMBER),
    "nested fields": partial(_fields, "{}", NESTED, width=8000),
    "metadata": _metadata,
    "bytes": lambda size: written(batch([1] * (size // 3 - 500), pa.int8())),
    "nulls": lambda _: written(batch([None] * ROWS, pa.float64())),
    "strings": lambda size: written(batch(["ab"] * (size // 20), pa.string())),
    "dictionaries": _dictionaries,
    "all rows": lambda _: written(batch([1] * ROWS, pa.int8())),
}
