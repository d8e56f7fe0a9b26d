"""What a SavedModel's graph may do: arithmetic, and nothing else.

A graph is a program that TensorFlow runs with the service's rights: there are operations that
read and write files, call Python or load libraries. So the operations of a graph are looked at
before it is loaded, and one that is not known to be harmless is refused.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from models.errors import BrokenVersion

# Operations without an effect beyond their outputs, as layers, activations and the preparation of
# numbers use them, and the reading of the graph's own variables.
ALLOWED = frozenset(
    """
    Const EnsureShape Identity IdentityN NoOp Placeholder PlaceholderWithDefault PreventGradient
    StopGradient Case If PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf
    StatelessWhile While DisableCopyOnRead ReadVariableOp ResourceGather VarHandleOp
    VarIsInitializedOp

    Abs Acos Acosh Add AddN AddV2 Asin Asinh Atan Atan2 Atanh Betainc Ceil ClipByValue Cos Cosh
    Cumprod Cumsum Digamma Div DivNoNan Erf Erfc Erfinv Exp Expm1 Floor FloorDiv FloorMod Igamma
    Igammac Inv Lgamma Log Log1p Maximum Minimum Mod Mul MulNoNan Ndtri Neg Polygamma Pow RealDiv
    Reciprocal Rint Round Rsqrt Sign Sin Sinh Sqrt Square SquaredDifference Sub Tan Tanh TruncateDiv
    TruncateMod Xdivy Xlog1py Xlogy Zeta

    BatchMatMul BatchMatMulV2 BatchMatMulV3 BiasAdd Conv2D Conv3D DepthwiseConv2dNative
    Einsum Elu FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 L2Loss LRN LeakyRelu LogSoftmax
    MatMul Relu Relu6 Selu Sigmoid Softmax Softplus Softsign AvgPool AvgPool3D MaxPool MaxPool3D
    MaxPoolV2

    All Any ArgMax ArgMin EuclideanNorm InTopK InTopKV2 Max Mean Min Prod SegmentMax SegmentMean
    SegmentMin SegmentProd SegmentSum Sum TopK TopKV2 UnsortedSegmentMax UnsortedSegmentSum

    ApproximateEqual BitwiseAnd BitwiseOr BitwiseXor CheckNumerics Equal Greater GreaterEqual
    IsFinite IsInf IsNan Less LessEqual LogicalAnd LogicalNot LogicalOr NotEqual Select SelectV2
    Where

    Bitcast BroadcastArgs BroadcastTo Bucketize Cast Concat ConcatV2 Diag DiagPart ExpandDims Fill
    Gather GatherNd GatherV2 InvertPermutation LinSpace MatrixBandPart MatrixDiag MatrixDiagPart
    MirrorPad OneHot OnesLike Pack Pad PadV2 Range Rank Reshape Reverse ReverseV2 Roll ScatterNd
    Shape ShapeN Size Slice Split SplitV Squeeze StridedSlice TensorListFromTensor
    TensorListGetItem TensorListReserve TensorListSetItem TensorListStack TensorScatterUpdate Tile
    Transpose Unpack ZerosLike
    """.split()  # noqa: SIM905  one a line they would fill pages
)

# What saving and restoring need beside it. TensorFlow writes the functions for both into every
# SavedModel. They name files and change variables, so only the saver may call them: it does not
# run when a model is loaded to be served.
INITIAL = ALLOWED | {"AssignVariableOp"}  # outside of functions, where variables get their values
SAVING = INITIAL | frozenset(
    """
    MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename StaticRegexFullMatch
    StringJoin
    """.split()  # noqa: SIM905  one a line they would fill pages
)

Function = tuple[list[Any], list[Any]]  # the NodeDef and the attributes (AttrValue) of one


def check(saved_model: Any, where: str) -> None:
    """Refuse a SavedModel that may do more than compute; nothing of it is executed.

    `saved_model` is TensorFlow's message of that name. All of its graph is looked at, called or
    not. Raises BrokenVersion naming the operation and its node.
    """
    graph = _graph(saved_model, where)
    _check_nodes(graph.graph_def.node, INITIAL, where, "the graph")
    savers = _called_by_the_saver_alone(graph)
    for function in graph.graph_def.library.function:
        name = function.signature.name
        _check_nodes(function.node_def, SAVING if name in savers else ALLOWED, where, name)


def _graph(saved_model: Any, where: str) -> Any:
    """The one graph with objects: TensorFlow loads others another way, running their saver."""
    if len(saved_model.meta_graphs) != 1 or not saved_model.meta_graphs[0].HasField(
        "object_graph_def"
    ):
        raise BrokenVersion(
            f"{where} is not as TensorFlow 2 exports it, one graph with its objects: "
            "export the model again, with model.export() or tf.saved_model.save()."
        )
    return saved_model.meta_graphs[0]


def _check_nodes(nodes: Iterable[Any], allowed: Collection[str], where: str, function: str) -> None:
    for node in nodes:
        if node.op not in allowed:
            raise BrokenVersion(
                f"{where} is not loaded: its operation {node.op!r} (node {node.name!r} of "
                f"{function!r}) is not among those that only compute."
            )


def _called_by_the_saver_alone(graph: Any) -> set[str]:
    """The names of the functions that nothing but the saver can call.

    A function that nothing calls counts as one that is called: objects, gradients and the
    optimiser of graphs find functions in ways of their own.
    """
    library = graph.graph_def.library
    functions: dict[str, Function] = {}
    for each in library.function:
        nodes, attributes = functions.setdefault(each.signature.name, ([], []))
        nodes.extend(each.node_def)
        attributes.extend(each.attr.values())
    saver = graph.saver_def
    ends = (saver.filename_tensor_name, saver.save_tensor_name, saver.restore_op_name)
    names = {end.partition(":")[0] for end in ends}
    saving = [node for node in graph.graph_def.node if node.name in names]
    serving = [node for node in graph.graph_def.node if node.name not in names]
    by_saver = _reached(_mentioned(saving), functions)
    roots = functions.keys() - by_saver
    roots |= graph.object_graph_def.concrete_functions.keys()
    roots |= {each.gradient_func for each in library.gradient}
    roots |= {each.signature.name for each in library.function if "api_implements" in each.attr}
    return by_saver - _reached(chain(_mentioned(serving), roots), functions)


def _reached(names: Iterable[str], functions: Mapping[str, Function]) -> set[str]:
    """The functions among `names`, those that they call, and so on."""
    reached: set[str] = set()
    waiting = [name for name in names if name in functions]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            nodes, attributes = functions[name]
            called = chain(_mentioned(nodes), _strings(attributes))
            waiting.extend(each for each in called if each in functions)
    return reached


def _mentioned(nodes: Iterable[Any]) -> Iterator[str]:
    """Whatever may be a function's name in nodes: operations, and what their attributes say."""
    for node in nodes:
        yield node.op
        yield from _strings(node.attr.values())


def _strings(attributes: Iterable[Any]) -> Iterator[str]:
    """The text in attributes, in their lists and in the attributes of functions they name."""
    for attribute in attributes:
        for text in (attribute.s, *attribute.list.s):
            yield text.decode(errors="replace")
        for function in (attribute.func, *attribute.list.func):
            yield function.name
            yield from _strings(function.attr.values())
