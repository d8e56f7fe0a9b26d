"""The short form of the faults under load: what breaks while clients ask, and what they meet."""

from pathlib import Path

import pytest

from tests.soak.faults import FAULTS, KILLS, STOP, Found, faults, kept

Run = tuple[dict[str, Found], str]


@pytest.fixture(scope="module", params=["gunicorn", "granian"])
def run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shipped_root: Path
) -> Run:
    folder = tmp_path_factory.mktemp("faults")
    found, log = faults(folder, shipped_root, request.param, pause=0.2)
    return {each.fault: each for each in found}, log


@pytest.mark.parametrize("fault", [*(name for name in FAULTS if name not in KILLS), STOP])
def test_no_request_is_lost(run: Run, fault: str) -> None:
    found = run[0][fault]
    assert found.answered > 0
    assert (found.lost, found.others) == (0, 0)


@pytest.mark.parametrize("fault", [name for name in FAULTS if name not in KILLS])
def test_no_connection_is_refused(run: Run, fault: str) -> None:
    assert run[0][fault].refused == 0


def test_killed_workers_lose_no_more_than_a_request_a_connection(run: Run) -> None:
    found = run[0]["a worker killed"]
    assert found.lost <= 4
    assert found.others == 0


@pytest.mark.parametrize("run", ["gunicorn"], indirect=True)
def test_workers_killed_all_at_once_leave_the_port_open(run: Run) -> None:
    assert run[0]["all workers killed"].refused == 0


def test_our_client_asks_again_and_loses_nothing_by_a_killed_worker(run: Run) -> None:
    assert run[0]["a worker killed"].unanswered == 0


def test_no_traceback_is_in_the_log(run: Run) -> None:
    assert "Traceback" not in run[1]


@pytest.mark.parametrize(
    ("server", "fault", "met", "promised"),
    [
        ("gunicorn", "a worker killed", {"lost": 3}, True),
        ("gunicorn", "a worker killed", {"unanswered": 1}, False),
        ("gunicorn", "the disk full", {"lost": 1}, False),
        ("gunicorn", "the disk full", {"others": 1}, False),
        ("gunicorn", "all workers killed", {"refused": 1}, False),
        ("granian", "all workers killed", {"refused": 9, "unanswered": 1}, True),
        ("granian", "a worker killed", {"refused": 1}, False),
        ("gunicorn", STOP, {"refused": 9, "unanswered": 9}, True),
        ("gunicorn", STOP, {"lost": 1}, False),
    ],
)
def test_what_is_lost_beyond_the_promise_fails_the_long_form(
    server: str, fault: str, met: dict[str, int], promised: bool
) -> None:
    all_well = dict.fromkeys(("lost", "refused", "others", "retried", "unanswered"), 0)
    found = Found(fault, sent=9, answered=9, recovered=0.0, **{**all_well, **met})
    assert kept(server, found) == promised
