"""Exports contain only ops that TensorFlow Serving links, at every level of a graph."""

import pathlib
from collections.abc import Callable

import pytest
import tensorflow as tf
import tensorflow_text as tf_text
from tensorflow.core.framework import graph_pb2
from tensorflow.python.framework import op_def_registry

from tests import kinds
from tfgan2.adversarial.sampler import UnconditionalSampler
from tfgan2.export import saved_model, served_ops, signatures
from tfgan2.program import UsageError


def traced(function: Callable[[tf.Tensor], tf.Tensor]) -> graph_pb2.GraphDef:
    compiled = tf.function(function, input_signature=[tf.TensorSpec([None], tf.string)])
    return compiled.get_concrete_function().graph.as_graph_def()


def in_python(strings: tf.Tensor) -> tf.Tensor:
    return tf.numpy_function(lambda it: it, [strings], tf.string)


def in_a_loop(strings: tf.Tensor) -> tf.Tensor:
    def body(one: tf.Tensor) -> tf.Tensor:
        return tf.py_function(lambda it: it, [one], tf.string)

    return tf.map_fn(tf.function(body), strings, fn_output_signature=tf.string)


@pytest.mark.parametrize(
    ("function", "op"), [(in_python, "PyFunc"), (in_a_loop, "EagerPyFunc")], ids=["top", "nested"]
)
def test_python_ops_are_refused_by_name(
    function: Callable[[tf.Tensor], tf.Tensor], op: str
) -> None:
    graph = traced(function)
    with pytest.raises(UsageError) as caught:
        served_ops.check({"generate": graph, "pixels": graph, "embed": traced(tf.strings.lower)})
    assert str(caught.value) == (
        "signatures: must hold only ops that tensorflow/serving:2.20.0 links, "
        f"got {op} in generate and pixels"
    )


def test_ops_of_called_functions_are_listed() -> None:
    nested = traced(in_a_loop)
    assert "EagerPyFunc" not in {node.op for node in nested.node}
    assert "EagerPyFunc" in served_ops.ops(nested)


def test_ops_of_other_libraries_are_refused() -> None:
    graph = graph_pb2.GraphDef()
    graph.node.add(name="a", op="Addons>Sparsemax")
    graph.node.add(name="b", op="call_of_a_function")
    graph.library.function.add().signature.name = "call_of_a_function"
    with pytest.raises(UsageError, match=r"got Addons>Sparsemax in draw$"):
        served_ops.check({"draw": graph})


def test_ops_of_a_newer_tensorflow_are_refused() -> None:
    graph = graph_pb2.GraphDef()
    graph.node.add(name="a", op="DecodeJxl")
    with pytest.raises(UsageError, match=r"got DecodeJxl in draw$"):
        served_ops.check({"draw": graph})


def test_attributes_of_a_newer_tensorflow_are_refused(
    sampler: UnconditionalSampler, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = served_ops.of_saved_model

    def newer(version_dir: pathlib.Path) -> graph_pb2.GraphDef:
        graph = saved(version_dir)
        node = graph.library.function[0].node_def.add(name="item", op="TensorListGetItem")
        node.attr["Tshape"].type = tf.int64.as_datatype_enum
        return graph

    saved_model.export(sampler, tmp_path / "old", captions=[""], card={})
    monkeypatch.setattr(served_ops, "of_saved_model", newer)
    with pytest.raises(UsageError, match=r"serving:2\.20\.0 knows, got TensorListGetItem\.Tshape$"):
        saved_model.export(sampler, tmp_path / "new", captions=[""], card={})
    assert list((tmp_path / "new").iterdir()) == []


def test_functions_compiled_by_xla_are_refused(tmp_path: pathlib.Path) -> None:
    plain = tf.function(tf.strings.length, jit_compile=False)
    served_ops.check({"generate": traced(lambda strings: plain(strings) + 1)})
    inner = tf.function(tf.strings.length, jit_compile=True)
    with pytest.raises(UsageError, match=r"compiled by XLA, .*, got jit_compile in generate$"):
        served_ops.check({"generate": traced(lambda strings: inner(strings) + 1)})
    module = tf.Module()
    module.whole = tf.function(
        lambda numbers: numbers + 1, jit_compile=True, input_signature=[tf.TensorSpec([None])]
    )
    tf.saved_model.save(module, str(tmp_path), signatures=module.whole.get_concrete_function())
    with pytest.raises(UsageError, match=r"compiled by XLA, .*, got jit_compile in it$"):
        served_ops.check({"it": served_ops.of_saved_model(tmp_path)})


def test_ops_of_tensorflow_text_are_served() -> None:
    graph = traced(
        lambda strings: (
            tf_text.WhitespaceTokenizer()
            .tokenize(tf_text.case_fold_utf8(tf_text.normalize_utf8(strings, "NFKC")))
            .to_tensor()
        )
    )
    assert {"CaseFoldUTF8", "NormalizeUTF8"} < served_ops.ops(graph)
    served_ops.check({"generate": graph})


def test_listed_ops_are_registered_by_their_names() -> None:
    for op in served_ops.TEXT_OPS:
        assert op_def_registry.get(op) is not None, op
        assert not hasattr(tf.raw_ops, op), op
    for op in served_ops.PYTHON_OPS:
        assert hasattr(tf.raw_ops, op), op


@pytest.fixture(scope="module")
def sampler() -> UnconditionalSampler:
    return kinds.unconditional()


def with_pixels(monkeypatch: pytest.MonkeyPatch, change: Callable[[tf.Tensor], tf.Tensor]) -> None:
    """Applies a change to the pixels of every signature."""
    right = signatures.UnconditionalSignatures.pixels

    def changed(*inputs: object) -> dict[str, tf.Tensor]:
        return {"image": change(right(*inputs)["image"])}

    monkeypatch.setattr(signatures.UnconditionalSignatures, "pixels", changed)


def test_unserved_op_is_refused_before_any_file_is_written(
    sampler: UnconditionalSampler, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unchanged(image: tf.Tensor) -> tf.Tensor:
        same = tf.numpy_function(lambda it: it, [image], tf.uint8)
        return tf.ensure_shape(same, image.shape)

    with_pixels(monkeypatch, unchanged)
    with pytest.raises(UsageError, match=r"got PyFunc in pixels$"):
        saved_model.export(sampler, tmp_path / "export", captions=[""], card={})
    assert list(tmp_path.iterdir()) == []


def test_unserved_op_of_an_initializer_is_refused(
    sampler: UnconditionalSampler, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_ops, "is_served", lambda op: op != "RestoreV2")
    with pytest.raises(UsageError, match=r"got RestoreV2 in the SavedModel$"):
        saved_model.export(sampler, tmp_path, captions=[""], card={})
    assert list(tmp_path.iterdir()) == []


def test_ops_that_older_servers_lack_give_a_warning(
    sampler: UnconditionalSampler,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def unchanged(image: tf.Tensor) -> tf.Tensor:
        rows = tf.RaggedTensor.from_row_lengths([1, 2], [2])
        (mask,) = tf_text.RoundRobinTrimmer(2).generate_mask([rows])
        with tf.control_dependencies([mask.flat_values]):
            return tf.identity(image)

    with_pixels(monkeypatch, unchanged)
    version = saved_model.export(sampler, tmp_path, captions=[""], card={})
    assert version.is_dir()
    assert capsys.readouterr().err == (
        "warning: TFText>RoundRobinGenerateMasks: not in tensorflow/serving 2.12 to 2.19, "
        "only from tensorflow/serving:2.20.0 on\n"
    )
