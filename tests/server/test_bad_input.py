"""Requests that cost their sender little and would cost the service much get one short refusal."""

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from werkzeug.test import Client

from models.registry import Registry
from service.app import create_host
from service.codecs.json_rows import Schema
from service.errors import InvalidInput
from service.serving.accepted import Accepted
from service.settings import Settings
from tests.both_ways import both_ways
from tests.servers import ROW

COLUMNS = {name: [1] * 50 for name in ROW}
MANY = {f"f{i}": 1 for i in range(2000)}
WIDE = {f"f{i}": 1 for i in range(100_000)}
TENSORS: list[Any] = [{"name": "features", "shape": [1, 3], "datatype": "FP32", "data": [5, 1, 2]}]
LOWER = [{"name": "lower"}]
PREDICT, EXPLAIN = "/predict", "/explain"
V1, V2 = "/v1/models/calories", "/v2/models/calories/infer"
NO_ROWS = {"signature_name": "features", "instances": []}

# Where, what, the status, and what the answer says.
REFUSED: list[tuple[str, Any, int, str]] = [
    *((path, WIDE, 422, "bytes of something else") for path in (PREDICT, EXPLAIN)),
    *((path, [WIDE], 422, "bytes of something else") for path in (PREDICT, EXPLAIN)),
    *((path, WIDE | {"sugar": [1]}, 422, "something else") for path in (PREDICT, EXPLAIN)),
    (PREDICT, [{**ROW, "sugar": -1}] * 50, 422, '"field":"[0].sugar"'),
    (PREDICT, COLUMNS | {"fiber": [-1] * 50}, 422, '"field":"fiber[0]"'),
    (PREDICT, {**ROW, "f" * 100_000: 1}, 422, "expected"),
    (V2, {"inputs": [1] * 100_000}, 400, "expected"),
    (V2, {"inputs": TENSORS, "outputs": [1] * 100_000}, 400, "expected"),
    (V2, {"inputs": TENSORS, "parameters": MANY}, 400, "at most 100 parameters"),
    (V2, {"inputs": TENSORS, "outputs": LOWER * 2}, 400, "expected each output once, received 2"),
    (
        f"{V1}:regress",
        {"context": MANY, "examples": [{}] * 50},
        400,
        "context: expected no keys but ",
    ),
    (f"{V1}:regress", {"examples": [{}] * 51}, 400, "examples: expected at most 50, received 51"),
    (f"{V1}:regress", {"examples": [1] * 50}, 400, "examples[0]: expected an object, received 1"),
    (f"{V1}:regress", {"examples": [1] * 100_000}, 400, "expected at most 50, received 100000"),
    (f"{V1}:predict", NO_ROWS, 400, "body: expected at least one row, received 0."),
    (f"{V1}:explain", NO_ROWS, 400, "body: expected at least one row, received 0."),
]


@pytest.fixture(scope="module")
def client(shipped: Registry) -> Iterator[Client]:
    settings = Settings(registry=shipped.root, max_rows=50)
    host = create_host(settings)
    yield both_ways(settings, host)
    host.close()


def test_however_much_is_wrong_one_fault_is_told_in_a_short_answer(client: Client) -> None:
    for path, body, status, sentence in REFUSED:
        answer = client.post(path, json=body)
        assert (answer.status_code, sentence in answer.text) == (status, True), answer.text[:999]
        assert len(answer.data) < 1000, sentence
        assert len(answer.get_json().get("errors", [1])) == 1


def test_very_many_errors_are_not_listed() -> None:
    schema = Schema(Accepted(("sugar",), ((0.0, 1000.0),), ("g",)), max_rows=100_000)
    with pytest.raises(InvalidInput, match="received 2001 wrong fields"):
        schema.rows(json.dumps([MANY]).encode())


@pytest.mark.parametrize("path", [PREDICT, EXPLAIN])
def test_a_compressed_body_gets_415_from_the_native_dialect(client: Client, path: str) -> None:
    answer = client.post(path, json=ROW, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415
    assert "send it plain" in answer.get_json()["detail"]


def test_a_length_of_thousands_of_digits_is_read(client: Client) -> None:
    body = json.dumps(ROW).encode()
    assert len(body) == 38
    for length, status in (("9" * 5000, 413), ("0" * 5000, 400), ("0" * 5000 + "38", 200)):
        environ = {"CONTENT_LENGTH": length, "wsgi.input": BytesIO(body + b", and more")}
        answer = client.post(PREDICT, content_type="application/json", environ_overrides=environ)
        assert answer.status_code == status
        assert answer.mimetype == f"application/{'' if status == 200 else 'problem+'}json"
