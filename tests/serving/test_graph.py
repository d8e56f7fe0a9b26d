"""A graph is a program: what computes is loaded, what could do more is not."""

import inspect
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.json_format import MessageToDict
from tensorflow.core.framework import graph_pb2, op_def_pb2
from tensorflow.core.framework.attr_value_pb2 import AttrValue, NameAttrList
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.framework.op_def_pb2 import OpDef
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.client import pywrap_tf_session

from models import files
from models.graph import ALLOWED, check
from models.manifest import Manifest
from models.publish import publish, staging
from models.registry import BrokenVersion, Registry
from service.api.tfserving.write import signature_def
from service.app import create_host
from service.errors import NotLoaded
from service.serving.engines import load
from service.serving.engines.litert import LiteRT
from service.serving.engines.saved_model import GRAPH, SavedModel
from service.settings import Settings
from tests.conftest import SHIPPED

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


@pytest.mark.parametrize("model", SHIPPED)
def test_what_ships_only_computes_and_has_the_signatures_that_are_told(
    shipped: Registry, model: str
) -> None:
    saved, card = graph_of(shipped.folder(model, 1)), shipped.manifest(model, 1)
    check(saved, model)
    signatures = {
        name: MessageToDict(
            signature, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        for name, signature in saved.meta_graphs[0].signature_def.items()
    }
    for signature in signatures.values():
        signature.pop("defaults", None)  # a field that TensorFlow Serving's REST does not print
    assert signature_def(card.input_names, card.output_names) == signatures


def test_every_activation_and_the_layers_of_an_ordinary_network_only_compute(
    tmp_path: Path,
) -> None:
    assert len(ACTIVATIONS) > 20
    given = keras.Input((4,))
    active = [keras.layers.Activation(name)(keras.layers.Dense(4)(given)) for name in ACTIVATIONS]
    heads = [keras.ops.sum(each, axis=-1, keepdims=True) for each in active]
    check(exported(keras.Model(given, keras.layers.Add()(heads)), tmp_path / "all"), "all")
    of = keras.layers
    layers = [
        *(keras.Input((4,)), of.Normalization(mean=1.0, variance=2.0), of.Rescaling(0.5)),
        *(of.Dense(8, "relu"), of.BatchNormalization(), of.LayerNormalization()),
        *(of.Dropout(0.1), of.GaussianNoise(0.1), of.PReLU(), of.UnitNormalization()),
        *(of.Reshape((8, 1)), of.Conv1D(2, 3), of.AveragePooling1D(2), of.GlobalMaxPooling1D()),
        *(of.Flatten(), of.Dense(1)),
    ]
    check(exported(keras.Sequential(layers), tmp_path / "ordinary"), "ordinary")


Answer = Callable[[tf.Tensor], tf.Tensor]


def reading(x: tf.Tensor) -> tf.Tensor:
    return x + tf.cast(tf.strings.length(tf.io.read_file(FILE)), tf.float32)


def writing(x: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([tf.io.write_file("written", "x")]):
        return tf.identity(x)


def printing(x: tf.Tensor) -> tf.Tensor:
    tf.print(x, output_stream="file://written")
    return x


def in_a_branch(x: tf.Tensor) -> tf.Tensor:
    return tf.cond(tf.reduce_sum(x) > 1e9, lambda: reading(x), lambda: x)


def in_a_loop(x: tf.Tensor) -> tf.Tensor:
    return tf.while_loop(lambda y: tf.reduce_sum(y) < 0, lambda y: [reading(y)], [x])[0]


def python(x: tf.Tensor) -> tf.Tensor:
    return tf.ensure_shape(tf.numpy_function(lambda a: a, [x], tf.float32), x.shape)


def summed(rows: tf.data.Dataset, x: tf.Tensor) -> tf.Tensor:
    return rows.reduce(tf.zeros_like(x), lambda a, b: a + b)


FILE = "/etc/hostname"
MORE: dict[str, tuple[Answer, str]] = {
    "read": (reading, "ReadFile"),
    "write": (writing, "WriteFile"),
    "print": (printing, "(StringFormat|PrintV2)"),
    "python": (python, "PyFunc"),
    "random": (lambda x: x + tf.random.normal(tf.shape(x)), "RandomStandardNormal"),
    "branch": (in_a_branch, "ReadFile"),
    "loop": (in_a_loop, "ReadFile"),
    "functions": (tf.function(lambda x: tf.function(reading)(x) + 1), "ReadFile"),
    "data": (lambda x: summed(tf.data.Dataset.from_tensors(x).map(reading), x), "(ReadFile|Data)"),
    "lines": (lambda x: summed(tf.data.TextLineDataset(FILE).map(lambda _: x), x), "Dataset"),
}


@pytest.mark.parametrize("name", MORE)
def test_a_graph_that_may_do_more_is_refused_with_the_operation_and_its_node(
    tmp_path: Path, name: str
) -> None:
    answer, operation = MORE[name]
    module = tf.Module()
    module.features = tf.function(answer, [tf.TensorSpec((None, 1), tf.float32)])
    tf.saved_model.save(module, str(tmp_path))
    sentence = rf"is not loaded: its operation '\w*{operation}\w*' \(node '.+' of '.+'\) is not"
    with pytest.raises(BrokenVersion, match=sentence):
        check(graph_of(tmp_path), "the graph")


A, N = AttrValue, NameAttrList


class Plain:
    """The graph of `linear-unit` with its parts at hand, to be tampered with."""

    def __init__(self, graph: Any) -> None:
        self.graph, self.meta = graph, graph.meta_graphs[0]
        self.library, self.nodes = self.meta.graph_def.library, self.meta.graph_def.node
        self.answer, self.saver = self.function("inference_answer"), self.function("traced_save")
        self.save = self.saver.signature.name  # the function that no answer may call
        self.called, self.text = A(func=N(name=self.save)), A(s=self.save.encode())
        self.call = NodeDef(op="PartitionedCall", attr={"f": self.called})

    def function(self, name: str) -> Any:
        return next(each for each in self.library.function if name in each.signature.name)

    def define(self, name: str, *nodes: NodeDef) -> object:
        return self.library.function.add(signature=OpDef(name=name), node_def=nodes)

    def compute(self, op: str, name: str = "", **attr: AttrValue) -> object:
        return self.answer.node_def.add(op=op, name=name, attr=attr)


def call_as_an_operation_that_computes(it: Plain) -> None:
    """A function may be called as an operation is, and be named as one that computes."""
    for node in it.nodes:
        if node.attr["f"].func.name == it.save:
            node.attr["f"].func.name = "Relu"
    it.saver.signature.name = "Relu"
    it.compute("Relu")


def carry_a_graph_in_a_graph(it: Plain) -> None:
    """What is in the text of a constant is no node of this graph, until something runs it."""
    inner = graph_pb2.GraphDef(node=[READ]).SerializeToString()
    kind = A(type=tf.string.as_datatype_enum)
    it.compute("Const", "text", dtype=kind, value=A(tensor=tf.make_tensor_proto(inner)))
    it.answer.node_def.add(op="DatasetFromGraph", name="run", input=["text"])


Tamper = Callable[[Plain], object]
READ = NodeDef(op="ReadFile", name="read")
SAVES = r"operation '(StaticRegexFullMatch|StringJoin|ShardedFilename|SaveV2)' \(node .*"
READING = r"operation 'ReadFile' \(node 'read'"
SAVING: list[Tamper] = [
    lambda it: it.compute("PartitionedCall", f=it.called),
    lambda it: it.compute("Case", b=A(list=A.ListValue(func=[N(name=it.save)]))),
    lambda it: it.compute("PartitionedCall", f=A(func=N(name="o", attr={"i": it.called}))),
    lambda it: it.answer.node_def[0].attr["f"].CopyFrom(it.text),
    lambda it: it.answer.node_def[0].attr["f"].list.s.append(it.text.s),
    lambda it: it.answer.attr["f"].CopyFrom(it.text),
    lambda it: it.define("called by nothing", it.call),
    lambda it: it.define(it.answer.signature.name, it.call),
    lambda it: (it.answer.node_def.append(it.call), it.define(it.answer.signature.name)),
    lambda it: it.meta.object_graph_def.concrete_functions[it.save].SetInParent(),
    lambda it: it.saver.attr["api_implements"].CopyFrom(A(s=b"answer")),
    lambda it: it.library.gradient.add(function_name="f", gradient_func=it.save),
    lambda it: it.nodes.append(it.call),
    lambda it: it.meta.ClearField("saver_def"),
]
UNLIKE = "is not as TensorFlow 2 exports it"  # what TensorFlow would load another way
TAMPERED: list[tuple[Tamper, str]] = [
    *((tamper, SAVES + "traced_save") for tamper in SAVING),
    (call_as_an_operation_that_computes, SAVES + "'Relu'"),
    (lambda it: it.nodes.add(op="SaveV2", name="save"), r"'SaveV2' \(node 'save' of 'the graph'\)"),
    (lambda it: it.compute("AssignVariableOp", "assign"), r"'AssignVariableOp' \(node 'assign'"),
    (lambda it: it.function("traced_restore").node_def.append(READ), READING),
    # A function may be named as an operation, and be called so.
    (lambda it: (it.define("ReadFile"), it.answer.node_def.append(READ)), READING),
    (lambda it: it.define(it.answer.signature.name, READ), READING),
    (carry_a_graph_in_a_graph, r"operation 'DatasetFromGraph' \(node 'run'"),
    (lambda it: it.meta.ClearField("object_graph_def"), UNLIKE),
    (lambda it: it.graph.meta_graphs.add().CopyFrom(it.meta), UNLIKE),
    (lambda it: it.graph.ClearField("meta_graphs"), UNLIKE),
]


@pytest.mark.parametrize(("tamper", "sentence"), TAMPERED, ids=range(len(TAMPERED)))
def test_an_operation_on_files_that_is_hidden_is_found(
    shipped: Registry, tamper: Tamper, sentence: str
) -> None:
    graph = graph_of(shipped.folder(MODEL, 1))
    check(graph, "before")
    tamper(Plain(graph))
    with pytest.raises(BrokenVersion, match=sentence):
        check(graph, "after")


Publish = Callable[..., Manifest]


@pytest.fixture
def published(registry: Registry, shipped: Registry) -> Publish:
    """Publish `linear-unit` with other files in it."""

    def published(files: dict[str, bytes] | None = None) -> Manifest:
        manifest = shipped.manifest(MODEL, 1)
        with staging(registry, MODEL) as draft:
            shipped.copy(manifest, manifest.files, draft)
            for name, content in (files or {}).items():
                (draft / name).write_bytes(content)
            version = publish(registry, draft, manifest, promote=True)
        return registry.manifest(MODEL, version)

    return published


def test_a_service_refuses_a_graph_that_may_do_more_and_goes_on(
    registry: Registry, published: Publish
) -> None:
    folder = registry.folder(MODEL, published().version)
    host = create_host(Settings(registry=registry.root, engine="saved_model", default_model=MODEL))
    for tamper, operation in (
        (lambda it: it.answer.node_def.append(READ), "'ReadFile' (node 'read'"),
        (carry_a_graph_in_a_graph, "'DatasetFromGraph' (node 'run'"),
    ):
        graph = graph_of(folder)
        tamper(Plain(graph))
        version = published({GRAPH: graph.SerializeToString()}).version
        host.refresh()
        with pytest.raises(NotLoaded) as refused:
            host.find(MODEL, version=version)
        sentence = f"{MODEL} version {version} is not loaded: its operation {operation}"
        assert sentence in str(refused.value)
        assert host.find(MODEL).version == 1


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x0a\xff\xff\xff\xff\x7f"])
def test_a_graph_that_cannot_be_read_is_a_sentence_and_its_copy_is_gone(
    registry: Registry,
    published: Publish,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(BrokenVersion, match=r"saved_model\.pb of linear-unit version 1"):
        load(registry, published({GRAPH: content}), "saved_model")
    assert not list(tmp_path.glob("calories-*"))


def test_only_the_graph_that_was_looked_at_is_loaded_from_a_private_copy_that_goes(
    registry: Registry, published: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    manifest = published({"saved_model.cpb": b"another form of the graph"})
    copied: list[str] = []
    copy = registry.copy

    def copying(manifest: Manifest, names: Iterable[str], target: Path) -> None:
        copy(manifest, names, target)
        copied.extend(files.names(target))
        (registry.folder(MODEL, 1) / GRAPH).write_bytes(b"\xff")  # exchanged after the copy

    monkeypatch.setattr(registry, "copy", copying)
    engine = SavedModel(registry, manifest)
    assert np.isfinite(engine.predict(np.ones((1, 1), np.float32))).all()
    variables = ["variables/variables.data-00000-of-00001", "variables/variables.index"]
    assert copied == [GRAPH, *variables]
    assert not list(tmp_path.glob("calories-*"))


def test_a_twin_with_an_operation_of_tensorflow_is_refused(tmp_path: Path) -> None:
    module = tf.Module()
    module.features = tf.function(
        lambda features: {name: reading(features) for name in ("calories", "lower", "upper")},
        [tf.TensorSpec((None, 1), tf.float32, "features")],
    )
    tf.saved_model.save(module, str(tmp_path), {"features": module.features})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path), ["features"])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
    twin = converter.convert()
    with pytest.raises(RuntimeError, match=r"Select TensorFlow op\(s\).* not supported"):
        LiteRT(twin, ("calories", "lower", "upper")).predict(np.ones((1, 1), np.float32))
