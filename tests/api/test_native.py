"""The native API, on both engines, over the versions that ship."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from werkzeug.test import Client, TestResponse

from models.publish import import_version
from models.registry import Registry
from service.app import create_host
from service.settings import Settings
from tests.both_ways import both_ways

ROW: dict[str, float] = {"sugar": 5, "fiber": 1, "protein": 2}
KEYS = ["calories", "lower", "upper", "in_range", "model", "version"]


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
    def post(body: object, query: str = "", content_type: str = "application/json") -> TestResponse:
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        return client.post(f"/predict{query}", data=data, content_type=content_type)

    return post


def problem(response: TestResponse) -> dict[str, Any]:
    """The problem document, held against RFC 9457 and the status line."""
    assert response.content_type == "application/problem+json"
    document: dict[str, Any] = json.loads(response.data)
    assert document["status"] == response.status_code
    assert {"type", "title", "detail"} <= document.keys()
    assert "Traceback" not in document["detail"]
    return document


def test_a_row_is_answered_with_calories_interval_and_source(post: Post) -> None:
    answer = post(ROW).get_json()
    assert list(answer) == KEYS
    assert answer["lower"] < answer["calories"] < answer["upper"]
    assert (answer["in_range"], answer["model"], answer["version"]) == (True, "calories", 1)


def test_rows_and_columns_answer_as_each_row_alone(post: Post) -> None:
    rows: list[dict[str, float]] = [
        ROW,
        {"sugar": 0, "fiber": 14.5, "protein": 4},
        {"sugar": 12, "fiber": 0, "protein": 1},
    ]
    alone = [{k: post(row).get_json()[k] for k in KEYS[:4]} for row in rows]
    answer = post(rows).get_json()
    assert list(answer) == ["predictions", "model", "version"]
    columns = post({name: [row[name] for row in rows] for name in ROW}).get_json()
    assert list(columns) == KEYS
    for key in KEYS[:3]:
        expected = [row[key] for row in alone]
        assert [row[key] for row in answer["predictions"]] == pytest.approx(expected, abs=1e-4)
        assert columns[key] == pytest.approx(expected, abs=1e-4)
    assert [row["in_range"] for row in answer["predictions"]] == columns["in_range"]


def test_a_row_outside_the_training_range_is_answered_and_marked(post: Post) -> None:
    answer = post({**ROW, "sugar": 15.1})
    assert answer.status_code == 200
    assert answer.get_json()["in_range"] is False


def test_the_linear_unit_gives_102_calories_for_5_g_of_sugar(post: Post) -> None:
    answer = post({"sugar": 5}, "?model=linear-unit").get_json()
    assert answer["calories"] == pytest.approx(102, abs=0.5)


@pytest.mark.parametrize("model", ["calories", "linear", "deep"])
def test_a_model_is_chosen_by_name(post: Post, model: str) -> None:
    assert post(ROW, f"?model={model}").get_json()["model"] == model


@pytest.mark.parametrize("query", ["?version=1", "?label=stable", "?model=deep&version=1"])
def test_a_version_is_chosen_by_number_or_label(post: Post, query: str) -> None:
    assert post(ROW, query).get_json()["version"] == 1


@pytest.mark.parametrize("extreme", [0, 0.0, -0.0, 1000, 1e-320, 5e-324])
def test_grams_from_0_to_1000_are_answered_with_finite_numbers(post: Post, extreme: float) -> None:
    answer = post(dict.fromkeys(ROW, extreme))
    assert answer.status_code == 200
    assert np.isfinite(answer.get_json()["calories"])


@pytest.mark.parametrize(
    ("value", "received"),
    [
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("1e999", "Infinity"),
        ("true", "true"),
        ('"1.5"', '"1.5"'),
        ("null", "null"),
        ("{}", "{}"),
        ("-1", "-1"),
        ("1000.5", "1000.5"),
        (f"1{'0' * 400}", f"1{'0' * 59}…"),
    ],
)
def test_what_is_no_gram_is_refused_by_field(post: Post, value: str, received: str) -> None:
    response = post(f'{{"sugar":{value},"fiber":1,"protein":2}}')
    assert response.status_code == 422
    assert problem(response)["errors"] == [
        {
            "field": "sugar",
            "expected": "a number from 0 to 1000 (grams a serving)",
            "received": received,
        }
    ]


def test_a_missing_field_is_named(post: Post) -> None:
    [error] = problem(post({"sugar": 5, "fiber": 1}))["errors"]
    assert (error["field"], error["received"]) == ("protein", "nothing")


def test_an_unknown_field_is_refused(post: Post) -> None:
    [error] = problem(post({**ROW, "fat": 1}))["errors"]
    assert error == {
        "field": "fat",
        "expected": "no such field, only sugar, fiber, protein",
        "received": "1",
    }


def test_a_wrong_row_is_named_by_its_place(post: Post) -> None:
    [error] = problem(post([ROW, {**ROW, "fiber": "x"}]))["errors"]
    assert error["field"] == "[1].fiber"


def test_a_wrong_cell_of_a_column_is_named_by_its_place(post: Post) -> None:
    body = {"sugar": [1, 2], "fiber": [1, None], "protein": [1, 2]}
    [error] = problem(post(body))["errors"]
    assert error["field"] == "fiber[1]"


def test_columns_of_different_lengths_are_refused(post: Post) -> None:
    [error] = problem(post({"sugar": [1, 2], "fiber": [1], "protein": [1, 2]}))["errors"]
    assert error == {"field": "fiber", "expected": "2 numbers, as sugar has", "received": "1"}


@pytest.mark.parametrize("body", ["[]", '{"sugar":[],"fiber":[],"protein":[]}'])
def test_no_row_at_all_is_refused(post: Post, body: str) -> None:
    response = post(body)
    assert response.status_code == 422
    assert "at least one row" in problem(response)["detail"]


@pytest.mark.parametrize("body", ["5", "null", '"x"', "true", "1.5"])
def test_a_body_that_is_no_object_is_refused(post: Post, body: str) -> None:
    response = post(body)
    assert response.status_code == 422
    assert "an object with sugar, fiber, protein" in problem(response)["detail"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1,]", b"\xff\xfe", b"\xef\xbb\xbf{}", b'{"a":"\\ud800"}', b"[" * 4000, b"{}x"],
    ids=["empty", "cut", "comma", "not-utf8", "bom", "surrogate", "deep", "trailing"],
)
def test_what_is_no_json_gets_400(post: Post, body: bytes) -> None:
    response = post(body)
    assert response.status_code == 400
    assert problem(response)["detail"].startswith("The body is not JSON: ")


def test_too_many_rows_get_422_with_the_limit(post: Post) -> None:
    response = post([{"sugar": 1, "fiber": 1, "protein": 1}] * 51)
    assert response.status_code == 422
    assert problem(response)["detail"] == "body: expected at most 50 rows, received 51."


def test_a_body_over_the_limit_gets_413(post: Post) -> None:
    response = post(" " * 5000)
    assert response.status_code == 413
    assert "MAX_BODY_BYTES" in problem(response)["detail"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_content_type_gets_415(post: Post, content_type: str) -> None:
    response = post(ROW, content_type=content_type)
    assert response.status_code == 415
    assert "application/json" in problem(response)["detail"]


def test_a_charset_parameter_is_accepted(post: Post) -> None:
    assert post(ROW, content_type="Application/JSON; charset=utf-8").status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method_gets_405_with_allow(client: Client, method: str) -> None:
    response = client.open("/predict", method=method)
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
    assert "POST" in problem(response)["detail"]


@pytest.mark.parametrize("path", ["/nowhere", "/models//1"])
def test_an_unknown_path_gets_404(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert "/predict" in problem(response)["detail"]


@pytest.mark.parametrize(
    ("query", "known"),
    [
        ("?model=bread", "calories, deep, linear, linear-unit"),
        ("?version=7", "loaded are: 1"),
        ("?label=canary", "it has: stable"),
        ("?model=../models", "calories"),
    ],
)
def test_what_does_not_exist_gets_404_with_what_does(post: Post, query: str, known: str) -> None:
    response = post(ROW, query)
    assert response.status_code == 404
    assert known in problem(response)["detail"]


@pytest.mark.parametrize(
    "query",
    [
        "?modle=deep",
        "?version=x",
        "?version=-1",
        "?version=1&version=1",
        "?version=1&label=stable",
        "?model=",
        "?version=99999999999999999999",
        "?version=%D9%A1",
    ],
)
def test_a_wrong_query_gets_422(post: Post, query: str) -> None:
    response = post(ROW, query)
    assert response.status_code == 422
    assert problem(response)["errors"][0]["field"].startswith("?")


def test_the_models_are_listed_with_labels_and_versions(client: Client) -> None:
    models = client.get("/models").get_json()["models"]
    assert [model["name"] for model in models] == ["calories", "deep", "linear", "linear-unit"]
    assert models[0]["labels"] == {"stable": 1}
    assert [version["state"] for version in models[0]["versions"]] == ["loaded"]


def test_one_model_is_told(client: Client) -> None:
    assert client.get("/models/deep").get_json()["name"] == "deep"


def test_a_version_gives_its_manifest(client: Client) -> None:
    manifest = client.get("/models/deep/1").get_json()
    assert (manifest["model"], manifest["version"]) == ("deep", 1)
    assert manifest["architecture"]["hidden"] == [4, 3]


@pytest.mark.parametrize("path", ["/models/bread", "/models/deep/9", "/models/bread/1"])
def test_an_unknown_model_or_version_gets_404(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    problem(response)


def test_health_readiness_and_version_answer(client: Client) -> None:
    assert client.get("/healthz").get_json() == {"status": "ok"}
    assert client.get("/readyz").get_json() == {"status": "ready"}
    assert set(client.get("/version").get_json()) == {"service", "python"}


@pytest.fixture
def canary(registry: Registry, shipped: Registry) -> Iterator[Client]:
    """`deep`: version 1 is stable, version 2 is the canary of half the requests."""
    for _ in range(2):
        import_version(registry, shipped.folder("deep", 1), promote=False)
    registry.set_label("deep", "canary", 2, percent=50)
    settings = Settings(registry=registry.root, default_model="deep")
    host = create_host(settings)
    yield both_ways(settings, host)
    host.close()


@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_a_canary_shows_in_the_version_and_in_a_header(canary: Client, path: str) -> None:
    for key in map(str, range(40)):
        answers = [canary.post(path, json=ROW, headers={"X-Canary-Key": key}) for _ in range(2)]
        versions = {answer.get_json()["version"] for answer in answers}
        labels = {answer.headers.get("X-Model-Label") for answer in answers}
        assert (versions, labels) in [({1}, {None}), ({2}, {"canary"})]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/models/deep:predict", {"instances": [ROW]}),
        (
            "/v2/models/deep/infer",
            {"inputs": [{"name": n, "shape": [1], "datatype": "FP32", "data": [1]} for n in ROW]},
        ),
    ],
    ids=["v1", "v2"],
)
def test_a_key_keeps_its_version_in_every_dialect(canary: Client, path: str, body: object) -> None:
    for key in map(str, range(40)):
        headers = {"X-Canary-Key": key}
        native = canary.post("/predict", json=ROW, headers=headers)
        other = canary.post(path, json=body, headers=headers)
        assert other.status_code == 200
        assert other.headers.get("X-Model-Label") == native.headers.get("X-Model-Label")


def test_the_models_tell_the_shares(canary: Client) -> None:
    model = canary.get("/models/deep").get_json()
    assert (model["labels"], model["shares"]) == ({"stable": 1, "canary": 2}, {"canary": 50})


def test_a_failed_version_is_told_with_its_reason(registry: Registry, shipped: Registry) -> None:
    import_version(registry, shipped.folder("deep", 1))
    import_version(registry, shipped.folder("deep", 1))
    (registry.folder("deep", 2) / "model.tflite").write_bytes(b"?")
    settings = Settings(registry=registry.root, default_model="deep")
    client = both_ways(settings, create_host(settings))
    [loaded, failed] = client.get("/models/deep").get_json()["versions"]
    assert (loaded["state"], failed["state"]) == ("loaded", "failed")
    assert "model.tflite is not the file that was published" in failed["reason"]
