"""TensorProto to arrays and back, checked against TensorFlow's own."""

import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tensorflow.core.framework import tensor_pb2

from serving.wire import messages, tensors

NUMBERS = ["<f4", "<f8", "<i4", "|u1", "<i2", "|i1", "<i8", "|b1", "<u2", "<u4", "<u8", "<f2"]

ANY = st.sampled_from(NUMBERS).flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=3, max_side=4))
)


@given(ANY)
@settings(max_examples=200)
@example(np.zeros(2, np.float16))
@example(np.zeros([0, 3], np.float16))
@example(np.arange(2 * tensors.PIECE + 1, dtype=np.int32))
def test_numbers_travel(array: np.ndarray) -> None:
    proto = messages.TensorProto()
    tensors.fill(proto, array)
    theirs = tensor_pb2.TensorProto.FromString(proto.SerializeToString())
    np.testing.assert_array_equal(tf.make_ndarray(theirs), array)
    packed = tf.make_tensor_proto(array).SerializeToString()
    np.testing.assert_array_equal(tensors.parse(messages.TensorProto.FromString(packed)), array)


def test_many_numbers_are_written_without_a_list_of_all() -> None:
    array = np.ones(2**20, np.float32)
    tracemalloc.start()
    try:
        tensors.fill(messages.TensorProto(), array)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2 * array.nbytes


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_strings_travel(values: list[bytes]) -> None:
    array = np.empty(len(values), object)
    array[:] = values
    proto = messages.TensorProto()
    tensors.fill(proto, array)
    theirs = tensor_pb2.TensorProto.FromString(proto.SerializeToString())
    assert tf.make_ndarray(theirs).tolist() == values
    assert tensors.parse(proto).tolist() == values


@given(st.binary(max_size=60))
@settings(max_examples=300)
def test_random_bytes_are_refused_or_read(content: bytes) -> None:
    proto = messages.TensorProto()
    try:
        proto.ParseFromString(content)
    except Exception as error:
        assert type(error).__name__ == "DecodeError"  # noqa: PT017
        return
    try:
        tensors.parse(proto)
    except ValueError as error:
        assert str(error).startswith(("tensor_shape: ", "values: "))  # noqa: PT017


def test_values_have_to_fit_the_dtype() -> None:
    for proto in (
        messages.TensorProto(dtype=4, int_val=[300]),
        messages.TensorProto(dtype=19, half_val=[70_000]),
        messages.TensorProto(dtype=1, tensor_content=b"abc"),
        messages.TensorProto(dtype=99),
    ):
        with pytest.raises(ValueError, match="values: must be those of the dtype"):
            tensors.parse(proto)


def test_one_value_stands_for_all_without_memory() -> None:
    proto = messages.TensorProto(dtype=3, int_val=[7])
    for _ in range(3):
        proto.tensor_shape.dim.add(size=10**3)
    array = tensors.parse(proto)
    assert array.shape == (10**3, 10**3, 10**3)
    assert array[1, 2, 3] == 7
    proto.tensor_shape.dim.add(size=10**3)
    with pytest.raises(ValueError, match="tensor_shape: must be at most 32 dimensions"):
        tensors.parse(proto)


def test_shape_and_values_have_to_fit() -> None:
    proto = messages.TensorProto(dtype=1, float_val=[1.0, 2.0])
    proto.tensor_shape.dim.add(size=3)
    with pytest.raises(ValueError, match="values: must be 3"):
        tensors.parse(proto)
    with pytest.raises(TypeError, match="numbers, booleans or bytes"):
        tensors.fill(messages.TensorProto(), np.array(["a"]))


def test_messages_are_those_of_the_protocol() -> None:
    from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

    ours = messages.PredictRequest(output_filter=["a"])
    ours.model_spec.name, ours.model_spec.version.value = "gan", 3
    ours.model_spec.signature_name = "generate"
    tensors.fill(ours.inputs["seed"], np.array([1, 2]))
    theirs = predict_pb2.PredictRequest.FromString(ours.SerializeToString())
    assert theirs.model_spec.version.value == 3
    assert theirs.model_spec.signature_name == "generate"
    assert list(theirs.inputs) == ["seed"]
    assert list(theirs.output_filter) == ["a"]

    status = get_model_status_pb2.GetModelStatusResponse()
    status.model_version_status.add(version=2, state=30).status.error_message = "fine"
    read = messages.GetModelStatusResponse.FromString(status.SerializeToString())
    assert read.model_version_status[0].version == 2
    assert read.model_version_status[0].status.error_message == "fine"
