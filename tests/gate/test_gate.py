"""What the gate gives, refuses and takes back, as the clients of a service see it."""

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, request

from models.registry import Registry
from service.app import create_app, create_host
from service.exchange import Exchange
from service.serving.host import Host
from service.settings import Settings

ROW = {"sugar": 5, "fiber": 1, "protein": 2}
WATCHED = ("/healthz", "/readyz", "/metrics")

Serve = Callable[..., Flask]


@pytest.fixture
def host(shipped: Registry) -> Iterator[Host]:
    host = create_host(Settings(registry=shipped.root))
    yield host
    host.close()


@pytest.fixture
def serve(host: Host) -> Serve:
    def serve(observers: Any = (), **settings: Any) -> Flask:
        given = Settings(registry=host.registry.root, **settings)
        return create_app(given, host, observers=observers)

    return serve


@pytest.mark.parametrize("given", ["a", "0e9f-11", "9f1b7c5a-52a3-4d35-8a8e", "a" * 128])
def test_a_valid_request_id_comes_back(serve: Serve, given: str) -> None:
    response = serve().test_client().get("/healthz", headers={"X-Request-Id": given})
    assert response.headers["X-Request-Id"] == given


@pytest.mark.parametrize(
    "given", ["", " ", "a b", "a;b", "<i>", "é", "a" * 129, "-a", "a\x00", "a\n"]
)
def test_an_invalid_request_id_is_replaced(serve: Serve, given: str) -> None:
    overrides = {"HTTP_X_REQUEST_ID": given}
    response = serve().test_client().open("/healthz", environ_overrides=overrides)
    assert response.headers["X-Request-Id"] not in {given, ""}


def test_generated_request_ids_are_unique_also_between_workers(serve: Serve) -> None:
    clients = [serve().test_client(), serve().test_client()]
    ids = [client.get("/healthz").headers["X-Request-Id"] for client in clients for _ in range(100)]
    assert len(set(ids)) == 200


@pytest.mark.parametrize(("path", "size"), [("/nowhere", 1), ("/explain", 2000)])
def test_a_refusal_has_a_request_id_too(serve: Serve, path: str, size: int) -> None:
    response = serve(max_body_bytes=1024).test_client().post(path, data=b"1" * size)
    assert response.status_code in {404, 413}
    assert response.headers["X-Request-Id"]


def test_what_extends_flask_can_read_the_body_too(serve: Serve) -> None:
    app, seen = serve(), []
    app.before_request(lambda: seen.append(request.get_json()))
    assert app.test_client().post("/explain", json=ROW).status_code == 200
    assert seen == [ROW]


@pytest.mark.parametrize("path", ["/predict", "/explain"])
@pytest.mark.parametrize("error", [OSError, ValueError, EOFError])
def test_a_body_that_breaks_off_gets_400(serve: Serve, path: str, error: type[Exception]) -> None:
    class Broken:
        def read(self, _: int) -> bytes:
            raise error

    environ: dict[str, Any] = {"wsgi.input": Broken(), "CONTENT_LENGTH": "4"}
    response = serve().test_client().open(path, method="POST", environ_overrides=environ)
    assert response.status_code == 400
    assert "broke off" in response.get_json()["detail"]


def test_the_log_tells_which_request_failed(
    serve: Serve, host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = serve().test_client()
    monkeypatch.setattr(host, "snapshot", None)
    answers = [client.get("/models", headers={"X-Request-Id": name}) for name in "abc"]
    assert [answer.status_code for answer in answers] == [500, 500, 500]
    assert caplog.messages == [f"Request {name} failed." for name in "abc"]


def test_what_fails_in_flask_is_answered_too(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app = serve()

    def fail() -> None:
        raise ZeroDivisionError

    app.before_request(fail)
    assert app.test_client().get("/v2").get_json().keys() == {"error"}
    assert caplog.records[0].exc_info


def test_an_observer_is_told_of_each_request_once(serve: Serve) -> None:
    seen: list[tuple[str, str, int]] = []

    def observe(exchange: Exchange) -> None:
        operation, response = exchange.operation, exchange.response
        assert response
        assert 0 < exchange.seconds < 60
        seen.append((exchange.id, operation.path if operation else "", response.status))

    client = serve([observe]).test_client()
    asked = [("/predict", "a"), ("/models/calories", "b"), ("/nowhere", "c")]
    for path, name in asked:
        client.get(path, headers={"X-Request-Id": name})
    assert seen == [("a", "", 405), ("b", "/models/{model}", 200), ("c", "", 404)]


def test_an_observer_that_fails_costs_no_answer(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Exchange) -> None:
        raise ZeroDivisionError

    seen: list[Exchange] = []
    client = serve([fail, seen.append]).test_client()
    assert client.post("/predict", json=ROW).status_code == 200
    assert len(seen) == 1
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_the_methods_of_a_path_are_told(serve: Serve) -> None:
    client = serve().test_client()
    told = client.options("/models/calories").headers["Allow"]
    assert re.split(", ", told) == ["GET", "HEAD", "OPTIONS"]
    assert client.post("/models/calories").headers["Allow"] == told
    assert client.head("/models/calories").data == b""
