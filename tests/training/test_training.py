"""python -m training, from its options to a version in the registry."""

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from models.manifest import ROWS, Evaluation, Input, Manifest, Score
from models.publish import publish, staging
from models.registry import Registry
from models.signing import verifier
from tests.conftest import SHIPPED, Keys
from tests.servers import ROOT
from training import gate, sample
from training.__main__ import main
from training.dataset import Dataset
from training.exit_codes import HELD_BACK
from training.learners import LEAST_SQUARES
from training.publish import measured

RETRAINED = {"deep": "deep", "calories": "ensemble"}  # by model; docs/tutorial.md has the linear


Train = Callable[[str], tuple[int, str]]


@pytest.fixture
def train(registry: Registry, capsys: pytest.CaptureFixture[str]) -> Train:
    """Run the command with these options: its exit code, and what it said."""

    def train(options: str) -> tuple[int, str]:
        code = main([*shlex.split(options), "--registry", str(registry.root)])
        return code, "".join(capsys.readouterr())

    return train


@pytest.fixture(scope="module")
def retrained(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> tuple[Registry, Path]:
    """Two models as the code of today trains them, one signed, and its TensorBoard logs."""
    root, logs = tmp_path_factory.mktemp("retrained"), tmp_path_factory.mktemp("logs")
    for model, name in RETRAINED.items():
        signed = ["--tensorboard", str(logs), "--sign", str(keys.private)]
        extra = signed if model == "deep" else []
        assert main(["--architecture", name, "--registry", str(root), *extra]) == 0
    return Registry(root), logs


def answers(registry: Registry, model: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """What version 1 answers over the training range."""
    loaded = tf.saved_model.load(str(registry.folder(model, 1)))
    inputs = registry.manifest(model, 1).seen
    low, high = [each.min for each in inputs], [each.max for each in inputs]
    rows = np.random.default_rng(0).uniform(low, high, (1000, len(inputs))).astype(np.float32)
    outputs = loaded.signatures["features"](features=tf.constant(rows))
    return np.stack([outputs[name].numpy() for name in ("calories", "lower", "upper")])


@pytest.mark.parametrize(("model", "tolerance"), [("deep", 4), ("calories", 2)])
def test_retraining_gives_the_shipped_scores_answers_and_rows(
    retrained: tuple[Registry, Path], shipped: Registry, model: str, tolerance: float
) -> None:
    registry, _ = retrained
    manifest, then = registry.verify(model, 1), shipped.manifest(model, 1)
    assert manifest.evaluation
    assert then.evaluation
    now, before = gate.by_definition(manifest.evaluation), gate.by_definition(then.evaluation)
    assert now.keys() == before.keys()
    for folds, scores in now.items():
        error = before[folds].model.mean_absolute_error
        assert scores.model.mean_absolute_error == pytest.approx(error, abs=0.25)
    # In kcal, on average: rounding differs between processors and grows over a training.
    assert np.abs(answers(registry, model) - answers(shipped, model)).mean() < tolerance
    assert {"saved_model.pb", "model.tflite", "report/index.html", ROWS} <= manifest.files.keys()
    assert manifest.files[ROWS] == then.files[ROWS]
    assert manifest.input_names == ("sugar", "fiber", "protein")
    assert manifest.data
    assert (manifest.data.source, manifest.data.rows, manifest.data.left_out) == ("cereals", 76, 1)
    assert manifest.architecture
    assert manifest.architecture.libraries["tensorflow"] == tf.__version__
    assert manifest.inputs[0].max == 15


def test_training_signs_with_the_key_it_is_given(
    retrained: tuple[Registry, Path], keys: Keys
) -> None:
    assert Registry(retrained[0].root, verifier(keys.public)).verify("deep", 1)


def test_tensorboard_gets_both_errors(retrained: tuple[Registry, Path]) -> None:
    [log] = retrained[1].glob("events.out.tfevents.*")
    records = tf.data.TFRecordDataset(str(log))
    events = [tf.compat.v1.Event.FromString(record.numpy()) for record in records]
    tags = {value.tag for event in events for value in event.summary.value}
    assert tags == {"mean absolute error/training", "mean absolute error/held out"}


# Promotion: what is worse is published, and stable stays.


def evaluation(error: float, least_squares: float = 11.5, folds: str = "") -> Evaluation:
    def of(each: float) -> Score:
        return Score(mean_absolute_error=each, root_mean_squared_error=each, r2=0)

    return Evaluation(folds=folds, model=of(error), baselines={LEAST_SQUARES: of(least_squares)})


@pytest.mark.parametrize(
    ("found", "stable", "refused"),
    [
        (evaluation(7.0), evaluation(7.3), ""),
        (evaluation(7.6), evaluation(7.3), ""),
        (evaluation(7.8), evaluation(7.3), "at most 5% more"),
        (evaluation(11.7), evaluation(7.3), "is worse than"),
        (evaluation(11.51), None, ""),  # a linear unit beside the least squares that it is
        # Of different tables their shares of least squares are compared: 61 % each.
        (evaluation(14.0, least_squares=23.0), evaluation(7.0), ""),
        (evaluation(0.0, least_squares=0.0), evaluation(7.0), ""),
    ],
)
def test_a_version_must_be_nearly_as_good_as_stable(
    found: Evaluation, stable: Evaluation | None, refused: str
) -> None:
    said = gate.judge(found, stable)
    assert (refused in said.refusal) if refused else not said.refusal
    assert not said.note


def test_errors_on_other_folds_are_not_compared_and_that_is_said() -> None:
    before = evaluation(7.3, folds="apart")
    found = evaluation(8.6, folds="together")
    said = gate.judge(found, before)
    assert not said.refusal
    assert "on other folds (apart) than this version (together)" in said.note
    assert "held against least squares alone" in said.note
    for error, refused in ((7.2, ""), (8.6, "at most 5% more")):  # what both have is compared
        both = found.model_copy(update={"apart": evaluation(error, folds="apart")})
        said = gate.judge(both, before)
        assert (refused in said.refusal) if refused else not said.refusal
        assert not said.note


def put(registry: Registry, card: Manifest, error: float, *, promote: bool = True) -> None:
    """Publish a version of `linear-unit` with this held-out error."""
    scores = evaluation(error, folds="RepeatedKFold(n_splits=10, n_repeats=5, random_state=0)")
    found = card.model_copy(update={"model": "linear-unit", "evaluation": scores})
    with staging(registry, "linear-unit") as draft:
        publish(registry, draft, found, promote=promote)


def test_a_worse_model_is_published_and_stable_moves_by_force_only(
    registry: Registry, card: Manifest, quick: None, train: Train
) -> None:
    put(registry, card, 1)
    put(registry, card, 1000, promote=False)  # it is held against stable, not against the last
    code, said = train("--architecture linear-unit")
    assert code == HELD_BACK
    assert "stable stays where it is: its held-out error is" in said
    assert registry.versions("linear-unit") == (1, 2, 3)
    assert registry.labels("linear-unit") == {"stable": 1}
    assert train("--architecture linear-unit --force-label")[0] == 0
    assert registry.labels("linear-unit") == {"stable": 4}


@pytest.mark.parametrize(("meanwhile", "ended", "stable"), [(1, HELD_BACK, 2), (1000, 0, 3)])
def test_a_version_is_held_against_what_is_stable_when_it_is_published(
    registry: Registry,
    card: Manifest,
    quick: None,
    train: Train,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: float,
    ended: int,
    stable: int,
) -> None:
    write = sample.write

    def interrupted(data: Dataset, folder: Path) -> None:
        """Somebody else publishes."""
        write(data, folder)
        put(registry, card, meanwhile)

    put(registry, card, 1000)
    monkeypatch.setattr(sample, "write", interrupted)
    assert train("--architecture linear-unit")[0] == ended
    assert registry.labels("linear-unit") == {"stable": stable}


# What cannot be trained on or published


def table(path: Path, unit: str) -> str:
    """The options for a table of sugar, salt and calories in this unit."""
    lines = [f"{80 + 4 * grams}{unit},{grams},3" for grams in range(30)]
    path.write_text("\n".join(["calories,sugar,salt", *lines]))
    options = "--architecture linear --target calories --inputs sugar,salt --model odd --data"
    return f"{options} {shlex.quote(str(path))}"


def test_what_is_measured_of_odd_data_can_be_published_and_read(
    registry: Registry, tmp_path: Path, quick: None, train: Train
) -> None:
    assert train(table(tmp_path / "a\tfile\nof \u202emine.csv", "e30"))[0] == 0
    assert registry.manifest("odd", 1).inputs[1].quantiles["0.5"] == 3
    assert "\u202e" not in str(registry.manifest("odd", 1).data)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # as a user would see it
def test_what_cannot_be_published_is_a_sentence(
    registry: Registry, tmp_path: Path, quick: None, train: Train
) -> None:
    code, said = train(table(tmp_path / "tiny.csv", "e-300"))
    assert code == 1
    assert re.search("training: This cannot be published: .*: Input should be a finite", said)
    assert registry.models() == ()


def test_a_model_is_called_as_its_file_and_takes_no_place_of_another(
    registry: Registry, tmp_path: Path, quick: None, train: Train
) -> None:
    path = tmp_path / "My table, 2.csv"
    rows = [f"{i % 7 - 3},{i * i % 11},{i}" for i in range(1, 31)]
    path.write_text("\n".join(["a,b,price", *rows]))
    asked = f"--data {shlex.quote(str(path))} --missing mean --accept a=-9:9"
    code, said = train(f"{asked} --target price --unit kUSD")
    assert code in (0, HELD_BACK)
    assert "published my-table-2 version 1" in said
    manifest = registry.manifest("my-table-2", 1)
    assert [(each.name, each.min, each.accept) for each in manifest.inputs] == [
        ("a", -3, (-9, 9)),
        ("b", 0, None),
    ]
    assert (manifest.output.name, manifest.output.unit, manifest.output.max) == (
        "price",
        "kUSD",
        30,
    )
    assert manifest.output_names == ("price", "lower", "upper")
    code, said = train(f"{asked} --target b")
    assert code == 1
    assert "my-table-2 is there already, and is of other columns: price from a, b." in said


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--sign nowhere.pem", "training: nowhere.pem holds no key to use"),
        ("--data nowhere.csv", "training: nowhere.csv does not exist"),
    ],
)
def test_what_is_not_there_is_told_before_the_training(
    registry: Registry, train: Train, option: str, sentence: str
) -> None:
    code, said = train(option)
    assert code == 1
    assert sentence in said
    assert registry.models() == ()


column = st.lists(st.floats(-1e9, 1e9) | st.sampled_from([0.1, 0.3]), min_size=20, max_size=30)


@given(column | st.floats(-1e9, 1e9).map(lambda one: [one] * 76))
def test_what_training_says_of_an_input_is_as_a_manifest_has_it(cells: list[float]) -> None:
    told = measured(Input(name="x"), np.array(cells))
    assert told.min is not None
    assert told.max is not None
    assert told.min <= told.max


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--hidden 4,x", "expected widths from 1 to 1024 as in 4,3"),
        ("--hidden 0", "expected widths from 1 to 1024"),
        (f"--hidden {','.join('4' * 101)}", "as in 4,3, at most 100"),
        ("--inputs sugar,sugar", "expected different names"),
        ("--inputs sugar,\u7cd6", "expected different names of letters, digits and '_'"),
        (f"--inputs {','.join(f'x{number}' for number in range(257))}", "at most 256"),
        ("--inputs lower", "lower cannot be an input's name"),
        ("--accept sugar", "expected INPUT=LOW:HIGH"),
        ("--accept sugar=5:1", "expected INPUT=LOW:HIGH"),
        ("--missing guess", "invalid choice: 'guess'"),
        ("--column sugar", "expected INPUT=COLUMN"),
        ("--coverage 1", "expected a share between 0 and 1"),
        ("--activation bend", "Keras has no activation 'bend'"),
        ("--architecture linear --hidden 4", "linear has no hidden layers"),
        ("all --model x", "all has a name for each model"),
    ],
)
def test_a_wrong_option_is_a_sentence(
    capsys: pytest.CaptureFixture[str], option: str, sentence: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(option.split())
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_what_a_user_trains_leaves_the_work_tree_clean() -> None:
    kept = {f"models/{model}/1/manifest.json" for model in SHIPPED}
    trained = ["models/calories/2/manifest.json", "models/mine/1/manifest.json"]
    trained.append("models/calories/labels.json")
    command = ["git", "check-ignore", "--no-index", *trained, *kept]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert listed.stdout.split() == trained
