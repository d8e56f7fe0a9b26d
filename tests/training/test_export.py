"""The export: two signatures, and a twin that answers as the SavedModel does."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.manifest import TWIN, Input
from models.registry import Registry
from tests.conftest import SHIPPED
from training.architectures import ARCHITECTURES, build
from training.export import (
    VARIABLES,
    ExportError,
    check_parity,
    compile_twin,
    export,
    operations,
    write_saved_model,
)
from training.publish import publish_trained
from training.train import Config, train

NAMES = ["sugar", "fiber", "protein"]
OUTPUTS = ["calories", "lower", "upper"]
INPUTS = tuple(Input(name=name, min=0, max=15, mean=5) for name in NAMES)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    keras.utils.set_random_seed(0)
    export(build(ARCHITECTURES["deep"]), INPUTS, "calories", 10.0, folder)
    return folder


def test_both_signatures_take_and_answer_columns_and_agree(exported: Path) -> None:
    signatures = tf.saved_model.load(str(exported)).signatures
    _, inputs = signatures["serving_default"].structured_input_signature
    column = (tf.float32, 1)
    assert {name: (spec.dtype, spec.shape.rank) for name, spec in inputs.items()} == dict.fromkeys(
        NAMES, column
    )
    for signature in signatures.values():
        outputs = signature.structured_outputs
        found = {name: (spec.dtype, spec.shape.rank) for name, spec in outputs.items()}
        assert found == dict.fromkeys(OUTPUTS, column)
    rows = np.array([[5, 1, 2], [0, 9, 4]], np.float32)
    by_row = signatures["features"](features=tf.constant(rows))
    columns = {name: tf.constant(each) for name, each in zip(NAMES, rows.T, strict=True)}
    by_name = signatures["serving_default"](**columns)
    for name in OUTPUTS:
        np.testing.assert_array_equal(by_row[name], by_name[name])
    assert float(by_row["upper"][0] - by_row["lower"][0]) == pytest.approx(20)


@pytest.mark.parametrize("model", [*SHIPPED, "exported"])
def test_no_variable_is_left_in_a_twin(shipped: Registry, exported: Path, model: str) -> None:
    folder = exported if model == "exported" else shipped.folder(model, 1)
    assert not VARIABLES & set(operations((folder / TWIN).read_bytes()))


class Wrapped(tf.Module):  # type: ignore[misc]
    """What one writes without ExportArchive; it saves and converts without a word."""

    def __init__(self) -> None:
        super().__init__()
        self.model = build(ARCHITECTURES["deep"])

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, "features")])  # type: ignore[untyped-decorator]
    def features(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict.fromkeys(OUTPUTS, self.model(features)[:, 0])


def test_a_twin_with_variables_in_it_is_refused(tmp_path: Path) -> None:
    wrapped = Wrapped()
    tf.saved_model.save(wrapped, str(tmp_path), signatures={"features": wrapped.features})
    with pytest.raises(ExportError, match="its weights would be uninitialised memory"):
        compile_twin(tmp_path)


def kinked(slope: float) -> keras.Model:
    """100 kcal up to 20 g of sugar, so in all of the training range; then `slope` a gram more."""
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(1, "relu"), keras.layers.Dense(1)]
    )
    first, second = np.array([[1.0], [0.0], [0.0]]), np.array([[slope]])
    model.set_weights([first, np.array([-20.0]), second, np.array([100.0])])
    return model


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The twin of a model that always answers 100 kcal, 10 less and 10 more."""
    folder = tmp_path_factory.mktemp("flat")
    write_saved_model(kinked(0), NAMES, "calories", 10.0, folder)
    return compile_twin(folder)


@pytest.mark.parametrize(
    ("slope", "half_width", "sentence"),
    [
        (0, 10.01, "by 0.01.* on rows inside the training range, where the largest answer is 110"),
        (1, 10.0, "on rows ten times as far"),
        (np.nan, 10.0, "answers none of the rows that were tried with a number"),
    ],
    ids=["interval", "outside", "nan"],
)
def test_a_twin_that_differs_anywhere_is_refused(
    flat: bytes, tmp_path: Path, slope: float, half_width: float, sentence: str
) -> None:
    write_saved_model(kinked(slope), NAMES, "calories", half_width, tmp_path)
    (tmp_path / TWIN).write_bytes(flat)
    with pytest.raises(ExportError, match=sentence):
        check_parity(tmp_path, INPUTS, "calories")


def test_inputs_in_another_order_than_the_graphs_are_refused(exported: Path) -> None:
    with pytest.raises(ExportError, match="The twin differs from the SavedModel by"):
        check_parity(exported, INPUTS[::-1], "calories")


def test_what_fails_the_parity_check_is_not_published(
    registry: Registry, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.export.TOLERANCE", -1.0)
    trained = train(Config(architecture=ARCHITECTURES["linear"]))
    with pytest.raises(ExportError, match="The twin differs"):
        publish_trained(trained, registry, "linear")
    assert list((registry.root / "linear").iterdir()) == []
