"""Traces, as a collector of OpenTelemetry receives them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from service.observe.installed import traced
from service.settings import Settings
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
OFF = "11111111111111111111111111111111"  # a trace that its caller does not record
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


def post(server: Server, path: str, trace: str = "", flags: str = "01", **more: str) -> int:
    headers = {"traceparent": f"00-{trace}-{SPAN}-{flags}"} if trace else {}
    url = f"{server.url}{path}"
    answer = requests.post(url, json=[ROW, ROW], headers={**headers, **more}, timeout=PATIENCE)
    return answer.status_code


@pytest.fixture(scope="module", params=["loop"])
def spans(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shipped_root: Path
) -> Iterator[Spans]:
    """What a collector got from two workers that were asked and then stopped."""
    folder = tmp_path_factory.mktemp("traces")
    with collector() as (url, spans):
        settings: dict[str, object] = {
            "server": request.param,
            "registry": shipped_root,
            "otel_exporter_otlp_endpoint": url,
            "otel_bsp_schedule_delay": 3_600_000,  # so what comes, came because it ended
        }
        with running(folder, DEV_PYTHON, **settings) as server:
            await_(lambda: server.output().count("worker_started") == 2, "both workers answer")
            post(server, "/predict", TRACE, tracestate="vendor=1", **{"x-request-id": "mine"})
            post(server, "/predict?model=none", TRACE)
            post(server, "/v2/models/calories/infer", "00000000000000000000000000000000")
            post(server, "/predict", OFF, flags="00")
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda _: post(server, "/explain"), range(20)))
            server.stop()
        yield spans


def named(spans: Spans, name: str, trace: str = "") -> list[Any]:
    return [s for _, s in spans if s.name == name and (not trace or s.trace_id.hex() == trace)]


def predicted(spans: Spans) -> list[Any]:
    """The request that was answered and the one that was refused; two workers may swap them."""
    found = named(spans, "POST /predict", TRACE)
    return sorted(found, key=lambda span: int(attributes(span)["http.response.status_code"]))


def test_a_request_is_a_span_below_its_callers(spans: Spans) -> None:
    answered, refused = predicted(spans)
    assert {answered.parent_span_id.hex(), refused.parent_span_id.hex()} == {SPAN}
    assert answered.trace_state == "vendor=1"
    assert answered.kind == answered.SPAN_KIND_SERVER


def test_its_attributes_are_those_of_the_http_conventions(spans: Spans) -> None:
    answered, refused = predicted(spans)
    found = attributes(answered)
    assert found.pop("server.port") > 0
    assert found.pop("http.response.body.size") > 0
    assert found.pop("user_agent.original").startswith("python-requests")
    assert found == {
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
    assert attributes(refused)["http.response.status_code"] == 404


def test_inside_are_validation_inference_and_rendering_one_after_another(spans: Spans) -> None:
    whole, _ = predicted(spans)
    inner = [s for _, s in spans if s.parent_span_id == whole.span_id]
    assert [each.name for each in inner] == ["validate", "infer", "render"]
    edges = [edge for s in inner for edge in (s.start_time_unix_nano, s.end_time_unix_nano)]
    assert edges == sorted(edges)
    assert (edges[0], edges[-1]) == (whole.start_time_unix_nano, whole.end_time_unix_nano)


def test_inside_an_explanation_are_the_same(spans: Spans) -> None:
    whole = named(spans, "POST /explain")[0]
    inner = [s for _, s in spans if s.parent_span_id == whole.span_id]
    assert [each.name for each in inner] == ["validate", "infer", "render"]


def test_what_was_refused_has_no_inference(spans: Spans) -> None:
    _, refused = predicted(spans)
    assert not [s for _, s in spans if s.parent_span_id == refused.span_id]


def test_a_trace_that_its_caller_does_not_record_is_not_recorded(spans: Spans) -> None:
    assert not [s for _, s in spans if s.trace_id.hex() == OFF]


def test_an_invalid_traceparent_begins_a_trace(spans: Spans) -> None:
    [found] = named(spans, "POST /v2/models/{model}/infer")
    assert found.trace_id.strip(b"\0")
    assert found.parent_span_id == b""


def test_every_request_of_every_worker_has_come_when_the_service_has_stopped(spans: Spans) -> None:
    assert len(named(spans, "POST /explain")) == 20
    about = [about for about, span in spans if span.name == "POST /explain"]
    assert {each["service.name"] for each in about} == {"calories"}


MODULES = "import service.server.wsgi, sys; print('opentelemetry' in sys.modules)"


@pytest.mark.parametrize(
    ("traces", "there"), [("off", "False"), ("auto", "False"), ("otlp", "True")]
)
def test_nothing_of_it_is_imported_unless_it_is_wanted(
    traces: str, there: str, shipped_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACES", traces)
    monkeypatch.setenv("REGISTRY", str(shipped_root))
    # Where it could be imported.
    assert run(DEV_PYTHON, "-c", MODULES).stdout.split()[-1] == there


def test_an_endpoint_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not traced(Settings())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    assert traced(Settings())
    assert not traced(Settings(traces="off"))


def test_traces_that_cannot_be_made_are_refused_at_the_start() -> None:
    found = run(SERVICE_PYTHON, "-m", "service", "--traces", "otlp", "--port", "1", check=False)
    assert found.returncode == 1
    way_out = "pip install --require-hashes -r requirements/tracing.txt, or set TRACES=off."
    assert way_out in found.stderr


def test_an_endpoint_without_opentelemetry_is_warned_of(tmp_path: Path, shipped_root: Path) -> None:
    endpoint = "http://127.0.0.1:4318"
    wanted = {"registry": shipped_root, "otel_exporter_otlp_endpoint": endpoint}
    with running(tmp_path, SERVICE_PYTHON, **wanted) as server:
        warned = [line for line in server.output().splitlines() if "OpenTelemetry" in line]
    assert len(warned) == 1
    assert warned[0].startswith("service: warning: an endpoint for traces is named")
    assert "pip install --require-hashes -r requirements/tracing.txt" in warned[0]
