"""The native API over the versions that ship: what is right is answered; see test_refusals.py."""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import Client

from models.publish import import_version
from models.registry import Registry
from tests.api.conftest import Serve
from tests.dialects import ROW, ROWS, answer, tensors

Predict = Callable[..., Any]


@pytest.fixture
def predict(client: Client) -> Predict:
    return lambda body, query="": answer(client.post(f"/predict{query}", json=body))


@pytest.mark.parametrize(
    ("query", "model"),
    [
        *(("?version=1", "calories"), ("?label=stable", "calories"), ("?model=linear", "linear")),
        ("?model=deep&version=1", "deep"),
    ],
)
def test_model_version_and_label_are_chosen_by_the_query(
    predict: Predict, query: str, model: str
) -> None:
    found = predict(ROW, query)
    assert (found["model"], found["version"]) == (model, 1)


def test_the_models_are_told_with_labels_versions_and_manifests(client: Client) -> None:
    models = answer(client.get("/models"))["models"]
    assert [model["name"] for model in models] == ["calories", "deep", "linear", "linear-unit"]
    assert models[0]["labels"] == {"stable": 1}
    assert [version["state"] for version in models[0]["versions"]] == ["loaded"]
    assert answer(client.get("/models/deep")) == models[1]
    manifest = answer(client.get("/models/deep/1"))
    assert (manifest["model"], manifest["version"]) == ("deep", 1)
    assert manifest["architecture"]["hidden"] == [4, 3]


def test_health_readiness_and_version_answer(client: Client) -> None:
    assert answer(client.get("/healthz")) == {"status": "ok"}
    assert answer(client.get("/readyz")) == {"status": "ready"}
    assert set(answer(client.get("/version"))) == {"service", "python"}


def test_a_canary_takes_the_same_keys_in_every_dialect_and_shows_in_a_header(
    registry: Registry, shipped: Registry, serve: Serve
) -> None:
    for _ in range(2):
        import_version(registry, shipped.folder("deep", 1), promote=False)
    registry.set_label("deep", "canary", 2, percent=50)
    client = serve(default_model="deep")
    asked: dict[str, object] = {
        "/predict": ROW,
        "/explain": ROW,
        "/v1/models/deep:predict": {"instances": ROWS},
        "/v2/models/deep/infer": {"inputs": tensors()},
    }
    seen = set()
    for key in map(str, range(20)):
        answers = [
            client.post(path, json=body, headers={"X-Canary-Key": key})
            for path, body in [*asked.items()] * 2
        ]
        labels = {found.headers.get("X-Model-Label") for found in answers}
        versions = {answer(found)["version"] for found in answers[:2]}
        assert (versions, labels) in [({1}, {None}), ({2}, {"canary"})]
        seen |= versions
    assert seen == {1, 2}
    model = answer(client.get("/models/deep"))
    assert (model["labels"], model["shares"]) == ({"stable": 1, "canary": 2}, {"canary": 50})


def test_a_failed_version_is_told_with_its_reason_in_every_dialect(
    registry: Registry, shipped: Registry, serve: Serve
) -> None:
    for _ in range(2):
        import_version(registry, shipped.folder("deep", 1))
    (registry.folder("deep", 2) / "model.tflite").write_bytes(b"?")
    client = serve(default_model="deep")
    native = answer(client.get("/models/deep"))["versions"]
    v1 = answer(client.get("/v1/models/deep"))["model_version_status"]
    v2 = answer(client.post("/v2/repository/index"))
    assert answer(client.post("/v2/repository/index", json={"ready": True})) == v2[:1]
    v1_reason, code = v1[1]["status"]["error_message"], v1[1]["status"]["error_code"]
    assert [it["state"] for it in native] == ["loaded", "failed"]
    assert [it["state"] for it in v1] == ["AVAILABLE", "END"]
    assert [it["state"] for it in v2] == ["READY", "UNAVAILABLE"]
    assert code != "OK"
    for reason in (native[1]["reason"], v1_reason, v2[1]["reason"]):
        assert "model.tflite is not the file that was published" in reason
