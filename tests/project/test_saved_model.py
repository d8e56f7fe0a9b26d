"""The SavedModel and its twin: plain TensorFlow and a service of each give the same numbers."""

import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from models.registry import Registry
from tests.conftest import SHIPPED
from tests.servers import DEV_PYTHON, ROW, Server, running


@pytest.mark.parametrize("model", SHIPPED)
def test_plain_tensorflow_gives_the_numbers_of_the_service(
    server: Server, shipped: Registry, model: str
) -> None:
    names = shipped.manifest(model, 1).input_names
    rows = [dict.fromkeys(names, 1.0), dict(zip(names, (9.0, 0.0, 3.0), strict=False))]
    answer = server.predict(rows, f"?model={model}").json()["predictions"]
    signatures = tf.saved_model.load(str(shipped.folder(model, 1))).signatures
    columns = {name: tf.constant([row[name] for row in rows]) for name in names}
    by_row = tf.stack(list(columns.values()), axis=1)
    for found in (signatures["serving_default"](**columns), signatures["features"](by_row)):
        for output in ("calories", "lower", "upper"):
            expected = [row[output] for row in answer]
            assert found[output].numpy().tolist() == pytest.approx(expected, abs=1e-4)


def test_the_savedmodel_itself_can_be_served(
    tmp_path: Path, shipped: Registry, server: Server
) -> None:
    root = tmp_path / "registry"
    shutil.copytree(shipped.root / "calories", root / "calories")  # alone: it takes its time
    settings = {"registry": root, "engine": "saved_model", "workers": 1}
    with running(tmp_path, DEV_PYTHON, **settings) as other:
        assert "(saved_model)" in other.output()
        twin = server.predict(ROW).json()["calories"]
        assert other.predict(ROW).json()["calories"] == pytest.approx(twin, abs=1e-3)
