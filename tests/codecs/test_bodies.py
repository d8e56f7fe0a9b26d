"""No body costs a worker much, and however many come at once it answers others.

`make soak-bodies` sends all of the bodies, and for longer.
"""

import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from tests.overload.cost import LEAST, SIZE, TIMES, Cost, Watched
from tests.overload.crowd import Crowd, crowd
from tests.overload.worst import PLACES, VALUES, worst
from tests.servers import DEV_PYTHON, PATIENCE, Server, running

EVERY = 31  # of the values in JSON at all places one in as many: each value and each place is there
IN_JSON = len(PLACES) * len(VALUES)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Server]:
    settings = {"workers": 1, "admin_key_waived": True, "registry": shipped_root}
    with running(tmp_path_factory.mktemp("bodies"), DEV_PYTHON, **settings) as server:
        yield server


@pytest.fixture(scope="module")
def worker(server: Server) -> Watched:
    return Watched(server)


def test_a_body_in_chunks_of_a_byte_costs_as_little(server: Server, worker: Watched) -> None:
    size = 2**20
    chunks = b"1\r\n \r\n" * size + b"0\r\n\r\n"
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"

    def ask() -> int:
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as client:
            client.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
            with HTTPResponse(client) as answer:
                answer.begin()
                return answer.status

    cost = worker.cost_of(next(worst()), size, ask)
    assert cost.status == 400
    assert cost.memory <= TIMES * size, cost


def test_no_body_costs_more_than_eight_times_its_size_and_a_second(worker: Watched) -> None:
    every = list(worst())
    others = [each for each in every[IN_JSON:] if each.path != "/explain"]
    chosen = every[:IN_JSON:EVERY] + others
    assert len(chosen) > 100
    costs = [worker.cost(each) for each in chosen]
    assert [str(cost) for cost in costs if not cost.bearable] == []


def test_64_of_the_worst_at_once_end_nobody_and_a_row_is_answered(server: Server) -> None:
    found = crowd(server, seconds=4)
    assert found.rows, "no row was asked for"
    assert replace(found, seconds=[0.0]).broken() == [], found  # how late is for the long form


KEPT = Crowd(
    bodies=Counter({422: 9, 503: 9}), rows=Counter({200: 9}), seconds=[0.9], peak=290_000_000
)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"lost": 1}, "1 workers were lost"),
        ({"peak": 301_000_000}, "301 MB"),
        ({"bodies": Counter({503: 1, 500: 2, 502: 1})}, "3 bodies got a 5xx"),
        ({"rows": Counter({200: 2, 0: 1})}, "Of 3 rows 2 were answered"),
        ({"rows": Counter()}, "Of 0 rows 0 were answered"),
        ({"seconds": [0.1, 1.1]}, "waited for 1.10 s"),
    ],
)
def test_the_long_form_tells_what_was_not_kept(changed: dict[str, Any], told: str) -> None:
    assert KEPT.broken() == []
    [sentence] = replace(KEPT, **changed).broken()
    assert told in sentence


@pytest.mark.parametrize(
    ("bearable", "changed"),
    [
        (True, {}),
        (True, {"size": SIZE // 8, "memory": LEAST}),
        (True, {"status": 0}),
        (False, {"memory": 8 * SIZE + 1}),
        (False, {"size": SIZE // 8, "memory": LEAST + 1}),
        (False, {"seconds": 1.1}),
        (False, {"status": 500}),
    ],
)
def test_what_a_body_may_cost(changed: dict[str, Any], *, bearable: bool) -> None:
    cost = Cost(next(worst()), SIZE, 422, memory=8 * SIZE, seconds=1.0)
    assert replace(cost, **changed).bearable is bearable
