"""The short form of the soak: load while versions come, go, break and are rolled back."""

from pathlib import Path

import pytest

from tests.soak.run import Findings, Plan, soak

PLAN = Plan(rounds=1, changing=9, quiet=0.5, every=0.8, workers=2, connections=8)


@pytest.fixture(scope="module", params=["gunicorn", "granian"])
def found(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shipped_root: Path
) -> Findings:
    return soak(tmp_path_factory.mktemp("soak"), shipped_root, request.param, PLAN)


def test_every_request_is_answered_while_versions_change(found: Findings) -> None:
    assert found.changes >= 10
    assert found.versions >= 4
    assert found.refused == 0


def test_every_answer_has_the_numbers_of_the_version_it_names(found: Findings) -> None:
    assert found.wrong == 0


def test_no_answer_is_by_a_version_that_was_not_live(found: Findings) -> None:
    assert found.late == 0


def test_unloaded_versions_are_gone_at_the_end(found: Findings) -> None:
    # the newest two and `stable`; a damaged one of these counts as failed
    assert sum(found.states.values()) <= 3
    assert found.states.keys() <= {"loaded", "failed"}
