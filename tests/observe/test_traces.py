"""Traces as a collector of OpenTelemetry receives them, with the log and the metrics."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from models.registry import Registry
from service.app import create_app, create_host
from service.exchange import Request
from service.observe import installed
from service.observe.access_log import AccessLog
from service.observe.trace_context import TraceContext, trace_context
from service.observe.traces import Traces
from service.settings import Settings
from tests.fuzz.asked import Request as Asked
from tests.fuzz.doors import Operation, answers, operations
from tests.servers import (
    DEV_PYTHON,
    PATIENCE,
    ROW,
    SERVICE_PYTHON,
    Server,
    await_,
    in_thread,
    run,
    running,
)

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
OFF = "1" * 32  # a trace that its caller does not record
TIMES = 4  # each of these is asked
ELSEWHERE = ("/nowhere", "/v1/models/calories/nowhere", "/V1/nowhere", "/v2/nowhere", "//admin")
ODD = [("tracestate", b"a=b"), ("User-Agent", b"\xff\xfe"), ("traceparent", b"00-nonsense")]
ODD_HOSTS = ("localhost:99999", "[::1", "a b")
OURS = {  # of a caller with a trace of its own
    "traceparent": f"00-{TRACE}-{SPAN}-01",
    "tracestate": "vendor=1",
    "X-Request-Id": "mine",
    "User-Agent": "a caller",
}
Spans = list[tuple[dict[str, Any], Any]]  # the attributes of the resource, and the span


@contextmanager
def collector() -> Iterator[tuple[str, Spans]]:
    """A receiver of OTLP over HTTP: its URL, and the spans that came."""
    spans: Spans = []

    class Receive(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/traces":
                for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                    about = attributes(group.resource)
                    spans.extend((about, span) for s in group.scope_spans for span in s.spans)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with in_thread(ThreadingHTTPServer(("127.0.0.1", 0), Receive)) as server:
        yield f"http://127.0.0.1:{server.server_port}", spans


def attributes(of: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


def status(span: Any) -> int:
    return int(attributes(span)["http.response.status_code"])


class Found(NamedTuple):
    """What two workers told that were asked and then stopped."""

    asked: set[str]  # the ids of the requests that were answered
    templates: Counter[str]  # of the operations that were asked
    services: set[str]
    spans: list[Any]
    lines: dict[str, dict[str, Any]]  # of the access log, by the request's id
    routes: set[str]  # of /metrics
    began: int  # ns since 1970
    ended: int

    def whole(self) -> dict[str, Any]:
        """The spans of requests, by their ids."""
        of_requests = (span for span in self.spans if span.kind == span.SPAN_KIND_SERVER)
        return {attributes(span)["calories.request_id"]: span for span in of_requests}

    def inside(self, whole: Any) -> list[Any]:
        """The spans within that of a request, in their order."""
        inner = [span for span in self.spans if span.parent_span_id == whole.span_id]
        return sorted(inner, key=lambda s: ("validate", "infer", "render").index(s.name))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Found:
    folder, began = tmp_path_factory.mktemp("traces"), time.time_ns()
    settings: dict[str, Any] = {"registry": shipped_root, "access_log": 1, "log_format": "json"}
    settings["max_wait_seconds"] = PATIENCE  # so that no request is refused on a busy machine
    # What is left comes because the service ends.
    settings |= {"otel_bsp_max_queue_size": 100_000, "otel_bsp_schedule_delay": 3_600_000}
    with collector() as (url, spans):
        settings["otel_exporter_otlp_endpoint"] = url
        with running(folder, DEV_PYTHON, **settings) as server:
            await_(lambda: server.output().count("worker_started") == 2, "both workers answer")
            every = operations(server.url) * TIMES
            asked = {
                each.headers["x-request-id"] for each in answers(server.port, requests_of(every))
            }
            asked |= {ask(server, {"Host": host}) for host in ODD_HOSTS} - {""}
            asked |= {
                ask(server, OURS),
                ask(server, {**OURS, "X-Request-Id": "refused"}, "?model=no"),
            }
            asked.add(ask(server, {"traceparent": f"00-{OFF}-{SPAN}-00"}))
            metrics = requests.get(f"{server.url}/metrics", timeout=PATIENCE).text
            server.stop()
        lines = [json.loads(line) for line in server.output().splitlines() if line[:1] == "{"]
    told = {line["request_id"]: line for line in lines if line.get("event") == "request"}
    return Found(
        asked=asked,
        templates=Counter(it.path for it in every),
        services={about["service.name"] for about, _ in spans},
        spans=[span for _, span in spans],
        lines=told,
        routes=set(re.findall(r'^calories_requests_total{.*route="(.*?)"', metrics, re.MULTILINE)),
        began=began,
        ended=time.time_ns(),
    )


def requests_of(every: list[Operation]) -> list[Asked]:
    """Each operation plainly, a long body and a wrong one, what is odd, and what is nowhere."""
    predict = next(it.plain for it in every if it.path == "/predict")
    bodies = [json.dumps(body).encode() for body in ([ROW] * 10_000, {"sugar": "much"})]
    elsewhere = [replace(predict, target=path.encode()) for path in ELSEWHERE]
    return [
        *(it.plain for it in every),
        *(replace(predict, body=body) for body in bodies),
        *(replace(predict, headers=(*predict.headers, header)) for header in ODD),
        *(replace(each, method=method) for each in elsewhere for method in ("GET", "POST")),
        replace(predict, method="PROPFIND"),
    ]


def ask(server: Server, headers: dict[str, str], query: str = "") -> str:
    """The id under which a prediction was answered; none where the server refused it."""
    url = f"{server.url}/predict{query}"
    answer = requests.post(url, json=[ROW, ROW], headers=headers, timeout=PATIENCE)
    return answer.headers.get("X-Request-Id", "")


def test_each_span_is_within_its_parent_and_after_the_one_before_it(found: Found) -> None:
    wrong: Counter[str] = Counter()
    for span in found.spans:
        if not found.began <= span.start_time_unix_nano <= span.end_time_unix_nano <= found.ended:
            wrong[f"{span.name} is of another time"] += 1
    several = 0
    for whole in found.whole().values():
        inner = found.inside(whole)
        several += len(inner) > 1
        edges = [edge for s in inner for edge in (s.start_time_unix_nano, s.end_time_unix_nano)]
        edges = [whole.start_time_unix_nano, *edges, whole.end_time_unix_nano]
        if edges != sorted(edges) or {span.trace_id for span in inner} - {whole.trace_id}:
            wrong[f"what is inside {whole.name}"] += 1
    assert several >= TIMES
    assert wrong == {}


def test_every_request_is_a_span_and_a_line_with_the_same_trace(found: Found) -> None:
    whole = found.whole()
    traces = {name: span.trace_id.hex() for name, span in whole.items()}
    assert len(found.asked) > found.templates.total() > 40 * TIMES
    [unrecorded] = found.asked - traces.keys()
    assert found.lines[unrecorded]["trace_id"] == OFF
    assert {name: found.lines[name]["trace_id"] for name in traces} == traces
    assert found.services == {"calories"}
    # A trace that begins here has no caller, also where the caller's could not be read.
    begun = [name for name, trace in traces.items() if trace != TRACE]
    assert {found.lines[name]["parent_id"] for name in begun} == {""}
    assert {whole[name].parent_span_id for name in begun} == {b""}
    assert len({traces[name] for name in begun}) == len(whole) - 2


def test_the_route_is_the_template_in_spans_log_and_metrics(found: Found) -> None:
    """And of a path that is nowhere there is none."""
    routes = Counter(attributes(span).get("http.route") for span in found.whole().values())
    assert routes.keys() == {*found.templates, None}
    for template in found.templates.keys() - {"/predict", "/openapi.json", "/readyz", "/metrics"}:
        assert routes[template] == found.templates[template]
    assert routes[None] >= len(ELSEWHERE) * 2
    assert {line["route"] for line in found.lines.values()} == {*found.templates, "-"}
    assert found.routes == {*found.templates, ""}
    for span in found.whole().values():
        told = attributes(span)
        method = told["http.request.method"].replace("_OTHER", "HTTP")
        assert span.name == f"{method} {told.get('http.route', '')}".rstrip()


def test_a_request_is_a_span_below_its_callers_with_the_attributes_of_the_conventions(
    found: Found,
) -> None:
    span = found.whole()["mine"]
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
    assert span.trace_state == "vendor=1"
    told = attributes(span)
    assert told.pop("server.port") > 0
    assert told.pop("http.response.body.size") > 0
    assert told == {
        "user_agent.original": "a caller",
        "http.request.method": "POST",
        "http.route": "/predict",
        "http.request.body.size": 80,
        "http.response.status_code": 200,
        "url.path": "/predict",
        "url.scheme": "http",
        "server.address": "127.0.0.1",
        "client.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "calories.request_id": "mine",
        "calories.model": "calories",
        "calories.version": 1,
        "calories.rows": 2,
    }


def test_inside_are_validation_inference_and_rendering_but_of_what_was_refused(
    found: Found,
) -> None:
    whole = found.whole()
    answered = (span for span in whole.values() if status(span) == 200)  # a busy one has none
    explained = [span for span in answered if span.name == "POST /explain"]
    assert explained
    for span in (whole["mine"], *explained):
        inner = found.inside(span)
        assert [each.name for each in inner] == ["validate", "infer", "render"]
        assert inner[0].start_time_unix_nano == span.start_time_unix_nano
        assert inner[-1].end_time_unix_nano == span.end_time_unix_nano
    assert status(whole["refused"]) == 404
    assert found.inside(whole["refused"]) == []


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF])
def test_the_lines_of_a_failure_name_its_trace_if_it_is_recorded(
    shipped: Registry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    sampler: Sampler,
) -> None:
    caplog.set_level("INFO")
    exporter, provider = InMemorySpanExporter(), TracerProvider(sampler=sampler)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    settings = Settings(registry=shipped.root)
    host = create_host(settings)
    observers = (AccessLog(1), Traces(provider.get_tracer("a test")))
    client = create_app(settings, host, observers=observers).test_client()
    with monkeypatch.context() as patch:
        patch.setattr(host, "models", None)
        assert client.get("/models").status_code == 500
    host.close()
    exported = [f"{span.context.trace_id:032x}" for span in exporter.get_finished_spans()]
    assert len(exported) == (sampler is ALWAYS_ON)
    fields = [vars(each).get("fields", {}) for each in caplog.records]
    told = [each["trace_id"] for each in fields if "trace_id" in each]  # request_failed, request
    assert told == (exported or [""]) * 2


def read(header: str) -> TraceContext | None:
    return trace_context(Request("GET", "/", headers={"traceparent": header}))


def test_a_valid_traceparent_says_the_trace_the_span_and_whether_it_is_recorded() -> None:
    sampled = {
        f"00-{TRACE}-{SPAN}-01": True,
        f"00-{TRACE}-{SPAN}-00": False,
        f"00-{TRACE}-{SPAN}-02": False,
        f"01-{TRACE}-{SPAN}-03": True,
        f"cc-{TRACE}-{SPAN}-01-what-the-future-will-bring": True,
    }
    expected = {header: TraceContext(TRACE, SPAN, it) for header, it in sampled.items()}
    assert {header: read(header) for header in sampled} == expected


def test_an_invalid_traceparent_is_none() -> None:
    valid = f"00-{TRACE}-{SPAN}-01"
    invalid = [
        *("", "nonsense", f"ff{valid[2:]}", f"00-{'0' * 32}-{SPAN}-01", f"{valid}-more"),
        *(f"00-{TRACE}-{'0' * 16}-01", valid.upper(), f"00-{valid[4:]}", valid[:-1], f"{valid}\n"),
        *(f"01{valid[2:]}.more", f" {valid}", f"{valid},{valid}"),
    ]
    assert [header for header in invalid if read(header)] == []
    assert trace_context(Request("GET", "/")) is None


def test_nothing_that_is_not_wanted_is_imported(
    shipped_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY", str(shipped_root))
    modules = (
        "import service.server.wsgi, sys; print({'opentelemetry', 'pyarrow'} & {*sys.modules})"
    )
    assert run(DEV_PYTHON, "-c", modules).stdout.splitlines()[-1] == "set()"  # where it could be


def test_an_endpoint_is_enough_and_without_opentelemetry_is_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not installed.traced(Settings())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    assert installed.traced(Settings())
    assert not installed.traced(Settings(traces="off"))
    assert installed.warnings(Settings()) == []
    monkeypatch.setattr(installed, "installed", lambda _: False)
    assert not installed.traced(Settings())
    [warning] = installed.warnings(Settings())
    assert warning.startswith("an endpoint for traces is named, and nothing is sent: ")
    assert "pip install --require-hashes -r requirements/tracing.txt" in warning


@pytest.mark.parametrize(
    ("wanted", "way_out"),
    [
        ("--traces otlp", "requirements/tracing.txt, or set TRACES=off."),
        ("--prediction-log .", "requirements/bulk.txt."),
    ],
)
def test_what_is_wanted_and_not_installed_is_refused_at_the_start(
    wanted: str, way_out: str
) -> None:
    given = (*wanted.split(), "--port", "1")
    refused = run(SERVICE_PYTHON, "-m", "service", *given, check=False)
    assert refused.returncode == 1
    assert f"pip install --require-hashes -r {way_out}" in refused.stderr
