"""TensorFlow Serving's REST API, on both engines, over the versions that ship.

The exchanges marked "api_rest.md" are those that tensorflow/serving's g3doc/api_rest.md prints,
by its sections, and those marked "handler test" come from model_servers/
http_rest_api_handler_test.cc; names and numbers are fitted to this model, none was recorded.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from models.publish import import_version
from models.registry import Registry
from service.api.tfserving.write import signature_def
from service.app import create_app, create_host
from service.settings import Settings
from tests.both_ways import both_ways

ROW: dict[str, float] = {"sugar": 5, "fiber": 1, "protein": 2}
ROWS: list[dict[str, float]] = [
    ROW,
    {"sugar": 12, "fiber": 0, "protein": 1},
    {"sugar": 0, "fiber": 14, "protein": 4},
]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROW}
TABLE = [list(row.values()) for row in ROWS]
OUTPUTS = ["calories", "lower", "upper"]


@pytest.fixture(scope="module", params=["litert", "saved_model"])
def client(request: pytest.FixtureRequest, shipped: Registry) -> Iterator[Client]:
    settings = Settings(
        registry=shipped.root, engine=request.param, max_body_bytes=4096, max_rows=50
    )
    host = create_host(settings)
    yield both_ways(settings, host)
    host.close()


Post = Callable[..., TestResponse]


@pytest.fixture
def post(client: Client) -> Post:
    def post(body: object, path: str = "calories:predict") -> TestResponse:
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        return client.post(f"/v1/models/{path}", data=data)  # like curl -d, with no JSON type

    return post


def answer(response: TestResponse) -> Any:
    assert response.status_code == 200, response.data
    assert response.content_type == "application/json"
    return json.loads(response.data)


def refusal(response: TestResponse, status: int = 400) -> str:
    """The sentence of an error body, held against its form."""
    assert response.status_code == status, response.data
    assert response.content_type == "application/json"
    [(key, sentence)] = json.loads(response.data).items()
    assert key == "error"
    assert "Traceback" not in sentence
    return str(sentence)


# api_rest.md, "Model status API"


def test_the_status_lists_every_version(client: Client) -> None:
    status = {"error_code": "OK", "error_message": ""}
    assert answer(client.get("/v1/models/calories")) == {
        "model_version_status": [{"version": "1", "state": "AVAILABLE", "status": status}]
    }


@pytest.mark.parametrize("path", ["versions/1", "labels/stable"])
def test_the_status_of_one_version_is_told(client: Client, path: str) -> None:
    [status] = answer(client.get(f"/v1/models/calories/{path}"))["model_version_status"]
    assert status["version"] == "1"


def test_a_version_that_failed_shows_its_reason(registry: Registry, shipped: Registry) -> None:
    for _ in range(2):
        import_version(registry, shipped.folder("calories", 1))
    (registry.folder("calories", 2) / "model.tflite").write_bytes(b"?")
    settings = Settings(registry=registry.root)
    host = create_host(settings)
    found = create_app(settings, host).test_client().get("/v1/models/calories")
    one, two = found.get_json()["model_version_status"]
    assert (one["state"], two["state"]) == ("AVAILABLE", "END")
    assert "model.tflite is not the file that was published" in two["status"]["error_message"]
    assert two["status"]["error_code"] != "OK"


def test_the_status_of_an_unknown_model_or_version_is_404(client: Client) -> None:
    assert refusal(client.get("/v1/models/half"), 404).startswith(
        "Could not find any versions of model half"
    )
    assert refusal(client.get("/v1/models/calories/versions/9"), 404).startswith(
        "Could not find version 9 of model calories"
    )


# api_rest.md, "Model Metadata API"


def test_the_metadata_hold_the_spec_and_the_signatures(client: Client) -> None:
    found = answer(client.get("/v1/models/calories/versions/1/metadata"))
    assert found["model_spec"] == {"name": "calories", "signature_name": "", "version": "1"}
    assert found["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"][
        "sugar"
    ] == {
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
        "name": "serving_default_sugar:0",
    }


@pytest.mark.parametrize("model", ["calories", "deep", "linear", "linear-unit"])
def test_the_signatures_are_those_of_saved_model_pb(shipped: Registry, model: str) -> None:
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415  with TensorFlow
    from tensorflow.core.protobuf import saved_model_pb2  # noqa: PLC0415

    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((shipped.folder(model, 1) / "saved_model.pb").read_bytes())
    signatures = {
        name: MessageToDict(
            signature, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        for name, signature in saved.meta_graphs[0].signature_def.items()
    }
    for signature in signatures.values():
        signature.pop("defaults", None)  # a field that api_rest.md does not print
    inputs = shipped.manifest(model, 1).input_names
    assert signature_def(inputs) == signatures


# api_rest.md, "Predict API"


def test_instances_are_answered_with_a_list_of_objects(post: Post) -> None:
    predictions = answer(post({"instances": ROWS}))["predictions"]
    assert [list(row) for row in predictions] == [OUTPUTS] * 3
    assert all(row["lower"] < row["calories"] < row["upper"] for row in predictions)


def test_inputs_are_answered_with_an_object_of_lists(post: Post) -> None:
    rows = answer(post({"instances": ROWS}))["predictions"]
    outputs = answer(post({"inputs": COLUMNS}))["outputs"]
    assert outputs == {name: [row[name] for row in rows] for name in OUTPUTS}


@pytest.mark.parametrize(
    "body",
    [
        {"instances": ROWS, "signature_name": "serving_default"},
        {"instances": ROWS, "signature_name": ""},
        {"instances": TABLE, "signature_name": "features"},
        {"instances": [{"features": row} for row in TABLE], "signature_name": "features"},
    ],
)
def test_the_signatures_answer_alike_in_row_form(post: Post, body: object) -> None:
    assert answer(post(body)) == answer(post({"instances": ROWS}))


@pytest.mark.parametrize("inputs", [TABLE, {"features": TABLE}])
def test_the_signatures_answer_alike_in_column_form(post: Post, inputs: object) -> None:
    body = {"inputs": inputs, "signature_name": "features"}
    assert answer(post(body)) == answer(post({"inputs": COLUMNS}))


def test_one_named_input_takes_bare_values(post: Post) -> None:
    named = answer(
        post({"instances": [{"sugar": 1}, {"sugar": 2}, {"sugar": 5}]}, "linear-unit:predict")
    )
    assert answer(post({"instances": [1.0, 2.0, 5.0]}, "linear-unit:predict")) == named
    assert named["predictions"][2]["calories"] == pytest.approx(102, abs=0.5)
    columns = answer(post({"inputs": [1.0, 2.0, 5.0]}, "linear-unit:predict"))["outputs"]
    assert columns["calories"] == [row["calories"] for row in named["predictions"]]


@pytest.mark.parametrize("path", ["calories/versions/1:predict", "calories/labels/stable:predict"])
def test_a_version_or_a_label_in_the_path_is_served(post: Post, path: str) -> None:
    assert answer(post({"instances": [ROW]}, path)) == answer(post({"instances": [ROW]}))


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_the_content_type_does_not_matter(client: Client, content_type: str) -> None:
    body = json.dumps({"instances": [ROW]})
    path = "/v1/models/calories:predict"
    answer(client.post(path, data=body, content_type=content_type))


def test_fields_that_the_api_does_not_name_are_passed_over(post: Post) -> None:
    answer(post({"instances": [ROW], "comment": "none"}))


# api_rest.md, "Classify and Regress API" and "Example"


def test_regress_answers_one_number_an_example(post: Post) -> None:
    body = {"signature_name": "tensorflow/serving/regress", "examples": ROWS}
    predicted = answer(post({"inputs": COLUMNS}))["outputs"]["calories"]
    assert answer(post(body, "calories:regress")) == {"results": predicted}


def test_regress_takes_features_from_the_context(post: Post) -> None:
    body = {"context": {"protein": 2}, "examples": [{"sugar": 5.0, "fiber": [1.0]}]}
    assert answer(post(body, "calories:regress")) == answer(
        post({"examples": [ROW]}, "calories:regress")
    )


def test_a_feature_in_context_and_example_is_refused(post: Post) -> None:
    body = {"context": {"sugar": 2}, "examples": [ROW]}
    assert refusal(post(body, "calories:regress")).startswith(
        "examples[0]: expected no sugar, for it is in the context"
    )


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "Key 'examples' is expected"),
        ({"examples": []}, "expected 1 to 50 rows, received 0"),
        ({"examples": [1]}, "examples[0]: expected an object, received 1"),
        ({"examples": [{"sugar": 5}]}, "an object whose keys are sugar, fiber, protein"),
        ({"examples": [{**ROW, "sugar": [1, 2]}]}, "examples[0].sugar: expected a number"),
        ({"examples": [ROW], "signature_name": "x"}, 'signature name: "x" not found'),
    ],
)
def test_wrong_examples_are_refused(post: Post, body: object, sentence: str) -> None:
    assert sentence in refusal(post(body, "calories:regress"))


def test_classify_is_refused_as_for_a_model_without_classes(post: Post) -> None:
    sentence = refusal(post({"examples": [ROW]}, "calories:classify"))
    assert sentence.startswith(
        "Expected classification signature method_name to be tensorflow/serving/classify."
    )


def test_an_unknown_model_gets_the_documented_404(post: Post) -> None:
    sentence = refusal(post({"instances": [1.0, 5.0]}, "half:predict"), 404)
    assert sentence.startswith("Servable not found for request: Latest(half)")


# Handler test: UnsupportedApiCalls, PredictModelNameVersionErrors, PredictRequestErrors


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/foo"),
        ("POST", "/v1/foo"),
        ("GET", "/v1/models"),
        ("POST", "/v1/models"),
        ("GET", "/v1/models/foo:predict"),
        ("GET", "/v1/models/foo/version/50:predict"),
        ("POST", "/v1/models/foo/version/50:regress"),
        ("POST", "/v1/models/foo/versions/HELLO:regress"),
        ("POST", "/v1/models/calories:PREDICT"),
        ("GET", "/v1/models/calories/"),
        ("DELETE", "/v1/models/calories"),
        ("PUT", "/v1/models/calories:predict"),
    ],
)
def test_any_other_path_or_method_is_malformed(client: Client, method: str, path: str) -> None:
    sentence = refusal(client.open(path, method=method))
    assert sentence.startswith(f"Malformed request: {method} {path}")


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("foo/versions/50:predict", 404, "Servable not found for request: Specific(foo, 50)"),
        ("calories99:predict", 404, "Servable not found for request: Latest(calories99)"),
        ("a%0Ab:predict", 404, "Servable not found for request: Latest(a\nb)"),
        ("calories/versions/99:predict", 404, "Specific(calories, 99)"),
        ("calories/versions/99:explain", 404, "Specific(calories, 99)"),
        (f"calories/versions/{2**64}:regress", 400, "Failed to convert version"),
        ("calories/labels/none:predict", 400, "Unrecognized servable version label: none"),
        ("calories/labels/none:explain", 400, "Unrecognized servable version label: none"),
    ],
)
def test_what_is_not_served_is_named(post: Post, path: str, status: int, sentence: str) -> None:
    assert sentence in refusal(post({"instances": [ROW]}, path), status)


@pytest.mark.parametrize(
    "path", ["/V1/Models/calories:predict", "/v1/MODELS/calories/Versions/1:predict"]
)
def test_the_fixed_parts_of_a_path_may_have_any_case(client: Client, path: str) -> None:
    answer(client.post(path, data=json.dumps({"instances": [ROW]})))


@pytest.mark.parametrize(
    "body",
    [b"", b"instances = [1, 2]", b'{"instances": [NaN]}', b"\xff", b'{"instances": [1]}x'],
)
def test_what_is_no_json_is_refused(post: Post, body: bytes) -> None:
    assert refusal(post(body)).startswith("JSON Parse error: ")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ([], "body: expected an object, received []"),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"instances": [ROW], "inputs": COLUMNS}, "expecting only one of"),
        ({"instances": ROW}, "instances: expected an array"),
        ({"instances": []}, "expected 1 to 50 rows, received 0"),
        ({"instances": [ROW] * 51}, "expected 1 to 50 rows, received 51"),
        ({"instances": [5, 1, 2]}, "instances[0]: expected an object whose keys are sugar"),
        ({"instances": [ROW, TABLE[0]]}, "instances[1]: expected an object whose keys"),
        ({"instances": [ROW, {**ROW, "fat": 1}]}, "instances[1]: expected an object whose keys"),
        ({"instances": [{"sugar": 1}]}, "instances[0]: expected an object whose keys"),
        ({"instances": [ROW], "signature_name": 5}, "signature_name: expected a string"),
        ({"instances": [ROW], "signature_name": "x"}, 'signature name: "x" not found'),
        ({"instances": [[1, 2]], "signature_name": "features"}, "an array of 3 numbers"),
        ({"instances": [1, 2], "signature_name": "features"}, "an array of 3 numbers"),
        ({"inputs": [1, 2]}, "inputs: expected an object of arrays: sugar, fiber, protein"),
        ({"inputs": {"sugar": [1], "fiber": [1]}}, "inputs.protein: expected an array"),
        ({"inputs": {**COLUMNS, "sugar": 5}}, "inputs.sugar: expected an array"),
        ({"inputs": {**COLUMNS, "fiber": [1]}}, "inputs.fiber[]: expected 3 rows"),
        ({"inputs": {**COLUMNS, "fiber": [[1], [2], [3]]}}, "inputs.fiber[0]: expected a number"),
    ],
)
def test_a_wrong_body_is_refused_with_what_was_expected(
    post: Post, body: object, sentence: str
) -> None:
    assert sentence in refusal(post(body))


@pytest.mark.parametrize("value", ["true", '"1.5"', "null", "{}", "-1", "1000.5", "1e300"])
def test_what_is_no_gram_is_refused_by_its_place(post: Post, value: str) -> None:
    rows = f'{{"instances": [{json.dumps(ROW)}, {{"sugar": {value}, "fiber": 1, "protein": 2}}]}}'
    assert refusal(post(rows)).startswith("instances[1].sugar: expected a number from 0 to 1000")
    table = f'{{"signature_name": "features", "instances": [[5, 1, 2], [5, {value}, 2]]}}'
    assert refusal(post(table)).startswith("instances[1][1]: expected a number from 0 to 1000")


def test_deep_nesting_is_refused(post: Post) -> None:
    body = f'{{"instances": {"[" * 1000}{"]" * 1000}}}'
    refusal(post(body))


def test_a_compressed_body_gets_415(client: Client) -> None:
    path = "/v1/models/calories:predict"
    response = client.post(path, data=b"?", headers={"content-encoding": "gzip"})
    assert "send it plain" in refusal(response, 415)


def test_a_body_over_the_limit_gets_413_in_this_dialect(post: Post) -> None:
    assert "MAX_BODY_BYTES" in refusal(post(" " * 5000), 413)


# KServe V1, "Explain"


def test_explain_tells_what_each_input_adds(post: Post) -> None:
    found = answer(post({"instances": ROWS}, "calories:explain"))
    assert found["predictions"] == [
        pytest.approx(row, abs=1e-3) for row in answer(post({"instances": ROWS}))["predictions"]
    ]
    for told, explained in zip(found["predictions"], found["explanations"], strict=True):
        total = explained["base"] + sum(explained["contributions"].values())
        assert total == pytest.approx(told["calories"], abs=1e-3)


def test_explain_refuses_columns_and_too_many_rows(post: Post) -> None:
    assert "'instances'" in refusal(post({"inputs": COLUMNS}, "calories:explain"))
    assert "at most 6 rows" in refusal(post({"instances": [ROW] * 7}, "calories:explain"))
