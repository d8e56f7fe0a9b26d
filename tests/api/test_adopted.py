"""Models made elsewhere, asked as clients of TensorFlow Serving ask them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import tensorflow as tf
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tensorflow.core.protobuf import saved_model_pb2
from werkzeug.test import Client

from models.manifest import Signature
from service.app import create_app, create_host
from service.serving.engines import Choice
from service.settings import Settings
from tests.conftest import Adopted
from tests.dialects import answer, refusal
from tests.makings import ADOPTED

NAMES = [name for name in ADOPTED if not name.endswith(".keras")]
SCALES = (1.0, 50.0, 10_000.0)


@pytest.fixture(scope="module", params=["auto", "saved_model"])
def engine(request: pytest.FixtureRequest) -> Choice:
    choice: Choice = request.param
    return choice


@pytest.fixture(scope="module")
def client(adopted: Adopted, engine: Choice) -> Iterator[Client]:
    settings = Settings(registry=adopted.registry.root, engine=engine, default_model="named")
    host = create_host(settings)
    yield create_app(settings, host).test_client()
    host.close()


def signature(adopted: Adopted, name: str) -> Signature:
    found = adopted.registry.manifest(name, 1).signature
    assert found
    return found


def tensors(folder: Path, name: str, scale: float) -> dict[str, NDArray[np.float32]]:
    """Some rows for a signature, as its own SavedModel says its tensors are."""
    graph = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    inputs = graph.meta_graphs[0].signature_def[name].inputs
    chance = np.random.default_rng(0)
    return {
        each: chance.uniform(
            -scale, scale, [17, *(d.size for d in it.tensor_shape.dim[1:])]
        ).astype(np.float32)
        for each, it in sorted(inputs.items())
    }


def by_tensorflow(folder: Path, name: str, asked: dict[str, NDArray[np.float32]]) -> Any:
    """What TensorFlow computes, the answer's one tensor."""
    call = tf.saved_model.load(str(folder)).signatures[name]
    kinds = {each: spec.dtype for each, spec in call.structured_input_signature[1].items()}
    [found] = call(**{each: tf.cast(it, kinds[each]) for each, it in asked.items()}).values()
    return found.numpy().astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_a_client_of_tensorflow_serving_gets_what_tensorflow_computes(
    adopted: Adopted, client: Client, engine: Choice, name: str
) -> None:
    card = signature(adopted, name)
    for scale in SCALES:
        asked = tensors(adopted.made / name, card.name, scale)
        expected = by_tensorflow(adopted.made / name, card.name, asked)
        columns: Any = {each: it.tolist() for each, it in asked.items()}
        rows: Any = [
            dict(zip(columns, it, strict=True)) for it in zip(*columns.values(), strict=True)
        ]
        bodies = [{"instances": rows}, {"inputs": columns}]
        if len(asked) == 1:
            [alone] = columns.values()
            bodies += [{"instances": alone}, {"inputs": alone}]
        for alias in (card.name, *card.aliases):
            for body in bodies:
                told = answer(
                    client.post(
                        f"/v1/models/{name}:predict", json={**body, "signature_name": alias}
                    )
                )
                [found] = told.values()
                assert np.shape(found) == expected.shape
                off = np.abs(np.array(found, np.float32) - expected).max()
                assert off <= (0 if engine == "saved_model" else 1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("name", NAMES)
def test_the_metadata_are_those_of_the_savedmodel(
    adopted: Adopted, client: Client, name: str
) -> None:
    graph = (adopted.made / name / "saved_model.pb").read_bytes()
    [meta] = saved_model_pb2.SavedModel.FromString(graph).meta_graphs
    told = answer(client.get(f"/v1/models/{name}/metadata"))["metadata"]["signature_def"]
    assert told["signature_def"].keys() == meta.signature_def.keys()
    for each, found in told["signature_def"].items():
        expected = MessageToDict(
            meta.signature_def[each],
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        assert found == {key: expected[key] for key in ("inputs", "outputs", "method_name")}


@pytest.mark.parametrize("name", NAMES)
def test_our_own_forms_say_the_same(adopted: Adopted, client: Client, name: str) -> None:
    manifest = adopted.registry.manifest(name, 1)
    row = dict.fromkeys(manifest.input_names, 0.5)
    told = answer(client.post(f"/predict?model={name}", json=row))
    assert set(told) == {manifest.output.name, "model", "version"}
    one = [told[manifest.output.name]]
    for body in ({"instances": [row]}, {"inputs": {each: [0.5] for each in row}}):
        [found] = answer(client.post(f"/v1/models/{name}:predict", json=body)).values()
        assert np.ravel(found).tolist() == pytest.approx(one, rel=1e-6)
    regressed = answer(client.post(f"/v1/models/{name}:regress", json={"examples": [row]}))
    assert regressed == {"results": pytest.approx(one, rel=1e-6)}


@pytest.mark.parametrize(
    ("name", "body", "sentence"),
    [
        ("module", {"instances": [[1, 2]]}, "instances[0]"),
        ("module", {"instances": [1]}, "instances[0]"),
        ("module", {"instances": [{"y": [1, 2, 3]}]}, "instances[0]"),
        ("module", {"inputs": {"x": [[1, 2, "3"]]}}, "inputs.x[0][2]"),
        ("module", {"inputs": {"x": 3}}, "inputs.x"),
        ("module", {"instances": []}, "at least one row"),
        ("named", {"inputs": {"sugar": [[1]], "fiber": [[1]], "protein": [[1], [2]]}}, "1 rows"),
        ("named", {"inputs": {"sugar": [[1]], "fiber": [[1]], "protein": [[1, 2]]}}, "protein"),
        ("named", {"instances": [{"sugar": [1], "fiber": [[1]], "protein": [1]}]}, "fiber"),
        ("scalars", {"instances": [{"sugar": [1], "fiber": [1], "protein": [1]}]}, "sugar"),
        (
            "extra",
            {"instances": [[1, 2, 3]], "signature_name": "doubled"},
            'Serving signature name: "doubled" not found in signature def; there are serving',
        ),
    ],
)
def test_a_wrong_request_says_where(
    client: Client, name: str, body: dict[str, Any], sentence: str
) -> None:
    assert sentence in refusal(client.post(f"/v1/models/{name}:predict", json=body))


def test_what_nobody_knows_is_left_out_everywhere(client: Client) -> None:
    assert "named" in client.get("/").text
    assert client.get("/openapi.json").status_code == 200
    row = {"sugar": 1, "fiber": 2, "protein": 3}
    assert "trained on" in refusal(client.post("/explain?model=named", json=row))
    tensor = [{"name": n, "shape": [1], "datatype": "FP32", "data": [x]} for n, x in row.items()]
    [output] = answer(client.post("/v2/models/named/infer", json={"inputs": tensor}))["outputs"]
    assert output["name"] == "price"


@given(st.integers(0, 2**32 - 1))
def test_json_keeps_every_bit_of_a_float32(bits: int) -> None:
    number = np.array([bits], np.uint32).view(np.float32)
    if np.isfinite(number).all():
        told = json.loads(orjson.dumps(number, option=orjson.OPT_SERIALIZE_NUMPY))
        assert np.array(told, np.float32).tobytes() == number.tobytes()
