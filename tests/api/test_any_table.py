"""Every dialect and format over tables that have nothing to do with cereals gives one answer."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from werkzeug.test import Client

from models.manifest import LARGEST
from models.registry import Registry
from service.app import create_host
from service.serving.host import Host
from service.settings import Settings
from tests.any_table import HALF_WIDTH, INPUTS, LEAST, MOST
from tests.both_ways import both_ways
from tests.dialects import answer, refusal, tensor

ROWS = 4  # of each question; the last is outside of what training saw


@pytest.fixture(scope="module")
def host(any_table: Registry) -> Iterator[Host]:
    host = create_host(Settings(registry=any_table.root))
    yield host
    host.close()


@pytest.fixture(scope="module", params=INPUTS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def client(host: Host, model: str) -> Client:
    return both_ways(Settings(registry=host.registry.root, default_model=model), host)


@pytest.fixture(scope="module")
def table(model: str) -> list[list[float]]:
    """Rows of the model's inputs, some below 0."""
    rows = np.random.default_rng(1).uniform(LEAST, MOST, (ROWS, INPUTS[model])).round(3)
    rows[-1, 0] = -1e6
    return rows.tolist()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def expected(host: Host, model: str, table: list[list[float]]) -> dict[str, list[Any]]:
    """What the engine answers, and whether training saw the like, by the names of the answer."""
    source = host.find(model)
    columns = source.engine.predict(np.array(table, np.float32))
    found: dict[str, list[Any]] = {
        name: column.tolist() for name, column in zip(source.outputs, columns, strict=True)
    }
    return found if model == "bare" else {**found, "in_range": [True] * (ROWS - 1) + [False]}


def named(table: list[list[float]]) -> list[dict[str, float]]:
    return [{f"x{i}": cell for i, cell in enumerate(row)} for row in table]


def columns_of(table: list[list[float]]) -> dict[str, list[float]]:
    return {f"x{i}": list(cells) for i, cells in enumerate(zip(*table, strict=True))}


def rowwise(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def numbers(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """What is told where nobody asks for the range."""
    return {name: cells for name, cells in columns.items() if name != "in_range"}


def close(found: Any, expected: Any) -> bool:
    """Equal, numbers as float32 has them: one row and a block may differ in the last bit."""
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(close(found[n], expected[n]) for n in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(close, found, expected))
    if type(expected) is float:
        expected = pytest.approx(expected, rel=1e-5, abs=1e-5)
    return bool(found == expected)


def test_the_answer_is_named_as_the_output_and_has_what_is_known(
    client: Client, model: str, table: list[list[float]], expected: dict[str, list[Any]]
) -> None:
    signed = {"model": model, "version": 1}
    for row, each in zip(named(table), rowwise(expected), strict=True):
        assert close(answer(client.post("/predict", json=row)), {**each, **signed})
    told = answer(client.post("/predict", json=named(table)))
    assert close(told, {"predictions": rowwise(expected), **signed})
    assert close(answer(client.post("/predict", json=columns_of(table))), {**expected, **signed})
    if model == "thirteen":
        half = (np.array(expected["upper"]) - np.array(expected["lower"])) / 2
        np.testing.assert_allclose(half[:-1], HALF_WIDTH, atol=1e-5)


def test_csv_and_arrow_say_the_same(
    client: Client, table: list[list[float]], expected: dict[str, list[Any]]
) -> None:
    columns = columns_of(table)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in table)]
    told = client.post("/predict", data="\n".join(lines), content_type="text/csv").text.split()
    cells = [[json.loads(cell) for cell in line.split(",")] for line in told[1:]]
    assert close(
        [dict(zip(told[0].split(","), row, strict=True)) for row in cells], rowwise(expected)
    )
    batch, sink = pa.record_batch(columns), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    kind = "application/vnd.apache.arrow.stream"
    body = client.post("/predict", data=sink.getvalue().to_pybytes(), content_type=kind).data
    assert close(pa.ipc.open_stream(body).read_all().to_pydict(), expected)


def test_tensorflow_servings_dialect_says_the_same(
    client: Client, model: str, table: list[list[float]], expected: dict[str, list[Any]]
) -> None:
    def ask(body: object, verb: str = "predict") -> Any:
        return answer(client.post(f"/v1/models/{model}:{verb}", json=body))

    columns: Any = numbers(expected)
    told: Any = rowwise(columns)
    if len(columns) == 1:  # a single output has no name there
        [columns] = columns.values()
        told = columns
    assert close(ask({"instances": named(table)}), {"predictions": told})
    features = {"signature_name": "features", "instances": table}
    assert close(ask(features), {"predictions": told})
    assert close(ask({"inputs": columns_of(table)}), {"outputs": columns})
    assert close(ask({"examples": named(table)}, "regress"), {"results": expected["price"]})
    signatures = answer(client.get(f"/v1/models/{model}/metadata"))["metadata"]["signature_def"]
    for signature in ("serving_default", "features"):
        described = signatures["signature_def"][signature]["outputs"]
        assert list(described) == list(numbers(expected))


def test_the_open_inference_protocol_says_the_same(
    client: Client, model: str, table: list[list[float]], expected: dict[str, list[Any]]
) -> None:
    columns, told = columns_of(table), numbers(expected)
    metadata = answer(client.get(f"/v2/models/{model}"))
    assert [each["name"] for each in metadata["inputs"]] == list(columns)
    assert [each["name"] for each in metadata["outputs"]] == list(told)
    for inputs in (
        [tensor(name, cells, "FP64") for name, cells in columns.items()],
        [tensor("features", table, "FP64")],
    ):
        found = answer(client.post(f"/v2/models/{model}/infer", json={"inputs": inputs}))
        assert close({each["name"]: each["data"] for each in found["outputs"]}, told)


@pytest.mark.parametrize("value", [LARGEST, -LARGEST, 1e30])
def test_a_row_so_far_away_that_no_answer_is_finite_is_refused_by_its_place(
    client: Client, model: str, table: list[list[float]], value: float
) -> None:
    rows = [*named(table), {**named(table)[0], "x0": value}]
    found = client.post("/predict", json=rows)
    if found.status_code != 200:
        assert "[4]: expected values for which the model has a finite answer" in refusal(found, 422)
    else:
        assert np.isfinite([row["price"] for row in answer(found)["predictions"]]).all()


@pytest.mark.parametrize("value", ["1e39", "-1e39", "1e999", "NaN", "true", '"5"', "null"])
def test_what_is_no_number_of_float32_is_refused_by_its_place(client: Client, value: str) -> None:
    names = [each["name"] for each in client.get("/models").get_json()["models"]]
    assert names == sorted(INPUTS)
    model = client.get("/models").get_json()["default"]
    body = json.dumps(dict.fromkeys((f"x{i}" for i in range(INPUTS[model])), 1))
    body = body.replace('"x0": 1', f'"x0": {value}', 1)
    said = refusal(client.post("/predict", data=body, content_type="application/json"), 422)
    unit = "" if model == "bare" else " (m²)"
    assert said.startswith(f"x0: expected a finite number{unit}, received ")


def test_the_document_is_of_the_model_that_answers(client: Client, model: str) -> None:
    document = client.get("/openapi.json").get_json()
    schemas = document["components"]["schemas"]
    assert "price" in schemas["PredictedRow"]["properties"]
    assert ("lower" in schemas["PredictedRow"]["required"]) == (model == "thirteen")
    assert ("in_range" in schemas["PredictedRow"]["required"]) == (model != "bare")
    right = document["paths"]["/predict"]["post"]["responses"]["200"]["content"]
    assert right["application/json"]["examples"]["a-row"]["value"]["model"] == model


def test_what_nobody_knows_the_training_of_cannot_be_explained(host: Host) -> None:
    client = both_ways(Settings(registry=host.registry.root, default_model="bare"), host)
    found = client.post("/explain", json=named([[1.0, 1.0, 1.0]])[0])
    assert "does not know what it was trained on" in refusal(found, 400)
