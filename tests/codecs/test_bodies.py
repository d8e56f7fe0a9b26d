"""No body costs a worker much, and however many come at once it answers others.

`make soak-bodies` sends all of the bodies, and for longer.
"""

import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from tests.overload.cost import LEAST, SIZE, TIMES, Cost, Watched
from tests.overload.crowd import Crowd, crowd
from tests.overload.worst import PLACES, VALUES, worst
from tests.servers import DEV_PYTHON, PATIENCE, Server, running

EVERY = 25  # of the values in JSON at all places one in as many: each value and each place is there
IN_JSON = len(PLACES) * len(VALUES)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Server]:
    settings = {"workers": 1, "admin_key_waived": True, "registry": shipped_root}
    with running(tmp_path_factory.mktemp("bodies"), DEV_PYTHON, **settings) as server:
        yield server


@pytest.fixture(scope="module")
def worker(server: Server) -> Watched:
    return Watched(server)


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
    assert replace(found, slowest=0.0).broken() == [], found  # how late is for the long form


def test_a_body_in_chunks_of_a_byte_costs_as_little(tmp_path: Path, shipped_root: Path) -> None:
    size = 2**20
    chunks = b"1\r\n \r\n" * size + b"0\r\n\r\n"
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"

    def ask(port: int) -> int:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
            client.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
            with HTTPResponse(client) as answer:
                answer.begin()
                return answer.status

    with running(tmp_path, DEV_PYTHON, workers=1, registry=shipped_root) as server:
        cost = Watched(server).cost_of(next(worst()), size, partial(ask, server.port))
    assert cost.status == 400
    assert cost.memory <= TIMES * size, cost


def test_the_long_form_tells_what_was_not_kept() -> None:
    rows = Counter({200: 9})
    kept = Crowd(Counter({422: 9, 503: 9}), rows, slowest=0.9, peak=290_000_000)
    assert kept.broken() == []
    broken: dict[str, dict[str, Any]] = {
        "1 workers were lost": {"lost": 1},
        "301 MB": {"peak": 301_000_000},
        "3 bodies got a 5xx": {"bodies": Counter({503: 1, 500: 2, 502: 1})},
        "Of 3 rows 2 were answered": {"rows": Counter({200: 2, 0: 1})},
        "Of 0 rows 0 were answered": {"rows": Counter()},
        "waited for 1.10 s": {"slowest": 1.1},
    }
    for told, changed in broken.items():
        [sentence] = replace(kept, **changed).broken()
        assert told in sentence


def test_what_a_body_may_cost() -> None:
    most = Cost(next(worst()), SIZE, 422, memory=8 * SIZE, seconds=1.0)
    small = replace(most, size=SIZE // 8, memory=LEAST)
    assert all(cost.bearable for cost in (most, small, replace(most, status=0)))
    too_much: list[tuple[Cost, dict[str, Any]]] = [
        *((most, {"memory": 8 * SIZE + 1}), (small, {"memory": LEAST + 1})),
        *((most, {"seconds": 1.1}), (most, {"status": 500})),
    ]
    assert not any(replace(cost, **more).bearable for cost, more in too_much)
