"""Explanations: Shapley values against the training mean, held against their definition."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from werkzeug.test import Client

from models.registry import Registry
from service.app import create_app, create_host
from service.serving import shapley
from service.serving.dataplane import DataPlane
from service.serving.host import Host
from service.settings import Settings
from tests.dialects import COLUMNS, ROW, ROWS, answer

Explain = Callable[..., Any]
Rows = NDArray[np.float32]


@pytest.fixture
def explain(client: Client) -> Explain:
    return lambda body, query="": answer(client.post(f"/explain{query}", json=body))


def test_a_row_gets_its_prediction_the_base_and_each_contribution(
    client: Client, explain: Explain
) -> None:
    found, predicted = explain(ROW), answer(client.post("/predict", json=ROW))
    assert found.keys() == {*predicted, "base", "contributions"}
    assert {k: found[k] for k in predicted} == pytest.approx(predicted, abs=1e-3)
    assert list(found["contributions"]) == list(ROW)


def test_rows_and_columns_are_explained_as_each_row_alone(explain: Explain) -> None:
    alone = [explain(row) for row in ROWS]
    rows, columns = explain(ROWS), explain(COLUMNS)
    assert list(rows) == ["explanations", "model", "version"]
    for i, (expected, told) in enumerate(zip(alone, rows["explanations"], strict=True)):
        for key in ("calories", "lower", "upper", "base", "contributions"):
            assert told[key] == pytest.approx(expected[key], abs=1e-3)
        assert columns["calories"][i] == pytest.approx(expected["calories"], abs=1e-3)
        of_row = {name: each[i] for name, each in columns["contributions"].items()}
        assert of_row == pytest.approx(expected["contributions"], abs=1e-3)


def test_as_many_rows_as_their_coalitions_allow_are_explained(explain: Explain) -> None:
    assert len(explain([ROW] * 6)["explanations"]) == 6


@pytest.mark.parametrize("model", ["calories", "deep", "linear-unit"])
def test_the_values_are_what_shapley_defined(host: Host, model: str) -> None:
    """What an input adds where it comes after some others, on average over all orders."""
    plane = DataPlane(host, "calories", max_rows=1000)
    source = plane.choose(model)
    k = len(source.inputs)
    rows = np.random.default_rng(0).uniform(0, 15, (20, k)).astype(np.float32)
    mean = np.array([each.mean for each in source.manifest.inputs], np.float32)
    expected, orders = np.zeros((20, k)), list(permutations(range(k)))
    for order in orders:
        mixed = np.tile(mean, (20, 1))
        before = source.engine.predict(mixed)[0]
        for at in order:
            mixed[:, at] = rows[:, at]
            after = source.engine.predict(mixed)[0]
            expected[:, at] += (after - before) / len(orders)
            before = after
    found = plane.explain(source, rows)
    assert found.base == pytest.approx(source.engine.predict(mean[None])[0][0], abs=1e-3)
    assert found.contributions == pytest.approx(expected, abs=1e-3)
    total = found.base + found.contributions.sum(axis=1)
    assert total == pytest.approx(source.engine.predict(rows)[0], abs=1e-3)


SEEDS = st.integers(0, 2**32 - 1)
PLANS = st.integers(1, 10).map(shapley.Exact) | st.builds(
    lambda k, pairs: shapley.Sampled(k, 2 * pairs), st.integers(2, 40), st.integers(2, 20)
)


def terms(rows: Rows) -> Rows:
    """A sum, each input times its place."""
    return np.asarray(rows @ np.arange(rows.shape[1]), np.float32)


def bent(rows: Rows) -> Rows:
    """Products and bends; the first input does nothing, however the others are."""
    x = rows[:, 1:]
    products = x.prod(axis=1, where=np.abs(x) > 0.5)
    return np.asarray(np.maximum(x.sum(axis=1), 0) + products + np.sin(x).sum(axis=1), np.float32)


@given(PLANS, SEEDS, st.integers(1, 4))
def test_a_sum_is_explained_by_its_terms_however_few_orders_are_drawn(
    plan: shapley.Plan, seed: int, n: int
) -> None:
    k = plan.coalitions(0, 1).shape[1]
    rng = np.random.default_rng(seed)
    rows, mean = rng.integers(-9, 9, (n, k)).astype(np.float32), np.ones(k, np.float32)
    found = shapley.explain(plan, terms, rows, mean)
    np.testing.assert_allclose(found.contributions, (rows - mean) * np.arange(k), atol=1e-9)
    assert found.standard_error is None or not found.standard_error.any()


@given(PLANS, SEEDS, st.integers(1, 4))
def test_base_and_contributions_sum_to_the_prediction_and_what_does_nothing_gets_none(
    plan: shapley.Plan, seed: int, n: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 1, (n, plan.coalitions(0, 1).shape[1])).astype(np.float32)
    mean = rng.normal(0, 1, rows[0].shape).astype(np.float32)
    found = shapley.explain(plan, bent, rows, mean)
    total = found.base + found.contributions.sum(axis=1)
    np.testing.assert_allclose(total, bent(rows), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.contributions[:, 0], 0, atol=1e-12)


@given(st.integers(2, 10), SEEDS)
def test_sampled_values_lie_within_their_error_of_the_exact_ones_and_come_again(
    k: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows, mean = rng.normal(0, 1, (2, k)).astype(np.float32), np.zeros(k, np.float32)
    drawn = [
        shapley.explain(shapley.Sampled(k, shapley.ORDERS), bent, rows, mean) for _ in range(2)
    ]
    exact = shapley.explain(shapley.Exact(k), bent, rows, mean).contributions
    assert drawn[0].standard_error is not None
    off = np.abs(drawn[0].contributions - exact).max(axis=1)
    assert (off <= 5 * drawn[0].standard_error + 1e-5).all()
    np.testing.assert_array_equal(drawn[0].contributions, drawn[1].contributions)


@pytest.mark.parametrize("k", [10, 11, 60, 256])
def test_no_more_is_asked_at_once_than_a_megabyte_and_no_more_altogether_than_is_allowed(
    k: int,
) -> None:
    plan = shapley.plan(k, 100_000)
    rows = np.ones((100_000 // plan.size, k), np.float32)
    asked: list[int] = []

    def ask(mixed: Rows) -> Rows:
        asked.append(len(mixed))
        return terms(mixed)

    shapley.explain(plan, ask, rows, np.zeros(k, np.float32))
    assert max(asked) * k * 4 <= 1 << 20
    assert sum(asked) == len(rows) * plan.size <= 100_000


def test_fewer_orders_are_drawn_where_fewer_predictions_are_allowed() -> None:
    assert [shapley.plan(60, most).size for most in (1, 1000, 10**6)] == [4 * 61, 16 * 61, 6100]


@pytest.mark.parametrize("model", ["thirteen", "sixty"])
def test_more_than_ten_inputs_get_their_error_in_every_form(
    any_table: Registry, model: str
) -> None:
    settings = Settings(registry=any_table.root, default_model=model)
    asked = create_app(settings, create_host(settings)).test_client()
    row = dict.fromkeys(any_table.manifest(model, 1).input_names, -2.5)

    def explain(body: object, path: str = "/explain") -> Any:
        return answer(asked.post(path, json=body))

    one, rows, columns = explain(row), explain([row]), explain({n: [v] for n, v in row.items()})
    told = {name: one[name] for name in ("base", "contributions", "standard_error")}
    assert sum(told["contributions"].values()) + told["base"] == pytest.approx(
        one["price"], abs=1e-4
    )
    assert 0 < told["standard_error"] < 0.1 * max(map(abs, told["contributions"].values()))
    assert rows["explanations"] == [{k: v for k, v in one.items() if k not in ("model", "version")}]
    assert columns["standard_error"] == [told["standard_error"]]
    assert {name: [v] for name, v in told["contributions"].items()} == columns["contributions"]
    v1 = explain({"instances": [row]}, f"/v1/models/{model}:explain")
    assert v1["explanations"] == [told]
    document = answer(asked.get("/openapi.json"))["components"]["schemas"]
    for name in ("ExplainedRow", "Contributions"):
        assert told.keys() <= document[name]["properties"].keys()
    far = dict.fromkeys(row, 3e38)
    for body, sentence in (([row] * 100, "at most"), (far, "values far from any")):
        refused = asked.post("/explain", json=body)
        assert (refused.status_code, sentence in refused.text) == (422, True)
