"""The fast path answers as Flask does, on requests that no ordinary client sends.

The requests of the API's own tests go both ways too; see tests/both_ways.py.
"""

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from models.registry import Registry
from service.api.flask_app import App, Environ
from service.app import create_app, create_host
from service.serving.host import Host
from service.settings import Settings
from tests.both_ways import Answer, answer, both_ways, compared

ROW = json.dumps({"sugar": 5, "fiber": 1, "protein": 2}).encode()
LIMIT = 4096


@pytest.fixture(scope="module")
def small(shipped: Registry) -> Settings:
    return Settings(registry=shipped.root, max_body_bytes=LIMIT, max_rows=50)


@pytest.fixture(scope="module")
def host(small: Settings) -> Iterator[Host]:
    host = create_host(small)
    yield host
    host.close()


@pytest.fixture(scope="module")
def app(small: Settings, host: Host) -> App:
    return both_ways(small, host).application


def post(app: App, body: bytes = ROW, changes: Environ | None = None) -> Answer:
    """POST with a WSGI environ changed by hand; None takes a key away."""
    environ = EnvironBuilder(
        "/predict", method="POST", data=body, content_type="application/json"
    ).get_environ()
    environ.update(changes or {})
    return answer(app, {name: value for name, value in environ.items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 200),
        ({"REQUEST_METHOD": "GET"}, 405),
        ({"REQUEST_METHOD": "HEAD"}, 405),
        ({"REQUEST_METHOD": "OPTIONS"}, 200),
        ({"REQUEST_METHOD": "post"}, 405),
        ({"REQUEST_METHOD": "BREW"}, 405),
        ({"PATH_INFO": "/predict/"}, 200),
        ({"PATH_INFO": "/Predict"}, 404),
        ({"PATH_INFO": "//predict"}, 404),
        ({"PATH_INFO": ""}, 404),
        ({"SCRIPT_NAME": "/below"}, 200),
        ({"QUERY_STRING": None}, 200),
        ({"QUERY_STRING": "version=1"}, 200),
        ({"QUERY_STRING": "model=%FF"}, 404),
        ({"QUERY_STRING": "modle=deep"}, 422),
        ({"CONTENT_TYPE": None}, 415),
        ({"CONTENT_TYPE": "application/json;"}, 200),
        ({"CONTENT_TYPE": " APPLICATION/json ; charset=latin-1"}, 200),
        ({"CONTENT_TYPE": "application/jsonp"}, 415),
        ({"CONTENT_TYPE": "multipart/form-data; boundary=x"}, 415),
        ({"CONTENT_TYPE": "\xff"}, 415),
        ({"CONTENT_LENGTH": "0"}, 400),
        ({"CONTENT_LENGTH": ""}, 400),
        ({"CONTENT_LENGTH": None}, 400),
        ({"CONTENT_LENGTH": "x"}, 400),
        ({"CONTENT_LENGTH": "-1"}, 400),
        ({"CONTENT_LENGTH": "5"}, 400),
        ({"CONTENT_LENGTH": "9" * 30}, 413),
        ({"CONTENT_LENGTH": str(LIMIT)}, 200),
        ({"CONTENT_LENGTH": str(LIMIT + 1)}, 413),
        ({"CONTENT_LENGTH": None, "wsgi.input_terminated": True}, 200),
        ({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}, 200),
        ({"HTTP_ACCEPT": "text/html"}, 200),
        ({"HTTP_X_REQUEST_ID": "one"}, 200),
    ],
    ids=str,
)
def test_an_odd_request_is_answered_the_same_both_ways(
    app: App, changes: Environ, status: int
) -> None:
    line, _, _ = post(app, changes=changes)
    assert line.startswith(str(status))


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
@pytest.mark.parametrize("length", [True, False], ids=["whole", "chunked"])
def test_a_body_at_the_limit_passes_and_one_over_it_does_not(
    app: App, size: int, *, length: bool
) -> None:
    chunked = {} if length else {"CONTENT_LENGTH": None, "wsgi.input_terminated": True}
    line, _, _ = post(app, ROW.ljust(size), chunked)
    assert line.startswith("200" if size <= LIMIT else "413")


NUMBERS = st.one_of(st.floats(), st.integers(), st.booleans(), st.none(), st.text(max_size=3))
NAMES = st.sampled_from(["sugar", "fiber", "protein", "fat", ""])
ROWS = st.dictionaries(NAMES, NUMBERS | st.lists(NUMBERS, max_size=3), max_size=4)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.one_of(ROWS, st.lists(ROWS, max_size=3), NUMBERS).map(json.dumps) | st.binary())
def test_any_body_is_answered_the_same_both_ways(app: App, body: str | bytes) -> None:
    line, _, _ = post(app, body.encode() if isinstance(body, str) else body)
    assert line[:3] in {"200", "400", "422"}


@pytest.mark.parametrize("fast_path", [True, False])
def test_what_is_hot_reaches_flask_only_without_the_fast_path(
    small: Settings, host: Host, *, fast_path: bool
) -> None:
    app = create_app(small.model_copy(update={"fast_path": fast_path}), host)
    asked: list[str] = []
    app.before_request(lambda: asked.append("flask"))
    app.test_client().post("/predict", data=ROW, content_type="application/json")
    assert asked == [] if fast_path else ["flask"]


def test_a_failure_is_answered_the_same_both_ways(
    small: Settings, host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    app = both_ways(small, host).application
    monkeypatch.setattr(host.find("calories").engine, "predict", fail)
    line, headers, body = post(app)
    assert line == "500 INTERNAL SERVER ERROR"
    assert ("Content-Type", "application/problem+json") in headers
    assert json.loads(body)["detail"] == "The service failed to answer; its log says why."
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


def test_what_differs_between_two_answers_is_found() -> None:
    one = ("200 OK", [("Date", "now"), ("Allow", "POST")], b"")
    assert compared(one) == compared(("200 OK", [("Date", "then"), ("Allow", "POST")], b""))
    assert compared(one) != compared(("200 OK", [("Allow", "GET")], b""))
