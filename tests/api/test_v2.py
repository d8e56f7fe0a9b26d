"""The Open Inference Protocol, on both engines, over the versions that ship.

The examples marked with a section are those of kserve/open-inference-protocol,
specification/protocol/inference_rest.md, and of Triton's extension_binary_data.md and
extension_model_repository.md, fitted to this model's names and shapes.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from werkzeug.test import Client, TestResponse

from models.publish import import_version
from models.registry import Registry
from service import __version__
from service.api.v2.read import DATATYPES
from service.app import create_app, create_host
from service.settings import Settings
from tests.both_ways import both_ways

ROW = {"sugar": 5, "fiber": 1, "protein": 2}
COLUMNS = {"sugar": [5, 12, 0], "fiber": [1, 0, 14], "protein": [2, 1, 4]}
TABLE = [list(row) for row in zip(*COLUMNS.values(), strict=True)]
OUTPUTS = ["calories", "lower", "upper"]
LENGTH = "Inference-Header-Content-Length"


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
def infer(client: Client) -> Post:
    def infer(
        body: object, path: str = "calories", raw: bytes = b"", **headers: str
    ) -> TestResponse:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        if raw:
            headers = {LENGTH: str(len(data)), **headers}
        return client.post(f"/v2/models/{path}/infer", data=data + raw, headers=headers)

    return infer


def tensor(name: str, data: Any, datatype: str = "FP32", shape: Any = None) -> dict[str, Any]:
    shape = list(np.shape(data)) if shape is None else shape
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def tensors(**changed: Any) -> list[dict[str, Any]]:
    """One tensor for each input; a changed one replaces its fields."""
    return [
        {**tensor(name, data, "INT64"), **changed.get(name, {})} for name, data in COLUMNS.items()
    ]


def answer(response: TestResponse) -> Any:
    assert response.status_code == 200, response.data
    assert response.content_type == "application/json"
    return json.loads(response.data)


def refusal(response: TestResponse, status: int = 400) -> str:
    """The sentence of an error body, which is exactly {"error": string}."""
    assert response.status_code == status, response.data
    assert response.content_type == "application/json"
    [(key, sentence)] = json.loads(response.data).items()
    assert key == "error"
    assert isinstance(sentence, str)
    assert "Traceback" not in sentence
    return sentence


def outputs(response: TestResponse) -> dict[str, list[float]]:
    return {each["name"]: each["data"] for each in answer(response)["outputs"]}


# Server Live, Server Ready, Model Ready


def test_live_and_ready_are_told(client: Client) -> None:
    assert answer(client.get("/v2/health/live")) == {"live": True}
    assert answer(client.get("/v2/health/ready"))["live"] is True


def test_an_empty_registry_is_live_and_not_ready(registry: Registry) -> None:
    settings = Settings(registry=registry.root)
    client = create_app(settings, create_host(settings)).test_client()
    answer(client.get("/v2/health/live"))
    assert "GET /models says why" in refusal(client.get("/v2/health/ready"), 503)


@pytest.mark.parametrize("path", ["calories", "calories/versions/1"])
def test_a_model_is_ready(client: Client, path: str) -> None:
    assert answer(client.get(f"/v2/models/{path}/ready")) == {"name": "calories", "ready": True}


# Server Metadata


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_server_names_itself_its_version_and_extensions(client: Client, path: str) -> None:
    found = answer(client.get(path))
    assert found.keys() == {"name", "version", "extensions"}
    assert found["version"] == __version__
    assert found["extensions"] == ["binary_tensor_data", "model_repository"]


# Model Metadata


@pytest.mark.parametrize("path", ["calories", "calories/versions/1"])
def test_the_metadata_list_the_tensors(client: Client, path: str) -> None:
    def described(name: str) -> dict[str, Any]:
        return {"name": name, "datatype": "FP32", "shape": [-1]}

    assert answer(client.get(f"/v2/models/{path}")) == {
        "name": "calories",
        "versions": ["1"],
        "platform": "tensorflow_savedmodel",
        "inputs": [described(name) for name in COLUMNS],
        "outputs": [described(name) for name in OUTPUTS],
    }


@pytest.mark.parametrize("path", ["bread", "calories/versions/9", "calories/versions/v10"])
@pytest.mark.parametrize("end", ["", "/ready"])
def test_an_unknown_model_or_version_gets_404(client: Client, path: str, end: str) -> None:
    refusal(client.get(f"/v2/models/{path}{end}"), 404)


# Inference, and "Inference Request Examples"


def test_the_example_request_gets_its_id_and_the_asked_output(infer: Post) -> None:
    body = {
        "id": "42",
        "inputs": [
            {"name": "features", "shape": [2, 3], "datatype": "UINT32", "data": [5, 1, 2, 12, 0, 1]}
        ],
        "outputs": [{"name": "calories"}],
    }
    found = answer(infer(body))
    assert (found["model_name"], found["model_version"], found["id"]) == ("calories", "1", "42")
    [output] = found["outputs"]
    assert (output["name"], output["shape"], output["datatype"]) == ("calories", [2], "FP32")
    assert len(output["data"]) == 2


def test_without_outputs_all_are_given_and_without_id_none(infer: Post) -> None:
    found = answer(infer({"inputs": tensors()}))
    assert found.keys() == {"model_name", "model_version", "outputs"}
    assert [each["name"] for each in found["outputs"]] == OUTPUTS


def test_outputs_come_in_the_order_asked(infer: Post) -> None:
    asked = [{"name": "upper"}, {"name": "calories"}]
    assert list(outputs(infer({"inputs": tensors(), "outputs": asked}))) == ["upper", "calories"]


def test_a_version_in_the_path_is_served(infer: Post) -> None:
    body = {"inputs": tensors()}
    assert answer(infer(body, "calories/versions/1")) == answer(infer(body))


def test_the_answers_are_those_of_the_native_dialect(client: Client, infer: Post) -> None:
    native = client.post("/predict", json=COLUMNS).get_json()
    assert outputs(infer({"inputs": tensors()})) == {name: native[name] for name in OUTPUTS}


def test_parameters_are_taken_and_fields_not_named_are_passed_over(infer: Post) -> None:
    parameters = {"a": "b", "c": 1, "d": True, "e": 1.5}
    inputs = [{**each, "parameters": parameters} for each in tensors()]
    asked = [{"name": "calories", "parameters": parameters}]
    answer(infer({"parameters": parameters, "inputs": inputs, "outputs": asked, "x": 1}))


# Tensor Data


@pytest.mark.parametrize(
    "inputs",
    [
        tensors(sugar={"shape": [3, 1]}),
        tensors(sugar={"shape": [3, 1], "data": [[5], [12], [0]]}),
        [tensor("features", TABLE)],
        [tensor("features", [number for row in TABLE for number in row], shape=[3, 3])],
        list(reversed(tensors())),
    ],
)
def test_flat_and_nested_data_mean_the_same(infer: Post, inputs: object) -> None:
    assert outputs(infer({"inputs": inputs})) == outputs(infer({"inputs": tensors()}))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"shape": [2]}, "sugar.data: expected 2 numbers, as its shape, received 3"),
        ({"shape": []}, "sugar.shape: expected [n] or [n, 1], received []"),
        ({"shape": [1, 3]}, "sugar.shape: expected [n] or [n, 1]"),
        ({"shape": [-3]}, "sugar.shape: expected no negative dimension"),
        ({"shape": [3.0]}, "inputs[0].shape[0]: expected a whole number"),
        ({"shape": [3, 1], "data": [[5], [12], 0]}, "sugar.data[2]: expected an array of 1"),
        ({"data": [[5], [12], [0]]}, "sugar.data[0]: expected a whole number"),
        ({"data": 5}, "inputs[0].data: expected an array"),
        ({"shape": [0], "data": []}, "fiber[]: expected 0 rows"),
    ],
)
def test_data_that_are_not_of_their_shape_are_refused(
    infer: Post, change: object, sentence: str
) -> None:
    assert sentence in refusal(infer({"inputs": tensors(sugar=change)}))


def test_features_of_another_width_are_refused(infer: Post) -> None:
    body = {"inputs": [tensor("features", [[1, 2], [3, 4]])]}
    assert "features.shape: expected [n, 3], received [2, 2]" in refusal(infer(body))


# Tensor Data Types


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_numeric_datatype_answers_alike(infer: Post, datatype: str) -> None:
    inputs = [{**each, "datatype": datatype} for each in tensors()]
    assert outputs(infer({"inputs": inputs})) == outputs(infer({"inputs": tensors()}))


@pytest.mark.parametrize(
    ("datatype", "data"),
    [("BOOL", [True]), ("BYTES", ["5"]), ("BF16", [5]), ("fp32", [5]), ("FLOAT", [5])],
)
def test_another_datatype_is_refused(infer: Post, datatype: str, data: list[object]) -> None:
    inputs = [{**each, "shape": [1], "datatype": datatype, "data": data} for each in tensors()]
    assert "sugar.datatype: expected one of UINT8" in refusal(infer({"inputs": inputs}))


@pytest.mark.parametrize(
    ("datatype", "value"),
    [("INT8", 128), ("UINT8", 256), ("UINT8", -1), ("INT64", 5.5), ("INT32", True), ("INT8", "5")],
)
def test_a_number_outside_its_datatype_is_refused(infer: Post, datatype: str, value: Any) -> None:
    change = {"datatype": datatype, "data": [5, value, 5]}
    sentence = refusal(infer({"inputs": tensors(sugar=change)}))
    assert sentence.startswith("sugar.data[1]: expected a whole number from ")


@pytest.mark.parametrize("value", ["true", '"1.5"', "null", "[]", "-1", "1000.5", "1e300"])
@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
def test_what_is_no_gram_is_refused_by_its_place(infer: Post, datatype: str, value: str) -> None:
    change = {"datatype": datatype, "data": [5, "VALUE", 5]}
    body = json.dumps({"inputs": tensors(sugar=change)}).replace('"VALUE"', value)
    assert refusal(infer(body.encode())).startswith("sugar[1]: expected a number from 0 to 1000")


def test_a_wrong_number_of_features_is_named_by_row_and_column(infer: Post) -> None:
    body = {"inputs": [tensor("features", [[5, 1, 2], [5, 1, -2]])]}
    assert refusal(infer(body)).startswith("features[1][2]: expected a number")


# Inference Response JSON Error Object


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"inputs":[NaN]}', b'{"inputs":[Infinity]}', b"{}x"]
)
def test_what_is_no_json_is_refused(infer: Post, body: bytes) -> None:
    assert refusal(infer(body)).startswith("JSON Parse error: ")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ([], "body: expected an object"),
        ({}, "inputs: expected a value, received nothing"),
        ({"inputs": {}}, "inputs: expected an array"),
        ({"inputs": []}, "inputs: expected at least one item"),
        ({"inputs": [1]}, "inputs[0]: expected an object"),
        ({"inputs": [{}]}, "inputs[0].name: expected a value"),
        ({"inputs": tensors(), "id": 42}, "id: expected a string, received 42"),
        ({"inputs": tensors(), "parameters": 1}, "parameters: expected an object"),
        ({"inputs": tensors(), "parameters": {"a": []}}, "parameters.a"),
        ({"inputs": tensors(), "outputs": [{}]}, "outputs[0].name: expected a value"),
        ({"inputs": tensors(), "outputs": [{"name": "x"}]}, "outputs: expected of calories"),
        ({"inputs": tensors()[:2]}, "inputs: expected each of sugar, fiber, protein once"),
        ({"inputs": [*tensors(), tensors()[0]]}, "inputs: expected each of sugar"),
        ({"inputs": [*tensors(), tensor("features", TABLE)]}, "inputs: expected each of sugar"),
        ({"inputs": [tensor("fat", [1])]}, 'received "fat"'),
        ({"inputs": [{"name": "features", "shape": [1, 3], "datatype": "FP32"}]}, "features.data"),
        ({"inputs": tensors(sugar={"shape": [1], "data": [5]})}, "fiber[]: expected 1 rows"),
        ({"inputs": [tensor("features", [[1, 1, 1]] * 51)]}, "expected 1 to 50 rows, received 51"),
    ],
)
def test_a_wrong_body_is_refused_with_what_was_expected(
    infer: Post, body: object, sentence: str
) -> None:
    assert sentence in refusal(infer(body))


@pytest.mark.parametrize("path", ["bread", "calories/versions/9", "calories/versions/x"])
def test_inference_of_what_is_not_served_gets_404(infer: Post, path: str) -> None:
    refusal(infer({"inputs": tensors()}, path), 404)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/nowhere", 404),
        ("GET", "/v2/models/calories/config", 404),
        ("GET", "/v2/models/calories/infer", 405),
        ("POST", "/v2", 405),
        ("DELETE", "/v2/models/calories", 405),
    ],
)
def test_another_path_or_method_is_refused_in_this_dialect(
    client: Client, method: str, path: str, status: int
) -> None:
    response = client.open(path, method=method)
    refusal(response, status)
    assert ("Allow" in response.headers) == (status == 405)


def test_a_body_over_the_limit_gets_413_in_this_dialect(infer: Post) -> None:
    assert "MAX_BODY_BYTES" in refusal(infer(b" " * 5000), 413)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_body_gets_415(infer: Post, encoding: str) -> None:
    sentence = refusal(infer({"inputs": tensors()}, **{"Content-Encoding": encoding}), 415)
    assert "send it plain" in sentence


# Binary Tensor Data Extension, "Examples"


def binary(name: str, data: Any, datatype: str = "FP32") -> tuple[dict[str, Any], bytes]:
    raw = np.array(data).astype(DATATYPES[datatype]).tobytes()
    parameters = {"binary_data_size": len(raw)}
    described = {"name": name, "shape": list(np.shape(data)), "datatype": datatype}
    return {**described, "parameters": parameters}, raw


def raw_outputs(response: TestResponse) -> dict[str, list[float]]:
    """The outputs of a binary answer, cut as its header and sizes say."""
    assert response.status_code == 200, response.data
    assert response.content_type == "application/octet-stream"
    length = int(response.headers[LENGTH])
    rest = response.data[length:]
    found = {}
    for each in json.loads(response.data[:length])["outputs"]:
        assert "data" not in each
        size = each["parameters"]["binary_data_size"]
        found[each["name"]] = np.frombuffer(rest[:size], "<f4").tolist()
        rest = rest[size:]
    assert not rest
    return found


@pytest.mark.parametrize("datatype", DATATYPES)
def test_binary_tensors_answer_as_json_does(infer: Post, datatype: str) -> None:
    parts = [binary(name, data, datatype) for name, data in COLUMNS.items()]
    raw = b"".join(raw for _, raw in parts)
    found = infer({"inputs": [each for each, _ in parts]}, raw=raw)
    assert outputs(found) == outputs(infer({"inputs": tensors()}))


def test_the_example_gets_its_output_as_bytes(infer: Post) -> None:
    features, raw = binary("features", TABLE)
    asked = [{"name": "calories", "parameters": {"binary_data": True}}]
    body = {"model_name": "calories", "inputs": [features], "outputs": asked}
    expected = outputs(infer({"inputs": tensors()}))["calories"]
    assert raw_outputs(infer(body, raw=raw)) == {"calories": pytest.approx(expected)}


def test_binary_data_output_is_the_default_of_all_outputs(infer: Post) -> None:
    body = {"parameters": {"binary_data_output": True}, "inputs": tensors()}
    assert list(raw_outputs(infer(body))) == OUTPUTS
    asked = [{"name": "calories", "parameters": {"binary_data": False}}]
    assert list(outputs(infer({**body, "outputs": asked}))) == ["calories"]


def test_binary_and_json_tensors_may_be_mixed(infer: Post) -> None:
    sugar, raw = binary("sugar", COLUMNS["sugar"])
    body = {"inputs": [sugar, *tensors()[1:]]}
    assert outputs(infer(body, raw=raw)) == outputs(infer({"inputs": tensors()}))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1, 1001])
@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
def test_binary_numbers_are_checked_too(infer: Post, datatype: str, value: float) -> None:
    features, raw = binary("features", [[5, 1, 2], [value, 1, 2]], datatype)
    sentence = refusal(infer({"inputs": [features]}, raw=raw))
    assert sentence.startswith("features[1][0]: expected a number from 0 to 1000")


@pytest.mark.parametrize("stated", ["x", "-1", "99999", "1e3", "9" * 5000])
def test_a_wrong_header_length_is_refused(infer: Post, stated: str) -> None:
    features, raw = binary("features", TABLE)
    assert LENGTH in refusal(infer({"inputs": [features]}, raw=raw, **{LENGTH: stated}))


@pytest.mark.parametrize(
    ("change", "raw", "sentence"),
    [
        ({}, b"", "expected at most the 0 bytes that are left"),
        ({}, b"0" * 35, "expected at most the 35 bytes that are left"),
        ({}, b"0" * 37, "has 1 bytes more than its tensors"),
        ({"parameters": {"binary_data_size": 32}}, b"0" * 32, "expected 36 bytes, 4 for each of 9"),
        ({"parameters": {"binary_data_size": True}}, b"0" * 36, "binary_data_size"),
        ({"data": [1]}, b"0" * 36, "expected data or binary_data_size, received both"),
        ({"datatype": "BYTES"}, b"0" * 36, "features.datatype"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(
    infer: Post, change: dict[str, Any], raw: bytes, sentence: str
) -> None:
    features, _ = binary("features", TABLE)
    assert sentence in refusal(infer({"inputs": [{**features, **change}]}, raw=raw))


@pytest.mark.parametrize("name", ["classification", "shared_memory_region"])
def test_parameters_that_would_change_the_answer_are_refused(infer: Post, name: str) -> None:
    body = {"inputs": tensors(), "outputs": [{"name": "calories", "parameters": {name: 1}}]}
    assert name in refusal(infer(body))


def test_a_flag_that_is_no_boolean_is_refused(infer: Post) -> None:
    body = {"inputs": tensors(), "parameters": {"binary_data_output": 1}}
    assert "parameters.binary_data_output: expected true or false" in refusal(infer(body))


# Model Repository Extension


@pytest.mark.parametrize("body", [b"", b"{}", b'{"ready":true}'])
def test_the_index_lists_every_version(client: Client, body: bytes) -> None:
    first, *_ = found = answer(client.post("/v2/repository/index", data=body))
    assert first == {"name": "calories", "version": "1", "state": "READY", "reason": ""}
    assert [each["name"] for each in found] == ["calories", "deep", "linear", "linear-unit"]


def test_the_index_tells_why_a_version_is_not_served(registry: Registry, shipped: Registry) -> None:
    for _ in range(2):
        import_version(registry, shipped.folder("calories", 1))
    (registry.folder("calories", 2) / "model.tflite").write_bytes(b"?")
    settings = Settings(registry=registry.root)
    client = create_app(settings, create_host(settings)).test_client()
    one, two = client.post("/v2/repository/index").get_json()
    assert (one["state"], two["state"]) == ("READY", "UNAVAILABLE")
    assert "model.tflite is not the file that was published" in two["reason"]
    assert client.post("/v2/repository/index", json={"ready": True}).get_json() == [one]


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"ready":1}'])
def test_a_wrong_index_request_is_refused(client: Client, body: bytes) -> None:
    refusal(client.post("/v2/repository/index", data=body))


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_loading_by_request_is_refused_with_what_decides(client: Client, verb: str) -> None:
    sentence = refusal(client.post(f"/v2/repository/models/calories/{verb}"))
    assert "registry on disk" in sentence
    assert "python -m models label calories stable VERSION" in sentence
