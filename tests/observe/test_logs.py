"""Log lines: their form, their events, and the access log."""

import json
import logging
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from models.registry import Registry
from service.app import create_host, create_observers
from service.logs import output
from service.logs.catalogue import EVENTS, INVALID_REQUEST
from service.logs.seldom import Seldom
from service.observe.metrics import Metrics
from service.serving.host import tell_changes
from service.serving.loaded import Model
from service.settings import Settings
from tests.observe.conftest import Serve
from tests.servers import PATIENCE, ROOT, ROW, Server, await_, running

LITERT = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."  # on standard error
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
DIGEST = "ab" * 32
Line = dict[str, Any]
Requests = Callable[[], list[Line]]


def formatted(form: str, message: str, *arguments: object, **more: Any) -> str:
    """What a record comes out as, in either form."""
    record = logging.LogRecord("library", logging.WARNING, "file", 1, message, arguments, None)
    vars(record).update(more)
    given = output.configuration(Settings(log_format=form))["formatters"]["line"]
    return str(given.pop("()")(**given).format(record))


def test_any_librarys_line_is_one_json_object_with_its_traceback() -> None:
    error = (ZeroDivisionError, ZeroDivisionError(), None)
    text = formatted("json", "%d things\nare \x1b[31mwrong", 3, exc_info=error)
    found: Line = json.loads(text)
    assert list(found) == ["time", "level", "logger", "pid", "message", "exception"]
    assert "\n" not in text
    assert found["message"] == "3 things\nare \x1b[31mwrong"
    assert (found["level"], found["logger"], found["pid"]) == ("warning", "library", os.getpid())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["time"])
    assert "ZeroDivisionError" in found["exception"]


def test_on_a_terminal_a_line_has_its_sentence_and_its_fields(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = formatted("console", "loaded", fields={"event": "e", "model": "calories"})
    assert "loaded" in text
    assert "model=calories" in text
    assert not text.startswith("{")
    for terminal in (True, False):
        monkeypatch.setattr("sys.stdout.isatty", lambda terminal=terminal: terminal)
        assert output.as_json(Settings()) is not terminal


def test_the_document_names_every_event_with_its_fields() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*)\|$", (ROOT / "docs/logs.md").read_text(), re.MULTILINE)
    documented = {name: tuple(re.findall(r"`(\w+)`", fields)) for name, fields in rows}
    assert {event.name: event.fields for event in EVENTS}.items() <= documented.items()


def test_what_happens_all_the_time_is_told_once_a_second_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seldom = Seldom(logging.getLogger("service"), INVALID_REQUEST)

    def told() -> list[int]:
        return [line.fields["left_out"] for line in caplog.records]  # type: ignore[attr-defined]

    def told_twice() -> bool:
        for _ in range(1000):
            seldom.tell(client="::1", reason="It is none.")
        return len(told()) == 2

    await_(told_twice, "it is told again")
    first, second = told()
    assert (first, second >= 1000) == (0, True)


def test_what_changes_of_a_model_is_told_in_a_sentence_and_fields(
    shipped: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    host = create_host(Settings(registry=shipped.root))
    first = host.models["calories"]
    second = replace(first, labels={"stable": 2, "canary": 1}, loaded={2: first.loaded[1]})
    third = replace(second, labels={"stable": 2})
    caplog.clear()
    with caplog.at_level(logging.INFO):
        tell_changes("calories", Model(), first)
        tell_changes("calories", first, second)
        tell_changes("calories", second, third)
    assert caplog.messages == [
        "calories version 1 is served no more.",
        "'canary' of calories is at version 1.",
        "'stable' of calories is at version 2.",
        "calories has no label 'canary' any more.",
    ]
    fields = {"event": "version_dropped", "model": "calories", "version": 1}
    assert vars(caplog.records[0])["fields"] == fields


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Requests:
    """The fields of the requests that were logged so far."""
    caplog.set_level(logging.INFO)

    def logged() -> list[Line]:
        fields = [vars(each).get("fields", {}) for each in caplog.records]
        return [each for each in fields if each.get("event") == "request"]

    return logged


@pytest.mark.parametrize("fast_path", [False, True])
def test_a_request_leaves_a_line_with_the_fields_of_the_document(
    serve: Serve, logged: Requests, fast_path: bool
) -> None:
    headers = {"X-Request-Id": "mine", "traceparent": f"00-{TRACE}-{SPAN}-01"}
    client = serve(access_log=1, fast_path=fast_path)
    answer = client.post("/predict?model=deep", json=[ROW, ROW], headers=headers)
    [found] = logged()
    [event] = [event for event in EVENTS if event.name == "request"]
    assert set(found) == {"event", *event.fields}
    assert found.pop("milliseconds") > 0
    assert found == {
        "event": "request",
        "request_id": "mine",
        "method": "POST",
        "route": "/predict",
        "path": "/predict",
        "dialect": "native",
        "status": 200,
        "model": "deep",
        "version": 1,
        "rows": 2,
        "bytes": len(answer.data),
        "key": "",
        "refusal": "",
        "trace_id": TRACE,
        "parent_id": SPAN,
    }


def test_one_request_leaves_nothing_for_the_next_and_no_path_breaks_a_line(
    serve: Serve, logged: Requests
) -> None:
    client = serve(access_log=1)
    client.post("/predict?model=deep", json={})
    client.post("/predict", json=ROW)
    client.get("/no%0Awhere%1b[31m")
    names = ("dialect", "status", "model", "rows", "path")
    assert [tuple(each[name] for name in names) for each in logged()] == [
        ("native", 422, "deep", 0, "/predict"),
        ("native", 200, "calories", 1, "/predict"),
        ("other", 404, "", 0, "/no%0Awhere%1B%5B31m"),
    ]


def test_a_refusal_is_logged_with_its_reason_and_no_key(serve: Serve, logged: Requests) -> None:
    client = serve(access_log=1, predict_keys=f"ops:{DIGEST}")
    client.post("/predict", json=ROW, headers={"X-API-Key": "a secret"})
    [found] = logged()
    assert (found["status"], found["refusal"]) == (401, "unauthorized")
    assert "secret" not in str(found)


def test_a_share_is_logged_and_every_failure_and_off_there_is_no_observer(
    serve: Serve, shipped: Registry, logged: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert create_observers(Settings(), Metrics(create_host(Settings(registry=shipped.root)))) == []
    serve().post("/predict", json=ROW)
    assert logged() == []
    lots = iter([0.25, 0.75, 0.75])
    monkeypatch.setattr("random.random", lambda: next(lots))
    client = serve(access_log=0.5)
    for _ in range(2):
        client.get("/healthz")
    monkeypatch.setattr("service.serving.dataplane.DataPlane.served", None)
    client.get("/models")
    assert [each["status"] for each in logged()] == [200, 500]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shipped: Registry) -> Iterator[Server]:
    """A server that has lived through everything that can happen to it."""
    folder = tmp_path_factory.mktemp("logs")
    registry = Registry(folder / "registry")
    shutil.copytree(shipped.root / "calories", registry.root / "calories")
    seconds = {"poll_seconds": 0.05, "drain_seconds": 0.1}
    settings: dict[str, Any] = {"registry": registry.root, "access_log": 1, **seconds}
    with running(folder, predict_keys=f"ops:{DIGEST}", **settings) as server:

        def told(event: str, times: int = 1) -> None:
            await_(lambda: server.output().count(f'"event":"{event}"') >= times, f"{event} is told")

        told("serving")
        told("worker_started", 2)
        requests.get(f"{server.url}/healthz", timeout=PATIENCE)
        registry.set_label("calories", "canary", 1)
        told("label_moved", 2)
        registry.remove_label("calories", "canary")
        told("label_removed", 2)
        os.kill(server.workers()[0], signal.SIGKILL)
        told("worker_lost")
        told("worker_started", 3)
        server.stop()
        yield server


@pytest.fixture(scope="module")
def lines(server: Server) -> list[Line]:
    return [json.loads(each) for each in server.output().splitlines() if each != LITERT]


def test_every_line_is_json_the_servers_own_too(lines: list[Line]) -> None:
    loggers = {each["logger"] for each in lines}
    assert {"service", "service.host", "service.access", "gunicorn.error"} <= loggers


def test_a_life_is_told_in_its_events_with_the_fields_of_the_document(lines: list[Line]) -> None:
    events = [each for each in lines if "event" in each]
    told = [each["event"] for each in events]
    assert (told[0], told[-1]) == ("starting", "stopped")
    for once in ("starting", "listening", "serving", "worker_lost", "draining", "stopped"):
        assert told.count(once) == 1
    assert told.count("version_loaded") == told.count("worker_started") == 3
    assert "request" in told
    fields = {event.name: set(event.fields) for event in EVENTS}
    common = {"time", "level", "logger", "pid", "message", "event"}
    assert [each for each in events if each.keys() - common != fields[each["event"]]] == []


def test_the_settings_are_told_without_keys(server: Server, lines: list[Line]) -> None:
    [starting] = [each for each in lines if each.get("event") == "starting"]
    assert starting["settings"]["access_log"] == 1
    assert "predict_keys" not in starting["settings"]
    assert DIGEST not in server.output()
