"""Log lines: their form, their events, and the access log."""

import json
import logging
import os
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from werkzeug.test import Client, TestResponse

from models.registry import Registry
from service.app import create_app, create_host, create_observers
from service.logs import output
from service.logs.catalogue import EVENTS, INVALID_REQUEST, VERSION_DROPPED, tell
from service.logs.seldom import Seldom
from service.observe.metrics import Metrics
from service.serving.host import tell_changes
from service.serving.loaded import Model
from service.settings import Settings
from tests.servers import PATIENCE, ROOT, ROW, SERVICE_PYTHON, Server, await_, running

LITERT = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."  # on standard error
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET_DIGEST = "ab" * 32


def line(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture
def formatted() -> Any:
    """What a record comes out as, in either form."""

    def formatted(form: str, record: logging.LogRecord) -> str:
        given = output.configuration(Settings(log_format=form))["formatters"]["line"]
        return str(given.pop("()")(**given).format(record))

    return formatted


def record(message: str, *arguments: object, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("library", logging.WARNING, "file", 1, message, arguments, None)
    vars(made).update(more)
    return made


def test_any_librarys_line_is_one_json_object(formatted: Any) -> None:
    found = line(formatted("json", record("%d things\nare \x1b[31mwrong", 3)))
    assert list(found) == ["time", "level", "logger", "pid", "message"]
    assert found["message"] == "3 things\nare \x1b[31mwrong"
    assert (found["level"], found["logger"], found["pid"]) == ("warning", "library", os.getpid())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["time"])


def test_a_traceback_is_in_its_line(formatted: Any) -> None:
    error = ZeroDivisionError()
    text = formatted("json", record("failed", exc_info=(type(error), error, None)))
    assert "ZeroDivisionError" in line(text)["exception"]


def test_on_a_terminal_a_line_has_its_sentence_and_its_fields(formatted: Any) -> None:
    text = formatted("console", record("loaded", fields={"event": "e", "model": "calories"}))
    assert "loaded" in text
    assert "model=calories" in text
    with pytest.raises(json.JSONDecodeError):
        line(text)


def test_a_terminal_is_known_when_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (True, False):
        monkeypatch.setattr("sys.stdout.isatty", lambda terminal=terminal: terminal)
        assert output.as_json(Settings()) is not terminal


def test_the_document_names_every_event_with_its_fields() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*)\|$", (ROOT / "docs/logs.md").read_text(), re.MULTILINE)
    documented = {name: tuple(re.findall(r"`(\w+)`", fields)) for name, fields in rows}
    assert {event.name: event.fields for event in EVENTS}.items() <= documented.items()


def test_an_event_is_a_sentence_with_fields(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        tell(logging.getLogger("any"), VERSION_DROPPED, model="calories", version=1)
    assert caplog.messages == ["calories version 1 is served no more."]
    [told] = caplog.records
    assert vars(told)["fields"] == {"event": "version_dropped", "model": "calories", "version": 1}


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


def test_what_changes_of_a_model_is_told(
    shipped: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    host = create_host(Settings(registry=shipped.root))
    first = host.snapshot["calories"]
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


# The access log


Requests = list[dict[str, Any]]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Any:
    """The fields of the requests that were logged so far."""
    caplog.set_level(logging.INFO)

    def logged() -> Requests:
        fields = [vars(each).get("fields", {}) for each in caplog.records]
        return [each for each in fields if each.get("event") == "request"]

    return logged


def client(shipped: Registry, **settings: Any) -> Client:
    chosen = Settings(registry=shipped.root, **settings)
    host = create_host(chosen)
    app = create_app(chosen, host, observers=create_observers(chosen, Metrics(host)))
    return Client(app.wsgi_app, TestResponse)


@pytest.mark.parametrize("fast_path", [False, True])
def test_a_request_leaves_a_line(shipped: Registry, logged: Any, fast_path: bool) -> None:
    headers = {"X-Request-Id": "mine", "traceparent": f"00-{TRACE}-{SPAN}-01"}
    answer = client(shipped, access_log=1, fast_path=fast_path).post(
        "/predict?model=deep", json=[ROW, ROW], headers=headers
    )
    [found] = logged()
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


def test_the_fields_are_those_of_the_document(shipped: Registry, logged: Any) -> None:
    client(shipped, access_log=1).get("/healthz")
    [event] = [event for event in EVENTS if event.name == "request"]
    assert set(logged()[0]) == {"event", *event.fields}


def test_one_request_leaves_nothing_for_the_next(shipped: Registry, logged: Any) -> None:
    asked = client(shipped, access_log=1)
    asked.post("/predict?model=deep", json={})
    asked.post("/predict", json=ROW)
    asked.get("/nowhere")
    found = [(each["dialect"], each["status"], each["model"], each["rows"]) for each in logged()]
    assert found == [
        ("native", 422, "deep", 0),
        ("native", 200, "calories", 1),
        ("other", 404, "", 0),
    ]


def test_a_refusal_is_logged_with_its_reason_and_no_key(shipped: Registry, logged: Any) -> None:
    asked = client(shipped, access_log=1, predict_keys=f"ops:{SECRET_DIGEST}")
    asked.post("/predict", json=ROW, headers={"X-API-Key": "a secret"})
    [found] = logged()
    assert (found["status"], found["refusal"]) == (401, "unauthorized")
    assert "secret" not in str(found)


def test_a_path_cannot_break_a_line(shipped: Registry, logged: Any) -> None:
    client(shipped, access_log=1).get("/no%0Awhere%1b[31m")
    [found] = logged()
    assert found["path"] == "/no%0Awhere%1B%5B31m"


def test_off_there_is_no_line_and_no_observer(shipped: Registry, logged: Any) -> None:
    host = create_host(Settings(registry=shipped.root))
    assert create_observers(Settings(), Metrics(host)) == []
    client(shipped).post("/predict", json=ROW)
    assert logged() == []


def test_a_share_is_logged_and_every_failure(
    shipped: Registry, logged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lots = iter([0.25, 0.75, 0.75])
    monkeypatch.setattr("random.random", lambda: next(lots))
    asked = client(shipped, access_log=0.5)
    for _ in range(2):
        asked.get("/healthz")
    assert [each["status"] for each in logged()] == [200]

    monkeypatch.setattr("service.serving.dataplane.DataPlane.served", None)
    asked.get("/models")
    assert [each["status"] for each in logged()] == [200, 500]


# Real servers


@pytest.fixture(scope="module", params=["loop"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shipped_root: Path
) -> Iterator[Server]:
    """A server that has lived through everything that can happen to it."""
    folder = tmp_path_factory.mktemp("logs")
    shutil.copytree(shipped_root / "calories", folder / "shelf" / "calories")
    settings: dict[str, object] = {
        "server": request.param,
        "registry": folder / "shelf",
        "access_log": 1,
        "poll_seconds": 0.05,
        "drain_seconds": 0.1,
        "predict_keys": f"ops:{SECRET_DIGEST}",
        "predict_key_waived": False,
    }
    with running(folder, SERVICE_PYTHON, **settings) as server:

        def told(event: str, times: int = 1) -> None:
            await_(lambda: server.output().count(f'"event":"{event}"') >= times, f"{event} is told")

        told("serving")
        told("worker_started", 2)
        requests.get(f"{server.url}/healthz", timeout=PATIENCE)
        registry = Registry(folder / "shelf")
        registry.set_label("calories", "canary", 1)
        told("label_moved", 2)
        registry.remove_label("calories", "canary")
        told("label_removed", 2)
        os.kill(server.workers()[0], signal.SIGKILL)
        told("worker_lost")
        told("worker_started", 3)
        server.stop()
        yield server


def lines(server: Server) -> list[dict[str, Any]]:
    return [line(each) for each in server.output().splitlines() if each != LITERT]


def test_every_line_is_json_the_servers_own_too(server: Server) -> None:
    assert {"service", "service.host", "service.access"} <= {
        each["logger"] for each in lines(server)
    }
    assert {each["logger"] for each in lines(server)} & {"gunicorn.error"}


def test_a_life_is_told_in_its_events(server: Server) -> None:
    told = [each["event"] for each in lines(server) if "event" in each]
    assert told[0] == "starting"
    assert told[-1] == "stopped"
    for once in ("starting", "listening", "serving", "worker_lost", "draining", "stopped"):
        assert told.count(once) == 1
    assert told.count("version_loaded") == told.count("worker_started") == 3
    assert "request" in told


def test_events_have_the_fields_of_the_document(server: Server) -> None:
    fields = {event.name: set(event.fields) for event in EVENTS}
    common = {"time", "level", "logger", "pid", "message", "event"}
    for each in lines(server):
        if "event" in each:
            assert each.keys() - common == fields[each["event"]]


def test_the_settings_are_told_without_keys(server: Server) -> None:
    [starting] = [each for each in lines(server) if each.get("event") == "starting"]
    assert starting["settings"]["access_log"] == 1
    assert "predict_keys" not in starting["settings"]
    assert SECRET_DIGEST not in server.output()
