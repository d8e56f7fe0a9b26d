"""The export: two signatures, and a twin that answers as the SavedModel does."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.manifest import TWIN, Input
from models.registry import Registry
from training.architectures import ARCHITECTURES, build
from training.export import (
    OUTPUTS,
    VARIABLES,
    ExportError,
    check_parity,
    compile_twin,
    export,
    operations,
    write_saved_model,
)
from training.publish import publish_trained
from training.train import Config, Trained, train

NAMES = ["sugar", "fiber", "protein"]
INPUTS = tuple(Input(name=name, min=0, max=15, mean=5, quantiles={}) for name in NAMES)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    keras.utils.set_random_seed(0)
    export(build(ARCHITECTURES["deep"]), INPUTS, 10.0, folder)
    return folder


@pytest.fixture(scope="module")
def trained() -> Trained:
    deep = ARCHITECTURES["deep"]
    return train(Config(architecture=replace(deep, recipe=replace(deep.recipe, steps=50))))


def shapes(specs: dict[str, tf.TensorSpec]) -> dict[str, tuple[tf.DType, int]]:
    """The dtype and the rank of each."""
    return {name: (spec.dtype, spec.shape.rank) for name, spec in specs.items()}


def test_serving_default_takes_a_column_an_input(exported: Path) -> None:
    signature = tf.saved_model.load(str(exported)).signatures["serving_default"]
    _, inputs = signature.structured_input_signature
    assert {name: (spec.dtype, spec.shape.rank) for name, spec in inputs.items()} == dict.fromkeys(
        NAMES, (tf.float32, 1)
    )


def test_features_takes_rows_in_the_manifests_order(exported: Path) -> None:
    signatures = tf.saved_model.load(str(exported)).signatures
    rows = np.array([[5, 1, 2], [0, 9, 4]], np.float32)
    by_row = signatures["features"](features=tf.constant(rows))
    by_name = signatures["serving_default"](
        sugar=tf.constant(rows[:, 0]),
        fiber=tf.constant(rows[:, 1]),
        protein=tf.constant(rows[:, 2]),
    )
    for name in OUTPUTS:
        np.testing.assert_array_equal(by_row[name], by_name[name])


@pytest.mark.parametrize("signature", ["features", "serving_default"])
def test_both_signatures_answer_three_columns(exported: Path, signature: str) -> None:
    outputs = tf.saved_model.load(str(exported)).signatures[signature].structured_outputs
    assert {name: (spec.dtype, spec.shape.rank) for name, spec in outputs.items()} == dict.fromkeys(
        OUTPUTS, (tf.float32, 1)
    )


def test_the_interval_is_in_the_graph(exported: Path) -> None:
    answer = tf.saved_model.load(str(exported)).signatures["features"](features=tf.ones((1, 3)))
    assert float(answer["upper"][0] - answer["lower"][0]) == pytest.approx(20)


def test_no_variable_is_left_in_the_twin(exported: Path) -> None:
    assert not VARIABLES & set(operations((exported / TWIN).read_bytes()))


@pytest.mark.parametrize("model", ["calories", "deep", "linear", "linear-unit"])
def test_no_variable_is_left_in_a_shipped_twin(shipped: Registry, model: str) -> None:
    assert not VARIABLES & set(operations(shipped.read(shipped.manifest(model, 1), TWIN)))


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


def test_a_twin_of_another_model_is_refused(exported: Path, tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    export(build(ARCHITECTURES["deep"]), INPUTS, 10.0, tmp_path)
    (tmp_path / TWIN).write_bytes((exported / TWIN).read_bytes())
    with pytest.raises(ExportError, match="kcal inside the training range"):
        check_parity(tmp_path, INPUTS)


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
    write_saved_model(kinked(0), NAMES, 10.0, folder)
    return compile_twin(folder)


@pytest.mark.parametrize(
    ("slope", "half_width", "sentence"),
    [
        (0, 10.01, "by 0.01.* kcal inside the training range"),
        (1, 10.0, "kcal up to 1000 g"),
        (np.nan, 10.0, "by nan kcal inside the training range"),
    ],
    ids=["interval", "outside", "nan"],
)
def test_a_twin_that_differs_anywhere_is_refused(
    flat: bytes, tmp_path: Path, slope: float, half_width: float, sentence: str
) -> None:
    write_saved_model(kinked(slope), NAMES, half_width, tmp_path)
    (tmp_path / TWIN).write_bytes(flat)
    with pytest.raises(ExportError, match=sentence):
        check_parity(tmp_path, INPUTS)


def test_inputs_in_another_order_than_the_graphs_are_refused(exported: Path) -> None:
    with pytest.raises(ExportError, match="kcal inside the training range"):
        check_parity(exported, INPUTS[::-1])


def test_what_fails_the_parity_check_is_not_published(
    registry: Registry, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.export.INSIDE_TOLERANCE", -1.0)
    monkeypatch.setattr("training.export.INSIDE_ROUNDING", -1.0)
    with pytest.raises(ExportError, match="nothing was published"):
        publish_trained(trained, registry, "deep")
    assert list((registry.root / "deep").iterdir()) == []
