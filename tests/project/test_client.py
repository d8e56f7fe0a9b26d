"""The client, against a small server that answers what it is told to."""

import pickle
import re
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import requests

from models.registry import Registry
from service.client import Client, Refused, Retries, main
from tests.project.conftest import Scripted, Told
from tests.servers import ROW, Server, free_port, in_thread, running

KEY = "calories_shop"


@pytest.mark.parametrize(
    ("told", "least", "most"),
    [
        ((429, {"Retry-After": "2"}), 2, 2),
        ((503, {"Retry-After": "2"}), 2, 2),
        ((503, {"Retry-After": "Tue, 24 Nov 2026 00:00:00 GMT"}), 0, 0),  # which is over
        ((503, {}), 0.1, 0.2),
        ((503, {"Retry-After": "soon"}), 0.1, 0.2),
        ((503, {"Retry-After": "-1"}), 0.1, 0.2),
        ((200, {"content-length": "1000"}), 0.1, 0.2),  # and the connection ends before
    ],
)
def test_what_could_not_be_answered_is_asked_again_when_the_service_said(
    scripted: Scripted, told: Told, least: float, most: float
) -> None:
    scripted.script = [told]
    assert scripted.client.predict(ROW).calories == 106.7
    [wait] = scripted.slept
    assert least <= wait <= most


def test_a_date_in_retry_after_is_understood(scripted: Scripted) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=9)
    scripted.script = [(503, {"Retry-After": format_datetime(soon, usegmt=True)})]
    scripted.client.predict(ROW)
    assert 0.2 < scripted.slept[0] <= 9


def test_without_retry_after_the_waits_grow_are_bounded_and_differ() -> None:
    waits = list(Retries(times=8, first=1, longest=10).waits())
    expected = (1, 2, 4, 8, 10, 10, 10, 10)
    assert [0.5 * w <= wait <= w for wait, w in zip(waits, expected, strict=True)] == [True] * 8
    assert len({next(Retries().waits()) for _ in range(10)}) > 1


def test_asking_again_comes_to_an_end(scripted: Scripted) -> None:
    scripted.script = [(503, {})] * 10
    with pytest.raises(Refused) as refused:
        scripted.client.predict(ROW)
    assert (refused.value.status, len(scripted.slept)) == (503, 3)


@pytest.mark.parametrize(
    "told", [(400, {}), (404, {}), (422, {}), (500, {}), (503, {"Retry-After": "3600"})]
)
def test_what_would_be_refused_again_or_takes_too_long_is_not_asked_again(
    scripted: Scripted, told: Told
) -> None:
    scripted.script = [told]
    with pytest.raises(Refused, match="Come again"):
        scripted.client.predict(ROW)
    assert scripted.slept == []


def test_only_a_lost_connection_is_tried_again_and_then_told(scripted: Scripted) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for url, error, times in (
            (f"http://127.0.0.1:{free_port()}", requests.ConnectionError, 3),
            (scripted.url.replace("http:", "https:"), requests.exceptions.SSLError, 0),
            (f"http://127.0.0.1:{silent.getsockname()[1]}", requests.Timeout, 0),
        ):
            scripted.slept.clear()
            with pytest.raises(error):
                Client(url, timeout=0.1, sleep=scripted.slept.append).predict(ROW)
            assert len(scripted.slept) == times


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("ask", ["predict", "explain", "models"])
def test_a_redirect_is_not_followed_and_told_with_its_place(
    scripted: Scripted, status: int, ask: str
) -> None:
    with in_thread(Scripted()) as elsewhere:
        scripted.script = [(status, {"Location": f"{elsewhere.url}/predict"})]
        client = Client(scripted.url, key=KEY, headers={"Authorization": f"Bearer {KEY}"})
        with pytest.raises(Refused, match=f"{status} and points to '{elsewhere.url}/predict'"):
            getattr(client, ask)(*([] if ask == "models" else [ROW]))
    assert scripted.seen[0]["X-API-Key"] == KEY
    assert scripted.seen[0]["Authorization"] == f"Bearer {KEY}"
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


def test_the_answers_of_a_service_are_told_as_they_are(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Client(server.url)
    other = {"sugar": 12.0, "fiber": 0.0, "protein": 1.0}
    each = [client.predict(ROW), client.predict(other)]
    assert client.predict_rows([ROW, other]) == each
    columns = client.predict_columns({name: [ROW[name], other[name]] for name in ROW})
    assert columns.calories == [one.calories for one in each]
    assert client.predict({"sugar": 5}, model="linear-unit").model == "linear-unit"
    calories = client.models()[0]
    assert (calories.name, calories.labels) == ("calories", {"stable": 1})
    assert calories.states == {1: "loaded"}
    found = client.explain(ROW)
    assert list(found.contributions) == list(ROW)
    total = found.base + sum(found.contributions.values())
    assert total == pytest.approx(found.calories, abs=1e-3)
    assert main(["--url", server.url, "--explain", "5", "1", "2"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in told[1:]] == ["row", "sugar", "fiber", "protein"]


def test_an_answer_is_had_by_the_outputs_name_and_by_no_other(scripted: Scripted) -> None:
    found = Client(scripted.url).predict(ROW)
    assert found["calories"] == found.calories == found.value == 106.7
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301  our own
    with pytest.raises(KeyError, match="answers 'calories', not 'price'"):
        found["price"]
    with pytest.raises(AttributeError):
        found.price  # noqa: B018


def test_any_model_is_asked_from_the_command_line_by_names_or_in_its_order(
    tmp_path: Path, any_table: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    def tell(*given: str) -> str:
        """What is printed, or why not."""
        main(["--url", service.url, *given])
        return "".join(capsys.readouterr())

    given = {"registry": any_table.root, "default_model": "thirteen", "workers": 1}
    with running(tmp_path, **given) as service:
        price = r"-?\d[\d.]* kUSD"
        values = [f"{-place}.5" for place in range(13)]
        by_name = [f"x{place}={value}" for place, value in enumerate(values)]
        said = tell(*values)
        assert re.fullmatch(rf"{price} \(.* to .*\), by thirteen version 1; outside .*\n", said)
        assert tell(*by_name) == tell(*reversed(by_name)) == said
        assert re.fullmatch(rf"{price}, by one version 1\n", tell("-1", "--model", "one"))
        assert re.fullmatch(r"-?[\d.]+, by bare .*\n", tell("-1", "2", "3", "--model", "bare"))
        assert "x1: expected a finite number (m²), received nothing" in tell("1")
        assert "expected at most 1 numbers, or NAME=" in tell("1", "2", "--model", "one")
        assert "no label 'canary'; it has" in tell("1", "--label", "canary")
        for mixed in (["1", "x1=2"], ["x1=1", "x1=2"]):
            assert "expected at most 13 numbers, or NAME=" in tell(*mixed)
        lines = tell("--explain", *["-1"] * 60, "--model", "sixty").splitlines()
        assert len(lines) == 1 + 1 + 60 + 1
        assert "standard error" in lines[-1]
        bare = Client(service.url).predict({f"x{i}": -1 for i in range(3)}, model="bare")
        assert (bare.lower, bare.upper, bare.in_range) == (None, None, None)
