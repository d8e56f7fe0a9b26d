"""What the gate gives and refuses, and the room that it has for bodies, as clients see them."""

import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import request

from service.exchange import Exchange
from service.serving.host import Host
from tests.gate.conftest import Serve
from tests.servers import ROW

LARGE = 100_000  # bytes of the largest body, and of all bodies together


def test_a_request_id_comes_back_where_it_can_be_repeated(serve: Serve) -> None:
    clients = [serve(max_body_bytes=1024).test_client() for _ in range(2)]
    ids = [client.get("/healthz").headers["X-Request-Id"] for client in clients for _ in range(100)]
    assert len(set(ids)) == 200, "also between workers"

    def given(name: str) -> str:
        overrides = {"HTTP_X_REQUEST_ID": name}
        answer = clients[0].open("/healthz", environ_overrides=overrides)
        return answer.headers["X-Request-Id"]

    valid = ("a", "0e9f-11", "9f1b7c5a-52a3-4d35-8a8e", "a" * 128)
    assert [given(name) for name in valid] == [*valid]
    refused = clients[0].post("/nowhere"), clients[0].post("/predict", data=b"1" * 2000)
    assert [answer.status_code for answer in refused] == [404, 413]
    assert len({answer.headers["X-Request-Id"] for answer in refused}) == 2
    for name in ("", " ", "a b", "a;b", "<i>", "é", "a" * 129, "-a", "a\x00", "a\n"):
        assert given(name).startswith(ids[0].partition("-")[0])


def test_what_extends_flask_can_read_the_body_too(serve: Serve) -> None:
    app, seen = serve(), []
    app.before_request(lambda: seen.append(request.get_json()))
    assert app.test_client().post("/explain", json=ROW).status_code == 200
    assert seen == [ROW]


class Sending:
    """A body on its way: each part of it is what a step gives, or raises."""

    def __init__(self, *steps: Callable[[], bytes]) -> None:
        self._steps = iter(steps)

    def read(self, _: int) -> bytes:
        return next(self._steps)()


def broken(error: type[Exception]) -> bytes:
    raise error


@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_a_body_that_breaks_off_gets_400(serve: Serve, path: str) -> None:
    client = serve().test_client()
    for error in (OSError, ValueError, EOFError):
        environ = {"CONTENT_LENGTH": "4", "wsgi.input": Sending(partial(broken, error))}
        response = client.post(path, environ_overrides=environ)
        assert response.status_code == 400
        assert "broke off" in response.get_json()["detail"]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/predict", "application/problem+json"),
        ("/explain", "application/problem+json"),
        ("/v1/models/calories:predict", "application/json"),
        ("/v2/models/calories/infer", "application/json"),
    ],
)
def test_a_large_body_without_room_gets_503_in_its_dialect_until_there_is_room_again(
    serve: Serve, path: str, kind: str, chunked: bool
) -> None:
    client = serve(max_body_bytes=LARGE, max_bodies_bytes=LARGE).test_client()

    def ask(size: int, path: str = path) -> Any:
        body = json.dumps(ROW).encode().ljust(size)
        return client.post(path, data=body, content_type="application/json")

    answers: list[Any] = []

    def meanwhile() -> bytes:
        answers.extend([ask(LARGE), ask(16_384, "/predict")])
        return broken(EOFError)

    environ: dict[str, Any] = {"CONTENT_LENGTH": str(LARGE)}
    parts: list[Callable[[], bytes]] = [meanwhile]
    if chunked:
        environ = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
        parts.insert(0, lambda: b" " * (LARGE - 100))
    environ["wsgi.input"] = Sending(*parts)
    assert client.post("/predict", environ_overrides=environ).status_code == 400
    refused, row = answers
    assert row.status_code == 200, "it needs no room"
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert refused.content_type == kind
    assert "no room for a body as large" in refused.text
    for _ in range(2):  # after a body that broke off, and after one that was answered
        assert ask(LARGE, "/predict").status_code == 200


def test_the_largest_body_finds_room_whatever_the_setting(serve: Serve) -> None:
    client = serve(max_bodies_bytes=1024).test_client()
    body, kind = json.dumps(ROW).ljust(8 * 2**20), "application/json"
    assert client.post("/predict", data=body, content_type=kind).status_code == 200


def test_the_log_tells_which_request_failed(
    serve: Serve, host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = serve().test_client()
    monkeypatch.setattr(host, "models", None)
    answers = [client.get("/models", headers={"X-Request-Id": name}) for name in "abc"]
    assert [answer.status_code for answer in answers] == [500, 500, 500]
    assert caplog.messages == [f"Request {name} failed." for name in "abc"]


def test_what_fails_in_flask_is_answered_too(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app = serve()
    app.before_request(lambda: broken(ZeroDivisionError))
    assert app.test_client().get("/v2").get_json().keys() == {"error"}
    assert caplog.records[0].exc_info


def test_an_observer_is_told_of_each_request_once_and_one_that_fails_costs_no_answer(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[tuple[str, str, int]] = []

    def observe(exchange: Exchange) -> None:
        operation, response = exchange.operation, exchange.response
        assert response
        assert 0 < exchange.seconds < 60
        seen.append((exchange.id, operation.path if operation else "", response.status))

    def fail(_: Exchange) -> None:
        raise ZeroDivisionError

    client = serve(fail, observe).test_client()
    for path, name in (("/predict", "a"), ("/models/calories", "b"), ("/nowhere", "c")):
        client.get(path, headers={"X-Request-Id": name})
    assert seen == [("a", "", 405), ("b", "/models/{model}", 200), ("c", "", 404)]
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


def test_the_methods_of_a_path_are_told(serve: Serve) -> None:
    client = serve().test_client()
    told = client.options("/models/calories").headers["Allow"]
    assert told == "GET, HEAD, OPTIONS"
    assert client.post("/models/calories").headers["Allow"] == told
    assert client.head("/models/calories").data == b""
