"""Explanations: exact Shapley values against the training mean, held against shap's own."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from werkzeug.test import Client, TestResponse

from models.registry import Registry
from service.app import create_host
from service.serving import shapley
from service.serving.dataplane import DataPlane
from service.serving.host import Host
from service.settings import Settings
from tests.both_ways import both_ways
from tests.servers import DEV_PYTHON, run

ROW: dict[str, float] = {"sugar": 5, "fiber": 1, "protein": 2}
ROWS: list[dict[str, float]] = [
    ROW,
    {"sugar": 12, "fiber": 0, "protein": 1},
    {"sugar": 0, "fiber": 14, "protein": 4},
]
# shap warns when it is imported, so it has a process of its own.
EXACT = """
import json
import sys
from pathlib import Path

import numpy as np
import shap

from models.registry import Registry
from service.serving.engines import load

root, model, rows = json.loads(sys.argv[1])
registry = Registry(Path(root))
manifest = registry.manifest(model, 1)
engine = load(registry, manifest, "litert")
background = np.array([[each.mean for each in manifest.inputs]], np.float32)


def calories(rows):
    return engine.predict(np.ascontiguousarray(rows, np.float32))[0]


explainer = shap.explainers.Exact(calories, shap.maskers.Independent(background))
found = explainer(np.array(rows, np.float32))
print(json.dumps([found.base_values.tolist(), found.values.tolist()]))
"""


@pytest.fixture(scope="module", params=["litert", "saved_model"])
def client(request: pytest.FixtureRequest, shipped: Registry) -> Iterator[Client]:
    settings = Settings(registry=shipped.root, engine=request.param, max_rows=50)
    host = create_host(settings)
    yield both_ways(settings, host)
    host.close()


Post = Callable[..., TestResponse]


@pytest.fixture
def explain(client: Client) -> Post:
    def explain(body: object, query: str = "") -> TestResponse:
        return client.post(f"/explain{query}", json=body)

    return explain


def test_a_row_gets_its_prediction_the_base_and_each_contribution(
    client: Client, explain: Post
) -> None:
    found = explain(ROW).get_json()
    predicted = client.post("/predict", json=ROW).get_json()
    assert found.keys() == {*predicted, "base", "contributions"}
    assert {k: found[k] for k in predicted} == pytest.approx(predicted, abs=1e-3)
    assert list(found["contributions"]) == list(ROW)


@pytest.mark.parametrize("model", ["calories", "deep", "linear", "linear-unit"])
def test_contributions_sum_to_the_prediction_less_the_base(explain: Post, model: str) -> None:
    row = {"sugar": 12.5} if model == "linear-unit" else {**ROW, "sugar": 12.5}
    found = explain(row, f"?model={model}").get_json()
    total = found["base"] + sum(found["contributions"].values())
    assert total == pytest.approx(found["calories"], abs=1e-3)


def test_rows_and_columns_are_explained_as_each_row_alone(explain: Post) -> None:
    alone = [explain(row).get_json() for row in ROWS]
    rows = explain(ROWS).get_json()
    assert list(rows) == ["explanations", "model", "version"]
    columns = explain({name: [row[name] for row in ROWS] for name in ROW}).get_json()
    for i, expected in enumerate(alone):
        told = rows["explanations"][i]
        for key in ("calories", "lower", "upper", "base", "contributions"):
            assert told[key] == pytest.approx(expected[key], abs=1e-3)
        assert columns["calories"][i] == pytest.approx(expected["calories"], abs=1e-3)
        for name in ROW:
            assert columns["contributions"][name][i] == pytest.approx(
                expected["contributions"][name], abs=1e-3
            )


def test_the_training_mean_has_nothing_to_explain(explain: Post, shipped: Registry) -> None:
    mean = {each.name: each.mean for each in shipped.manifest("calories", 1).inputs}
    found = explain(mean).get_json()
    assert found["base"] == pytest.approx(found["calories"], abs=1e-3)
    assert list(found["contributions"].values()) == pytest.approx([0, 0, 0], abs=1e-3)


def test_more_rows_than_their_coalitions_allow_get_422(explain: Post) -> None:
    assert explain([ROW] * 6).status_code == 200
    response = explain([ROW] * 7)
    assert response.status_code == 422
    assert "at most 6 rows to explain, each by 8 predictions" in response.get_json()["detail"]


@pytest.mark.parametrize(
    ("body", "query", "status"),
    [({**ROW, "sugar": -1}, "", 422), ({}, "", 422), (ROW, "?model=bread", 404)],
)
def test_what_predict_refuses_is_refused(
    explain: Post, body: object, query: str, status: int
) -> None:
    response = explain(body, query)
    assert response.status_code == status
    assert response.content_type == "application/problem+json"


@pytest.fixture(scope="module")
def host(shipped: Registry) -> Iterator[Host]:
    host = create_host(Settings(registry=shipped.root))
    yield host
    host.close()


@pytest.mark.parametrize("model", ["calories", "deep", "linear-unit"])
def test_the_values_are_those_of_shaps_exact_explainer(
    host: Host, shipped: Registry, model: str
) -> None:
    plane = DataPlane(host, "calories", max_rows=1000)
    source = plane.choose(model)
    random = np.random.default_rng(0)
    rows = random.uniform(0, 15, (20, len(source.inputs))).astype(np.float32)
    found = plane.explain(source, rows)
    question = json.dumps([str(shipped.root), model, rows.tolist()])
    base, values = json.loads(run(DEV_PYTHON, "-c", EXACT, question).stdout.splitlines()[-1])
    assert found.base == pytest.approx(base[0], abs=1e-3)
    assert found.contributions == pytest.approx(np.array(values), abs=1e-3)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 8])
def test_a_sum_is_explained_by_its_terms(k: int) -> None:
    rows = np.arange(2 * k, dtype=np.float32).reshape(2, k)
    background = np.ones(k, np.float32)
    predictions = shapley.mixed(rows, background).sum(axis=1).reshape(2, -1)
    np.testing.assert_allclose(predictions @ shapley.weights(k), rows - background, atol=1e-4)


def test_a_product_is_shared_evenly() -> None:
    rows: Any = np.array([[4, 6]], np.float32)
    products = shapley.mixed(rows, np.zeros(2, np.float32)).prod(axis=1).reshape(1, -1)
    assert (products @ shapley.weights(2)).tolist() == [[12, 12]]
