"""Explanations: exact Shapley values against the training mean, held against their definition."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from werkzeug.test import Client

from models.registry import Registry
from service.serving import shapley
from service.serving.dataplane import DataPlane
from service.serving.host import Host
from tests.dialects import COLUMNS, ROW, ROWS, answer

Explain = Callable[..., Any]


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


def test_the_training_mean_has_nothing_to_explain(explain: Explain, shipped: Registry) -> None:
    found = explain({each.name: each.mean for each in shipped.manifest("calories", 1).inputs})
    assert found["base"] == pytest.approx(found["calories"], abs=1e-3)
    assert list(found["contributions"].values()) == pytest.approx([0, 0, 0], abs=1e-3)


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


@pytest.mark.parametrize("k", [1, 2, 3, 5, 8])
def test_a_sum_is_explained_by_its_terms(k: int) -> None:
    rows = np.arange(2 * k, dtype=np.float32).reshape(2, k)
    background = np.ones(k, np.float32)
    predictions = shapley.mixed(rows, background).sum(axis=1).reshape(2, -1)
    np.testing.assert_allclose(predictions @ shapley.weights(k), rows - background, atol=1e-4)
