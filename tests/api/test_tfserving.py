"""TensorFlow Serving's REST API over the versions that ship; see test_refusals.py.

The exchanges are those of tensorflow/serving's g3doc/api_rest.md, by its sections; names and
numbers are fitted to this model, none was recorded.
"""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import Client

from tests.dialects import COLUMNS, ROW, ROWS, TABLE, answer

Ask = Callable[..., Any]


@pytest.fixture
def ask(client: Client) -> Ask:
    return lambda body, path="calories:predict": answer(
        client.post(f"/v1/models/{path}", json=body)
    )


@pytest.mark.parametrize("path", ["", "/versions/1", "/labels/stable"])
def test_the_status_of_versions_is_told(client: Client, path: str) -> None:
    status = {"error_code": "OK", "error_message": ""}
    assert answer(client.get(f"/v1/models/calories{path}")) == {
        "model_version_status": [{"version": "1", "state": "AVAILABLE", "status": status}]
    }


def test_the_metadata_hold_the_spec_and_the_signatures(client: Client) -> None:
    found = answer(client.get("/v1/models/calories/versions/1/metadata"))
    assert found["model_spec"] == {"name": "calories", "signature_name": "", "version": "1"}
    default = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert default["inputs"]["sugar"] == {
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
        "name": "serving_default_sugar:0",
    }


@pytest.mark.parametrize(
    "body",
    [
        {"instances": ROWS, "signature_name": "serving_default"},
        {"instances": ROWS, "signature_name": ""},
        {"instances": TABLE, "signature_name": "features"},
        {"instances": [{"features": row} for row in TABLE], "signature_name": "features"},
        {"inputs": TABLE, "signature_name": "features"},
        {"inputs": {"features": TABLE}, "signature_name": "features"},
        {"instances": ROWS, "comment": "a field that the API does not name is passed over"},
    ],
)
def test_the_signatures_answer_alike(ask: Ask, body: dict[str, Any]) -> None:
    plain = {"inputs": COLUMNS} if "inputs" in body else {"instances": ROWS}
    assert ask(body) == ask(plain)


def test_one_named_input_takes_bare_values(ask: Ask) -> None:
    path, values = "linear-unit:predict", [1.0, 2.0, 5.0]
    named = ask({"instances": [{"sugar": value} for value in values]}, path)
    assert named["predictions"][2]["calories"] == pytest.approx(102, abs=0.5)
    assert ask({"instances": values}, path) == named
    columns = ask({"inputs": values}, path)["outputs"]["calories"]
    assert columns == [row["calories"] for row in named["predictions"]]


@pytest.mark.parametrize(
    "path",
    [
        *("models/calories/versions/1:predict", "models/calories/labels/stable:predict"),
        *("Models/calories:predict", "MODELS/calories/Versions/1:predict"),  # of any case
    ],
)
def test_a_version_or_a_label_in_the_path_is_served(client: Client, ask: Ask, path: str) -> None:
    body = {"instances": [ROW]}
    assert answer(client.post(f"/v1/{path}", json=body)) == ask(body)
    assert answer(client.post(f"/V1/{path}", json=body)) == ask(body)


@pytest.mark.parametrize("content_type", ["text/plain", ""])
def test_the_content_type_does_not_matter(client: Client, content_type: str) -> None:
    body = '{"instances": [{"sugar": 5, "fiber": 1, "protein": 2}]}'
    answer(client.post("/v1/models/calories:predict", data=body, content_type=content_type))


def test_an_example_may_have_a_context_and_arrays_of_one(ask: Ask) -> None:
    predicted = ask({"inputs": COLUMNS})["outputs"]["calories"]
    signature = "tensorflow/serving/regress"
    shared = {
        "signature_name": signature,
        "context": {"protein": 2},
        "examples": [{"sugar": 5.0, "fiber": [1.0]}],
    }
    assert ask(shared, "calories:regress") == {"results": predicted[:1]}
