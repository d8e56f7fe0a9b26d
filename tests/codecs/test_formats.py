"""CSV and Arrow at POST /predict: the same answers as JSON, the same refusals, negotiated."""

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import Client, TestResponse

from models.registry import Registry
from service.app import create_host
from service.codecs import formats, text_csv
from service.codecs.media_types import preferred
from service.settings import Settings
from tests.both_ways import both_ways

JSON, CSV, ARROW = "application/json", formats.CSV, formats.ARROW
INPUTS = ("sugar", "fiber", "protein")
COLUMNS = {"sugar": [5.0, 12.0, 99.0], "fiber": [1.0, 0.0, 2.5], "protein": [2.0, 1.0, 0.1]}
LINES = "sugar,fiber,protein\n5,1,2\n12,0,1\n99,2.5,0.1\n"
GRAM = "a number from 0 to 1000 (grams a serving)"


@pytest.fixture(scope="module")
def client(shipped: Registry) -> Iterator[Client]:
    host = create_host(Settings(registry=shipped.root, engine="litert"))
    yield both_ways(Settings(registry=shipped.root, max_rows=50), host)
    host.close()


Post = Callable[..., TestResponse]


@pytest.fixture(scope="module")
def post(client: Client) -> Post:
    def post(body: str | bytes, content_type: str, accept: str = "", query: str = "") -> Any:
        headers = {"Accept": accept} if accept else {}
        path = f"/predict{query}"
        return client.post(path, data=body, content_type=content_type, headers=headers)

    return post


def stream(*batches: Any, **options: Any) -> bytes:
    """An Arrow stream of record batches, or of one made from columns."""
    made = [pa.record_batch(each) if isinstance(each, dict) else each for each in batches]
    sink = pa.BufferOutputStream()
    options = {"options": pa.ipc.IpcWriteOptions(**options)}
    with pa.ipc.new_stream(sink, made[0].schema, **options) as writer:
        for batch in made:
            writer.write_batch(batch)
    return bytes(sink.getvalue())


def floats(columns: dict[str, list[float]], dtype: Any = None) -> dict[str, Any]:
    return {name: pa.array(cells, dtype or pa.float64()) for name, cells in columns.items()}


def refused(response: TestResponse, status: int) -> dict[str, Any]:
    """The problem document of a refusal."""
    assert response.content_type == "application/problem+json", response.data
    document: dict[str, Any] = json.loads(response.data)
    assert response.status_code == document["status"] == status, document
    return document


def faults(response: TestResponse) -> list[tuple[str, str, str]]:
    errors = refused(response, 422)["errors"]
    return [(each["field"], each["expected"], each["received"]) for each in errors]


def in_csv(response: TestResponse) -> dict[str, list[float]]:
    header, *lines = response.get_data(as_text=True).splitlines()
    cells = zip(*(map(json.loads, line.split(",")) for line in lines), strict=True)
    return dict(zip(header.split(","), map(list, cells), strict=True))


def in_arrow(response: TestResponse) -> dict[str, list[float]]:
    found: dict[str, list[float]] = pa.ipc.open_stream(response.data).read_all().to_pydict()
    return found


def test_csv_is_answered_as_csv_a_line_a_row(post: Post) -> None:
    answer = post(LINES, CSV)
    assert answer.content_type == "text/csv; charset=utf-8"
    header, first, *_ = answer.get_data(as_text=True).splitlines()
    assert header == "calories,lower,upper,in_range"
    alone = post('{"sugar":5,"fiber":1,"protein":2}', JSON).get_json()
    assert first == f"{alone['calories']},{alone['lower']},{alone['upper']},true"


def test_arrow_is_answered_as_arrow_with_model_and_version_in_its_metadata(post: Post) -> None:
    answer = post(stream(floats(COLUMNS)), ARROW)
    assert answer.content_type == ARROW
    schema = pa.ipc.open_stream(answer.data).schema
    assert schema.metadata == {b"model": b"calories", b"version": b"1"}
    assert [str(field.type) for field in schema] == ["float", "float", "float", "bool"]


@pytest.mark.parametrize(("body", "kind"), [(LINES, CSV), (stream(floats(COLUMNS)), ARROW)])
def test_headers_say_which_model_and_version_answered(post: Post, body: bytes, kind: str) -> None:
    answer = post(body, kind, query="?model=deep")
    assert (answer.headers["X-Model"], answer.headers["X-Model-Version"]) == ("deep", "1")


grams = st.floats(0, 1000, width=32)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(st.tuples(grams, grams, grams), min_size=1, max_size=50))
def test_json_csv_and_arrow_give_the_same_answers(
    post: Post, rows: list[tuple[float, ...]]
) -> None:
    columns = dict(zip(INPUTS, map(list, zip(*rows, strict=True)), strict=True))
    text = "\n".join([",".join(INPUTS), *(",".join(map(repr, row)) for row in rows)])
    answer = post(json.dumps(columns), JSON).get_json()
    expected: dict[str, Any] = {
        name: np.float32(answer[name]).tolist() for name in ("calories", "lower", "upper")
    }
    expected["in_range"] = answer["in_range"]
    for response in (
        post(text, CSV, ARROW),
        post(stream(floats(columns)), ARROW),
        post(stream(floats(columns, pa.float32())), ARROW),
    ):
        assert in_arrow(response) == expected
    assert post(text, CSV, JSON).get_json() == answer
    assert in_csv(post(stream(floats(columns)), ARROW, CSV)) == {n: answer[n] for n in expected}


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64", "float16", "float32"])
def test_every_kind_of_number_is_taken(post: Post, dtype: str) -> None:
    columns = {"sugar": [5], "fiber": [1], "protein": [2]}
    array = {name: pa.array(np.array(cells, dtype)) for name, cells in columns.items()}
    assert in_arrow(post(stream(array), ARROW)) == in_arrow(
        post("sugar,fiber,protein\n5,1,2", CSV, ARROW)
    )


def test_several_record_batches_are_one_column(post: Post) -> None:
    whole = pa.record_batch(floats(COLUMNS))
    parts = stream(whole.slice(0, 1), whole.slice(1, 0), whole.slice(1, 2))
    assert in_arrow(post(parts, ARROW)) == in_arrow(post(stream(whole), ARROW))


def test_a_wrong_cell_of_a_later_batch_is_counted_from_the_first(post: Post) -> None:
    bad = {**COLUMNS, "fiber": [0.0, -1.0, float("nan")]}
    response = post(stream(floats(COLUMNS), floats(bad)), ARROW)
    assert faults(response) == [("fiber[4]", GRAM, "-1.0")]


def test_columns_may_come_in_any_order(post: Post) -> None:
    swapped = dict(reversed(COLUMNS.items()))
    lines = "protein,fiber,sugar\n2,1,5\n1,0,12\n0.1,2.5,99\n"
    assert post(stream(floats(swapped)), ARROW).data == post(stream(floats(COLUMNS)), ARROW).data
    assert post(lines, CSV).data == post(LINES, CSV).data


@pytest.mark.parametrize(
    "lines",
    [
        LINES.replace("\n", "\r\n"),
        "\ufeff" + LINES,
        "\n" + LINES.replace("\n", "\n\n"),
        LINES.rstrip("\n"),
        '"sugar","fiber","protein"\n"5","1","2"\n12,"0",1\n99,2.5,"0.1"\n',
        "sugar, fiber ,protein\n 5 ,1,2.\n+12,0e0,1\n9.9e1,2.5,.1\n",
    ],
    ids=["crlf", "mark", "empty-lines", "no-last-end", "quoted", "spelled-otherwise"],
)
def test_csv_may_be_written_in_many_ways(post: Post, lines: str) -> None:
    assert post(lines, CSV).data == post(LINES, CSV).data


@pytest.mark.parametrize(
    ("cell", "received"),
    [
        ("nan", "nan"),
        ("inf", "inf"),
        ("1e999", "inf"),
        ("-1", "-1.0"),
        ("1000.00001", "1000.00001"),
        ("", "nothing"),
        ("true", "true"),
        ("1_000", "1_000"),
        ("٣", "٣"),
        ("0x10", "0x10"),
        ('"1,5"', "1,5"),
        ("x" * 100, "x" * 60 + "…"),
    ],
)
def test_a_cell_that_is_no_gram_is_refused_by_row_and_column(
    post: Post, cell: str, received: str
) -> None:
    response = post(f"sugar,fiber,protein\n5,1,2\n5,{cell},2\n", CSV)
    assert faults(response) == [("fiber[1]", GRAM, received)]


def test_nothing_is_a_comment(post: Post) -> None:
    response = post("sugar,fiber,protein\n5,1,2\n5,1,2#3\n", CSV)
    assert faults(response) == [("protein[1]", GRAM, "2#3")]


@pytest.mark.parametrize(
    ("value", "dtype", "received"),
    [
        (None, "float64", "null"),
        (None, "int32", "null"),
        (float("nan"), "float32", "nan"),
        (float("inf"), "float64", "inf"),
        (1000.00001, "float64", "1000.00001"),
        (2**63, "uint64", "9223372036854775808"),
        (-1, "int8", "-1"),
    ],
)
def test_a_value_that_is_no_gram_is_refused_by_row_and_column(
    post: Post, value: float | None, dtype: str, received: str
) -> None:
    array = {name: pa.array([1, 1], "float32") for name in INPUTS}
    array["fiber"] = pa.array([1, value], dtype)
    assert faults(post(stream(array), ARROW)) == [("fiber[1]", GRAM, received)]


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (pa.array(["5"]), "string"),
        (pa.array([True]), "bool"),
        (pa.array([5.0]).dictionary_encode(), "dictionary<values=double, indices=int32"),
        (pa.array([[5.0]]), "list<"),
        (pa.nulls(1), "null"),
        (pa.array([5]).cast("timestamp[s]"), "timestamp[s]"),
        (pa.array([5], "int8").cast(pa.bool_()).cast("int8").view(pa.bool8()), "bool8"),
    ],
    ids=["string", "bool", "dictionary", "list", "null", "timestamp", "extension"],
)
def test_a_column_of_another_type_is_refused(post: Post, array: Any, kind: str) -> None:
    body = stream({"sugar": array, "fiber": pa.array([1.0]), "protein": pa.array([2.0])})
    [(field, expected, received)] = faults(post(body, ARROW))
    assert (field, expected) == ("sugar", "a column of floats or integers")
    assert kind in received


def test_an_extension_type_that_is_not_known_here_is_refused(post: Post) -> None:
    metadata = {"ARROW:extension:name": "my.ounces"}
    fields = [pa.field(name, pa.float64(), metadata=metadata) for name in INPUTS]
    body = stream(pa.record_batch([pa.array([1.0])] * 3, schema=pa.schema(fields)))
    assert [field for field, *_ in faults(post(body, ARROW))] == list(INPUTS)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("sugar,fiber", ("protein", GRAM, "nothing")),
        (
            "sugar,fiber,protein,fat",
            ("fat", "no such column, only sugar, fiber, protein", "a column"),
        ),
        ("sugar,fiber,protein,sugar", ("sugar", "one column", "2")),
    ],
)
def test_the_columns_must_be_the_inputs(
    post: Post, header: str, expected: tuple[str, str, str]
) -> None:
    names = header.split(",")
    lines = f"{header}\n{','.join('1' for _ in names)}\n"
    assert faults(post(lines, CSV)) == [expected]
    assert faults(post(stream(pa.record_batch([pa.array([1.0])] * len(names), names)), ARROW)) == [
        expected
    ]


@pytest.mark.parametrize("line", ["1,2", "1,2,3,4", "   "])
def test_a_line_with_the_wrong_number_of_cells_is_named(post: Post, line: str) -> None:
    found = faults(post(f"sugar,fiber,protein\n1,2,3\n\n{line}\n", CSV))
    assert found == [("[1]", "3 cells, as the header has", str(line.count(",") + 1))]


@pytest.mark.parametrize(
    ("rows", "expected"), [(0, "at least one row"), (51, "at most 50 rows"), (60, "at most 50")]
)
def test_the_number_of_rows_is_bounded(post: Post, rows: int, expected: str) -> None:
    lines = "sugar,fiber,protein\n" + "1,1,1\n" * rows
    body = stream(floats({name: [1.0] * rows for name in INPUTS}))
    for response in (post(lines, CSV), post(lines.replace("1", '"1"'), CSV), post(body, ARROW)):
        [(field, wanted, received)] = faults(response)
        assert field == "body"
        assert wanted.startswith(expected)
        assert received == str(rows)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b"\xff\xfes\x00",
        b'sugar,fiber,protein\n"1,2,3\n',
        b'sugar,fiber,protein\n"1"2,3,4',
    ],
    ids=["empty", "empty-lines", "utf-16", "open-quote", "after-quote"],
)
def test_what_is_no_csv_gets_400_with_an_example(post: Post, body: bytes) -> None:
    detail = refused(post(body, CSV), 400)["detail"]
    assert "send for example the line 'sugar,fiber,protein' and below it '1,1,1'" in detail


def test_a_truncated_stream_is_refused_or_holds_the_batches_before(post: Post) -> None:
    batch = pa.record_batch(floats(COLUMNS))
    body = stream(batch, batch)
    for length in range(len(body)):
        response = post(body[:length], ARROW)
        assert response.status_code in {200, 400, 422}, (length, response.data)
        if response.status_code == 200:  # the end of a message is an end of the stream
            assert len(in_arrow(response)["calories"]) in {3, 6}
        else:
            refused(response, response.status_code)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_a_damaged_stream_never_fails_the_service(
    post: Post, changes: list[tuple[int, int]]
) -> None:
    body = bytearray(stream(floats(COLUMNS)))
    for place, value in changes:
        body[place % len(body)] = value
    assert post(bytes(body), ARROW).status_code in {200, 400, 422}


def test_a_batch_that_claims_more_rows_than_its_buffers_hold_is_refused(post: Post) -> None:
    honest = stream(floats(COLUMNS))
    claims = honest.replace(struct.pack("<q", 3), struct.pack("<q", 2**40))
    assert claims != honest
    detail = refused(post(claims, ARROW), 400)["detail"]
    assert detail.startswith("The body is not an Arrow stream: ")


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_buffers_are_refused_unread(post: Post, codec: str) -> None:
    body = stream(floats({name: [0.0] * 10**6 for name in INPUTS}), compression=codec)
    assert "compression=None" in refused(post(body, ARROW), 400)["detail"]


@pytest.mark.parametrize("body", [b"", b"{}", LINES.encode(), b"ARROW1\0\0", b"\xff" * 64])
def test_what_is_no_arrow_stream_gets_400(post: Post, body: bytes) -> None:
    detail = refused(post(body, ARROW), 400)["detail"]
    assert detail.startswith("The body is not an Arrow stream: ")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", CSV),
        ("text/*", CSV),
        (JSON, JSON),
        (f"{ARROW};q=0.9, {JSON};q=0.1", ARROW),
        (f"*/*;q=0.1, {JSON}", JSON),
        (f"{CSV};q=0, */*", JSON),
        ("TEXT/CSV; header=present", CSV),
    ],
)
def test_accept_chooses_the_format_of_the_answer(post: Post, accept: str, kind: str) -> None:
    assert post(LINES, CSV, accept).content_type.partition(";")[0] == kind


@pytest.mark.parametrize("accept", ["text/html", "*/*;q=0", "nonsense", "image/*"])
def test_an_accept_that_nothing_satisfies_gets_406(post: Post, accept: str) -> None:
    assert "text/csv" in refused(post(LINES, CSV, accept), 406)["detail"]


def test_json_is_answered_with_json_even_where_accept_names_something_else(post: Post) -> None:
    answer = post(json.dumps(COLUMNS), JSON, "text/html")
    assert (answer.status_code, answer.content_type) == (200, JSON)


def test_without_pyarrow_arrow_is_refused_with_what_to_install(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda _: None)
    formats.find.cache_clear()
    try:
        document = refused(post(stream(floats(COLUMNS)), ARROW), 415)
        assert "pip install --require-hashes -r requirements/bulk.txt" in document["detail"]
        refused(post(LINES, CSV, ARROW), 406)
        assert post(LINES, CSV).status_code == 200
    finally:
        formats.find.cache_clear()


cells = st.text(st.sampled_from("0123456789.eE+-_ nanif\"',٣\n\r\t"), max_size=8)


@settings(max_examples=300)
@given(lines=st.lists(st.lists(cells, min_size=1, max_size=4), max_size=4))
def test_the_quick_csv_parser_takes_what_the_careful_one_takes(lines: list[list[str]]) -> None:
    text = "a,b\n" + "\n".join(",".join(line) for line in lines)
    quick = text_csv._quick(text, 2)
    if quick is None:
        return
    rows = list(text_csv._lines(text))[1:]
    assert [len(row) for row in rows] == [2] * len(quick)
    careful = np.array([text_csv.numbers(row) for row in rows]).reshape(quick.shape)
    np.testing.assert_array_equal(quick, careful)


def test_the_first_of_equally_liked_formats_is_taken() -> None:
    assert preferred("b/b, a/a", ["a/a", "b/b"]) == "a/a"
