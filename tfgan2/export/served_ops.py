"""Ops that an exported graph may hold: the ops that TensorFlow Serving's image links."""

import pathlib
from collections.abc import Iterator, Mapping

import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.core.protobuf import saved_model_pb2

from tfgan2.program import UsageError

IMAGE = "tensorflow/serving:2.20.0"
# Ops that the images 2.12 to 2.19 lack, because they link TensorFlow Text 2.12.1.
NEWER_TEXT_OPS = frozenset(
    {"TFText>RoundRobinGenerateMasks", "TFText>RoundRobinTrim", "TFText>Utf8Binarize"}
)
# Ops of TensorFlow Text's ops_lib; the server links no others of TensorFlow Text.
TEXT_OPS = NEWER_TEXT_OPS | {
    "CaseFoldUTF8",
    "ConstrainedSequence",
    "FastBertNormalize",
    "FastWordpieceTokenizeWithOffsets",
    "FindSourceOffsets",
    "MaxSpanningTree",
    "NormalizeUTF8",
    "NormalizeUTF8WithOffsetsMap",
    "PhraseTokenize",
    "RegexSplitWithOffsets",
    "RougeL",
    "SentenceFragments",
    "SentenceFragmentsV2",
    "SentencepieceDetokenizeOp",
    "SentencepieceIdToStringOp",
    "SentencepieceOp",
    "SentencepieceStringToIdOp",
    "SentencepieceTokenizeOp",
    "SentencepieceTokenizeWithOffsetsOp",
    "SentencepieceVocabSizeOp",
    "SplitMergeTokenizeWithOffsets",
    "TFText>BoiseTagsToOffsets",
    "TFText>ByteSplitByOffsets",
    "TFText>ByteSplitWithOffsets",
    "TFText>FastSentencepieceDetokenize",
    "TFText>FastSentencepieceTokenize",
    "TFText>FastWordpieceDetokenize",
    "TFText>NgramsStringJoin",
    "TFText>OffsetsToBoiseTags",
    "TFText>PhraseDetokenize",
    "TFText>WhitespaceTokenizeWithOffsetsV2",
    "TokenizerFromLogits",
    "UnicodeScriptTokenizeWithOffsets",
    "WhitespaceTokenizeWithOffsets",
    "WordpieceTokenizeWithOffsets",
}
# What TensorFlow 2.21 has and the image lacks.
NEWER_OPS = frozenset({"DecodeJxl"})
# Attributes by op, as NEWER_OPS. A SavedModel leaves out attributes that have their default value.
NEWER_ATTRIBUTES = {"TensorListGetItem": "Tshape"}
# Ops of TensorFlow that need the Python interpreter which made the graph.
PYTHON_OPS = frozenset({"EagerPyFunc", "PyFunc", "PyFuncStateless"})
COMPILED = "_XlaMustCompile"  # Function attribute of jit_compile=True.


def _nodes(graph: graph_pb2.GraphDef) -> Iterator[node_def_pb2.NodeDef]:
    """Yields the nodes of a graph and of its function library."""
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def ops(graph: graph_pb2.GraphDef) -> set[str]:
    """Returns the ops of a graph and of its function library."""
    names = {node.op for node in _nodes(graph)}
    return names - {function.signature.name for function in graph.library.function}


def newer_attributes(graph: graph_pb2.GraphDef) -> set[str]:
    """Returns the attributes in a SavedModel that the image does not know, as `op.attribute`."""
    return {
        f"{node.op}.{NEWER_ATTRIBUTES[node.op]}"
        for node in _nodes(graph)
        if node.op in NEWER_ATTRIBUTES and NEWER_ATTRIBUTES[node.op] in node.attr
    }


def is_served(op: str) -> bool:
    """Whether the image can run an op."""
    # raw_ops holds TensorFlow's own ops, without ops of libraries loaded later. No release drops an
    # op of an earlier one.
    return op in TEXT_OPS or (hasattr(tf.raw_ops, op) and op not in PYTHON_OPS | NEWER_OPS)


def check(graphs: Mapping[str, graph_pb2.GraphDef]) -> None:
    """Checks that the image can run graphs.

    Args:
      graphs: graphs by name; the error names the graphs with the op.

    Raises:
      UsageError: a graph or its function library holds an op that the image does not link, or a
        function that XLA must compile, which the image has turned off.
    """
    missing: dict[str, list[str]] = {}
    for name, graph in graphs.items():
        for op in ops(graph):
            if not is_served(op):
                missing.setdefault(op, []).append(name)
    if missing:
        found = ", ".join(f"{op} in {' and '.join(names)}" for op, names in sorted(missing.items()))
        raise UsageError("signatures", f"must hold only ops that {IMAGE} links", found)
    compiled = [
        name
        for name, graph in graphs.items()
        if any(
            COMPILED in function.attr and function.attr[COMPILED].b
            for function in graph.library.function
        )
    ]
    if compiled:
        rule = f"must not be compiled by XLA, which {IMAGE} has turned off"
        raise UsageError("signatures", rule, f"jit_compile in {' and '.join(compiled)}")


def of_saved_model(version_dir: pathlib.Path) -> graph_pb2.GraphDef:
    """Reads the graph of a SavedModel: signatures, and the ops that load and initialize them."""
    content = (version_dir / "saved_model.pb").read_bytes()
    (meta_graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    return meta_graph.graph_def
