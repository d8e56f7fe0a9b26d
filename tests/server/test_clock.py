"""The clock of the service is set back an hour while it works."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families

from models.publish import import_version
from models.registry import Registry
from tests.clock import Clock
from tests.server.test_stop import SLACK
from tests.servers import PATIENCE, Server, await_, open_half_a_request, running
from tests.soak.load import loaded

HOUR = 3600
OPS = "calories_ops-0123456789abcdef"
WAIT = 200  # seconds that a worker of two lets a key wait whose rate is one in a hundred seconds


@dataclass(frozen=True)
class Turned:
    """A server whose clock was set back under load, and what was met from before to after."""

    server: Server
    registry: Registry
    statuses: NDArray[np.float64]
    in_hand: bytes  # the answer to a request that was begun before


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory, shipped: Registry) -> Iterator[Turned]:
    folder = tmp_path_factory.mktemp("turned")
    registry, clock = Registry(folder / "registry"), Clock(folder)
    registry.root.mkdir()
    import_version(registry, shipped.folder("calories", 1))
    began = datetime.now(UTC).isoformat()
    settings = {"registry": registry.root, "poll_seconds": 0.1, "access_log": 1, "rate_limit": 0.01}
    keys = {"admin_keys": f"ops:{sha256(OPS.encode()).hexdigest()}"}
    with running(folder, workers=2, **settings, **keys, **clock.settings) as server:
        asked: list[int] = []

        def all_let_one_through() -> bool:
            """Ask once more; whether both workers have let the key through, and will not again."""
            asked.append(with_key(server).status_code)
            return asked.count(200) == 2

        await_(all_let_one_through, "each worker has let one through")
        held, rest = open_half_a_request(server.port)
        with held, loaded(server.port) as load:
            clock.set_back(HOUR)
            await_(
                lambda: sum(line["time"] < began for line in logged(server)) > 100,
                "a hundred answers are of an hour ago",
            )
            held.sendall(rest)
            in_hand = held.recv(64)
        yield Turned(server, registry, load.samples[:, 2], in_hand)


def with_key(server: Server) -> requests.Response:
    """The answer to a key, which has a rate."""
    headers = {"X-API-Key": OPS}
    return requests.get(f"{server.url}/admin/status", headers=headers, timeout=PATIENCE)


def logged(server: Server) -> list[dict[str, Any]]:
    """The access log."""
    whole = server.output().rpartition("\n")[0].splitlines()
    lines = [json.loads(line) for line in whole if line.startswith("{")]
    return [line for line in lines if line.get("event") == "request"]


def test_every_request_is_answered_also_what_was_in_hand(turned: Turned) -> None:
    assert set(turned.statuses) == {200}
    assert turned.in_hand.startswith(b"HTTP/1.1 200")


def test_a_version_that_is_published_since_is_served(turned: Turned, shipped: Registry) -> None:
    version = import_version(turned.registry, shipped.folder("calories", 1)).version
    await_(
        lambda: {turned.server.predict().json()["version"] for _ in range(20)} == {version},
        "it is served by all workers",
    )


def test_a_key_over_its_rate_need_not_wait_longer(turned: Turned) -> None:
    answers = [with_key(turned.server) for _ in range(10)]
    assert {answer.status_code for answer in answers} == {429}
    assert max(int(answer.headers["Retry-After"]) for answer in answers) <= WAIT


def test_every_request_is_logged_with_the_time_it_took_and_counted(turned: Turned) -> None:
    one_worker = requests.Session()  # which knows of the other one what that has left it

    def counted() -> float:
        text = one_worker.get(f"{turned.server.url}/metrics", timeout=PATIENCE).text
        samples = [it for family in text_string_to_metric_families(text) for it in family.samples]
        return sum(
            it.value
            for it in samples
            if it.name == "calories_requests_total" and it.labels["route"] == "/predict"
        )

    lines = logged(turned.server)
    assert all(0 <= line["milliseconds"] < 1000 * PATIENCE for line in lines)
    asked = sum(line["route"] == "/predict" for line in lines)
    assert asked > len(turned.statuses)
    with one_worker:
        await_(lambda: counted() == asked, "both workers' requests are counted")


def test_no_traceback_is_in_the_log(turned: Turned) -> None:
    assert "Traceback" not in turned.server.output()


def test_a_stop_answers_what_is_in_hand_and_takes_no_longer(
    tmp_path: Path, shipped_root: Path
) -> None:
    clock = Clock(tmp_path)
    settings = {"registry": shipped_root, "graceful_seconds": 3, **clock.settings}
    with running(tmp_path, workers=1, **settings) as server:
        (held, rest), (stalled, _) = (open_half_a_request(server.port) for _ in range(2))
        with held, stalled:
            server.process.terminate()
            await_(lambda: "Handling signal: term" in server.output(), "the stop has begun")
            clock.set_back(HOUR)
            held.sendall(rest)
            assert held.recv(64).startswith(b"HTTP/1.1 200")
            assert server.process.wait(3 + SLACK) == 0
