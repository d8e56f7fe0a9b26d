"""Requests that cost their sender little and would cost the service much, or a 500."""

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
from service.settings import Settings
from tests.both_ways import both_ways

ROW = {"sugar": 5, "fiber": 1, "protein": 2}
COLUMNS = {name: [1] * 50 for name in ROW}
MANY = {f"f{i}": 1 for i in range(2000)}
WIDE = {f"f{i}": 1 for i in range(100_000)}
TENSOR = {"name": "features", "shape": [1, 3], "datatype": "FP32", "data": [5, 1, 2]}


@pytest.fixture(scope="module")
def client(shipped: Registry) -> Iterator[Client]:
    settings = Settings(registry=shipped.root, max_rows=50)
    host = create_host(settings)
    yield both_ways(settings, host)
    host.close()


@pytest.mark.parametrize("path", ["/predict", "/explain"])
@pytest.mark.parametrize(
    "body", [WIDE, [WIDE], {**WIDE, "sugar": [1]}], ids=["row", "rows", "cols"]
)
def test_very_many_fields_are_refused_as_one_fault(client: Client, path: str, body: Any) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 422
    [fault] = answer.get_json()["errors"]
    assert fault["received"].endswith(" bytes of something else")


def test_very_many_errors_are_not_listed() -> None:
    schema = Schema(("sugar",), max_rows=100_000)
    with pytest.raises(InvalidInput, match="received 2001 wrong fields"):
        schema.rows(json.dumps([MANY]).encode())


@pytest.mark.parametrize(
    ("body", "place"),
    [([{**ROW, "sugar": -1}] * 50, "[0].sugar"), ({**COLUMNS, "fiber": [-1] * 50}, "fiber[0]")],
    ids=["rows", "cols"],
)
def test_of_an_array_the_first_wrong_item_is_told(client: Client, body: Any, place: str) -> None:
    [fault] = client.post("/predict", json=body).get_json()["errors"]
    assert fault["field"] == place


def test_a_very_long_name_is_not_repeated_whole(client: Client) -> None:
    answer = client.post("/predict", json={**ROW, "f" * 100_000: 1})
    assert answer.status_code == 422
    assert len(answer.data) < 1000


@pytest.mark.parametrize("field", ["inputs", "outputs"])
def test_of_a_list_the_first_wrong_item_is_told(client: Client, field: str) -> None:
    body = {"inputs": [TENSOR], field: [1] * 100_000}
    answer = client.post("/v2/models/calories/infer", json=body)
    assert answer.status_code == 400
    assert answer.get_json()["error"].count("expected") == 1


def test_very_many_parameters_are_refused(client: Client) -> None:
    answer = client.post("/v2/models/calories/infer", json={"inputs": [TENSOR], "parameters": MANY})
    assert answer.status_code == 400
    assert "at most 100 parameters" in answer.get_json()["error"]


def test_an_output_is_given_once(client: Client) -> None:
    body = {"inputs": [TENSOR], "outputs": [{"name": "lower"}] * 2}
    answer = client.post("/v2/models/calories/infer", json=body)
    assert answer.status_code == 400
    assert answer.get_json() == {"error": "outputs: expected each output once, received 2 outputs."}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"context": MANY, "examples": [{}] * 50}, "context: expected no keys but sugar, fiber"),
        ({"examples": [{}] * 51}, "examples: expected at most 50, received 51"),
        ({"examples": [1] * 50}, "examples[0]: expected an object, received 1"),
        ({"examples": [1] * 100_000}, "examples: expected at most 50, received 100000"),
    ],
)
def test_examples_are_held_small_before_they_are_joined(
    client: Client, body: Any, sentence: str
) -> None:
    answer = client.post("/v1/models/calories:regress", json=body)
    assert answer.status_code == 400
    assert answer.get_json()["error"].startswith(sentence)


@pytest.mark.parametrize("verb", ["predict", "explain"])
def test_no_rows_are_refused_of_the_features_signature_too(client: Client, verb: str) -> None:
    body = {"signature_name": "features", "instances": []}
    answer = client.post(f"/v1/models/calories:{verb}", json=body)
    assert answer.status_code == 400
    assert answer.get_json() == {"error": "body: expected 1 to 50 rows, received 0."}


@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_a_compressed_body_gets_415_from_the_native_dialect(client: Client, path: str) -> None:
    answer = client.post(path, json=ROW, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415
    assert "send it plain" in answer.get_json()["detail"]


@pytest.mark.parametrize(
    ("length", "status"), [("9" * 5000, 413), ("0" * 5000, 400), ("0" * 5000 + "38", 200)]
)
def test_a_length_of_thousands_of_digits_is_read(client: Client, length: str, status: int) -> None:
    body = json.dumps(ROW).encode()
    assert len(body) == 38
    environ = {"CONTENT_LENGTH": length, "wsgi.input": BytesIO(body + b", and more")}
    answer = client.post("/predict", content_type="application/json", environ_overrides=environ)
    assert answer.status_code == status
