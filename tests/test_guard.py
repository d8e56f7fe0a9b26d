"""The guard, around small WSGI apps."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from service.api.native import operations as native
from service.gate.guard import Guard, Observer
from service.gate.overload import OPERATIONS, RESERVED, TURNED_AWAY
from service.gate.room import Room
from service.gate.wire import BODY, ROUTE, App, Environ, StartResponse

LIMIT = 8


def echo(environ: Environ, start_response: StartResponse) -> list[bytes]:
    environ[ROUTE] = "/echo"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ[BODY]]


def guarded(app: App, observer: Observer | None = None, max_in_flight: int = 2) -> Client:
    guard = Guard(
        app,
        lambda _, error: native.refuse(error),
        max_body_bytes=LIMIT,
        max_in_flight=max_in_flight,
        room=Room(LIMIT),
        observer=observer,
    )
    return Client(guard, TestResponse)


@pytest.mark.parametrize("given", ["a", "0e9f-11", "9f1b7c5a-52a3-4d35-8a8e", "a" * 128])
def test_a_valid_request_id_comes_back(given: str) -> None:
    response = guarded(echo).get("/", headers={"X-Request-Id": given})
    assert response.headers["X-Request-Id"] == given


@pytest.mark.parametrize(
    "given", ["", " ", "a b", "a;b", "<i>", "é", "a" * 129, "-a", "a\x00", "a\n"]
)
def test_an_invalid_request_id_is_replaced(given: str) -> None:
    response = guarded(echo).open("/", environ_overrides={"HTTP_X_REQUEST_ID": given})
    assert response.headers["X-Request-Id"] not in {given, ""}


def test_generated_request_ids_are_unique_also_between_workers() -> None:
    clients = [guarded(echo), guarded(echo)]
    ids = [client.get("/").headers["X-Request-Id"] for client in clients for _ in range(100)]
    assert len(set(ids)) == 200


def test_a_refusal_has_a_request_id_too() -> None:
    assert guarded(echo).post("/", data=b"123456789").headers["X-Request-Id"]


def test_a_body_is_read_once_and_can_be_read_again() -> None:
    def read(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["wsgi.input"].read() + environ[BODY]]

    assert guarded(read).post("/", data=b"1234").data == b"12341234"


def test_a_body_over_the_limit_gets_413_and_is_not_handed_on() -> None:
    response = guarded(echo).post("/", data=b"123456789")
    assert response.status_code == 413
    assert "MAX_BODY_BYTES" in response.get_json()["detail"]


@pytest.mark.parametrize("error", [OSError, ValueError, EOFError])
def test_a_body_that_breaks_off_gets_400(error: type[Exception]) -> None:
    class Broken:
        def read(self, _: int) -> bytes:
            raise error

    environ: dict[str, Any] = {"wsgi.input": Broken(), "CONTENT_LENGTH": "4"}
    response = guarded(echo).open("/", method="POST", environ_overrides=environ)
    assert response.status_code == 400
    assert "broke off" in response.get_json()["detail"]


def held(client: Client, entered: threading.Event) -> Callable[[], None]:
    """Start a request that waits inside the app; gives what to wait for its end with."""
    thread = threading.Thread(target=lambda: client.get("/"))
    thread.start()
    entered.wait(10)
    return lambda: thread.join(10)


def test_more_requests_than_the_bound_get_503_until_one_has_ended() -> None:
    entered, leave = threading.Event(), threading.Event()

    def wait(environ: Environ, start_response: StartResponse) -> list[bytes]:
        entered.set()
        leave.wait(10)
        return echo(environ, start_response)

    client = guarded(wait, max_in_flight=1)
    ended = held(client, entered)
    refused = client.get("/")
    leave.set()
    ended()
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
    assert refused.get_json()["status"] == 503
    assert client.get("/").status_code == 200


def test_health_and_metrics_have_places_of_their_own() -> None:
    client = guarded(echo, max_in_flight=0)
    assert client.get("/predict").status_code == 503
    for path in OPERATIONS:
        assert client.get(path).status_code == 200


def test_those_who_watch_find_room_as_often_as_they_ask() -> None:
    client = guarded(echo)
    assert {client.get("/healthz").status_code for _ in range(2 * RESERVED)} == {200}


def test_those_who_watch_are_bounded_as_well() -> None:
    entered, leave = threading.Semaphore(0), threading.Event()

    def wait(environ: Environ, start_response: StartResponse) -> list[bytes]:
        entered.release()
        leave.wait(10)
        return echo(environ, start_response)

    client = guarded(wait)
    with ThreadPoolExecutor(RESERVED) as pool:
        for _ in range(RESERVED):
            pool.submit(client.get, "/healthz")
        for _ in range(RESERVED):
            entered.acquire(timeout=10)
        refused = client.get("/healthz")
        leave.set()
    assert refused.status_code == 503


def test_what_the_server_has_no_room_for_is_refused_and_observed() -> None:
    seen: list[int] = []
    client = guarded(echo, lambda _, status, __: seen.append(status))
    response = client.open("/", environ_overrides={TURNED_AWAY: True})
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert seen == [503]


def test_a_failure_gives_its_place_back(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Environ, __: StartResponse) -> list[bytes]:
        raise ZeroDivisionError

    client = guarded(fail, max_in_flight=1)
    assert [client.get("/").status_code for _ in range(3)] == [500, 500, 500]


def test_the_log_tells_which_request_failed(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Environ, __: StartResponse) -> list[bytes]:
        raise ZeroDivisionError

    guarded(fail).get("/", headers={"X-Request-Id": "mine"})
    assert caplog.messages == ["Request mine failed."]


def test_an_observer_is_told_of_each_request_once() -> None:
    seen: list[tuple[str, str, int, float]] = []

    def observe(environ: Environ, status: int, seconds: float) -> None:
        seen.append((environ["REQUEST_METHOD"], environ.get(ROUTE, ""), status, seconds))

    client = guarded(echo, observe)
    client.post("/any", data=b"1234")
    client.post("/any", data=b"123456789")
    assert [each[:3] for each in seen] == [("POST", "/echo", 200), ("POST", "", 413)]
    assert all(0 < each[3] < 10 for each in seen)
