"""A graph is a program: what computes is loaded, what could do more is not."""

import inspect
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import requests
import tensorflow as tf
from tensorflow.core.framework import graph_pb2, op_def_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.client import pywrap_tf_session

from models import files
from models.manifest import Manifest
from models.publish import publish, staging
from models.registry import BrokenVersion, Registry
from service.serving.engines import OUTPUTS, load
from service.serving.engines.litert import LiteRT
from service.serving.engines.operations import ALLOWED, check
from service.serving.engines.saved_model import GRAPH, SavedModel
from tests.servers import DEV_PYTHON, PATIENCE, Server, await_, running

MODEL = "linear-unit"  # the one that is tampered with

NO_ACTIVATIONS = {"deserialize", "get", "serialize", "threshold"}  # the last takes an argument
ACTIVATIONS = sorted(
    name
    for name, value in vars(keras.activations).items()
    if inspect.isfunction(value) and name not in NO_ACTIVATIONS
)


def graph_of(folder: Path) -> Any:
    return saved_model_pb2.SavedModel.FromString((folder / GRAPH).read_bytes())


def exported(model: keras.Model, folder: Path) -> Any:
    archive = keras.export.ExportArchive()
    archive.track(model)
    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)]
    archive.add_endpoint("features", model.call, signature)
    archive.write_out(str(folder), verbose=False)
    return graph_of(folder)


def test_of_the_operations_with_a_state_only_calls_and_variables_are_allowed() -> None:
    known = op_def_pb2.OpList.FromString(
        pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())
    )
    stateful = {each.name for each in known.op if each.name in ALLOWED and each.is_stateful}
    assert {each.name for each in known.op} >= ALLOWED
    assert stateful == {
        *("Case", "If", "While", "StatefulPartitionedCall"),
        *("DisableCopyOnRead", "ReadVariableOp", "ResourceGather"),
        *("VarHandleOp", "VarIsInitializedOp"),
        "CheckNumerics",  # raises an error, and has no other effect
    }


@pytest.mark.parametrize("model", ["calories", "deep", "linear", "linear-unit"])
def test_what_ships_only_computes(shipped: Registry, model: str) -> None:
    check(graph_of(shipped.folder(model, 1)), model)


def test_every_activation_of_keras_only_computes(tmp_path: Path) -> None:
    assert len(ACTIVATIONS) > 20
    given = keras.Input((4,))
    layers = [keras.layers.Dense(4)(given) for _ in ACTIVATIONS]
    active = [keras.layers.Activation(n)(x) for n, x in zip(ACTIVATIONS, layers, strict=True)]
    heads = [keras.ops.sum(each, axis=-1, keepdims=True) for each in active]
    check(exported(keras.Model(given, keras.layers.Add()(heads)), tmp_path), "all")


def test_the_layers_of_an_ordinary_network_only_compute(tmp_path: Path) -> None:
    layers = [
        keras.Input((4,)),
        keras.layers.Normalization(mean=1.0, variance=2.0),
        keras.layers.Rescaling(0.5),
        keras.layers.Dense(8, "relu"),
        keras.layers.BatchNormalization(),
        keras.layers.LayerNormalization(),
        keras.layers.Dropout(0.1),
        keras.layers.GaussianNoise(0.1),
        keras.layers.PReLU(),
        keras.layers.UnitNormalization(),
        keras.layers.Reshape((8, 1)),
        keras.layers.Conv1D(2, 3),
        keras.layers.AveragePooling1D(2),
        keras.layers.GlobalMaxPooling1D(),
        keras.layers.Flatten(),
        keras.layers.Dense(1),
    ]
    check(exported(keras.Sequential(layers), tmp_path), "ordinary")


def read_file(x: tf.Tensor) -> tf.Tensor:
    return x + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)


def write_file(x: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([tf.io.write_file("written", "x")]):
        return tf.identity(x)


def python(x: tf.Tensor) -> tf.Tensor:
    return tf.ensure_shape(tf.numpy_function(lambda a: a, [x], tf.float32), x.shape)


def inside_a_branch(x: tf.Tensor) -> tf.Tensor:
    return tf.cond(tf.reduce_sum(x) > 1e9, lambda: read_file(x), lambda: x)


def inside_a_loop(x: tf.Tensor) -> tf.Tensor:
    [found] = tf.while_loop(lambda y: tf.reduce_sum(y) < 0, lambda y: [read_file(y)], [x])
    return found


def inside_a_function_of_a_function(x: tf.Tensor) -> tf.Tensor:
    return tf.function(lambda y: tf.function(read_file)(y) + 1)(x)


def inside_a_data_set(x: tf.Tensor) -> tf.Tensor:
    rows = tf.data.Dataset.from_tensors(x).map(read_file)
    return rows.reduce(tf.zeros_like(x), lambda a, b: a + b)


def data_set_of_files(x: tf.Tensor) -> tf.Tensor:
    rows = tf.data.TextLineDataset("/etc/hostname").map(lambda _: x)
    return rows.reduce(tf.zeros_like(x), lambda a, b: a + b)


def printing(x: tf.Tensor) -> tf.Tensor:
    tf.print(x, output_stream="file://written")
    return x


def random(x: tf.Tensor) -> tf.Tensor:
    return x + tf.random.normal(tf.shape(x))


@pytest.mark.parametrize(
    ("answer", "operation"),
    [
        (read_file, "ReadFile"),
        (write_file, "WriteFile"),
        (python, "PyFunc"),
        (inside_a_branch, "ReadFile"),
        (inside_a_loop, "ReadFile"),
        (inside_a_function_of_a_function, "ReadFile"),
        (inside_a_data_set, "(ReadFile|Dataset)"),
        (data_set_of_files, "Dataset"),
        (printing, "(StringFormat|PrintV2)"),
        (random, "RandomStandardNormal"),
    ],
)
def test_a_graph_that_may_do_more_is_refused_with_the_operation_and_its_node(
    tmp_path: Path, answer: Callable[[tf.Tensor], tf.Tensor], operation: str
) -> None:
    module = tf.Module()
    module.features = tf.function(answer, [tf.TensorSpec((None, 1), tf.float32)])
    tf.saved_model.save(module, str(tmp_path))
    sentence = rf"is not loaded: its operation '\w*{operation}\w*' \(node '.+' of '.+'\) is not"
    with pytest.raises(BrokenVersion, match=sentence):
        check(graph_of(tmp_path), "the graph")


@pytest.fixture
def plain(shipped: Registry) -> Any:
    """The graph of `linear-unit`, to be tampered with."""
    return graph_of(shipped.folder(MODEL, 1))


def function(saved_model: Any, name: str) -> Any:
    library = saved_model.meta_graphs[0].graph_def.library
    return next(each for each in library.function if name in each.signature.name)


def call_save(graph: Any) -> None:
    save = function(graph, "traced_save").signature.name
    function(graph, "inference_answer").node_def.add(op="PartitionedCall").attr[
        "f"
    ].func.name = save


def call_save_from_a_list(graph: Any) -> None:
    save = function(graph, "traced_save").signature.name
    node = function(graph, "inference_answer").node_def.add(op="Case")
    node.attr["branches"].list.func.add().name = save


def call_save_through_another_attribute(graph: Any) -> None:
    save = function(graph, "traced_save").signature.name
    node = function(graph, "inference_answer").node_def.add(op="PartitionedCall")
    node.attr["f"].func.name = "other"
    node.attr["f"].func.attr["inner"].func.name = save


def name_save_in_text(graph: Any) -> None:
    save = function(graph, "traced_save").signature.name
    function(graph, "inference_answer").node_def[0].attr["f"].s = save.encode()


def name_save_in_a_list_of_texts(graph: Any) -> None:
    save = function(graph, "traced_save").signature.name
    function(graph, "inference_answer").node_def[0].attr["f"].list.s.append(save.encode())


def name_save_in_the_attribute_of_a_function(graph: Any) -> None:
    save = function(graph, "traced_save").signature.name
    function(graph, "inference_answer").attr["f"].s = save.encode()


def call_save_from_what_nothing_calls(graph: Any) -> None:
    save = function(graph, "traced_save").signature.name
    idle = graph.meta_graphs[0].graph_def.library.function.add()
    idle.signature.name = "idle"
    idle.node_def.add(op="PartitionedCall").attr["f"].func.name = save


def call_save_from_a_second_definition(graph: Any) -> None:
    again = graph.meta_graphs[0].graph_def.library.function.add()
    again.signature.name = function(graph, "inference_answer").signature.name
    save = function(graph, "traced_save").signature.name
    again.node_def.add(op="PartitionedCall").attr["f"].func.name = save


def call_save_as_an_operation_that_computes(graph: Any) -> None:
    """A function may be called as an operation is, and be named as one that computes."""
    save = function(graph, "traced_save").signature
    for node in graph.meta_graphs[0].graph_def.node:
        if node.attr["f"].func.name == save.name:
            node.attr["f"].func.name = "Relu"
    save.name = "Relu"
    function(graph, "inference_answer").node_def.add(op="Relu")


def assign_in_the_answer(graph: Any) -> None:
    function(graph, "inference_answer").node_def.add(op="AssignVariableOp", name="assign")


def offer_save_to_objects(graph: Any) -> None:
    save = function(graph, "traced_save").signature.name
    graph.meta_graphs[0].object_graph_def.concrete_functions[save].SetInParent()


def offer_save_to_the_optimiser(graph: Any) -> None:
    function(graph, "traced_save").attr["api_implements"].s = b"answer"


def make_save_a_gradient(graph: Any) -> None:
    save = function(graph, "traced_save").signature.name
    graph.meta_graphs[0].graph_def.library.gradient.add(function_name="f", gradient_func=save)


def call_save_from_the_graph(graph: Any) -> None:
    save = function(graph, "traced_save").signature.name
    graph.meta_graphs[0].graph_def.node.add(op="PartitionedCall").attr["f"].func.name = save


def forget_the_saver(graph: Any) -> None:
    graph.meta_graphs[0].ClearField("saver_def")


def save_outside_of_functions(graph: Any) -> None:
    graph.meta_graphs[0].graph_def.node.add(op="SaveV2", name="save")


def read_in_the_saver(graph: Any) -> None:
    function(graph, "traced_restore").node_def.add(op="ReadFile", name="read")


def call_an_operation_of_ones_own(graph: Any) -> None:
    """A function may be called as an operation is, and be named as a real one."""
    library = graph.meta_graphs[0].graph_def.library
    library.function.add().signature.name = "ReadFile"
    function(graph, "inference_answer").node_def.add(op="ReadFile", name="read")


def define_a_function_twice(graph: Any) -> None:
    library = graph.meta_graphs[0].graph_def.library
    again = library.function.add()
    again.signature.name = function(graph, "inference_answer").signature.name
    again.node_def.add(op="ReadFile", name="read")


def carry_a_graph_in_a_graph(graph: Any) -> None:
    """What is in the text of a constant is no node of this graph, until something runs it."""
    inner = graph_pb2.GraphDef()
    inner.node.add(op="ReadFile", name="read")
    nodes = function(graph, "inference_answer").node_def
    text = nodes.add(op="Const", name="text")
    text.attr["dtype"].type = tf.string.as_datatype_enum
    text.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(inner.SerializeToString()))
    nodes.add(op="DatasetFromGraph", name="run", input=["text"])


SAVES = r"operation '(StaticRegexFullMatch|StringJoin|ShardedFilename|SaveV2)' \(node .*"
SAVING = SAVES + "traced_save"
READING = r"operation 'ReadFile' \(node 'read'"


@pytest.mark.parametrize(
    ("tamper", "sentence"),
    [
        (call_save, SAVING),
        (call_save_from_a_list, SAVING),
        (call_save_through_another_attribute, SAVING),
        (name_save_in_text, SAVING),
        (name_save_in_a_list_of_texts, SAVING),
        (name_save_in_the_attribute_of_a_function, SAVING),
        (call_save_from_what_nothing_calls, SAVING),
        (call_save_from_a_second_definition, SAVING),
        (call_save_as_an_operation_that_computes, SAVES + "'Relu'"),
        (offer_save_to_objects, SAVING),
        (offer_save_to_the_optimiser, SAVING),
        (make_save_a_gradient, SAVING),
        (call_save_from_the_graph, SAVING),
        (forget_the_saver, SAVING),
        (save_outside_of_functions, r"operation 'SaveV2' \(node 'save' of 'the graph'\)"),
        (assign_in_the_answer, r"operation 'AssignVariableOp' \(node 'assign'"),
        (read_in_the_saver, READING),
        (call_an_operation_of_ones_own, READING),
        (define_a_function_twice, READING),
        (carry_a_graph_in_a_graph, r"operation 'DatasetFromGraph' \(node 'run'"),
    ],
)
def test_an_operation_on_files_that_is_hidden_is_found(
    plain: Any, tamper: Callable[[Any], None], sentence: str
) -> None:
    check(plain, "before")
    tamper(plain)
    with pytest.raises(BrokenVersion, match=sentence):
        check(plain, "after")


def of_tensorflow_1(graph: Any) -> None:
    graph.meta_graphs[0].ClearField("object_graph_def")


def with_two_graphs(graph: Any) -> None:
    graph.meta_graphs.add().CopyFrom(graph.meta_graphs[0])


def with_no_graph(graph: Any) -> None:
    graph.ClearField("meta_graphs")


@pytest.mark.parametrize("change", [of_tensorflow_1, with_two_graphs, with_no_graph])
def test_what_tensorflow_would_load_another_way_is_refused(
    plain: Any, change: Callable[[Any], None]
) -> None:
    change(plain)
    with pytest.raises(BrokenVersion, match="is not as TensorFlow 2 exports it"):
        check(plain, "the graph")


@pytest.fixture(scope="module", params=["loop"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shipped_root: Path
) -> Iterator[Server]:
    """A service that runs the SavedModel of `linear-unit`; the registry lies beside its log."""
    folder = tmp_path_factory.mktemp("operations")
    shutil.copytree(shipped_root / MODEL, folder / "registry" / MODEL)
    settings = {
        "registry": folder / "registry",
        "default_model": MODEL,
        "engine": "saved_model",
        "server": request.param,
        "workers": 1,
        "poll_seconds": 0.2,
    }
    with running(folder, DEV_PYTHON, **settings) as server:
        yield server


def read_in_the_answer(graph: Any) -> None:
    function(graph, "inference_answer").node_def.add(op="ReadFile", name="read")


def write_in_the_answer(graph: Any) -> None:
    function(graph, "inference_answer").node_def.add(op="WriteFile", name="write")


@pytest.mark.parametrize(
    ("tamper", "operation"),
    [
        (read_in_the_answer, "'ReadFile' (node 'read'"),
        (write_in_the_answer, "'WriteFile' (node 'write'"),
        (carry_a_graph_in_a_graph, "'DatasetFromGraph' (node 'run'"),
    ],
)
def test_a_running_service_refuses_a_graph_that_may_do_more_and_goes_on(
    server: Server, tamper: Callable[[Any], None], operation: str
) -> None:
    registry = Registry(server.log.parent / "registry")
    version = publish_tampered(registry, tamper)
    sentence = f"{MODEL} version {version} is not loaded: its operation {operation}"
    await_(lambda: sentence in models(server), "the version is refused")
    assert registry.labels(MODEL)["stable"] == version
    assert {server.predict({"sugar": 5}).json()["version"] for _ in range(10)} == {1}


def publish_tampered(registry: Registry, tamper: Callable[[Any], None]) -> int:
    """Publish version 1 anew with another graph in it."""
    manifest = registry.manifest(MODEL, 1)
    with staging(registry, MODEL) as draft:
        registry.copy(manifest, manifest.files, draft)
        graph = graph_of(draft)
        tamper(graph)
        (draft / GRAPH).write_bytes(graph.SerializeToString())
        return publish(registry, draft, manifest, promote=True)


def models(server: Server) -> str:
    return requests.get(f"{server.url}/models", timeout=PATIENCE).text


@pytest.fixture
def published(registry: Registry, shipped: Registry) -> Callable[..., Manifest]:
    """Publish `linear-unit` with other files in it."""

    def published(**files: bytes) -> Manifest:
        manifest = shipped.manifest(MODEL, 1)
        with staging(registry, MODEL) as draft:
            shipped.copy(manifest, manifest.files, draft)
            for name, content in files.items():
                (draft / name.replace("_pb", ".pb").replace("_cpb", ".cpb")).write_bytes(content)
            version = publish(registry, draft, manifest, promote=True)
        return registry.manifest("linear-unit", version)

    return published


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x0a\xff\xff\xff\xff\x7f"])
def test_a_graph_that_cannot_be_read_is_a_sentence(
    registry: Registry, published: Callable[..., Manifest], content: bytes
) -> None:
    manifest = published(saved_model_pb=content)
    with pytest.raises(BrokenVersion, match=r"saved_model\.pb of linear-unit version 1"):
        load(registry, manifest, "saved_model")


def test_only_the_graph_that_was_looked_at_is_loaded_and_its_copy_is_gone(
    registry: Registry,
    published: Callable[..., Manifest],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    manifest = published(saved_model_cpb=b"another form of the graph")
    copied: list[str] = []

    def noted(folder: Path) -> None:
        copied.extend(files.names(folder))

    after_the_copy(monkeypatch, registry, noted)
    engine = SavedModel(registry, manifest)
    assert np.isfinite(engine.predict(np.ones((1, 1), np.float32))).all()
    variables = ["variables/variables.data-00000-of-00001", "variables/variables.index"]
    assert copied == [GRAPH, *variables]
    assert not list(tmp_path.glob("calories-*"))


def test_a_graph_that_is_exchanged_once_it_was_copied_is_not_what_is_loaded(
    registry: Registry, published: Callable[..., Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = published()
    graph = registry.folder(MODEL, 1) / GRAPH
    after_the_copy(monkeypatch, registry, lambda _: graph.write_bytes(b"\xff"))
    engine = SavedModel(registry, manifest)
    assert np.isfinite(engine.predict(np.ones((1, 1), np.float32))).all()


def after_the_copy(
    monkeypatch: pytest.MonkeyPatch, registry: Registry, do: Callable[[Path], object]
) -> None:
    """Do something with the private copy of a version as soon as it is there."""
    copy = registry.copy

    def copying(manifest: Manifest, names: Iterable[str], target: Path) -> None:
        copy(manifest, names, target)
        do(target)

    monkeypatch.setattr(registry, "copy", copying)


def test_the_copy_is_gone_after_a_refusal_too(
    registry: Registry,
    published: Callable[..., Manifest],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(BrokenVersion):
        SavedModel(registry, published(saved_model_pb=b"\xff"))
    assert not list(tmp_path.glob("calories-*"))


def test_a_twin_with_an_operation_of_tensorflow_is_refused(tmp_path: Path) -> None:
    module = tf.Module()
    module.features = tf.function(
        lambda features: {name: read_file(features) for name in OUTPUTS},
        [tf.TensorSpec((None, 1), tf.float32, "features")],
    )
    tf.saved_model.save(module, str(tmp_path), {"features": module.features})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path), ["features"])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
    twin = converter.convert()
    with pytest.raises(RuntimeError, match=r"Select TensorFlow op\(s\).* not supported"):
        LiteRT(twin).predict(np.ones((1, 1), np.float32))
