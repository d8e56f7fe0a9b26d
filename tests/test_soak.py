"""The short form of the soak: load while versions come, go, break and are rolled back."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.overload.measure import SET_UPS
from tests.serving import ROOT
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
        "-m tests.soak --server gunicorn",
        "-m tests.soak --server granian",
        "-m tests.soak --faults --server gunicorn",
        "-m tests.soak --faults --server granian",
        *(f"-m tests.overload {set_up}" for set_up in SET_UPS),
    ]
