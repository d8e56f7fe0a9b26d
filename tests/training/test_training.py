"""python -m training, from its options to a version in the registry."""

import csv
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from models.manifest import ROWS
from models.publish import import_version, publish, staging
from models.registry import Registry
from models.signing import verifier
from tests.conftest import SHIPPED, Keys
from tests.servers import ROOT
from training import sample
from training.__main__ import main
from training.dataset import Dataset
from training.exit_codes import HELD_BACK
from training.publish import ranges

ARCHITECTURE = {"calories": "ensemble"}  # the others are called as their model


@pytest.fixture(scope="module")
def retrained(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> tuple[Registry, Path]:
    """All four models as the code of today trains them, one signed, and its TensorBoard logs."""
    root, logs = tmp_path_factory.mktemp("retrained"), tmp_path_factory.mktemp("logs")
    for model in SHIPPED:
        name = ARCHITECTURE.get(model, model)
        signed = ["--tensorboard", str(logs), "--sign", str(keys.private)]
        extra = signed if model == "deep" else []
        assert main(["--architecture", name, "--registry", str(root), *extra]) == 0
    return Registry(root), logs


def test_training_signs_with_the_key_it_is_given(
    retrained: tuple[Registry, Path], keys: Keys
) -> None:
    assert Registry(retrained[0].root, verifier(keys.public)).verify("deep", 1)


def test_a_bad_key_is_told_before_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--sign", str(tmp_path / "nowhere.pem"), "--registry", str(tmp_path)]) == 1
    assert "nowhere.pem holds no key to use" in capsys.readouterr().err


def answers(registry: Registry, model: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """What version 1 answers over the training range."""
    loaded = tf.saved_model.load(str(registry.folder(model, 1)))
    inputs = registry.manifest(model, 1).inputs
    low, high = [each.min for each in inputs], [each.max for each in inputs]
    rows = np.random.default_rng(0).uniform(low, high, (1000, len(inputs))).astype(np.float32)
    outputs = loaded.signatures["features"](features=tf.constant(rows))
    return np.stack([outputs[name].numpy() for name in ("calories", "lower", "upper")])


@pytest.mark.parametrize("model", SHIPPED)
def test_retraining_gives_the_shipped_scores(
    retrained: tuple[Registry, Path], shipped: Registry, model: str
) -> None:
    now, then = (r.manifest(model, 1).evaluation.model for r in (retrained[0], shipped))
    assert now.mean_absolute_error == pytest.approx(then.mean_absolute_error, abs=0.25)


@pytest.mark.parametrize(
    ("model", "tolerance"), [("linear-unit", 0.05), ("linear", 0.05), ("deep", 4), ("calories", 2)]
)
def test_retraining_gives_the_shipped_answers(
    retrained: tuple[Registry, Path], shipped: Registry, model: str, tolerance: float
) -> None:
    """In kcal, on average: rounding differs between processors and grows over a training."""
    difference = answers(retrained[0], model) - answers(shipped, model)
    assert np.abs(difference).mean() < tolerance


@pytest.mark.parametrize("model", SHIPPED)
def test_a_version_is_whole(retrained: tuple[Registry, Path], model: str) -> None:
    manifest = retrained[0].verify(model, 1)
    assert {"saved_model.pb", "model.tflite", "report/index.html", ROWS} <= manifest.files.keys()


@pytest.mark.parametrize("model", SHIPPED)
def test_retraining_shows_the_shipped_rows(
    retrained: tuple[Registry, Path], shipped: Registry, model: str
) -> None:
    now, then = (r.folder(model, 1) / ROWS for r in (retrained[0], shipped))
    assert now.read_bytes() == then.read_bytes()


def test_the_manifest_says_what_the_model_was_made_from(
    retrained: tuple[Registry, Path],
) -> None:
    manifest = retrained[0].manifest("calories", 1)
    assert manifest.input_names == ("sugar", "fiber", "protein")
    assert (manifest.data.source, manifest.data.rows, manifest.data.left_out) == ("cereals", 76, 1)
    assert manifest.architecture.libraries["tensorflow"] == tf.__version__
    assert manifest.inputs[0].max == 15


def test_tensorboard_gets_both_errors(retrained: tuple[Registry, Path]) -> None:
    [log] = retrained[1].glob("events.out.tfevents.*")
    records = tf.data.TFRecordDataset(str(log))
    events = [tf.compat.v1.Event.FromString(record.numpy()) for record in records]
    tags = {value.tag for event in events for value in event.summary.value}
    assert tags == {"mean absolute error/training", "mean absolute error/held out"}


def test_the_linear_unit_prints_its_weight_and_bias(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--architecture", "linear-unit", "--registry", str(registry.root)]) == 0
    said = capsys.readouterr().out
    assert "calories = 89.158 +2.5356 sugar" in said
    assert "5 g sugar: 101.8 kcal" in said
    assert "left out: 1 row without sugars: Quaker_Oatmeal" in said


def test_a_version_is_held_against_what_is_stable_when_it_is_published(
    registry: Registry, shipped: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_version(registry, shipped.folder("linear-unit", 1))
    write = sample.write

    def meanwhile(data: Dataset, folder: Path) -> None:
        """Somebody else publishes a version that is better."""
        write(data, folder)
        best = shipped.manifest("calories", 1).model_copy(update={"model": "linear-unit"})
        with staging(registry, "linear-unit") as draft:
            publish(registry, draft, best, promote=True)

    monkeypatch.setattr(sample, "write", meanwhile)
    ended = main(["--architecture", "linear-unit", "--registry", str(registry.root)])
    assert registry.versions("linear-unit") == (1, 2, 3)
    assert (ended, registry.labels("linear-unit")) == (HELD_BACK, {"stable": 2})


def test_the_introductions_network_is_one_command(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--architecture", "deep", "--inputs", "sugar,fiber", "--model", "intro"]
    assert main([*options, "--registry", str(registry.root)]) == 0
    assert "deep: 31 parameters" in capsys.readouterr().out
    assert registry.manifest("intro", 1).input_names == ("sugar", "fiber")


def test_a_table_of_ones_own_trains_and_publishes(registry: Registry, tmp_path: Path) -> None:
    with (tmp_path / "mine.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["kcal", "sweet"])
        writer.writerows([80 + 4 * grams, grams] for grams in range(30))
    options = ["--architecture", "linear-unit", "--data", str(tmp_path / "mine.csv")]
    options += ["--target", "kcal", "--column", "sugar=sweet", "--model", "mine"]
    assert main([*options, "--registry", str(registry.root)]) == 0
    assert registry.manifest("mine", 1).data.source == "mine.csv"


def test_what_is_measured_of_odd_data_can_be_published_and_read(
    registry: Registry, tmp_path: Path
) -> None:
    odd = tmp_path / "a\tfile\nof \u202emine.csv"
    lines = [f"{80 + 4 * grams}e30,{grams},3" for grams in range(30)]
    odd.write_text("\n".join(["calories,sugar,salt", *lines]))
    options = ["--architecture", "linear", "--inputs", "sugar,salt", "--data", str(odd)]
    assert main([*options, "--model", "odd", "--registry", str(registry.root)]) == 0
    assert registry.manifest("odd", 1).inputs[1].quantiles["0.5"] == 3
    assert registry.manifest("odd", 1).data.source.isprintable()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # as a user would see it
def test_what_cannot_be_published_is_a_sentence(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"{80 + 4 * grams}e-300,{grams}" for grams in range(30)]
    (tmp_path / "tiny.csv").write_text("\n".join(["calories,sugar", *lines]))
    options = ["--architecture", "linear-unit", "--data", str(tmp_path / "tiny.csv")]
    assert main([*options, "--registry", str(registry.root)]) == 1
    sentence = "training: This cannot be published: r2: Input should be a finite number"
    assert sentence in capsys.readouterr().err
    assert registry.models() == ()


column = st.lists(st.floats(-1e9, 1e9) | st.sampled_from([0.1, 0.3]), min_size=20, max_size=30)


@given(column | st.floats(-1e9, 1e9).map(lambda one: [one] * 76))
def test_what_training_says_of_an_input_is_as_a_manifest_has_it(cells: list[float]) -> None:
    rows = np.array(cells)[:, None]
    data = Dataset("any", "0" * 64, ("sugar",), (), rows, rows[:, 0], (), "a serving")
    [told] = ranges(data)
    assert told.min <= told.max


def test_data_that_cannot_be_read_publish_nothing(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", "nowhere.csv", "--registry", str(registry.root)]) == 1
    assert capsys.readouterr().err.startswith("training: nowhere.csv does not exist")
    assert registry.models() == ()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--hidden", "4,x"], "expected widths from 1 to 1024 as in 4,3"),
        (["--hidden", "0"], "expected widths from 1 to 1024"),
        (["--hidden", ",".join(["4"] * 101)], "as in 4,3, at most 100"),
        (["--inputs", "sugar,sugar"], "expected different names"),
        (["--inputs", "sugar,\u7cd6"], "expected different names of letters, digits and '_'"),
        (["--inputs", "a" * 64], "expected different names"),
        (["--inputs", ",".join(f"x{number}" for number in range(257))], "at most 256"),
        (["--inputs", "calories"], "calories cannot be an input's name"),
        (["--column", "sugar"], "expected INPUT=COLUMN"),
        (["--coverage", "1"], "expected a share between 0 and 1"),
        (["--activation", "bend"], "Keras has no activation 'bend'"),
        (["--architecture", "linear", "--hidden", "4"], "linear has no hidden layers"),
        (["--architecture", "tree"], "invalid choice: 'tree'"),
        (["all", "--model", "x"], "all has a name for each model"),
    ],
)
def test_a_wrong_option_is_a_sentence(
    capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def ignored(*paths: str) -> set[str]:
    command = ["git", "check-ignore", "--no-index", *paths]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return set(listed.stdout.split())


def test_what_a_user_trains_leaves_the_work_tree_clean() -> None:
    trained = {"models/calories/2/manifest.json", "models/mine/1/manifest.json"}
    kept = {f"models/{model}/1/manifest.json" for model in SHIPPED}
    assert ignored(*trained, *kept, "models/calories/labels.json") == {
        *trained,
        "models/calories/labels.json",
    }
