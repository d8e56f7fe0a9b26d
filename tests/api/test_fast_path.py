"""The fast path answers as Flask does, on requests that no ordinary client sends.

The requests of the other tests here go both ways too; see tests/both_ways.py.
"""

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import Client, EnvironBuilder
from werkzeug.wsgi import get_path_info

from service.api.flask_app import Environ, environ_of, request_of
from service.app import create_app
from service.exchange import Exchange, Request
from service.serving.host import Host
from service.settings import Settings
from tests.both_ways import Answer, answer, both_ways, compared
from tests.servers import ROW

BODY = json.dumps(ROW).encode()
LIMIT = 8192
CHUNKED = {"CONTENT_LENGTH": None, "wsgi.input_terminated": True}


def post(client: Client, body: bytes = BODY, changes: Environ | None = None) -> Answer:
    """POST with a WSGI environ changed by hand; None takes a key away."""
    environ = EnvironBuilder(
        "/predict", method="POST", data=body, content_type="application/json"
    ).get_environ()
    environ.update(changes or {})
    kept = {name: value for name, value in environ.items() if value is not None}
    return answer(client.application, kept)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        *(({"REQUEST_METHOD": method}, 405) for method in ("GET", "HEAD", "post", "BREW")),
        ({"REQUEST_METHOD": "OPTIONS"}, 200),
        ({"PATH_INFO": "/predict/"}, 200),
        *(({"PATH_INFO": path}, 404) for path in ("/Predict", "//predict", "")),
        ({"SCRIPT_NAME": "/below"}, 200),
        *(({"QUERY_STRING": query}, 200) for query in (None, "version=1")),
        ({"QUERY_STRING": "model=%FF"}, 404),
        ({"QUERY_STRING": "modle=deep"}, 422),
        *(({"CONTENT_TYPE": kind}, 415) for kind in (None, "application/jsonp", "\xff")),
        ({"CONTENT_TYPE": "multipart/form-data; boundary=x"}, 415),
        ({"CONTENT_TYPE": "application/json;"}, 200),
        ({"CONTENT_TYPE": " APPLICATION/json ; charset=latin-1"}, 200),
        *(({"CONTENT_LENGTH": length}, 400) for length in ("0", "", None, "x", "-1", "5")),
        *(({"CONTENT_LENGTH": length}, 413) for length in ("9" * 30, str(LIMIT + 1))),
        ({"CONTENT_LENGTH": str(LIMIT)}, 200),
        (CHUNKED, 200),
        ({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}, 200),
        *(({name: "text/html"}, 200) for name in ("HTTP_ACCEPT", "HTTP_X_REQUEST_ID")),
    ],
    ids=str,
)
def test_an_odd_request_is_answered_the_same_both_ways(
    client: Client, changes: Environ, status: int
) -> None:
    line, _, _ = post(client, changes=changes)
    assert line.startswith(str(status))


@pytest.mark.parametrize("changes", [{}, CHUNKED], ids=["whole", "chunked"])
def test_a_body_at_the_limit_passes_and_one_over_it_does_not(
    client: Client, changes: Environ
) -> None:
    for size, status in ((LIMIT, "200"), (LIMIT + 1, "413")):
        assert post(client, BODY.ljust(size), changes)[0].startswith(status)


NUMBERS = st.one_of(st.floats(), st.integers(), st.booleans(), st.none(), st.text(max_size=3))
NAMES = st.sampled_from(["sugar", "fiber", "protein", "fat", ""])
ROWS = st.dictionaries(NAMES, NUMBERS | st.lists(NUMBERS, max_size=3), max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.one_of(ROWS, st.lists(ROWS, max_size=3), NUMBERS).map(json.dumps) | st.binary())
def test_any_body_is_answered_the_same_both_ways(client: Client, body: str | bytes) -> None:
    line, _, _ = post(client, body.encode() if isinstance(body, str) else body)
    assert line[:3] in {"200", "400", "422"}


@pytest.mark.parametrize("fast_path", [True, False])
def test_what_is_hot_reaches_flask_only_without_the_fast_path(
    small: Settings, host: Host, *, fast_path: bool
) -> None:
    app = create_app(small.model_copy(update={"fast_path": fast_path}), host)
    asked: list[str] = []
    app.before_request(lambda: asked.append("flask"))
    assert app.test_client().post("/predict", json=ROW).status_code == 200
    assert asked == ([] if fast_path else ["flask"])


def test_a_failure_is_answered_the_same_both_ways(
    small: Settings, host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(host.find("calories").engine, "predict", fail)
    line, headers, body = post(both_ways(small, host))
    assert line == "500 INTERNAL SERVER ERROR"
    assert ("Content-Type", "application/problem+json") in headers
    assert json.loads(body)["detail"] == "The service failed to answer; its log says why."
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


def test_what_differs_between_two_answers_is_found() -> None:
    one = ("200 OK", [("Date", "now"), ("Allow", "POST")], b"")
    assert compared(one) == compared(("200 OK", [("Date", "then"), ("Allow", "POST")], b""))
    assert compared(one) != compared(("200 OK", [("Allow", "GET")], b""))


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20)
REQUESTS = st.builds(
    Request,
    st.sampled_from(["GET", "POST", "PATCH"]),
    st.text(st.characters(exclude_categories=["Cs"])).map("/{}".format),
    TEXT,
    st.dictionaries(
        st.sampled_from(["host", "content-type", "x-api-key", "accept", "a.b"]), TEXT
    ).map(lambda headers: {**headers, "content-length": "3"}),
    st.just(b"abc"),
    st.sampled_from(["", "127.0.0.1", "::1"]),
    st.sampled_from(["http", "https"]),
    st.sampled_from(["1.0", "1.1"]),
)


@given(REQUESTS)
def test_a_request_that_goes_to_flask_and_back_is_the_same(request: Request) -> None:
    environ = environ_of(Exchange(request))
    back = request_of(environ)
    assert replace(back, headers=dict(back.headers), body=environ["wsgi.input"].read()) == request
    assert get_path_info(environ) == request.path
