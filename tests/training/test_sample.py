"""training.csv: rows that a version was trained on, written by training and served with it."""

import csv
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient

from models.manifest import ROWS
from models.publish import publish, staging
from models.registry import Registry
from service.app import create_app, create_host
from service.settings import Settings
from training import sample
from training.dataset import Dataset, load

INPUTS = ("sugar", "fiber", "protein")


def written(data: Dataset, folder: Path) -> list[list[str]]:
    sample.write(data, folder)
    with (folder / ROWS).open(newline="") as file:
        return list(csv.reader(file))


def test_a_version_shows_every_cereal_with_its_name(tmp_path: Path) -> None:
    header, *rows = written(load("cereals", INPUTS), tmp_path)
    assert header == ["name", "sugar", "fiber", "protein", "calories"]
    assert len(rows) == 76
    assert rows[0] == ["100%_Bran", "6", "10", "4", "70"]


def test_a_version_shows_the_inputs_it_takes(tmp_path: Path) -> None:
    header, *_ = written(load("cereals", ["sugar"]), tmp_path)
    assert header == ["name", "sugar", "calories"]


def test_of_a_large_table_500_rows_are_shown_spread_from_first_to_last(tmp_path: Path) -> None:
    few = load("cereals", INPUTS)
    places = np.arange(2000)
    many = replace(
        few,
        names=tuple(map(str, places)),
        rows=few.rows[places % len(few)],
        calories=few.calories[places % len(few)],
    )
    _, *rows = written(many, tmp_path)
    shown = np.array([int(row[0]) for row in rows])
    assert (len(shown), shown[0], shown[-1]) == (500, 0, 1999)
    assert set(np.diff(shown)) == {4, 5}


@pytest.fixture(scope="module")
def client(shipped: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """Serves the linear unit as it ships, and as version 2 without its rows."""
    registry = Registry(tmp_path_factory.mktemp("registry"))
    manifest = shipped.manifest("linear-unit", 1)
    for without in ((), (ROWS,)):
        with staging(registry, "linear-unit") as draft:
            shutil.copytree(shipped.folder("linear-unit", 1), draft, dirs_exist_ok=True)
            for name in without:
                (draft / name).unlink()
            publish(registry, draft, manifest, promote=True)
    settings = Settings(registry=registry.root, default_model="linear-unit")
    host = create_host(settings)
    yield create_app(settings, host).test_client()
    host.close()


def test_the_rows_are_served_as_they_were_published(client: FlaskClient, shipped: Registry) -> None:
    response = client.get("/models/linear-unit/1/training")
    assert (response.status_code, response.content_type) == (200, "text/csv; charset=utf-8")
    assert response.data == (shipped.folder("linear-unit", 1) / ROWS).read_bytes()


def test_a_version_without_rows_says_so(client: FlaskClient) -> None:
    response = client.get("/models/linear-unit/2/training")
    assert (response.status_code, response.content_type) == (404, "application/problem+json")
    assert "linear-unit version 2 has no training.csv" in response.get_json(force=True)["detail"]
