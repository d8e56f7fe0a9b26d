"""The client, against a small server that answers what it is told to."""

import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from service.client import Client, Refused, Retries, main
from tests.servers import ROW, Server, free_port, in_thread, running

ANSWER = {
    "calories": 106.7,
    "lower": 86.3,
    "upper": 127.0,
    "in_range": True,
    "model": "calories",
    "version": 1,
}
KEY = "calories_shop"
Told = tuple[int, dict[str, str]]


class Scripted(ThreadingHTTPServer):
    """Answers with the statuses and headers in `script`, then with 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Told] = []
        self.seen: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Scripted

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.seen.append(dict(self.headers))
        status, headers = self.server.script.pop(0) if self.server.script else (200, {})
        body = json.dumps(ANSWER if status == 200 else {"detail": "Come again."}).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  its name there
        pass


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    with in_thread(Scripted()) as server:
        yield server


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def client(scripted: Scripted, slept: list[float]) -> Client:
    return Client(scripted.url, sleep=slept.append)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, shipped_root: object) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("client"), registry=shipped_root) as server:
        yield server


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again_when_it_said(
    client: Client, scripted: Scripted, slept: list[float], status: int
) -> None:
    scripted.script = [(status, {"Retry-After": "2"})]
    assert client.predict(ROW).calories == 106.7
    assert slept == [2]


def test_a_date_in_retry_after_is_understood(
    client: Client, scripted: Scripted, slept: list[float]
) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=5)
    scripted.script = [(503, {"Retry-After": format_datetime(soon, usegmt=True)})]
    client.predict(ROW)
    assert 0 <= slept[0] <= 5


def test_a_date_in_retry_after_that_is_over_is_not_waited_for(
    client: Client, scripted: Scripted, slept: list[float]
) -> None:
    scripted.script = [(503, {"Retry-After": "Tue, 24 Nov 2026 00:00:00 GMT"})]
    client.predict(ROW)
    assert slept == [0]


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "soon"}, {"Retry-After": "-1"}])
def test_who_is_not_told_when_to_come_again_waits_all_the_same(
    client: Client, scripted: Scripted, slept: list[float], headers: dict[str, str]
) -> None:
    scripted.script = [(503, headers)]
    client.predict(ROW)
    assert 0.1 <= slept[0] <= 0.2


def test_clients_that_wait_do_not_come_back_at_once() -> None:
    assert len({next(Retries().waits()) for _ in range(10)}) > 1


def test_without_retry_after_the_waits_grow_and_are_bounded() -> None:
    waits = list(Retries(times=8, first=1, longest=10).waits())
    assert [
        0.5 * w <= wait <= w for wait, w in zip(waits, (1, 2, 4, 8, 10, 10, 10, 10), strict=True)
    ]


def test_a_service_that_asks_for_too_long_a_wait_is_not_asked_again(
    client: Client, scripted: Scripted, slept: list[float]
) -> None:
    scripted.script = [(503, {"Retry-After": "3600"})]
    with pytest.raises(Refused, match="Come again"):
        client.predict(ROW)
    assert slept == []


def test_asking_again_comes_to_an_end(
    client: Client, scripted: Scripted, slept: list[float]
) -> None:
    scripted.script = [(503, {})] * 10
    with pytest.raises(Refused) as refused:
        client.predict(ROW)
    assert refused.value.status == 503
    assert len(slept) == 3


@pytest.mark.parametrize("status", [400, 404, 422, 500])
def test_what_would_be_refused_again_is_not_asked_again(
    client: Client, scripted: Scripted, slept: list[float], status: int
) -> None:
    scripted.script = [(status, {})]
    with pytest.raises(Refused):
        client.predict(ROW)
    assert slept == []


def test_a_lost_connection_is_tried_again_and_then_told(slept: list[float]) -> None:
    client = Client(f"http://127.0.0.1:{free_port()}", sleep=slept.append)
    with pytest.raises(requests.ConnectionError):
        client.predict(ROW)
    assert len(slept) == 3


def test_an_answer_that_is_cut_inside_its_body_is_asked_for_again(
    client: Client, scripted: Scripted, slept: list[float]
) -> None:
    scripted.script = [(200, {"content-length": "1000"})]  # and the connection ends before
    assert client.predict(ROW).calories == 106.7
    assert len(slept) == 1


def test_an_answer_that_does_not_come_is_given_up_and_not_asked_for_again(
    slept: list[float],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        client = Client(f"http://127.0.0.1:{port}", timeout=0.1, sleep=slept.append)
        with pytest.raises(requests.Timeout):
            client.predict(ROW)
    assert slept == []


def test_what_is_no_https_is_not_asked_again(scripted: Scripted, slept: list[float]) -> None:
    client = Client(scripted.url.replace("http:", "https:"), sleep=slept.append)
    with pytest.raises(requests.exceptions.SSLError):
        client.predict(ROW)
    assert slept == []


def test_headers_go_with_every_request(scripted: Scripted) -> None:
    Client(scripted.url, headers={"X-Canary-Key": "anna"}).predict(ROW)
    assert scripted.seen[0]["X-Canary-Key"] == "anna"


ASKED: list[Callable[[Client], object]] = [
    lambda client: client.predict(ROW),
    lambda client: client.explain(ROW),
    lambda client: client.models(),
]


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("ask", ASKED, ids=["predict", "explain", "models"])
def test_a_redirect_is_not_followed_and_told_with_its_place(
    scripted: Scripted, status: int, ask: Callable[[Client], object]
) -> None:
    with in_thread(Scripted()) as elsewhere:
        scripted.script = [(status, {"Location": f"{elsewhere.url}/predict"})]
        with pytest.raises(Refused, match=f"{status} and points to '{elsewhere.url}/predict'"):
            ask(Client(scripted.url, key=KEY, headers={"Authorization": f"Bearer {KEY}"}))
    assert scripted.seen[0]["X-API-Key"] == KEY
    assert elsewhere.seen == []


@pytest.mark.parametrize("headers", [{}, {"Location": "\x1b[2J" + "x" * 1000}])
def test_a_redirect_to_no_place_is_a_sentence(
    scripted: Scripted, headers: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    scripted.script = [(302, headers)]
    assert main(["--url", scripted.url, "--key", KEY, "5", "1", "2"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.isprintable()
    assert len(line) < 500
    assert KEY not in line


def test_rows_and_columns_are_answered_as_each_row_alone(service: Server) -> None:
    client = Client(service.url)
    other = {"sugar": 12.0, "fiber": 0.0, "protein": 1.0}
    each = [client.predict(ROW), client.predict(other)]
    columns = client.predict_columns({name: [ROW[name], other[name]] for name in ROW})
    assert client.predict_rows([ROW, other]) == each
    assert columns.calories == [one.calories for one in each]


def test_a_model_can_be_chosen(service: Server) -> None:
    assert Client(service.url).predict({"sugar": 5}, model="linear-unit").model == "linear-unit"


def test_the_models_are_told_with_labels_and_states(service: Server) -> None:
    calories = Client(service.url).models()[0]
    assert (calories.name, calories.labels) == ("calories", {"stable": 1})
    assert calories.states == {1: "loaded"}


def test_an_explanation_sums_to_the_prediction(service: Server) -> None:
    found = Client(service.url).explain(ROW)
    assert list(found.contributions) == list(ROW)
    assert found.base + sum(found.contributions.values()) == pytest.approx(found.calories, abs=1e-3)


def test_the_command_line_tells_what_each_input_adds(
    service: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--url", service.url, "--explain", "5", "1", "2"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in told[1:]] == ["row", "sugar", "fiber", "protein"]
