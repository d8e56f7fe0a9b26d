"""The short form of the faults under load: what breaks while clients ask, and what they meet."""

import math
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.servers import PATIENCE
from tests.soak.__main__ import main
from tests.soak.faults import (
    FAULTS,
    KILLS,
    STOP,
    Found,
    faults,
    judge,
    kept,
    most_lost,
    until_the_next,
)
from tests.soak.load import LOST, REFUSED
from tests.soak.run import Plan, loaded

NOTHING = np.empty((0, 6))  # was asked


@dataclass(frozen=True)
class Run:
    found: dict[str, Found]
    log: str


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Run:
    folder = tmp_path_factory.mktemp("faults")
    found, log = faults(folder, shipped_root, pause=0.4)
    return Run({each.fault: each for each in found}, log)


@pytest.mark.parametrize("fault", [*(name for name in FAULTS if name not in KILLS), STOP])
def test_no_request_is_lost(run: Run, fault: str) -> None:
    found = run.found[fault]
    assert found.answered > 0
    assert (found.lost, found.others) == (0, 0)


@pytest.mark.parametrize("fault", [name for name in FAULTS if name not in KILLS])
def test_no_connection_is_refused(run: Run, fault: str) -> None:
    assert run.found[fault].refused == 0


@pytest.mark.parametrize("fault", KILLS)
def test_killed_workers_cost_no_more_than_what_was_in_them(run: Run, fault: str) -> None:
    found = run.found[fault]
    assert found.lost <= most_lost(found)
    assert found.others == 0


def test_who_connects_after_one_worker_was_killed_finds_another(run: Run) -> None:
    assert run.found["a worker killed"].refused == 0


def test_workers_killed_all_at_once_leave_the_port_open(run: Run) -> None:
    assert run.found["all workers killed"].refused == 0


def test_our_client_asks_again_and_loses_nothing_by_a_killed_worker(run: Run) -> None:
    assert run.found["a worker killed"].unanswered == 0


def test_no_traceback_is_in_the_log(run: Run) -> None:
    assert "Traceback" not in run.log


@pytest.mark.parametrize(
    ("fault", "met", "promised"),
    [
        # ten times, 4 connections, 2 workers
        ("a worker killed", {"lost": 40}, True),
        ("a worker killed", {"lost": 41}, False),
        ("all workers killed", {"lost": 80}, True),
        ("all workers killed", {"lost": 81}, False),
        ("a worker killed", {"unanswered": 1}, False),
        ("the disk full", {"lost": 1}, False),
        ("the disk full", {"others": 1}, False),
        ("the disk full", {"answered": 0}, False),
        ("all workers killed", {"refused": 1}, False),
        (STOP, {"refused": 9, "unanswered": 9}, True),
        (STOP, {"lost": 1}, False),
    ],
)
def test_what_is_lost_beyond_the_promise_fails_the_long_form(
    fault: str, met: dict[str, int], promised: bool
) -> None:
    all_well = dict.fromkeys(("lost", "refused", "others", "retried", "unanswered"), 0)
    found = Found(fault, times=10, sent=99, recovered=0.0, **{"answered": 9, **all_well, **met})
    assert kept(found) == promised


def test_nothing_that_clients_meet_is_between_two_faults() -> None:
    spans = until_the_next([("a", 1.0), ("a", 2.0), ("b", 3.0)])
    assert spans == {"a": [(1.0, 2.0), (2.0, 3.0)], "b": [(3.0, math.inf)]}


@pytest.mark.parametrize(
    ("status", "counted"),
    [
        (200, {"answered": 1}),
        (LOST, {"lost": 1}),
        (REFUSED, {"refused": 1}),
        (503, {"others": 1}),
    ],
)
def test_each_request_counts_for_what_became_of_it(status: int, counted: dict[str, int]) -> None:
    found = asdict(judge("a", np.array([[1.1, 1.2, status, 0, 0, 0]]), NOTHING, [(1.0, 2.0)]))
    kinds = ("answered", "lost", "refused", "others")
    assert {kind: found[kind] for kind in kinds} == dict.fromkeys(kinds, 0) | counted


@pytest.mark.parametrize("status", [LOST, 503])
def test_a_request_that_our_client_gave_up_counts(status: int) -> None:
    given_up = np.array([[1.1, 1.2, status, 0, 0, 3]])
    assert judge("a", NOTHING, given_up, [(1.0, 2.0)]).unanswered == 1


@pytest.mark.parametrize(("lost", "status"), [(0, 0), (1, 1)])
def test_the_long_form_ends_with_1_when_more_was_lost_than_promised(
    monkeypatch: pytest.MonkeyPatch, lost: int, status: int
) -> None:
    found = Found("the disk full", 10, 99, 9, lost, 0, 0, 0, 0, 0.0)
    monkeypatch.setattr("sys.argv", ["soak", "--faults"])
    monkeypatch.setattr("tests.soak.__main__.faults", lambda *_, **__: ([found], ""))
    assert main() == status


def close(client: socket.socket) -> None:
    """Answer nothing."""


def break_off(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")


def fail(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")


@pytest.mark.parametrize(
    ("by", "answer", "status"),
    [
        ("tests.soak.load", break_off, LOST),
        ("tests.soak.load", fail, 500),
        ("tests.soak.client_load", close, LOST),
        ("tests.soak.client_load", fail, 500),
    ],
)
def test_the_load_keeps_what_became_of_each_request(
    tmp_path: Path, by: str, answer: Callable[[socket.socket], None], status: int
) -> None:
    out = tmp_path / "samples.txt"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        plan = Plan(1, 1, 1, connections=1, pause=0.01)
        with loaded(listener.getsockname()[1], plan, out, by=by):
            for _ in range(8):  # our client asks four times
                client, _ = listener.accept()
                with client:
                    client.recv(4096)
                    answer(client)
        listener.close()
    assert status in np.loadtxt(out, ndmin=2)[:, 2]


def test_a_request_that_was_in_the_worker_counts_for_what_killed_it() -> None:
    in_it = np.array([[0.9, 1.1, LOST, 0, 0, 0]])
    assert judge("a worker killed", in_it, in_it, [(1.0, 2.0)]).lost == 1
