"""Labels moved over HTTP."""

import logging
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from flask.testing import FlaskClient

from models.publish import import_version
from models.registry import Registry
from service.app import create_app, create_host
from service.serving.host import Host
from service.serving.version_policy import Policy
from service.settings import Settings
from tests.servers import await_

KEY = "administering"
DIGEST = sha256(KEY.encode()).hexdigest()
CANARY = "/admin/models/half/labels/canary"
ROLLBACK = "/admin/models/half/rollback"


@pytest.fixture
def shelf(registry: Registry, publish_text: Callable[..., int]) -> Registry:
    """Three versions of `half`, `stable` at the last; none of them can be served."""
    for _ in range(3):
        publish_text()
    return registry


@pytest.fixture
def client(shelf: Registry) -> FlaskClient:
    return serving(Settings(registry=shelf.root, admin_keys=f"ops:{DIGEST}"))


def serving(settings: Settings) -> FlaskClient:
    host = Host(Registry(settings.registry), settings.engine, Policy())
    client = create_app(settings, host).test_client()
    client.environ_base["HTTP_X_API_KEY"] = KEY
    return client


def test_a_label_is_put_and_deleted(client: FlaskClient, shelf: Registry) -> None:
    put = client.put(CANARY, json={"version": 2, "percent": 10})
    assert put.get_json() == {
        "model": "half",
        "labels": {"stable": 3, "canary": 2},
        "shares": {"canary": 10},
    }
    assert shelf.placed("half")["canary"] == (2, 10)
    deleted = client.delete(CANARY)
    assert deleted.get_json() == {"model": "half", "labels": {"stable": 3}}
    assert "canary" not in shelf.labels("half")


@pytest.mark.parametrize("body", [{}, {"json": {}}, {"json": {"label": "stable"}}])
def test_a_rollback_undoes_the_last_move(
    client: FlaskClient, shelf: Registry, body: dict[str, Any]
) -> None:
    assert client.post(ROLLBACK, **body).get_json()["labels"] == {"stable": 2}
    assert shelf.labels("half") == {"stable": 2}


def test_the_log_tells_who_moved_what(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "service.admin"):
        client.put(CANARY, json={"version": 2, "percent": 10})
    assert caplog.messages == ["label half canary 2 --percent 10 by the key 'ops'"]


@pytest.mark.parametrize(
    ("body", "field", "expected"),
    [
        ({}, "version", "a positive whole number"),
        ({"version": 0}, "version", "a positive whole number"),
        ({"version": "2"}, "version", "a positive whole number"),
        ({"version": True}, "version", "a positive whole number"),
        ({"version": 2, "percent": 0}, "percent", "a number above 0, at most 100"),
        ({"version": 2, "percent": 101}, "percent", "a number above 0, at most 100"),
        ({"version": 2, "share": 5}, "share", "an object with version and percent and nothing"),
        ([2], "body", "an object with version and percent and nothing"),
    ],
)
def test_a_wrong_body_is_told_by_its_field(
    client: FlaskClient, shelf: Registry, body: object, field: str, expected: str
) -> None:
    answer = client.put(CANARY, json=body)
    assert answer.status_code == 422
    [fault] = answer.get_json()["errors"]
    assert fault["field"] == field
    assert fault["expected"].startswith(expected)
    assert "canary" not in shelf.labels("half")


@pytest.mark.parametrize(
    ("path", "request_", "status", "sentence"),
    [
        (CANARY, {"json": {"version": 9}}, 404, "has no version 9"),
        ("/admin/models/no/labels/canary", {"json": {"version": 1}}, 404, "no model 'no'"),
        ("/admin/models/half/labels/A B", {"json": {"version": 1}}, 409, "'A B' is no label"),
        (
            "/admin/models/half/labels/stable",
            {"json": {"version": 1, "percent": 5}},
            409,
            "give it no percent",
        ),
        (CANARY, {"data": b"{", "content_type": "application/json"}, 400, "is not JSON"),
        (CANARY, {"data": b"version=2"}, 415, "expected content type application/json"),
        (CANARY, {"json": {"version": 2}, "headers": {"Content-Encoding": "gzip"}}, 415, "plain"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(
    client: FlaskClient, path: str, request_: dict[str, Any], status: int, sentence: str
) -> None:
    answer = client.put(path, **request_)
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert sentence in answer.get_json()["detail"]


def test_a_rollback_whose_label_is_misspelt_moves_nothing(
    client: FlaskClient, shelf: Registry
) -> None:
    assert client.post(ROLLBACK, json={"lable": "canary"}).status_code == 422
    assert shelf.labels("half") == {"stable": 3}


def test_stable_cannot_be_deleted(client: FlaskClient) -> None:
    answer = client.delete("/admin/models/half/labels/stable")
    assert answer.status_code == 409
    assert "cannot be removed" in answer.get_json()["detail"]


def test_a_label_that_never_moved_cannot_go_back(client: FlaskClient) -> None:
    client.put(CANARY, json={"version": 2})
    answer = client.post(ROLLBACK, json={"label": "canary"})
    assert answer.status_code == 404
    assert "from the start" in answer.get_json()["detail"]


@pytest.mark.parametrize(
    ("asked", "command"),
    [
        (
            {"method": "PUT", "path": CANARY, "json": {"version": 2, "percent": 10}},
            "label half canary 2 --percent 10",
        ),
        ({"method": "DELETE", "path": CANARY}, "unlabel half canary"),
        ({"method": "POST", "path": ROLLBACK}, "rollback half stable"),
        (
            {"method": "POST", "path": ROLLBACK, "json": {"label": "a; b"}},
            "rollback half 'a; b'",  # nothing that came with the request is run by a shell
        ),
    ],
)
def test_a_registry_that_cannot_be_written_gets_409_and_the_command(
    client: FlaskClient,
    shelf: Registry,
    asked: dict[str, Any],
    command: str,
) -> None:
    # No permission stops root; a folder where the lock file would be does.
    (shelf.root / "half" / ".lock").unlink()
    (shelf.root / "half" / ".lock").mkdir()
    answer = client.open(**asked)
    assert answer.status_code == 409
    detail = answer.get_json()["detail"]
    assert "cannot be written from here (Is a directory)" in detail
    assert f"python -m models --registry /registry {command}'" in detail


def test_the_status_tells_versions_reasons_settings_and_names_of_keys(shelf: Registry) -> None:
    settings = Settings(registry=shelf.root, engine="litert", admin_keys=f"ops:{DIGEST}")
    host = create_host(settings)
    client = create_app(settings, host).test_client()
    answer = client.get("/admin/status", headers={"X-API-Key": KEY})
    told = answer.get_json()
    [half] = told["models"]
    assert {each["state"] for each in half["versions"]} == {"failed"}
    assert all(each["reason"] for each in half["versions"])
    assert told["keys"] == [{"name": "ops", "scope": "admin"}]
    assert told["settings"]["registry"] == str(shelf.root)
    assert not {"admin_keys", "predict_keys"} & told["settings"].keys()
    assert DIGEST.encode() not in answer.data


def test_this_worker_follows_a_move_at_once(registry: Registry, shipped: Registry) -> None:
    for _ in range(2):
        import_version(registry, shipped.folder("linear", 1))
    settings = Settings(registry=registry.root, admin_keys=f"ops:{DIGEST}")
    host = create_host(settings)
    host.follow(seconds=3600)
    client = create_app(settings, host).test_client()
    client.post("/admin/models/linear/rollback", headers={"X-API-Key": KEY})
    await_(lambda: host.find("linear").version == 1, "version 1 answers")
    host.close()


def test_a_waived_admin_key_lets_anyone_move_labels(shelf: Registry) -> None:
    client = serving(Settings(registry=shelf.root, admin_key_waived=True))
    del client.environ_base["HTTP_X_API_KEY"]
    assert client.post(ROLLBACK).status_code == 200
