"""Counts the floating-point operations of a graph's convolutions and matrix products from shapes.

A multiplication and an addition count as two operations. Other ops are not counted: their work is
small beside these, and the peak to compare with is that of matrix multiplication. A convolution
counts its products with padding too.
"""

import math
from collections.abc import Iterator

import tensorflow as tf

LOOPS = ("While", "StatelessWhile")
BRANCHES = ("If", "StatelessIf", "Case", "StatelessCase")
# Ops that would be left out silently; they raise an error instead.
UNCOUNTED = ("Conv3D", "DepthwiseConv2dNative", "SparseTensorDenseMatMul", "XlaDotV2")


class UncountableError(Exception):
    """The operations of a graph cannot be counted from its shapes."""


def count(graph: tf.Graph, *, rows: int) -> int:
    """Counts the operations of one run of a graph, including the functions that it calls.

    Args:
      graph: graph of a concrete function; of several branches, the largest counts.
      rows: size of a first dimension that the graph leaves open.

    Raises:
      UncountableError: a shape is unknown, or a product is of another kind or in a loop.
    """
    return sum(_of_op(op, rows) for op in graph.get_operations())


def _of_op(op: tf.Operation, rows: int) -> int:
    if op.type in UNCOUNTED:
        raise UncountableError(f"{op.type} {op.name} is not counted")
    if op.type == "Conv2D":
        return _convolution(_dimensions(op, op.inputs[1], rows), op, op.outputs[0], rows)
    if op.type == "Conv2DBackpropInput":
        return _convolution(_dimensions(op, op.inputs[1], rows), op, op.inputs[2], rows)
    if op.type == "Conv2DBackpropFilter":
        return _convolution(_dimensions(op, op.outputs[0], rows), op, op.inputs[2], rows)
    if op.type == "MatMul":
        return _product(op, rows, transposes="transpose_a")
    if op.type in ("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"):
        return _product(op, rows, transposes="adj_x")
    if op.type == "Einsum":
        return _sum_of_products(op, rows)
    counts = [count(graph, rows=rows) for graph in _called(op)]
    if op.type in LOOPS and any(counts):
        raise UncountableError(f"{op.type} {op.name} multiplies in a loop of unknown length")
    return max(counts, default=0) if op.type in BRANCHES else sum(counts)


def _convolution(kernel: list[int], op: tf.Operation, small: tf.Tensor, rows: int) -> int:
    """Counts a kernel [H, W, I, O] at every position of `small`, the output or its gradient."""
    shape = _dimensions(op, small, rows)
    channels_first = op.get_attr("data_format") == b"NCHW"
    positions = shape[0] * math.prod(shape[2:] if channels_first else shape[1:3])
    return 2 * math.prod(kernel) * positions


def _product(op: tf.Operation, rows: int, *, transposes: str) -> int:
    left = _dimensions(op, op.inputs[0], rows)
    inner = left[-2] if op.get_attr(transposes) else left[-1]
    return 2 * inner * math.prod(_dimensions(op, op.outputs[0], rows))


def _sum_of_products(op: tf.Operation, rows: int) -> int:
    """Counts a product per combination of the indices of two tensors; one tensor has none."""
    equation = op.get_attr("equation").decode()
    if "." in equation:
        raise UncountableError(f"{op.type} {op.name} leaves indices out: {equation}")
    indices = equation.partition("->")[0].split(",")
    if len(indices) == 1:
        return 0
    sizes: dict[str, int] = {}
    for letters, tensor in zip(indices, op.inputs, strict=True):
        sizes |= dict(zip(letters, _dimensions(op, tensor, rows), strict=True))
    return 2 * math.prod(sizes.values())


def _dimensions(op: tf.Operation, tensor: tf.Tensor, rows: int) -> list[int]:
    shape = tensor.shape
    if shape.rank is None or None in shape[1:].as_list():
        raise UncountableError(f"{op.type} {op.name} has no static shape but {shape}")
    return [rows if it is None else it for it in shape.as_list()]


def _called(op: tf.Operation) -> Iterator[tf.Graph]:
    for attribute in op.node_def.attr.values():
        called = [attribute.func] if attribute.HasField("func") else attribute.list.func
        for function in called:
            # TensorFlow has no public way from a call to the graph of its function.
            found = op.graph._get_function(function.name)
            if found is None:
                raise UncountableError(f"{op.type} {op.name} calls what has no graph")
            yield found.graph
