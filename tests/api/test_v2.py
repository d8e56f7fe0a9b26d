"""The Open Inference Protocol over the versions that ship; see test_refusals.py.

The examples are those of kserve/open-inference-protocol, specification/protocol/inference_rest.md,
and of Triton's extension_binary_data.md and extension_model_repository.md, fitted to this model.
"""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from werkzeug.test import Client, TestResponse

from service.api.v2.read import DATATYPES
from tests.api.conftest import Serve
from tests.dialects import COLUMNS, OUTPUTS, TABLE, answer, refusal, tensor, tensors

LENGTH = "Inference-Header-Content-Length"
Infer = Callable[..., TestResponse]


@pytest.fixture
def infer(client: Client) -> Infer:
    def infer(body: object, raw: bytes = b"", length: str = "") -> TestResponse:
        data = json.dumps(body).encode()
        headers = {LENGTH: length or str(len(data))} if raw else {}
        return client.post("/v2/models/calories/infer", data=data + raw, headers=headers)

    return infer


def outputs(response: TestResponse) -> dict[str, list[float]]:
    return {each["name"]: each["data"] for each in answer(response)["outputs"]}


def test_an_empty_registry_is_live_and_not_ready(serve: Serve) -> None:
    client = serve()
    answer(client.get("/v2/health/live"))
    assert "GET /models says why" in refusal(client.get("/v2/health/ready"), 503)


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


def test_outputs_are_given_in_the_order_in_which_they_are_asked(client: Client) -> None:
    asked = {"inputs": tensors(), "outputs": [{"name": "upper"}, {"name": "calories"}]}
    for path in ("calories", "calories/versions/1"):
        found = answer(client.post(f"/v2/models/{path}/infer", json=asked))
        assert found.keys() == {"model_name", "model_version", "outputs"}
        assert [each["name"] for each in found["outputs"]] == ["upper", "calories"]


def test_parameters_are_taken_and_fields_not_named_are_passed_over(infer: Infer) -> None:
    parameters = {"a": "b", "c": 1, "d": True, "e": 1.5}
    inputs = [{**each, "parameters": parameters} for each in tensors()]
    asked = [{"name": "calories", "parameters": parameters}]
    answer(infer({"parameters": parameters, "inputs": inputs, "outputs": asked, "x": 1}))


@pytest.mark.parametrize(
    "inputs",
    [
        tensors(sugar={"shape": [3, 1]}),
        tensors(sugar={"shape": [3, 1], "data": [[5], [12], [0]]}),
        [tensor("features", TABLE)],
        [tensor("features", [number for row in TABLE for number in row], shape=[3, 3])],
        tensors()[::-1],
        *([{**each, "datatype": datatype} for each in tensors()] for datatype in DATATYPES),
    ],
    ids=["column", "nested", "features", "flat", "reversed", *DATATYPES],
)
def test_the_same_numbers_mean_the_same_in_every_shape_and_type(
    infer: Infer, inputs: object
) -> None:
    assert outputs(infer({"inputs": inputs})) == outputs(infer({"inputs": tensors()}))


# Binary Tensor Data Extension


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
    rest, found = response.data[length:], {}
    for each in json.loads(response.data[:length])["outputs"]:
        assert "data" not in each
        size = each["parameters"]["binary_data_size"]
        found[each["name"]] = np.frombuffer(rest[:size], "<f4").tolist()
        rest = rest[size:]
    assert not rest
    return found


@pytest.mark.parametrize("datatype", DATATYPES)
def test_binary_tensors_alone_and_beside_others_answer_as_json_does(
    infer: Infer, datatype: str
) -> None:
    parts = [binary(name, data, datatype) for name, data in COLUMNS.items()]
    expected = outputs(infer({"inputs": tensors()}))
    inputs, raw = [each for each, _ in parts], b"".join(raw for _, raw in parts)
    assert outputs(infer({"inputs": inputs}, raw)) == expected
    assert outputs(infer({"inputs": [inputs[0], *tensors()[1:]]}, parts[0][1])) == expected


def test_outputs_come_as_bytes_where_all_or_one_are_asked_so(infer: Infer) -> None:
    expected = outputs(infer({"inputs": tensors()}))
    features, raw = binary("features", TABLE)
    asked: list[dict[str, Any]] = [{"name": "calories", "parameters": {"binary_data": True}}]
    body: dict[str, Any] = {"inputs": [features], "outputs": asked, "model_name": "calories"}
    assert raw_outputs(infer(body, raw)) == {"calories": pytest.approx(expected["calories"])}
    body = {"parameters": {"binary_data_output": True}, "inputs": tensors()}
    assert list(raw_outputs(infer(body))) == OUTPUTS
    asked = [{"name": "calories", "parameters": {"binary_data": False}}]
    assert list(outputs(infer({**body, "outputs": asked}))) == ["calories"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1, 1001])
@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
def test_binary_numbers_are_checked_too(infer: Infer, datatype: str, value: float) -> None:
    features, raw = binary("features", [[5, 1, 2], [value, 1, 2]], datatype)
    sentence = refusal(infer({"inputs": [features]}, raw))
    assert sentence.startswith("features[1][0]: expected a number from 0 to 1000")


@pytest.mark.parametrize("stated", ["x", "-1", "99999", "1e3", "9" * 5000])
def test_a_wrong_header_length_is_refused(infer: Infer, stated: str) -> None:
    features, raw = binary("features", TABLE)
    assert LENGTH in refusal(infer({"inputs": [features]}, raw, stated))


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
    infer: Infer, change: dict[str, Any], raw: bytes, sentence: str
) -> None:
    features, _ = binary("features", TABLE)
    assert sentence in refusal(infer({"inputs": [{**features, **change}]}, raw))
