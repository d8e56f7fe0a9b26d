"""tritonclient.http, unchanged, against a real server: what a V2 client written elsewhere sees."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton

from tests.conftest import SHIPPED
from tests.dialects import COLUMNS, OUTPUTS, ROW
from tests.servers import Server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Any]:
    client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
    yield client
    client.close()


@pytest.fixture(scope="module")
def expected(server: Server) -> Any:
    """The columns that the native dialect answers with."""
    return server.predict(COLUMNS).json()


def tensors(*, binary: bool, datatype: Any = np.float32) -> list[Any]:
    """The rows of COLUMNS, a tensor an input."""
    inputs = []
    for name, values in COLUMNS.items():
        data = np.array(values, datatype)
        tensor = triton.InferInput(name, [3], triton.np_to_triton_dtype(datatype))
        tensor.set_data_from_numpy(data, binary_data=binary)
        inputs.append(tensor)
    return inputs


def test_server_and_models_are_live_ready_and_described(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    ready = [client.is_model_ready(*model) for model in (["calories"], ["calories", "1"], ["no"])]
    assert ready == [True, True, False]
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("calories")
    assert [each["name"] for each in metadata["inputs"]] == list(ROW)
    assert metadata["versions"] == ["1"]
    index = {each["name"]: each["state"] for each in client.get_model_repository_index()}
    assert index == dict.fromkeys(SHIPPED, "READY")


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize("datatype", [np.float32, np.float64, np.int32])
def test_infer_gives_the_numbers_of_the_native_dialect(
    client: Any, expected: Any, datatype: Any, *, binary: bool
) -> None:
    answer = client.infer("calories", tensors(binary=binary, datatype=datatype))
    for output in OUTPUTS:
        np.testing.assert_allclose(answer.as_numpy(output), expected[output], rtol=1e-6)
    asked = [triton.InferRequestedOutput("upper", binary_data=binary)]
    answer = client.infer("calories", tensors(binary=True), outputs=asked, request_id="seven")
    assert [each["name"] for each in answer.get_response()["outputs"]] == ["upper"]
    assert answer.get_response()["id"] == "seven"
    np.testing.assert_allclose(answer.as_numpy("upper"), expected["upper"], rtol=1e-6)
