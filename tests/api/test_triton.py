"""tritonclient.http, unchanged, against both servers: what a V2 client written elsewhere sees."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.servers import ROW, Server, running

COLUMNS = {"sugar": [5.0, 12.0, 0.0], "fiber": [1.0, 0.0, 14.0], "protein": [2.0, 1.0, 4.0]}


@pytest.fixture(scope="module", params=["loop"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shipped_root: Path
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("triton")
    with running(folder, registry=shipped_root, server=request.param) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
    yield client
    client.close()


def tensors(*, binary: bool, datatype: str = "FP32") -> list[Any]:
    """The three rows of COLUMNS, a tensor an input."""
    numpy_type = {"FP32": np.float32, "FP64": np.float64, "INT32": np.int32}[datatype]
    inputs = []
    for name, values in COLUMNS.items():
        tensor = triton.InferInput(name, [3], datatype)
        tensor.set_data_from_numpy(np.array(values, numpy_type), binary_data=binary)
        inputs.append(tensor)
    return inputs


def expected(server: Server, output: str) -> list[float]:
    found: list[float] = server.predict(COLUMNS).json()[output]
    return found


def test_server_and_model_are_live_and_ready(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("calories")
    assert client.is_model_ready("calories", "1")
    assert not client.is_model_ready("bread")


def test_metadata_name_the_tensors(client: Any) -> None:
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("calories")
    assert [each["name"] for each in metadata["inputs"]] == list(ROW)
    assert metadata["versions"] == ["1"]


def test_the_index_lists_every_model(client: Any) -> None:
    index = {each["name"]: each["state"] for each in client.get_model_repository_index()}
    assert index == dict.fromkeys(("calories", "deep", "linear", "linear-unit"), "READY")


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize("datatype", ["FP32", "FP64", "INT32"])
def test_infer_gives_the_numbers_of_the_native_dialect(
    client: Any, server: Server, datatype: str, *, binary: bool
) -> None:
    answer = client.infer("calories", tensors(binary=binary, datatype=datatype))
    for output in ("calories", "lower", "upper"):
        np.testing.assert_allclose(answer.as_numpy(output), expected(server, output), rtol=1e-6)


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_only_the_requested_output_comes_in_the_requested_form(
    client: Any, server: Server, *, binary: bool
) -> None:
    asked = [triton.InferRequestedOutput("upper", binary_data=binary)]
    answer = client.infer("calories", tensors(binary=True), outputs=asked, request_id="seven")
    assert [each["name"] for each in answer.get_response()["outputs"]] == ["upper"]
    assert answer.get_response()["id"] == "seven"
    np.testing.assert_allclose(answer.as_numpy("upper"), expected(server, "upper"), rtol=1e-6)


def test_one_tensor_of_features_is_taken(client: Any, server: Server) -> None:
    features = triton.InferInput("features", [3, 3], "FP32")
    features.set_data_from_numpy(np.array(list(COLUMNS.values()), np.float32).T.copy())
    answer = client.infer("calories", [features], model_version="1")
    np.testing.assert_allclose(answer.as_numpy("calories"), expected(server, "calories"), rtol=1e-6)


@pytest.mark.parametrize(
    ("model", "inputs", "sentence"),
    [
        ("bread", slice(None), "There is no model 'bread'"),
        ("calories", slice(2), "each of sugar, fiber, protein once"),
    ],
)
def test_an_error_is_a_sentence(client: Any, model: str, inputs: slice, sentence: str) -> None:
    with pytest.raises(InferenceServerException, match=sentence):
        client.infer(model, tensors(binary=True)[inputs])


def test_loading_by_request_is_refused_with_what_decides(client: Any) -> None:
    with pytest.raises(InferenceServerException, match="follows the registry on disk"):
        client.load_model("calories")


def test_a_compressed_request_is_refused_with_the_way_out(client: Any) -> None:
    with pytest.raises(InferenceServerException, match="send it plain"):
        client.infer("calories", tensors(binary=False), request_compression_algorithm="gzip")
