"""The short form of the soak: load while versions come, go, break and are rolled back."""

import math

import numpy as np
import pytest

from models.registry import Registry
from tests.soak.changes import Changes
from tests.soak.load import LOST
from tests.soak.run import GRACE, POLL, Findings, Plan, judge, soak

PLAN = Plan(rounds=1, changing=5, quiet=0.5, every=0.35, workers=2, connections=8)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, shipped: Registry) -> Findings:
    return soak(tmp_path_factory.mktemp("soak"), shipped, PLAN)


def test_every_answer_is_by_a_version_that_is_live_and_has_its_numbers(found: Findings) -> None:
    assert found.changes >= 10
    assert found.versions >= 4
    assert (found.refused, found.wrong, found.late) == (0, 0, 0)


def test_unloaded_versions_are_gone_at_the_end(found: Findings) -> None:
    # the newest two and `stable`; a damaged one of these counts as failed
    assert len(found.states) <= 3
    assert {*found.states} <= {"loaded", "failed"}


GONE_AT = 10.0  # when version 2 takes the place of version 1
LATEST = GONE_AT + POLL + GRACE  # when a request may still be begun for version 1
ALL_WELL = [(1, 2, 200, 1, 100.0, 0), (11, 12, 200, 2, 200.0, 0), (21, 22, 200, 2, 200.0, 0)]


def judged(*samples: tuple[float, ...], memory: tuple[float, ...] = (70, 75, 72)) -> Findings:
    """What is found in these, beside some with which all is well."""
    live = [(1, 0.0, GONE_AT), (2, GONE_AT, math.inf)]
    changes = Changes(Registry(), Registry(), expected={1: 100.0, 2: 200.0}, live=live)
    return judge(np.array([*ALL_WELL, *samples]), changes, [(0.0, 15.0)], memory, [])


def test_the_long_form_tells_every_promise_that_was_not_kept() -> None:
    refused, wrong, late = "was no 200", "another version's number", "version that was not live"
    for sample, *told in (
        (ALL_WELL[0],),
        ((1, 2, 503, 0, 0.0, 0), refused),
        ((1, 2, LOST, 0, 0.0, 0), refused),
        ((1, 2, 200, 1, 200.0, 0), wrong),
        ((1, 2, 200, 3, 100.0, 0), wrong, late),  # which was never published
        ((1, 2, 200, 2, 200.0, 0), late),  # not yet
        ((LATEST, 13, 200, 1, 100.0, 0),),
        ((LATEST + 0.1, 13, 200, 1, 100.0, 0), late),
        ((21, 22.5, 200, 2, 200.0, 0),),
        ((21, 22.6, 200, 2, 200.0, 0), "1.6 times the p99 of the pauses"),
    ):
        broken = judged(sample).broken()
        assert len(broken) == len(told), broken
        assert all(part in sentence for part, sentence in zip(told, broken, strict=True)), broken
    [grown] = judged(memory=(70.0, 71.0, 73.1)).broken()
    assert "grew by 2.1 MB" in grown
