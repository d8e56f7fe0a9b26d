"""The whole way: train, publish, serve, predict, with the commands of the README."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.registry import Registry
from tests.servers import DEV_PYTHON, ROW, Server, await_, run, running


@pytest.fixture
def registry_root(tmp_path: Path, shipped_root: Path) -> Path:
    shutil.copytree(shipped_root, tmp_path / "registry")
    return tmp_path / "registry"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("served"), registry=shipped_root) as server:
        yield server


def train(registry: Path, *arguments: str) -> None:
    run(DEV_PYTHON, "-m", "training", "--registry", registry, *arguments)


def version(server: Server) -> int:
    answer = server.predict()
    assert answer.status_code == 200
    return int(answer.json()["version"])


def test_a_running_service_moves_to_the_version_that_is_trained(
    tmp_path: Path, registry_root: Path
) -> None:
    with running(tmp_path, registry=registry_root) as server:
        assert version(server) == 1
        train(registry_root)
        await_(lambda: version(server) == 2, "the service answers with version 2")


def plain_tensorflow(registry: Path, model: str, rows: list[dict[str, float]]) -> Any:
    """The answers of both signatures, by tf.saved_model.load in a process of its own."""
    code = """
import json, sys, tensorflow as tf
folder, rows = sys.argv[1], json.loads(sys.argv[2])
signatures = tf.saved_model.load(folder).signatures
columns = {name: tf.constant([float(row[name]) for row in rows]) for name in rows[0]}
answers = [
    signatures["serving_default"](**columns),
    signatures["features"](features=tf.stack(list(columns.values()), axis=1)),
]
print(json.dumps([{name: a[name].numpy().tolist() for name in sorted(a)} for a in answers]))
"""
    loaded = run(DEV_PYTHON, "-c", code, registry / model / "1", json.dumps(rows))
    return json.loads(loaded.stdout.splitlines()[-1])


@pytest.mark.parametrize("model", ["calories", "deep", "linear", "linear-unit"])
def test_plain_tensorflow_gives_the_numbers_of_the_service(
    served: Server, shipped_root: Path, model: str
) -> None:
    names = Registry(shipped_root).manifest(model, 1).input_names
    rows = [
        dict.fromkeys(names, 1.0),
        dict.fromkeys(names, 4.5),
        dict(zip(names, (9.0, 0.0, 3.0), strict=False)),
    ]
    answer = served.predict(rows, f"?model={model}").json()["predictions"]
    for signature in plain_tensorflow(shipped_root, model, rows):
        for output in ("calories", "lower", "upper"):
            assert signature[output] == pytest.approx([row[output] for row in answer], abs=1e-4)


def test_the_savedmodel_itself_can_be_served(
    tmp_path: Path, shipped_root: Path, served: Server
) -> None:
    root = tmp_path / "registry"
    shutil.copytree(shipped_root / "calories", root / "calories")  # alone: it takes its time
    settings = {"registry": root, "engine": "saved_model", "workers": 2}
    with running(tmp_path, python=DEV_PYTHON, **settings) as server:
        assert "(saved_model)" in server.output()
        twin = served.predict(ROW).json()["calories"]
        assert server.predict(ROW).json()["calories"] == pytest.approx(twin, abs=1e-3)
