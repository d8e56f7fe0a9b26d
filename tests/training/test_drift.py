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


@pytest.fixture
def trained(shipped: Registry) -> Rows:
    """The rows that calories version 1 was trained on, float64 [m, 3] in g."""
    with (shipped.root / "calories" / "1" / ROWS).open() as file:
        return np.array([[float(row[name]) for name in INPUTS] for row in csv.DictReader(file)])


@pytest.fixture
def drift(shipped: Registry, tmp_path: Path) -> Callable[..., int]:
    """Have the service log these rows, and run the command; the page is drift.html in tmp_path."""

    def drift(rows: Rows, *arguments: str) -> int:
        logged = Logged(shipped.root, tmp_path / "log")
        answer = logged.predict(dict(zip(INPUTS, rows.T.tolist(), strict=True)))
        assert answer.status_code == 200
        logged.log.write()
        return command(shipped, tmp_path, *arguments)

    return drift


def command(shipped: Registry, folder: Path, *arguments: str) -> int:
    where = (str(folder / "log"), "--registry", str(shipped.root))
    return main(["drift", *where, "--output", str(folder / "drift.html"), *arguments])


def resampled(trained: Rows, count: int = 2000) -> Rows:
    return np.random.default_rng(0).choice(trained, count)


def test_rows_like_those_of_training_are_no_drift_and_the_page_shows_each_input(
    drift: Callable[..., int], trained: Rows, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drift(resampled(trained), "--fail") == 0
    told = capsys.readouterr().out
    assert "is what the version was trained on" in told
    assert "2,000 rows asked of calories version 1" in told
    for name in (*INPUTS, "calories"):
        assert name in told
    page = (tmp_path / "drift.html").read_text()
    assert page.count("<figure>") == page.count("<svg") == 4
    assert "<h1>calories version 1: drift</h1>" in page
    assert "http" not in page.replace("http://www.w3.org", "")  # it is all there is to it


def test_a_few_rows_are_no_drift_by_chance(drift: Callable[..., int], trained: Rows) -> None:
    assert drift(resampled(trained, 20), "--fail") == 0


def test_an_input_that_moved_is_drift_and_named_and_a_failure_when_asked_for(
    drift: Callable[..., int],
    shipped: Registry,
    trained: Rows,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = resampled(trained)
    rows[:, 0] = np.minimum(rows[:, 0] + 4, 15)
    assert drift(rows, "--fail") == DRIFTED
    told = capsys.readouterr().out
    assert re.search(r"is not what the version was trained on, by its sugar( and|, |\.)", told)
    assert "fiber and" not in told
    assert not re.search(r"^fiber.*drift", told, re.MULTILINE)
    assert command(shipped, tmp_path) == 0
    assert command(shipped, tmp_path, "--fail", "--threshold", "5") == 0


def test_a_log_that_cannot_be_compared_is_a_sentence(
    drift: Callable[..., int],
    shipped: Registry,
    trained: Rows,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command(shipped, tmp_path) == 1
    assert f"PREDICTION_LOG={tmp_path / 'log'}" in capsys.readouterr().err
    assert drift(trained, "--version", "7") == 1
    assert "holds no predictions of calories version 7; only 1." in capsys.readouterr().err
    [file] = (tmp_path / "log").glob("*/*.parquet")
    file.write_bytes(b"PAR1")
    assert command(shipped, tmp_path) == 1
    assert str(file) in capsys.readouterr().err


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


@pytest.mark.parametrize(("degrees", "quantile"), [(1, 10.828), (4, 18.467), (9, 27.877)])
def test_the_quantiles_are_those_of_the_tables(degrees: int, quantile: float) -> None:
    assert chi_squared(0.999, degrees) == pytest.approx(quantile, rel=0.04)


def test_the_distance_is_kolmogorovs_and_smirnovs() -> None:
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
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    written: bytes,
    sentence: str,
) -> None:
    with staging(registry, "calories") as draft:
        shutil.copytree(shipped.folder("calories", 1), draft, dirs_exist_ok=True)
        (draft / ROWS).write_bytes(written)
        publish(registry, draft, shipped.manifest("calories", 1), promote=True)
    logged = Logged(registry.root, tmp_path / "log")
    assert logged.predict().status_code == 200
    logged.log.write()
    assert command(registry, tmp_path) == 1
    said = capsys.readouterr().err
    assert said.startswith("drift: ")
    assert sentence in said


def test_what_a_number_of_before_was_asked_is_not_compared(
    registry: Registry, shipped: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
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
    assert command(registry, tmp_path, "--model", "m") == 1
    assert "was asked with sugar, and the one in the registry has sugar, fiber, protein" in (
        capsys.readouterr().err
    )
    [today] = (tmp_path / "log").iterdir()
    today.rename(today.with_name("2026-01-01"))
    ask({"sugar": 5, "fiber": 1, "protein": 2}, 2)
    assert command(registry, tmp_path, "--model", "m") == 0
    assert "2 rows asked of m version 1" in capsys.readouterr().out
