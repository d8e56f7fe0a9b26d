"""Errors that the OpenAPI document writes down, and docs/api.md: each as the service words it."""

import re
import shutil
from collections.abc import Iterator
from hashlib import sha256
from http import HTTPStatus
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from models.registry import Registry
from service.app import create_app, create_host
from service.serving.host import Host
from service.settings import Settings
from tests.servers import ROOT

SECRETS = {"shop": "calories_" + "s" * 43, "deploy": "calories_" + "d" * 43}
DIGESTS = {name: sha256(secret.encode()).hexdigest() for name, secret in SECRETS.items()}
ROW = {"sugar": 5, "fiber": 1, "protein": 2}
PATHS = {
    "/predict": "/predict",
    "/v1/models/{model}:predict": "/v1/models/calories:predict",
    "/v2/models/{model}/infer": "/v2/models/calories/infer",
}


@pytest.fixture(scope="module")
def host(shipped: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Of a registry of its own: what is asked here would move labels if it were not refused."""
    root = shutil.copytree(shipped.root, tmp_path_factory.mktemp("catalogue") / "registry")
    host = create_host(Settings(registry=root))
    yield host
    host.close()


def client(host: Host, **settings: Any) -> Client:
    app = create_app(Settings(registry=host.registry.root, **settings), host)
    return Client(app.wsgi_app, TestResponse)


@pytest.fixture(scope="module")
def document(host: Host) -> dict[str, Any]:
    return dict(client(host).get("/openapi.json").get_json())


def examples(document: dict[str, Any], method: str, path: str, status: int) -> dict[str, Any]:
    """The examples of a status, by their names."""
    response = document["paths"][path][method.lower()]["responses"][str(status)]
    [content] = response["content"].values()
    return {name: each["value"] for name, each in content["examples"].items()}


@pytest.mark.parametrize("path", PATHS)
def test_what_the_guard_refuses_is_worded_as_documented(
    document: dict[str, Any], host: Host, path: str
) -> None:
    keyed = {
        "predict_keys": f"shop:{DIGESTS['shop']}",
        "admin_keys": f"deploy:{DIGESTS['deploy']}",
        "rate_limit": 50,
        "rate_burst_seconds": 0.001,
        "workers": 1,
    }
    keyless, limited = client(host), client(host, **keyed)
    shop, deploy = ({"X-API-Key": SECRETS[name]} for name in ("shop", "deploy"))
    large = b" " * (8 * 1024 * 1024 + 1)
    answers = [
        limited.post(PATHS[path]),
        limited.post(PATHS[path], headers=deploy),
        keyless.post(PATHS[path], data=large),
        *(limited.post(PATHS[path], headers=shop) for _ in range(50)),
    ]
    refused = {answer.status_code: answer.get_json() for answer in answers}
    for status in (401, 403, 413, 429):
        assert refused[status] in examples(document, "POST", path, status).values()


@pytest.mark.parametrize("path", PATHS)
def test_a_failure_is_worded_as_documented(
    document: dict[str, Any],
    host: Host,
    path: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing = client(host)
    monkeypatch.setattr(host, "snapshot", None)  # whatever fails, the guard answers
    body = {"/predict": ROW, "/v1/models/{model}:predict": {"instances": [ROW]}}.get(
        path, {"inputs": [{"name": "features", "shape": [1, 3], "datatype": "FP32", "data": [1]}]}
    )
    answer = failing.post(PATHS[path], json=body)
    assert answer.get_json() == examples(document, "POST", path, 500)["Unforeseen"]
    assert "failed" in caplog.text


LABELS = "/admin/models/{model}/labels/{name}"
ROLLBACK = "/admin/models/{model}/rollback"
ADMIN = [
    ("PUT", LABELS, "canary", '{"version": 999}', 404),
    ("PUT", LABELS, "stable", '{"version": 1, "percent": 5}', 409),
    ("PUT", LABELS, "canary", "{", 400),
    ("PUT", LABELS, "canary", '{"version": "two"}', 422),
    ("DELETE", LABELS, "nobody", None, 404),
    ("DELETE", LABELS, "stable", None, 409),
    ("POST", ROLLBACK, "", '{"label": "stable"}', 404),
]


@pytest.mark.parametrize("refused", ADMIN)
def test_what_administration_refuses_is_worded_as_documented(
    document: dict[str, Any], host: Host, refused: tuple[str, str, str, str | None, int]
) -> None:
    method, path, name, body, status = refused
    answer = client(host, admin_key_waived=True).open(
        path.format(model="calories", name=name),
        method=method,
        data=body,
        content_type="application/json",
    )
    assert answer.status_code == status
    assert answer.get_json() in examples(document, method, path, status).values()


def catalogue() -> list[tuple[int, str, str, str]]:
    """The rows of the table: the status, the operation, the example, the sentence."""
    text = (ROOT / "docs/api.md").read_text()
    rows = re.findall(r"^\| (\d{3}) \| `(.+?)` \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    return [(int(status), operation, name, told) for status, operation, name, told in rows]


def test_the_catalogue_has_every_status_of_the_document(document: dict[str, Any]) -> None:
    told = {status for status, _, _, _ in catalogue()}
    documented = {
        int(status)
        for methods in document["paths"].values()
        for operation in methods.values()
        for status in operation["responses"]
        if int(status) >= HTTPStatus.BAD_REQUEST
    }
    assert told == documented | {405}


def test_every_sentence_of_the_catalogue_is_the_service_s(
    document: dict[str, Any], host: Host
) -> None:
    for status, operation, name, told in catalogue():
        method, path = operation.split()
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            answer = client(host).open(path, method=method).get_json()
        else:
            answer = examples(document, method, path, status)[name.replace(" ", "-")]
        assert told == answer.get("detail", answer.get("error")), (status, operation)
