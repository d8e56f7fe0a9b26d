"""Drift: of a log that the service wrote, against what the version was trained on."""

import csv
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import numpy as np
import pytest
from numpy.typing import NDArray

from models.manifest import ROWS
from models.publish import publish, staging
from models.registry import Registry
from tests.observe.test_prediction_log import Logged
from tests.training.conftest import INPUTS
from training.__main__ import main
from training.drift.measure import CHANCE, THRESHOLD, chi_squared, compare, farthest, stability
from training.exit_codes import DRIFTED

Rows = NDArray[np.float64]


Drift = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def trained(shipped: Registry) -> Rows:
    """The rows that calories version 1 was trained on, float64 [m, 3] in g."""
    with (shipped.root / "calories" / "1" / ROWS).open() as file:
        return np.array([[float(row[name]) for name in INPUTS] for row in csv.DictReader(file)])


@pytest.fixture
def drift(shipped: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Drift:
    """Have the service log rows, and run the command: its exit code, and what it said.

    The page is drift.html in tmp_path.
    """

    def drift(
        rows: Rows | None, options: str = "", registry: Registry = shipped
    ) -> tuple[int, str]:
        if rows is not None:
            logged = Logged(registry.root, tmp_path / "log")
            answer = logged.predict(dict(zip(INPUTS, rows.T.tolist(), strict=True)))
            assert answer.status_code == 200
            logged.log.write()
        where = [str(tmp_path / "log"), "--registry", str(registry.root)]
        page = str(tmp_path / "drift.html")
        code = main(["drift", *where, "--output", page, *options.split()])
        return code, "".join(capsys.readouterr())

    return drift


def resampled(trained: Rows, count: int = 2000) -> Rows:
    return np.random.default_rng(0).choice(trained, count)


def test_rows_like_those_of_training_are_no_drift_and_the_page_shows_each_input(
    drift: Drift, trained: Rows, tmp_path: Path
) -> None:
    code, said = drift(resampled(trained), "--fail")
    assert code == 0
    assert "is what the version was trained on" in said
    assert "2,000 rows asked of calories version 1" in said
    for name in (*INPUTS, "calories"):
        assert name in said
    page = (tmp_path / "drift.html").read_text()
    assert page.count("<figure>") == page.count("<svg") == 4
    assert "<h1>calories version 1: drift</h1>" in page
    assert "http" not in page.replace("http://www.w3.org", "")  # it is all there is to it


def test_a_few_rows_are_no_drift_by_chance(drift: Drift, trained: Rows) -> None:
    assert drift(resampled(trained, 20), "--fail")[0] == 0


def test_an_input_that_moved_is_drift_and_named_and_a_failure_when_asked_for(
    drift: Drift, trained: Rows
) -> None:
    rows = resampled(trained)
    rows[:, 0] = np.minimum(rows[:, 0] + 4, 15)
    code, said = drift(rows, "--fail")
    assert code == DRIFTED
    assert re.search(r"is not what the version was trained on, by its sugar( and|, |\.)", said)
    assert "fiber and" not in said
    assert not re.search(r"^fiber.*drift", said, re.MULTILINE)
    assert drift(None)[0] == 0
    assert drift(None, "--fail --threshold 5")[0] == 0


def test_a_log_that_cannot_be_compared_is_a_sentence(
    drift: Drift, trained: Rows, tmp_path: Path
) -> None:
    code, said = drift(None)
    assert (code, f"PREDICTION_LOG={tmp_path / 'log'}" in said) == (1, True)
    code, said = drift(trained, "--version 7")
    assert (code, "holds no predictions of calories version 7; only 1." in said) == (1, True)
    [file] = (tmp_path / "log").glob("*/*.parquet")
    file.write_bytes(b"PAR1")
    code, said = drift(None)
    assert (code, str(file) in said) == (1, True)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (b"", "has no rows of finite numbers"),
        (b"name,sugar,fiber,protein,calories\na,1,2,nan,4\n", "has no rows of finite numbers"),
        (b"name,sugar,fiber,protein,calories\na,1,2,much,4\n", "is no table of sugar, fiber"),
        (b"name,sugar\na,1\n", "is no table of sugar, fiber, protein"),
        (b"\xff\xfe", "is no table of sugar, fiber, protein"),
    ],
)
def test_rows_of_training_that_are_none_are_a_sentence(  # they may have been made elsewhere
    registry: Registry,
    shipped: Registry,
    trained: Rows,
    drift: Drift,
    written: bytes,
    sentence: str,
) -> None:
    with staging(registry, "calories") as draft:
        shutil.copytree(shipped.folder("calories", 1), draft, dirs_exist_ok=True)
        (draft / ROWS).write_bytes(written)
        publish(registry, draft, shipped.manifest("calories", 1), promote=True)
    code, said = drift(trained, registry=registry)
    assert code == 1
    assert said.startswith("drift: ")
    assert sentence in said


def test_what_a_number_of_before_was_asked_is_not_compared(
    registry: Registry, shipped: Registry, tmp_path: Path, drift: Drift
) -> None:
    def put(source: str) -> None:
        """Version 1 of `m` is a copy of another model."""
        shutil.rmtree(registry.root / "m", ignore_errors=True)
        card = shipped.manifest(source, 1).model_copy(update={"model": "m"})
        with staging(registry, "m") as draft:
            shutil.copytree(shipped.folder(source, 1), draft, dirs_exist_ok=True)
            publish(registry, draft, card, promote=True)

    def ask(row: dict[str, float], times: int) -> None:
        logged = Logged(registry.root, tmp_path / "log")
        for _ in range(times):
            assert logged.predict(row, "?model=m").status_code == 200
        logged.log.write()

    put("linear-unit")
    ask({"sugar": 5}, 3)
    put("linear")
    code, said = drift(None, "--model m", registry)
    assert code == 1
    assert "was asked with sugar, and the one in the registry has sugar, fiber, protein" in said
    [today] = (tmp_path / "log").iterdir()
    today.rename(today.with_name("2026-01-01"))
    ask({"sugar": 5, "fiber": 1, "protein": 2}, 2)
    code, said = drift(None, "--model m", registry)
    assert code == 0
    assert "2 rows asked of m version 1" in said


# The measures


def test_the_index_is_what_its_formula_says() -> None:
    trained, asked = np.array([0.0] * 50 + [1.0] * 50), np.array([0.0] * 20 + [1.0] * 80)
    expected = sum((a - t) * np.log(a / t) for a, t in ((0.2, 0.5), (0.8, 0.5)))
    assert stability(trained, asked)[0] == pytest.approx(expected, rel=0.05)  # half rows
    assert stability(trained, trained)[0] == 0


def test_by_chance_the_index_stays_below_its_bound() -> None:
    rng = np.random.default_rng(0)
    above = [
        index > bound
        for index, bound in (
            stability(rng.normal(size=76), rng.normal(size=50)) for _ in range(500)
        )
    ]
    assert mean(above) < 5 * (1 - CHANCE)


def test_the_quantiles_and_distances_are_those_of_the_tables() -> None:
    for degrees, quantile in ((1, 10.828), (4, 18.467), (9, 27.877)):
        assert chi_squared(0.999, degrees) == pytest.approx(quantile, rel=0.04)
    assert farthest(np.array([1.0, 2, 3, 4]), np.array([3.0, 4, 5, 6])) == 0.5
    assert farthest(np.array([1.0]), np.array([2.0])) == 1
    assert farthest(np.array([1.0, 1, 2]), np.array([1.0, 1, 2])) == 0


def test_much_out_of_range_is_drift_by_itself() -> None:
    trained = np.arange(1.0, 101)
    asked = np.where(np.arange(100) % 8, trained, 200)
    found = compare("sugar", "g", trained, asked, (1, 100))
    assert found.outside == 0.13
    assert found.psi < THRESHOLD
    assert found.drifted(THRESHOLD)
