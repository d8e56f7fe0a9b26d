"""The short form of the soak: load while versions come, go, break and are rolled back."""

import math
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.registry import Registry
from tests.servers import ROOT
from tests.soak.__main__ import main
from tests.soak.changes import Changes
from tests.soak.load import LOST
from tests.soak.run import GRACE, POLL, Findings, Plan, judge, soak

PLAN = Plan(rounds=1, changing=9, quiet=0.5, every=0.8, workers=2, connections=8)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Findings:
    return soak(tmp_path_factory.mktemp("soak"), shipped_root, PLAN)


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


@pytest.mark.parametrize(
    ("worse", "promise"),
    [
        ({"refused": 1}, "a 200"),
        ({"wrong": 1}, "version's number"),
        ({"late": 1}, "is live"),
        ({"p99_changing": 0.0151}, "1.5 times"),
        ({"memory": (70.0, 71.0, 73.1)}, "2 MB"),
    ],
)
def test_the_long_form_fails_by_each_promise(worse: dict[str, Any], promise: str) -> None:
    good = Findings(
        requests=9, changes=9, versions=9, refused=0, wrong=0, late=0, lag=0.0,
        p99_quiet=0.01, p99_changing=0.015, memory=(70.0, 75.0, 72.0), states={},
    )  # fmt: skip
    assert good.broken() == []
    [broken] = replace(good, **worse).broken()
    assert promise in broken


GONE_AT = 10.0  # when version 2 takes the place of version 1
ALL_WELL = [(1, 2, 200, 1, 100.0, 0), (11, 12, 200, 2, 200.0, 0), (21, 22, 200, 2, 200.0, 0)]


def judged(*samples: tuple[float, ...]) -> Findings:
    """What is found in these, beside some with which all is well."""
    live = [(1, 0.0, GONE_AT), (2, GONE_AT, math.inf)]
    changes = Changes(Registry(), Registry(), expected={1: 100.0, 2: 200.0}, live=live)
    return judge(np.array([*ALL_WELL, *samples]), changes, [(0.0, 15.0)], (70.0,), {})


@pytest.mark.parametrize(
    ("sample", "refused", "wrong", "late"),
    [
        ((1, 2, 503, 0, 0.0, 0), 1, 0, 0),
        ((1, 2, LOST, 0, 0.0, 0), 1, 0, 0),
        ((1, 2, 200, 1, 200.0, 0), 0, 1, 0),
        ((1, 2, 200, 3, 100.0, 0), 0, 1, 1),  # which was never published
        ((1, 2, 200, 2, 200.0, 0), 0, 0, 1),  # not yet
        ((GONE_AT + POLL + GRACE, 13, 200, 1, 100.0, 0), 0, 0, 0),
        ((GONE_AT + POLL + GRACE + 0.1, 13, 200, 1, 100.0, 0), 0, 0, 1),
    ],
)
def test_an_answer_that_is_not_as_promised_is_found(
    sample: tuple[float, ...], refused: int, wrong: int, late: int
) -> None:
    found = judged(sample)
    assert (found.refused, found.wrong, found.late) == (refused, wrong, late)


@pytest.mark.parametrize(
    ("samples", "status"),
    [
        ([], 0),
        ([(1, 2, 503, 0, 0.0, 0)], 1),
        ([(1, 2, 200, 1, 200.0, 0)], 1),
        ([(20, 21, 200, 1, 100.0, 0)], 1),
    ],
    ids=["all well", "refused", "wrong", "late"],
)
def test_the_long_form_ends_with_1_when_an_answer_was_not_as_promised(
    monkeypatch: pytest.MonkeyPatch, samples: list[tuple[float, ...]], status: int
) -> None:
    monkeypatch.setattr("sys.argv", ["soak"])
    monkeypatch.setattr("tests.soak.__main__.soak", lambda *_: judged(*samples))
    assert main() == status


def test_a_long_form_that_fails_keeps_no_other_from_running(tmp_path: Path) -> None:
    python, ran = tmp_path / "bin" / "python", tmp_path / "ran"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\necho "$@" >> {ran}\nexit 1\n')
    python.chmod(0o755)
    (tmp_path / ".installed").touch()
    ended = subprocess.run(
        ["make", "soak", f"DEV={tmp_path}", f"SERVICE={tmp_path}"],  # noqa: S607
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},  # nothing of the `make test` that runs this
        capture_output=True,
        check=False,
    )
    assert ended.returncode != 0
    assert ran.read_text().splitlines() == [
        "-m benchmarks.soak",
        "-m tests.soak",
        "-m tests.soak --faults",
        "-m tests.overload",
        "-m tests.overload.bodies",
    ]
