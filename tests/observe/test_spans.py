"""Many requests of every operation at once: their spans, their log lines, their routes."""

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from models.registry import Registry
from service.app import Observer, create_app, create_host
from service.observe.access_log import AccessLog
from service.observe.traces import Traces
from service.settings import Settings
from tests.observe.test_traces import SPAN, Spans, attributes, collector
from tests.servers import DEV_PYTHON, PATIENCE, ROW, Server, await_, running

TIMES = 12  # each of these is asked
V1, V2 = "/v1/models/{model}", "/v2/models/{model}"
SERVABLES = ("", "/versions/{version}", "/labels/{label}")
TENSORS = {
    "inputs": [
        {"name": name, "shape": [1], "datatype": "FP32", "data": [value]}
        for name, value in ROW.items()
    ]
}
FILLED = {"model": "calories", "version": 1, "label": "stable", "file": "page/icon.svg"}
# Methods, templates, and what is sent.
ASKED: list[tuple[str, str, Any]] = [
    *(("POST", path, ROW) for path in ("/predict", "/explain")),
    ("POST", "/predict", [ROW] * 10_000),
    ("POST", "/predict", {"sugar": "much"}),
    *(("POST", f"{V1}{of}:predict", {"instances": [ROW]}) for of in SERVABLES),
    *(("POST", f"{V1}{of}:explain", {"instances": [ROW]}) for of in SERVABLES),
    *(("POST", f"{V1}{of}:regress", {"examples": [ROW]}) for of in SERVABLES),
    *(("GET", f"{V1}{of}{rest}", None) for of in SERVABLES for rest in ("", "/metadata")),
    *(("POST", f"{V2}{of}/infer", TENSORS) for of in SERVABLES[:2]),
    *(("GET", f"{V2}{of}{rest}", None) for of in SERVABLES[:2] for rest in ("", "/ready")),
    ("POST", "/v2/repository/index", {}),
    *(("GET", f"/models{rest}", None) for rest in ("", "/{model}", "/{model}/{version}")),
    *(("GET", f"/models/{{model}}/{{version}}/{it}", None) for it in ("report", "training")),
    *(("GET", path, None) for path in ("/", "/docs", "/healthz", "/version", "/static/{file}")),
]
ELSEWHERE = ("/nowhere", "/v1/models/calories/nowhere", "/V1/nowhere", "/v2/nowhere", "//admin")
ODD = [  # heads that a client may send
    {"Host": "localhost:99999"},
    {"Host": "[::1"},
    {"Host": "a b"},
    {"User-Agent": "\xff\xfe"},
    {"traceparent": f"00-{'0' * 32}-{SPAN}-01"},
    {"traceparent": "00-nonsense"},
    {"tracestate": "a=b"},
]


class Found(NamedTuple):
    asked: set[str]  # the ids of the requests that the service answered
    spans: Spans
    lines: dict[str, dict[str, Any]]  # of the access log, by the request's id
    routes: set[str]  # of /metrics
    began: int  # ns since 1970
    ended: int


@pytest.fixture(scope="module")
def found(kind: str, tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Found:
    folder = tmp_path_factory.mktemp("spans")
    began = time.time_ns()
    with collector() as (url, spans):
        settings: dict[str, object] = {
            "server": kind,
            "registry": shipped_root,
            "access_log": 1,
            "log_format": "json",
            "otel_exporter_otlp_endpoint": url,
            "otel_bsp_max_queue_size": 100_000,
        }
        with running(folder, DEV_PYTHON, **settings) as server:
            await_(lambda: server.output().count("worker_started") == 2, "both workers answer")
            with ThreadPoolExecutor(8) as pool:
                asked = set(pool.map(lambda asked: ask(server, *asked), requests_of() * TIMES))
            metrics = requests.get(f"{server.url}/metrics", timeout=PATIENCE).text
            server.stop()
        lines = [json.loads(line) for line in server.output().splitlines() if line[:1] == "{"]
    told = {line["request_id"]: line for line in lines if line.get("event") == "request"}
    routes = {
        line.partition('route="')[2].partition('"')[0]
        for line in metrics.splitlines()
        if line.startswith("calories_requests_total{")
    }
    return Found(asked - {""}, spans, told, routes, began, time.time_ns())


def requests_of() -> list[tuple[str, str, Any, dict[str, str]]]:
    return [
        *((method, path.format(**FILLED), body, {}) for method, path, body in ASKED),
        *((method, path, None, {}) for path in ELSEWHERE for method in ("GET", "POST")),
        *(("POST", "/predict", ROW, headers) for headers in ODD),
        ("BREW", "/predict", None, {}),
    ]


def ask(server: Server, method: str, path: str, body: Any, headers: dict[str, str]) -> str:
    """The id under which the request was answered; none where the server refused it."""
    sent = {"Content-Type": "application/json"} if body is not None else {}
    data = None if body is None else json.dumps(body).encode()
    session = requests.Session()
    prepared = requests.Request(method, server.url, data=data, headers=sent).prepare()
    prepared.url = server.url + path  # as it is, with two slashes
    prepared.headers.update(headers)
    answer = session.send(prepared, timeout=PATIENCE)
    return answer.headers.get("X-Request-Id", "")


def whole(found: Found) -> list[Any]:
    return [span for _, span in found.spans if span.kind == span.SPAN_KIND_SERVER]


def test_no_span_ends_before_it_starts(found: Found) -> None:
    wrong = [
        span.name for _, span in found.spans if span.end_time_unix_nano < span.start_time_unix_nano
    ]
    assert found.spans
    assert Counter(wrong) == {}


def test_each_span_is_within_its_parent_and_after_the_one_before_it(found: Found) -> None:
    parents = {span.span_id: span for span in whole(found)}
    reached = {span_id: span.start_time_unix_nano for span_id, span in parents.items()}
    wrong = []
    order = sorted(
        (span for _, span in found.spans if span.kind != span.SPAN_KIND_SERVER),
        key=lambda span: ("validate", "infer", "render").index(span.name),
    )
    for span in order:
        parent = parents[span.parent_span_id]
        assert span.trace_id == parent.trace_id
        if span.start_time_unix_nano < parent.start_time_unix_nano:
            wrong.append(f"{span.name} begins before its request")
        if span.start_time_unix_nano < reached[parent.span_id]:
            wrong.append(f"{span.name} begins before what is before it")
        if span.end_time_unix_nano > parent.end_time_unix_nano:
            wrong.append(f"{span.name} ends after its request")
        reached[parent.span_id] = span.end_time_unix_nano
    assert order
    assert Counter(wrong) == {}


def test_spans_are_of_the_time_in_which_was_asked(found: Found) -> None:
    starts = [span.start_time_unix_nano for _, span in found.spans]
    ends = [span.end_time_unix_nano for _, span in found.spans]
    assert found.began <= min(starts)
    assert max(ends) <= found.ended


def test_every_request_is_a_span_and_a_line_with_the_same_trace(found: Found) -> None:
    traces = {attributes(span)["calories.request_id"]: span.trace_id.hex() for span in whole(found)}
    assert len(found.asked) >= len(ASKED) * TIMES
    assert found.asked <= traces.keys()
    logged = {request_id: line["trace_id"] for request_id, line in found.lines.items()}
    assert {each: logged.get(each) for each in traces} == traces


def test_a_trace_of_ours_has_no_caller(found: Found) -> None:
    assert {line["parent_id"] for line in found.lines.values()} == {""}
    assert {span.parent_span_id for span in whole(found)} == {b""}
    assert len({span.trace_id for span in whole(found)}) == len(whole(found))


def test_the_route_is_the_template_and_of_a_path_that_is_nowhere_there_is_none(
    found: Found,
) -> None:
    expected = Counter(template for _, template, _ in ASKED)
    routes = Counter(attributes(span).get("http.route") for span in whole(found))
    known = {template for _, template, _ in ASKED}
    probes = {"/readyz", "/metrics"}
    assert {route for route in routes if route not in probes} == {*known, None}
    for template in known - {"/predict"}:
        assert routes[template] == expected[template] * TIMES
    assert routes[None] >= len(ELSEWHERE) * 2 * TIMES


def test_a_span_is_named_by_its_method_and_its_route(found: Found) -> None:
    for span in whole(found):
        told = attributes(span)
        method = told["http.request.method"].replace("_OTHER", "HTTP")
        assert span.name == f"{method} {told.get('http.route', '')}".rstrip()


def test_log_and_metrics_have_the_same_routes(found: Found) -> None:
    known = {template for _, template, _ in ASKED} | {"/readyz", "/metrics"}
    assert {line["route"] for line in found.lines.values()} <= {*known, "-"}
    assert found.routes <= {*known, ""}


def failing(
    shipped: Registry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    of: Sampler,
) -> tuple[list[str], list[str]]:
    """The traces that are exported, and those in the log, of one request that fails."""
    caplog.set_level("INFO")
    exporter, provider = InMemorySpanExporter(), TracerProvider(sampler=of)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    settings = Settings(registry=shipped.root)
    host = create_host(settings)
    observers: list[Observer] = [AccessLog(1), Traces(provider.get_tracer("a test"))]
    client = create_app(settings, host, observers=observers).test_client()
    with monkeypatch.context() as patch:
        patch.setattr(host, "snapshot", None)
        assert client.get("/models").status_code == 500
    host.close()
    exported = [f"{span.context.trace_id:032x}" for span in exporter.get_finished_spans()]
    told = [vars(each).get("fields", {}) for each in caplog.records]
    return exported, [each["trace_id"] for each in told if "trace_id" in each]


def test_the_lines_of_a_failure_name_its_trace(
    shipped: Registry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    [exported], logged = failing(shipped, monkeypatch, caplog, ALWAYS_ON)
    assert logged == [exported, exported]  # request_failed, request


def test_no_line_names_a_trace_that_is_not_recorded(
    shipped: Registry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    exported, logged = failing(shipped, monkeypatch, caplog, ALWAYS_OFF)
    assert exported == []
    assert logged == ["", ""]
