"""The short form of the faults under load: what breaks while clients ask, and what they meet."""

import math
import socket

import numpy as np
import pytest

from models.registry import Registry
from tests.servers import PATIENCE
from tests.soak.faults import FAULTS, STOP, Faults, Found, faults, judge, until_the_next
from tests.soak.load import LOST, REFUSED, loaded

NOTHING = np.empty((0, 6))  # was asked
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"
FAILURE = b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, shipped: Registry) -> Faults:
    return faults(tmp_path_factory.mktemp("faults"), shipped, pause=0.2)


@pytest.mark.parametrize("fault", [*FAULTS, STOP])
def test_clients_lose_no_more_than_is_promised(run: Faults, fault: str) -> None:
    assert run.found[fault].kept, run.found[fault]


def test_no_traceback_is_in_the_log(run: Faults) -> None:
    assert "Traceback" not in run.log


def test_what_is_lost_beyond_the_promise_fails_the_long_form() -> None:
    all_well = dict.fromkeys(("lost", "refused", "others", "retried", "unanswered"), 0)
    for fault, met, promised in (
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
    ):
        found = Found(fault, times=10, sent=99, recovered=0.0, **{"answered": 9, **all_well, **met})
        assert found.kept == promised, found
        assert len(Faults({fault: found}, "").broken()) == (not promised)


def test_nothing_that_clients_meet_is_between_two_faults() -> None:
    spans = until_the_next([("a", 1.0), ("a", 2.0), ("b", 3.0)])
    assert spans == {"a": [(1.0, 2.0), (2.0, 3.0)], "b": [(3.0, math.inf)]}


def test_each_request_counts_for_what_became_of_it_before_the_next_fault() -> None:
    span = [(1.0, 2.0)]
    for status, kind in ((200, "answered"), (LOST, "lost"), (REFUSED, "refused"), (503, "others")):
        in_it = np.array([[0.9, 1.1, status, 0, 0, 0]])  # when the fault came
        after = np.array([[1.1, 2.1, status, 0, 0, 0]])
        found = judge("a", np.concatenate([in_it, after]), NOTHING, span)
        counted = {name: getattr(found, name) for name in ("answered", "lost", "refused", "others")}
        assert counted == dict.fromkeys(counted, 0) | {kind: 1}
        assert judge("a", NOTHING, in_it, span).unanswered == (status != 200)


@pytest.mark.parametrize(
    ("by", "answer", "status"),
    [("plain", CUT, LOST), ("plain", FAILURE, 500), ("ours", b"", LOST), ("ours", FAILURE, 500)],
    ids=["cut", "failure", "ours closed", "ours failure"],
)
def test_the_load_keeps_what_became_of_each_request(by: str, answer: bytes, status: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        with loaded(listener.getsockname()[1], 1, by=by) as load:
            for _ in range(5):  # our client asks four times
                client, _ = listener.accept()
                with client:
                    client.recv(4096)
                    client.sendall(answer)
            listener.close()
    assert status in load.samples[:, 2]
