"""The short form of the faults under load: what breaks while clients ask, and what they meet."""

from pathlib import Path

import pytest

from tests.soak.faults import FAULTS, STOP, Found, faults

KILLS = ("a worker killed", "all workers killed")
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


def test_our_client_asks_again_and_loses_nothing_by_a_killed_worker(run: Run) -> None:
    assert run[0]["a worker killed"].unanswered == 0


def test_no_traceback_is_in_the_log(run: Run) -> None:
    assert "Traceback" not in run[1]
