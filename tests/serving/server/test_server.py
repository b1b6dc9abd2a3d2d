"""The embedded server: codes and texts of TensorFlow Serving, and the same pictures."""

import io
import pathlib
from collections.abc import Callable, Iterator

import grpc
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.client import Client
from serving.server.status import invalid_argument
from tests.serving import servers
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import load_sampler

GIVEN = {"caption": ["the digit 3"], "seed": [1], "truncation": [0.0]}
DTYPES = {"caption": tf.string, "seed": tf.int64, "truncation": tf.float32}


@pytest.fixture(scope="module")
def address(export_dir: pathlib.Path) -> Iterator[str]:
    with servers.serve({"tiny": export_dir}) as served:
        yield served.address


@pytest.fixture(scope="module")
def stub(address: str) -> Iterator[prediction_service_pb2_grpc.PredictionServiceStub]:
    with grpc.insecure_channel(address) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def request(
    signature: str = "generate", model: str = "tiny", **inputs: object
) -> predict_pb2.PredictRequest:
    message = predict_pb2.PredictRequest()
    message.model_spec.name = model
    message.model_spec.signature_name = signature
    for name, value in (inputs or GIVEN).items():
        tensor = value if isinstance(value, tf.Tensor) else tf.constant(value, DTYPES.get(name))
        message.inputs[name].CopyFrom(tf.make_tensor_proto(tensor))
    return message


def with_changes(change: Callable[[predict_pb2.PredictRequest], None]) -> object:
    message = request()
    change(message)
    return message


INVALID, MISSING, FAILED = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
)
# Built when a test runs, since the requests are TensorFlow's.
BAD = [
    (lambda: with_changes(lambda m: m.ClearField("model_spec")), INVALID, "Missing ModelSpec"),
    (lambda: request(model=""), INVALID, "ModelSpec has no name specified."),
    (lambda: request(model="nope"), MISSING, "Servable not found for request: Latest(nope)"),
    (
        lambda: with_changes(lambda m: setattr(m.model_spec.version, "value", 9)),
        *(MISSING, "Servable not found for request: Specific(tiny, 9)"),
    ),
    (
        lambda: with_changes(lambda m: setattr(m.model_spec, "version_label", "stable")),
        *(INVALID, "Unrecognized servable version label: stable"),
    ),
    (lambda: request("nope"), FAILED, 'Serving signature key "nope" not found.'),
    (
        lambda: request(caption=["a"], seed=[1]),
        INVALID,
        "input size does not match signature: 2!=3 len({caption,seed}) != "
        "len({caption,seed,truncation}). Sent extra: {}. Missing but required: {truncation}.",
    ),
    (
        lambda: request(**GIVEN, style=["bold"]),
        INVALID,
        "input size does not match signature: 4!=3 len({caption,seed,style,truncation}) != "
        "len({caption,seed,truncation}). Sent extra: {style}. Missing but required: {}.",
    ),
    (
        lambda: request("embed", text=["a"]),
        INVALID,
        "Signature input alias: caption(feed name: embed_caption:0) not found in request and no "
        "default value provided. Inputs expected to be in the request {text}, or default input "
        "alias set: ",
    ),
    (
        lambda: request("embed", caption=tf.constant([1.0])),
        *(INVALID, "Expects arg[0] to be string but float is provided"),
    ),
    (
        lambda: request(caption=["a"], seed=tf.constant([1], tf.int32), truncation=[0.0]),
        *(INVALID, "Expects arg[1] to be int64 but int32 is provided"),
    ),
    (
        lambda: with_changes(lambda m: setattr(m.inputs["seed"], "tensor_content", b"abc")),
        *(INVALID, "tensor parsing error: seed"),
    ),
    (
        lambda: with_changes(lambda m: m.output_filter.append("z")),
        INVALID,
        "output tensor alias not found in signature: z Outputs expected to be in the set "
        "{image_bytes,unknown_words}.",
    ),
    (
        lambda: with_changes(lambda m: m.output_filter.extend(["image_bytes"] * 2)),
        *(INVALID, "duplicate output tensor alias: image_bytes"),
    ),
]


@pytest.mark.parametrize(("make", "code", "text"), BAD, ids=range(len(BAD)))
def test_bad_requests_have_the_codes_and_texts_of_tensorflow_serving(
    make: Callable[[], predict_pb2.PredictRequest],
    code: grpc.StatusCode,
    text: str,
    stub: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(make())
    assert (caught.value.code(), caught.value.details()) == (code, text)


def test_error_of_an_op_reaches_the_client(
    stub: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request(caption=["a", "b"], seed=[1], truncation=[0.0]))
    assert caught.value.code() == INVALID


def test_long_error_messages_are_cut() -> None:
    assert invalid_argument("x" * 1024).text == "x" * 1024
    assert invalid_argument("x" * 1025).text == "x" * 1024 + "...TRUNCATED"


def test_the_answer_names_version_and_signature(
    stub: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    response = stub.Predict(request("", caption=["the digit 3"]))
    assert response.model_spec.name == "tiny"
    assert response.model_spec.version.value == 1
    assert response.model_spec.signature_name == "serving_default"
    assert response.outputs.keys() == {"image_bytes", "seed", "unknown_words"}
    assert len(response.outputs["seed"].int64_val) == 1  # Value by value, not packed bytes.
    filtered = with_changes(lambda m: m.output_filter.append("unknown_words"))
    assert stub.Predict(filtered).outputs.keys() == {"unknown_words"}


def test_metadata_holds_every_signature(
    stub: prediction_service_pb2_grpc.PredictionServiceStub,
) -> None:
    message = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    message.model_spec.name = "tiny"
    response = stub.GetModelMetadata(message)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    named = {"serving_default", "generate", "pixels", "embed", "draw", "__saved_model_init_op"}
    assert signatures.signature_def.keys() == named
    assert response.model_spec.version.value == 1


def test_bad_metadata_requests(stub: prediction_service_pb2_grpc.PredictionServiceStub) -> None:
    for fields, text in (
        ([], "GetModelMetadataRequest must specify at least one metadata_field"),
        (["size"], "Metadata field size is not supported"),
    ):
        message = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
        message.model_spec.name = "tiny"
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetModelMetadata(message)
        assert (caught.value.code(), caught.value.details()) == (INVALID, text)


def test_status_of_models_and_versions(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)
        message = get_model_status_pb2.GetModelStatusRequest()
        message.model_spec.name = "tiny"
        (status,) = stub.GetModelStatus(message).model_version_status
        assert (status.version, status.state) == (1, 30)
        message.model_spec.version.value = 4
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetModelStatus(message)
        assert caught.value.details() == "Could not find version 4 of model tiny"
        message.model_spec.name = "nope"
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetModelStatus(message)
        assert caught.value.code() == MISSING
        assert caught.value.details() == "Could not find any versions of model nope"


def decode(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture).astype(int)


def test_served_image_equals_the_live_one_in_any_batch(address: str, run: RunDirectory) -> None:
    sampler, _, _ = load_sampler(run)
    caption, seed = "the digit 3", 2**40
    live = sampler.pixels(tf.constant([caption]), tf.constant([seed], tf.int64), [0.0])
    live = live.numpy()[0, :, :, 0].astype(int)
    others = [f"a handwritten {name}" for name in ("one", "two", "six", "ten")] * 4
    with Client(address, model="tiny") as client:
        (alone,) = client.draw([caption], seeds=[seed])
        crowd = client.draw([*others, caption], seeds=[*range(16), seed])
        assert np.abs(decode(alone.png) - live).max() <= 1
        assert np.abs(decode(crowd[-1].png) - live).max() <= 1
        pixels = client.predict(
            "pixels",
            {
                "caption": np.array([caption.encode()], object),
                "seed": np.array([seed]),
                "truncation": np.zeros(1, np.float32),
            },
        )
    assert np.abs(pixels["image"][0, :, :, 0].astype(int) - live).max() <= 1


def test_odd_captions_are_answered_among_good_ones(address: str) -> None:
    captions = ["", "the digit 3", "???", "x" * 100_000, "\udcff\udcfe", "DIE ZIFFER 7"]
    captions += ["a " * 50_000, "a\x00b", "a handwritten seven"]
    with Client(address, model="tiny") as client:
        pictures = client.draw(captions)
    assert [picture.unknown_words for picture in pictures] == [0, 0, 0, 1, 0, 2, 0, 1, 0]
    assert all(decode(picture.png).shape == (32, 32) for picture in pictures)


def test_a_seed_sent_back_draws_the_same_picture(address: str) -> None:
    with Client(address, model="tiny") as client:
        fresh, another = client.draw(["the digit 3"] * 2)
        (again,) = client.draw(["the digit 3"], seeds=[fresh.seed])
        assert fresh.seed != another.seed
        assert 0 <= fresh.seed < 2**31
        assert again.png == fresh.png
        with pytest.raises(ValueError, match="seeds: must be given with a truncation"):
            client.draw(["a"], truncation=0.5)
