"""Labels moved over HTTP."""

import logging
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import pytest

from models.publish import import_version
from models.registry import Registry
from service.app import create_app, create_host
from service.settings import Settings
from tests.dialects import answer, refusal
from tests.servers import await_

KEY = "administering"
DIGEST = sha256(KEY.encode()).hexdigest()
SHOWN = {"X-API-Key": KEY}
CANARY = "/admin/models/half/labels/canary"
ROLLBACK = "/admin/models/half/rollback"
TENTH = {"version": 2, "percent": 10}


@pytest.fixture
def shelf(registry: Registry, publish_text: Callable[..., int]) -> Registry:
    """Three versions of `half`, `stable` at the last; none of them can be served."""
    for _ in range(3):
        publish_text()
    return registry


Ask = Callable[..., Any]


@pytest.fixture
def ask(shelf: Registry) -> Iterator[Ask]:
    """Ask with an admin key, by Flask alone: what both ways did would be done twice."""
    settings = Settings(registry=shelf.root, engine="litert", admin_keys=f"ops:{DIGEST}")
    host = create_host(settings)
    client = create_app(settings, host).test_client()
    yield lambda method, path, **options: client.open(
        path, method=method, **{"headers": SHOWN, **options}
    )
    host.close()


def test_a_label_is_put_and_deleted_and_the_log_tells_by_whom(
    ask: Ask, shelf: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "service.admin"):
        put = answer(ask("PUT", CANARY, json=TENTH))
    labels = {"stable": 3, "canary": 2}
    assert put == {"model": "half", "labels": labels, "shares": {"canary": 10}}
    assert caplog.messages == ["label half canary 2 --percent 10 by the key 'ops'"]
    assert shelf.placed("half")["canary"] == (2, 10)
    assert answer(ask("DELETE", CANARY)) == {"model": "half", "labels": {"stable": 3}}
    assert "canary" not in shelf.labels("half")


@pytest.mark.parametrize("body", [{}, {"json": {}}, {"json": {"label": "stable"}}])
def test_a_rollback_undoes_the_last_move(ask: Ask, shelf: Registry, body: dict[str, Any]) -> None:
    assert answer(ask("POST", ROLLBACK, **body))["labels"] == {"stable": 2} == shelf.labels("half")


WHOLE, SHARE = "version: expected a positive whole number", "percent: expected a number above 0, at"
ONLY = "expected an object with version and percent and nothing"


@pytest.mark.parametrize(
    ("asked", "status", "sentence"),
    [
        *((("PUT", CANARY, {"version": n}), 422, WHOLE) for n in (0, "2", True, None)),
        *((("PUT", CANARY, {**TENTH, "percent": n}), 422, SHARE) for n in (0, 101)),
        (("PUT", CANARY, {**TENTH, "share": 5}), 422, f"share: {ONLY}"),
        (("PUT", CANARY, [2]), 422, f"body: {ONLY}"),
        (("PUT", "/admin/models/no/labels/canary", TENTH), 404, "no model 'no'"),
        (("PUT", "/admin/models/half/labels/A B", TENTH), 409, "'A B' is no label"),
        (("POST", ROLLBACK, {"lable": "canary"}), 422, "lable"),
        (("POST", ROLLBACK, {"label": "canary"}), 404, "canary"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence_and_moves_nothing(
    ask: Ask, shelf: Registry, asked: tuple[str, str, object], status: int, sentence: str
) -> None:
    method, path, body = asked
    assert sentence in refusal(ask(method, path, json=body), status)
    assert shelf.labels("half") == {"stable": 3}


@pytest.mark.parametrize(
    ("request_", "status", "sentence"),
    [
        ({"data": b"{", "content_type": "application/json"}, 400, "is not JSON"),
        ({"data": b"version=2"}, 415, "expected content type application/json"),
        ({"json": TENTH, "headers": {**SHOWN, "Content-Encoding": "gzip"}}, 415, "plain"),
    ],
)
def test_a_body_of_another_kind_is_refused(
    ask: Ask, request_: dict[str, Any], status: int, sentence: str
) -> None:
    assert sentence in refusal(ask("PUT", CANARY, **request_), status)


@pytest.mark.parametrize(
    ("method", "path", "body", "command"),
    [
        ("PUT", CANARY, TENTH, "label half canary 2 --percent 10"),
        ("DELETE", CANARY, None, "unlabel half canary"),
        ("POST", ROLLBACK, {}, "rollback half stable"),
        # Nothing that came with the request is run by a shell.
        ("POST", ROLLBACK, {"label": "a; b"}, "rollback half 'a; b'"),
    ],
)
def test_a_registry_that_cannot_be_written_gets_409_and_the_command(
    ask: Ask, shelf: Registry, method: str, path: str, body: object, command: str
) -> None:
    # No permission stops root; a folder where the lock file would be does.
    (shelf.root / "half" / ".lock").unlink()
    (shelf.root / "half" / ".lock").mkdir()
    detail = refusal(ask(method, path, json=body), 409)
    assert "cannot be written from here (Is a directory)" in detail
    assert f"python -m models --registry /registry {command}'" in detail


def test_the_status_tells_versions_reasons_settings_and_names_of_keys(
    ask: Ask, shelf: Registry
) -> None:
    found = ask("GET", "/admin/status")
    told = answer(found)
    [half] = told["models"]
    assert {each["state"] for each in half["versions"]} == {"failed"}
    assert all(each["reason"] for each in half["versions"])
    assert told["keys"] == [{"name": "ops", "scope": "admin"}]
    assert told["settings"]["registry"] == str(shelf.root)
    assert not {"admin_keys", "predict_keys"} & told["settings"].keys()
    assert DIGEST.encode() not in found.data


def test_this_worker_follows_a_move_at_once_whoever_moves_where_the_key_is_waived(
    registry: Registry, shipped: Registry
) -> None:
    for _ in range(2):
        import_version(registry, shipped.folder("linear", 1))
    settings = Settings(registry=registry.root, admin_key_waived=True)
    host = create_host(settings)
    host.follow(seconds=3600)
    answer(create_app(settings, host).test_client().post("/admin/models/linear/rollback"))
    await_(lambda: host.find("linear").version == 1, "version 1 answers")
    host.close()
