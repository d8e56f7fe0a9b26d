"""Adopting what was made elsewhere: kept as it is, given a twin, or refused with the way out."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tensorflow.core.protobuf import saved_model_pb2

from models import files
from models.errors import BrokenVersion
from models.manifest import SIGNATURES, TWIN, Manifest
from models.registry import Registry
from service.app import create_app, create_host
from service.settings import Settings
from tests.conftest import Adopted
from tests.dialects import answer
from tests.makings import ADOPTED, REFUSED, WITHOUT_TWIN, adopt, functional, module, table, total
from training.__main__ import main
from training.adopt import NotAdopted
from training.exit_codes import HELD_BACK

GRAPH = "saved_model.pb"


def manifest(adopted: Adopted, name: str) -> Manifest:
    return adopted.registry.verify(name.partition(".")[0], 1)


@pytest.mark.parametrize("name", [name for name in ADOPTED if not name.endswith(".keras")])
def test_the_files_are_kept_byte_for_byte(adopted: Adopted, name: str) -> None:
    made, kept = adopted.made / name, adopted.registry.folder(name, 1)
    names = [each for each in files.names(made) if not each.startswith("assets/")]
    assert GRAPH in names
    assert all((made / each).read_bytes() == (kept / each).read_bytes() for each in names)
    more = set(files.names(kept)) - {*names, "manifest.json", SIGNATURES}
    assert more == (set() if name in WITHOUT_TWIN else {TWIN})


@pytest.mark.parametrize(
    ("name", "signatures", "inputs", "output"),
    [
        ("keras2", ("serving_default", "serve"), "x1 x2 x3", "output_0"),
        ("file.keras", ("serving_default", "serve"), "x1 x2 x3", "output_0"),
        ("named", ("serving_default", "serve"), "fiber protein sugar", "price"),
        ("extra", ("serving_default", "serve"), "x1 x2 x3", "output_0"),
        ("estimator", ("predict",), "fiber protein sugar", "output"),
        ("one", ("serving_default",), "x", "output_0"),
    ],
)
def test_the_manifest_tells_what_is_asked_and_in_which_order(
    adopted: Adopted, name: str, signatures: tuple[str, ...], inputs: str, output: str
) -> None:
    card = manifest(adopted, name)
    assert card.signature
    assert (card.signature.name, *card.signature.aliases) == signatures
    assert card.input_names == tuple(inputs.split())
    assert card.output_names == (output,)
    assert (card.architecture, card.data, card.evaluation, card.seen) == (None, None, None, ())


@pytest.mark.parametrize("name", ADOPTED)
def test_what_has_no_twin_says_why(adopted: Adopted, name: str) -> None:
    card = manifest(adopted, name)
    assert card.signature
    assert (TWIN in card.files) == (card.signature.no_twin == "") == (name not in WITHOUT_TWIN)
    assert WITHOUT_TWIN.get(name, "") in card.signature.no_twin


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_served_is_refused_with_the_way_out(
    registry: Registry, tmp_path: Path, name: str
) -> None:
    make, sentence = REFUSED[name]
    make(tmp_path / name)
    with pytest.raises(NotAdopted, match=sentence):
        adopt(tmp_path / name, registry, "refused")
    assert registry.versions("refused") == ()
    assert not Path("written").exists()


def test_inputs_are_named_in_their_order_and_tensors_put_in_another(
    adopted: Adopted, registry: Registry, tmp_path: Path
) -> None:
    module(total, table(k=None))(tmp_path / "any")
    names = ("sugar", "fiber", "protein")
    for path, model in ((tmp_path / "any", "any"), (adopted.made / "named", "named")):
        found = adopt(path, registry, model, inputs=names, target="price", unit="kUSD").manifest
        assert (found.input_names, found.output.name, found.output.unit) == (names, "price", "kUSD")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--inputs a,b", "--inputs names 2, and a row of 'features' has 3 numbers"),
        ("--inputs a,b,a", "This cannot be published: inputs: expected different names"),
        ("--inputs a,b,c'd", "This cannot be published: inputs"),
        ("--signature other", "no signature 'other'; there are: 'serve', 'serving_default'."),
        ("--target lower", "--target lower: an answer cannot be called so"),
        ("--model Price", "'Price' is no model name"),
    ],
)
def test_a_wrong_option_is_a_sentence(
    adopted: Adopted,
    registry: Registry,
    capsys: pytest.CaptureFixture[str],
    options: str,
    sentence: str,
) -> None:
    more = ["--model", "m", "--registry", str(registry.root), *options.split()]
    assert main(["adopt", str(adopted.made / "functional"), *more]) == 1
    assert sentence in capsys.readouterr().err


def test_the_next_version_is_not_stable_by_itself(
    adopted: Adopted, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["adopt", str(adopted.made / "module"), "--model", "m"]
    command += ["--registry", str(registry.root)]
    assert [main(command), main(command)] == [0, HELD_BACK]
    assert "stable stays where it is: nothing was measured of it" in capsys.readouterr().out
    assert main([*command, "--force-label"]) == 0
    assert registry.labels("m") == {"stable": 3}


def test_rows_that_it_was_not_trained_on_give_ranges_an_interval_and_a_score(
    registry: Registry, tmp_path: Path
) -> None:
    rows = np.random.default_rng(0).uniform(-2, 2, (200, 3)).round(4)
    truth = np.tanh(rows).sum(axis=1) + np.tile([-0.5, 0.5], 100)
    lines = [",".join(map(str, row)) for row in np.column_stack([rows, truth])]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,c,price", *lines]))
    module(total, table())(tmp_path / "m")
    data: dict[str, Any] = {
        "inputs": ("a", "b", "c"),
        "data": str(tmp_path / "rows.csv"),
        "target": "price",
    }
    card = adopt(tmp_path / "m", registry, "m", **data).manifest
    assert card.output_names == ("price", "lower", "upper")
    assert [(each.min, each.max) for each in card.inputs] == [
        *zip(rows.min(axis=0), rows.max(axis=0), strict=True)
    ]
    assert card.interval
    assert card.evaluation
    assert card.interval.half_width == pytest.approx(0.5, abs=1e-4)
    assert card.evaluation.model.mean_absolute_error == pytest.approx(0.5, abs=1e-4)
    settings = Settings(registry=registry.root, default_model="m")
    client = create_app(settings, create_host(settings)).test_client()
    told = answer(client.post("/predict", json={"a": 1, "b": 1, "c": 1}))
    assert told["upper"] - told["price"] == pytest.approx(0.5, abs=1e-4)
    assert told["in_range"] is True
    alone = answer(client.post("/v1/models/m:predict", json={"instances": [[1, 1, 1]]}))
    assert alone == {"predictions": [told["price"]]}


def test_what_lies_beside_a_savedmodel_is_passed_over(
    adopted: Adopted, registry: Registry, tmp_path: Path
) -> None:
    shutil.copytree(adopted.made / "module", tmp_path / "more")
    names = ["manifest.json", "model.sig", TWIN, "report/index.html", "saved_model.cpb"]
    for name in names:
        (tmp_path / "more" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "more" / name).write_text("mine")
    found = adopt(tmp_path / "more", registry, "m")
    assert sorted(found.passed_over) == sorted(names)
    assert {"report/index.html", "saved_model.cpb"}.isdisjoint(found.manifest.files)
    assert registry.read(found.manifest, TWIN) != b"mine"


Spoil = Callable[[Path], object]


def cut(name: str, keep: float) -> Spoil:
    def spoil(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * keep)])

    return spoil


def edited(edit: Callable[[Any], object]) -> Spoil:
    def spoil(folder: Path) -> None:
        graph = saved_model_pb2.SavedModel.FromString((folder / GRAPH).read_bytes())
        edit(graph.meta_graphs[0].signature_def["serving_default"])
        (folder / GRAPH).write_bytes(graph.SerializeToString())

    return spoil


def renamed(signature: Any) -> None:
    signature.inputs['it\'s "x"\n'].CopyFrom(signature.inputs.pop("x"))


VARIABLES = "variables/variables.index"
SPOILT: dict[str, Spoil] = {
    "half a graph": cut(GRAPH, 0.5),
    "no graph": cut(GRAPH, 0),
    "half of the variables": cut(VARIABLES, 0.5),
    "no variables": lambda folder: (folder / VARIABLES).unlink(),
    "no file": lambda folder: (folder / GRAPH).unlink(),
    "a link": lambda folder: (folder / "assets.extra").symlink_to("/etc"),
    "a name with quotes": edited(renamed),
    "an unknown type": edited(lambda it: setattr(it.inputs["x"], "dtype", 0)),
    "an unknown rank": edited(
        lambda it: setattr(it.inputs["x"].tensor_shape, "unknown_rank", True)
    ),
    "a sparse tensor": edited(lambda it: it.inputs["x"].coo_sparse.SetInParent()),
    "no size": edited(lambda it: setattr(it.inputs["x"].tensor_shape.dim[1], "size", 0)),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_savedmodel_that_somebody_spoilt_is_a_sentence(
    adopted: Adopted, registry: Registry, tmp_path: Path, name: str
) -> None:
    shutil.copytree(adopted.made / "module", tmp_path / "m")
    SPOILT[name](tmp_path / "m")
    with pytest.raises((NotAdopted, BrokenVersion), match=r"^.{20,900}\.$"):
        adopt(tmp_path / "m", registry, "m")
    assert registry.versions("m") == ()


def test_no_byte_that_is_changed_is_more_than_a_refusal(
    adopted: Adopted, registry: Registry, tmp_path: Path
) -> None:
    chance = np.random.default_rng(0)
    content = bytearray((adopted.made / "module" / GRAPH).read_bytes())
    for number in range(20):
        shutil.copytree(adopted.made / "module", tmp_path / str(number))
        wrong = bytearray(content)
        wrong[chance.integers(len(wrong))] ^= 1 << chance.integers(8)
        (tmp_path / str(number) / GRAPH).write_bytes(wrong)
        with suppress(NotAdopted):
            adopt(tmp_path / str(number), registry, "m")


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The parts of a .keras file."""
    path = tmp_path_factory.mktemp("keras") / "file.keras"
    functional(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(parts: Iterator[tuple[str, bytes]] | list[tuple[str, bytes]]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts:
            archive.writestr(name, content)
    return whole.getvalue()


def elsewhere(weights: bytes, change: Callable[[h5py.File], object]) -> bytes:
    whole = io.BytesIO(weights)
    with h5py.File(whole, "r+") as file:
        change(file)
    return whole.getvalue()


CLASSES: dict[str, dict[str, object]] = {
    "another module": {"module": "os", "class_name": "system"},
    "a function of Python": {"module": "builtins", "class_name": "function", "config": "eval"},
    "a download": {"module": "keras.utils", "class_name": "get_file"},
    "a SavedModel": {"module": "keras.layers", "class_name": "TFSMLayer"},
    "its own class": {"module": "keras.layers", "class_name": "Dense", "registered_name": "my>D"},
    "no module": {"class_name": "Dense"},
    "a lambda": {"class_name": "__lambda__", "config": {"code": "4wEA"}},
}
WEIGHTS: dict[str, Callable[[h5py.File], object]] = {
    "a link to a file": lambda it: it.__setitem__("a", h5py.ExternalLink("/etc/hostname", "/")),
    "a link": lambda it: it.__setitem__("a", h5py.SoftLink("/layers")),
    "another file": lambda it: it.create_dataset(
        "a", (3,), "u1", external=[("/etc/hostname", 0, 3)]
    ),
    "8 TB of nothing": lambda it: it.create_dataset("a", (10**12,), "f8", chunks=(1000,)),
}


@pytest.mark.parametrize(
    "name", [*CLASSES, *WEIGHTS, "path", "twice", "bomb", "text", "deep", "cut"]
)
def test_a_keras_file_that_a_stranger_wrote_is_refused_before_it_is_loaded(
    registry: Registry,
    tmp_path: Path,
    keras_file: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setattr("keras.saving.load_model", lambda *_, **__: pytest.fail("it was loaded"))
    parts, config, weights = dict(keras_file), "config.json", "model.weights.h5"
    if name in CLASSES:
        description = json.loads(parts[config])
        description["config"]["layers"][1]["config"]["dtype"] = CLASSES[name]
        parts[config] = json.dumps(description).encode()
    elif name in WEIGHTS:
        parts[weights] = elsewhere(parts[weights], WEIGHTS[name])
    changed: dict[str, Callable[[], bytes]] = {
        "path": lambda: zipped([*parts.items(), ("../../escaped", b"")]),
        "bomb": lambda: zipped([*({**parts, config: b" " * 2**25}).items()]),
        "text": lambda: b"no zip at all",
        "deep": lambda: zipped([*({**parts, config: b"[" * 100_000}).items()]),
        "cut": lambda: zipped([*parts.items()])[:-100],
    }
    if name == "twice":
        with pytest.warns(UserWarning, match="Duplicate name"):
            content = zipped([*parts.items(), (config, b"{}")])
    else:
        content = changed[name]() if name in changed else zipped([*parts.items()])
    (tmp_path / "m.keras").write_bytes(content)
    with pytest.raises(NotAdopted, match=r"^m\.keras .{10,}\.$"):
        adopt(tmp_path / "m.keras", registry, "m")
