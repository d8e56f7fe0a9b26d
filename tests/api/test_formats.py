"""CSV and Arrow at POST /predict: the same answers as JSON, the same refusals, negotiated."""

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import Client, TestResponse

from service.codecs import formats, text_csv
from tests.dialects import refusal

JSON, CSV, ARROW = "application/json", formats.CSV, formats.ARROW
INPUTS = ("sugar", "fiber", "protein")
COLUMNS = {"sugar": [5.0, 12.0, 99.0], "fiber": [1.0, 0.0, 2.5], "protein": [2.0, 1.0, 0.1]}
HEADER = "sugar,fiber,protein\n"
LINES = HEADER + "5,1,2\n12,0,1\n99,2.5,0.1\n"
GRAM = "a number from 0 to 1000 (g a serving)"
Post = Callable[..., TestResponse]
patient = settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="session")
def post(client: Client) -> Post:
    """POST a text as CSV, bytes as Arrow, and anything else as JSON."""

    def post(body: Any, accept: str = "", kind: str = "", query: str = "") -> TestResponse:
        kind = kind or (
            CSV if isinstance(body, str) else ARROW if isinstance(body, bytes) else JSON
        )
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        headers = {"Accept": accept} if accept else {}
        return client.post(f"/predict{query}", data=data, content_type=kind, headers=headers)

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


STREAM = stream(floats(COLUMNS))
BATCH = pa.record_batch(floats(COLUMNS))


def faults(response: TestResponse) -> list[tuple[str, str, str]]:
    refusal(response, 422)
    errors = json.loads(response.data)["errors"]
    return [(each["field"], each["expected"], each["received"]) for each in errors]


def in_csv(response: TestResponse) -> dict[str, list[float]]:
    header, *lines = response.get_data(as_text=True).splitlines()
    cells = zip(*(map(json.loads, line.split(",")) for line in lines), strict=True)
    return dict(zip(header.split(","), map(list, cells), strict=True))


def in_arrow(response: TestResponse) -> dict[str, list[float]]:
    found: dict[str, list[float]] = pa.ipc.open_stream(response.data).read_all().to_pydict()
    return found


def test_each_format_is_answered_in_kind_with_the_model_and_version(post: Post) -> None:
    lines, batches = post(LINES, query="?model=deep"), post(STREAM, query="?model=deep")
    for found in (lines, batches):
        assert (found.headers["X-Model"], found.headers["X-Model-Version"]) == ("deep", "1")
    assert lines.content_type == "text/csv; charset=utf-8"
    header, first, *_ = lines.get_data(as_text=True).splitlines()
    assert header == "calories,lower,upper,in_range"
    alone = post({"sugar": 5, "fiber": 1, "protein": 2}, query="?model=deep").get_json()
    assert first == f"{alone['calories']},{alone['lower']},{alone['upper']},true"
    assert batches.content_type == ARROW
    schema = pa.ipc.open_stream(batches.data).schema
    assert schema.metadata == {b"model": b"deep", b"version": b"1"}
    assert [str(field.type) for field in schema] == ["float", "float", "float", "bool"]


grams = st.floats(0, 1000, width=32)


@patient
@given(rows=st.lists(st.tuples(grams, grams, grams), min_size=1, max_size=50))
def test_json_csv_and_arrow_give_the_same_answers(
    post: Post, rows: list[tuple[float, ...]]
) -> None:
    columns = dict(zip(INPUTS, map(list, zip(*rows, strict=True)), strict=True))
    text = HEADER + "\n".join(",".join(map(repr, row)) for row in rows)
    answer = post(columns).get_json()
    expected: dict[str, Any] = {
        name: np.float32(answer[name]).tolist() for name in ("calories", "lower", "upper")
    }
    expected["in_range"] = answer["in_range"]
    for body in (text, stream(floats(columns)), stream(floats(columns, pa.float32()))):
        assert in_arrow(post(body, ARROW)) == expected
    assert post(text, JSON).get_json() == answer
    assert in_csv(post(stream(floats(columns)), CSV)) == {n: answer[n] for n in expected}


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64", "float16", "float32"])
def test_every_kind_of_number_is_taken(post: Post, dtype: str) -> None:
    one = {name: pa.array(np.array([n], dtype)) for name, n in zip(INPUTS, (5, 1, 2), strict=True)}
    assert in_arrow(post(stream(one))) == in_arrow(post(HEADER + "5,1,2", ARROW))


@pytest.mark.parametrize(
    "body",
    [
        stream(BATCH.slice(0, 1), BATCH.slice(1, 0), BATCH.slice(1, 2)),
        stream(floats(dict(reversed(COLUMNS.items())))),
        "protein,fiber,sugar\n2,1,5\n1,0,12\n0.1,2.5,99\n",
        LINES.replace("\n", "\r\n"),
        "\ufeff" + LINES,
        "\n" + LINES.replace("\n", "\n\n"),
        LINES.rstrip("\n"),
        '"sugar","fiber","protein"\n"5","1","2"\n12,"0",1\n99,2.5,"0.1"\n',
        "sugar, fiber ,protein\n 5 ,1,2.\n+12,0e0,1\n9.9e1,2.5,.1\n",
    ],
)
def test_the_same_table_may_be_written_in_many_ways(post: Post, body: str | bytes) -> None:
    assert post(body, CSV).data == post(LINES).data


@pytest.mark.parametrize(
    ("cell", "received"),
    [
        *(("nan", "nan"), ("1e999", "inf"), ("-1", "-1.0"), ("", "nothing"), ("2#3", "2#3")),
        *(("1000.00001", "1000.00001"), ('"1,5"', "1,5"), ("x" * 100, "x" * 60 + "…")),
    ],
)
def test_a_cell_that_is_no_gram_is_refused_by_row_and_column(
    post: Post, cell: str, received: str
) -> None:
    assert faults(post(f"{HEADER}5,1,2\n5,{cell},2\n")) == [("fiber[1]", GRAM, received)]


@pytest.mark.parametrize(
    ("value", "dtype", "received"),
    [
        *((None, "float64", "null"), (None, "int32", "null"), (float("nan"), "float32", "nan")),
        *((float("inf"), "float64", "inf"), (1000.00001, "float64", "1000.00001")),
        *((2**63, "uint64", "9223372036854775808"), (-1, "int8", "-1")),
    ],
)
def test_a_value_that_is_no_gram_is_refused_by_row_and_column(
    post: Post, value: float | None, dtype: str, received: str
) -> None:
    array = {name: pa.array([1, 1], "float32") for name in INPUTS}
    array["fiber"] = pa.array([1, value], dtype)
    assert faults(post(stream(array))) == [("fiber[1]", GRAM, received)]


def test_a_wrong_cell_of_a_later_batch_is_counted_from_the_first(post: Post) -> None:
    bad = {**COLUMNS, "fiber": [0.0, -1.0, float("nan")]}
    assert faults(post(stream(BATCH, floats(bad)))) == [("fiber[4]", GRAM, "-1.0")]


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (pa.array(["5"]), "string"),
        (pa.array([True]), "bool"),
        (pa.array([5.0]).dictionary_encode(), "dictionary<values=double, indices=int32"),
        (pa.nulls(1), "null"),
        (pa.array([5], "int8").cast(pa.bool_()).cast("int8").view(pa.bool8()), "bool8"),
    ],
)
def test_a_column_of_another_type_is_refused(post: Post, array: Any, kind: str) -> None:
    body = stream({"sugar": array, "fiber": pa.array([1.0]), "protein": pa.array([2.0])})
    [(field, expected, received)] = faults(post(body))
    assert (field, expected) == ("sugar", "a column of floats or integers")
    assert kind in received


def test_an_extension_type_that_is_not_known_here_is_refused(post: Post) -> None:
    metadata = {"ARROW:extension:name": "my.ounces"}
    fields = [pa.field(name, pa.float64(), metadata=metadata) for name in INPUTS]
    body = stream(pa.record_batch([pa.array([1.0])] * 3, schema=pa.schema(fields)))
    assert [field for field, *_ in faults(post(body))] == list(INPUTS)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("sugar,fiber", ("protein", GRAM, "nothing")),
        (f"{HEADER[:-1]},fat", ("fat", f"no such column, only {', '.join(INPUTS)}", "a column")),
        (f"{HEADER[:-1]},sugar", ("sugar", "one column", "2")),
    ],
)
def test_the_columns_must_be_the_inputs(
    post: Post, header: str, expected: tuple[str, str, str]
) -> None:
    names = header.split(",")
    batch = pa.record_batch([pa.array([1.0])] * len(names), names)
    assert faults(post(f"{header}\n{','.join('1' for _ in names)}\n")) == [expected]
    assert faults(post(stream(batch))) == [expected]


@pytest.mark.parametrize("line", ["1,2", "1,2,3,4", "   "])
def test_a_line_with_the_wrong_number_of_cells_is_named(post: Post, line: str) -> None:
    found = faults(post(f"{HEADER}1,2,3\n\n{line}\n"))
    assert found == [("[1]", "3 cells, as the header has", str(line.count(",") + 1))]


@pytest.mark.parametrize(("rows", "expected"), [(0, "at least one row"), (51, "at most 50 rows")])
def test_the_number_of_rows_is_bounded(post: Post, rows: int, expected: str) -> None:
    lines = HEADER + "1,1,1\n" * rows
    body = stream(floats({name: [1.0] * rows for name in INPUTS}))
    for found in (post(lines), post(lines.replace("1", '"1"')), post(body)):
        assert faults(found) == [("body", expected, str(rows))]


@pytest.mark.parametrize(
    "body",
    [b"", b"\n\n", b"\xff\xfes\x00", b'sugar,fiber,protein\n"1,2,3\n', HEADER + '"1"2,3,4'],
)
def test_what_is_no_csv_gets_400_with_an_example(post: Post, body: bytes) -> None:
    example = "send for example the line 'sugar,fiber,protein' and below it '1,1,1'"
    assert example in refusal(post(body, kind=CSV), 400)


CLAIMS = STREAM.replace(struct.pack("<q", 3), struct.pack("<q", 2**40))


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", LINES.encode(), b"ARROW1\0\0", b"\xff" * 64, CLAIMS],
)
def test_what_is_no_arrow_stream_gets_400(post: Post, body: bytes) -> None:
    assert refusal(post(body), 400).startswith("The body is not an Arrow stream: ")


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_buffers_are_refused_unread(post: Post, codec: str) -> None:
    body = stream(floats({name: [0.0] * 10**3 for name in INPUTS}), compression=codec)
    assert "compression=None" in refusal(post(body), 400)


def test_a_truncated_stream_is_refused_or_holds_the_batches_before(post: Post) -> None:
    body = stream(BATCH, BATCH)
    for length in range(len(body)):
        response = post(body[:length])
        if response.status_code == 200:  # the end of a message is an end of the stream
            assert len(in_arrow(response)["calories"]) in {3, 6}
        else:
            assert response.status_code in {400, 422}, (length, response.data)
            refusal(response, response.status_code)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        *(("*/*", CSV), ("text/*", CSV), (JSON, JSON), ("TEXT/CSV; header=present", CSV)),
        (f"{ARROW};q=0.9, {JSON};q=0.1", ARROW),
        *((f"*/*;q=0.1, {JSON}", JSON), (f"{CSV};q=0, */*", JSON)),
    ],
)
def test_accept_chooses_the_format_of_the_answer(post: Post, accept: str, kind: str) -> None:
    assert post(LINES, accept).content_type.partition(";")[0] == kind


@pytest.mark.parametrize("accept", ["text/html", "*/*;q=0", "nonsense", "image/*"])
def test_an_accept_that_nothing_satisfies_gets_406_but_for_json(post: Post, accept: str) -> None:
    assert "text/csv" in refusal(post(LINES, accept), 406)
    answer = post(COLUMNS, accept)
    assert (answer.status_code, answer.content_type) == (200, JSON)


def test_without_pyarrow_arrow_is_refused_with_what_to_install(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda _: None)
    formats.find.cache_clear()
    try:
        install = "pip install --require-hashes -r requirements/bulk.txt"
        assert install in refusal(post(STREAM), 415)
        refusal(post(LINES, ARROW), 406)
        assert post(LINES).status_code == 200
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
