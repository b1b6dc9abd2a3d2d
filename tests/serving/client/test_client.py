"""Both clients: what they send, what they return, when they retry, and at which address."""

import asyncio
import pathlib
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import predict_pb2

from serving.client import AsyncClient, Client, Picture, Retry
from tests.serving import stub as stubs
from tests.serving.stub import Stub

ROOT = pathlib.Path(__file__).parents[3]
AT_ONCE = Retry(first_seconds=0.0)
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
INT64 = st.integers(-(2**63), 2**63 - 1)
Call = Callable[..., list[Any]]


def call_blocking(target: str, *questions: dict[str, Any], **options: Any) -> list[Any]:
    with Client(target, model="stub", **options) as client:
        return [client.generate(**question) for question in questions]


def call_asyncio(target: str, *questions: dict[str, Any], **options: Any) -> list[Any]:
    async def call() -> list[Any]:
        async with AsyncClient(target, model="stub", **options) as client:
            return [await client.generate(**question) for question in questions]

    return asyncio.run(call())


@pytest.fixture(params=[call_blocking, call_asyncio], ids=["waiting", "asyncio"])
def call(request: pytest.FixtureRequest) -> Call:
    """Calls either client, one request after the other."""
    return request.param


@pytest.fixture(scope="module")
def shared_stub() -> Stub:
    return Stub()


@pytest.fixture(scope="module")
def shared_client(shared_stub: Stub) -> Iterator[Client]:
    with stubs.serve(shared_stub) as address, Client(address, model="stub") as client:
        yield client


ONE = {"captions": ["a seven"], "seeds": [1]}


def test_pictures_come_as_bytes_images_or_arrays(call: Call, address: str) -> None:
    two = {"captions": ["a", "b"], "seeds": [1, 2]}
    forms = [{**two, "form": form} for form in ("png", "pil", "array")]
    plain, files, images, pixels = call(address, two, *forms)
    drawn = [stubs.picture(1), stubs.picture(2)]
    assert plain == files == [stubs.png(each) for each in drawn]
    for image, array, expected in zip(images, pixels, drawn, strict=True):
        np.testing.assert_array_equal(image, expected)
        np.testing.assert_array_equal(array, expected, strict=True)


def test_a_grey_picture_has_one_channel(call: Call, stub: Stub, address: str) -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    stub.answer = stubs.png(grey)
    ((array,),) = call(address, {**ONE, "form": "array"})
    np.testing.assert_array_equal(array, grey, strict=True)


@pytest.mark.parametrize("packed", [False, True], ids=["values", "tensor_content"])
def test_a_fresh_seed_comes_with_its_picture(stub: Stub, address: str, packed: bool) -> None:
    stub.packed = packed
    expected = [
        Picture(
            png=stubs.png(stubs.picture(stubs.FRESH_SEED)),
            seed=stubs.FRESH_SEED,
            unknown_words=n,
            caption=caption,
        )
        for n, caption in enumerate("abc")
    ]
    with Client(address, model="stub") as client:
        assert client.draw(["a", "b", "c"]) == expected

    async def draw() -> list[Picture]:
        async with AsyncClient(address, model="stub") as client:
            return await client.draw(["a", "b", "c"])

    assert asyncio.run(draw()) == expected


def test_one_caption_is_drawn_with_each_seed(call: Call, stub: Stub, address: str) -> None:
    crossed, paired, fresh = call(
        address,
        {"captions": "a seven", "seeds": range(1, 4)},
        {"captions": ["a seven"] * 3, "seeds": [1, 2, 3]},
        {"captions": "a seven"},
    )
    assert crossed == paired == [stubs.png(stubs.picture(seed)) for seed in range(1, 4)]
    assert stub.requests[0] == stub.requests[1]
    assert fresh == [stubs.png(stubs.picture(stubs.FRESH_SEED))]
    with Client(address, model="stub") as client:
        pictures = client.draw("a seven", seeds=range(2))
    assert [(it.caption, it.seed) for it in pictures] == [("a seven", 0), ("a seven", 1)]
    assert pictures[1:].image().size == (3, 2)


def their_request(signature: str, **inputs: tensor_pb2.TensorProto) -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "stub", signature
    for name, proto in inputs.items():
        request.inputs[name].CopyFrom(proto)
    return request.SerializeToString(deterministic=True)


def test_one_row_has_the_bytes_of_tensorflows_own_client(
    call: Call, stub: Stub, address: str
) -> None:
    call(address, {**ONE, "truncation": 0.5}, {"captions": ["Übergröße \0", "b"]})
    assert stub.requests == [
        their_request(
            "generate",
            caption=tf.make_tensor_proto(["a seven"]),
            seed=tf.make_tensor_proto([1], tf.int64),
            truncation=tf.make_tensor_proto([0.5], tf.float32),
        ),
        their_request("serving_default", caption=tf.make_tensor_proto(["Übergröße \0", "b"])),
    ]


ROWS = st.integers(1, 5).flatmap(
    lambda count: st.tuples(
        st.lists(st.text(), min_size=count, max_size=count),
        st.lists(INT64, min_size=count, max_size=count),
        st.floats(0, 1, width=32),
    )
)


@given(ROWS)
@settings(max_examples=50)
def test_any_request_has_the_bytes_of_tensorflow_serving_api(
    shared_stub: Stub, shared_client: Client, rows: tuple[list[str], list[int], float]
) -> None:
    captions, seeds, truncation = rows
    count = len(captions)
    shared_stub.requests.clear()
    shared_client.generate(captions, seeds=seeds, truncation=truncation)
    texts = [caption.encode() for caption in captions]
    expected = their_request(
        "generate",
        caption=stubs.tensor(types_pb2.DT_STRING, count, string_val=texts),
        seed=stubs.tensor(types_pb2.DT_INT64, count, int64_val=seeds),
        truncation=stubs.tensor(types_pb2.DT_FLOAT, count, float_val=[truncation] * count),
    )
    assert shared_stub.requests == [expected]


def test_rejected_call_is_retried(call: Call, stub: Stub, address: str) -> None:
    stub.fail(UNAVAILABLE)
    ((png,),) = call(address, ONE, retry=AT_ONCE)
    assert png == stubs.png(stubs.picture(1))
    first, second = stub.requests
    assert first == second


def test_no_other_failure_is_tried_again(call: Call, stub: Stub, address: str) -> None:
    codes = set(grpc.StatusCode) - {grpc.StatusCode.OK, UNAVAILABLE}
    for number, code in enumerate(codes, start=1):
        stub.fail(code)
        with pytest.raises(grpc.RpcError) as caught:
            call(address, ONE, retry=AT_ONCE)
        assert (caught.value.code(), caught.value.details()) == (code, "as the test says")
        assert len(stub.requests) == number


def test_unavailable_server_is_tried_for_the_given_number_of_attempts(
    call: Call, stub: Stub, address: str
) -> None:
    stub.fail(*[UNAVAILABLE] * 9)
    with pytest.raises(grpc.RpcError) as caught:
        call(address, ONE, retry=Retry(attempts=3, first_seconds=0.0))
    assert caught.value.code() == UNAVAILABLE
    assert len(stub.requests) == 3


def test_a_wait_that_would_pass_the_deadline_is_not_begun(
    call: Call, stub: Stub, address: str
) -> None:
    stub.fail(UNAVAILABLE)
    with pytest.raises(grpc.RpcError) as caught:
        call(address, ONE, retry=Retry(first_seconds=3600.0, longest_seconds=3600.0))
    assert caught.value.code() == UNAVAILABLE
    assert len(stub.requests) == 1


def test_a_late_answer_is_not_waited_for(call: Call, stub: Stub, address: str) -> None:
    stub.stuck = True
    with pytest.raises(grpc.RpcError) as caught:
        call(address, ONE, timeout_seconds=0.1, retry=AT_ONCE)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert len(stub.requests) <= 1  # None if the deadline passed before the connection was open.


def test_server_gets_the_deadline(call: Call, stub: Stub, address: str) -> None:
    stub.fail(UNAVAILABLE)
    call(address, ONE, timeout_seconds=500.0, retry=AT_ONCE)
    assert len(stub.remaining_seconds) == 2
    assert all(400 < seconds <= 500 for seconds in stub.remaining_seconds)


def test_a_cancelled_call_is_given_up(stub: Stub, address: str) -> None:
    stub.stuck = True

    async def cancel() -> None:
        async with AsyncClient(address, model="stub") as client:
            call = asyncio.create_task(client.draw(["a"]))
            assert await asyncio.to_thread(stub.received.wait, 30)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    asyncio.run(cancel())
    assert stub.given_up.wait(30)
    assert len(stub.requests) == 1


def test_calls_of_one_loop_run_side_by_side(stub: Stub, address: str) -> None:
    async def draw() -> list[list[Picture]]:
        async with AsyncClient(address, model="stub") as client:
            calls = [client.draw(["a"], seeds=[seed]) for seed in range(20)]
            return await asyncio.gather(*calls)

    assert [picture.seed for (picture,) in asyncio.run(draw())] == list(range(20))


def test_calls_rotate_over_the_addresses(call: Call) -> None:
    one, other = Stub(), Stub()
    with stubs.serve(one) as first, stubs.serve(other) as second:
        call(f"{first},{second}", *[ONE] * 6)
    assert (len(one.requests), len(other.requests)) == (3, 3)


def test_a_refused_call_goes_to_the_next_address_at_once(call: Call, stub: Stub) -> None:
    full = Stub()
    full.fail(*[UNAVAILABLE] * 9)
    slow = Retry(attempts=2, first_seconds=3600.0, longest_seconds=3600.0)
    with stubs.serve(full) as first, stubs.serve(stub) as second:
        call(f"{first},{second}", ONE, ONE, retry=slow)
    assert (len(full.requests), len(stub.requests)) == (1, 2)


def test_closed_address_is_skipped(call: Call, stub: Stub, address: str) -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        nobody = f"localhost:{taken.getsockname()[1]}"
        call(f"{nobody},{address}", *[ONE] * 4)
    assert len(stub.requests) == 4


def test_all_addresses_of_one_name_are_used() -> None:
    one, other = Stub(), Stub()
    with stubs.serve(one) as first, stubs.serve(other) as second:
        ports = [address.partition(":")[2] for address in (first, second)]
        name = f"ipv4:127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}"
        with Client(name, model="stub") as client:
            for _ in range(2000):  # The second address gets calls once it is connected.
                client.generate(**ONE)
                if one.requests and other.requests:
                    return
    pytest.fail("one of two addresses was never asked")


def test_metadata_goes_with_every_call(call: Call, stub: Stub, address: str) -> None:
    metadata = [("authorization", "Bearer a b"), ("trace-bin", b"\x00\xff")]
    stub.fail(UNAVAILABLE)
    call(address, ONE, ONE, metadata=metadata, retry=AT_ONCE)
    assert len(stub.metadata) == 3
    assert all(dict(metadata).items() <= sent.items() for sent in stub.metadata)


def test_messages_may_be_large(call: Call, stub: Stub, address: str) -> None:
    stub.answer = bytes(9_000_000)
    (pictures,) = call(address, {"captions": ["x" * 9_000_000, "b"], "seeds": [1, 2]})
    assert [len(png) for png in pictures] == [9_000_000, 9_000_000]


def test_invalid_requests_are_not_sent(call: Call, stub: Stub, address: str) -> None:
    for question, rule in (
        ({"captions": ["a"], "truncation": 0.5}, "seeds: must be given with a trunc"),
        (
            {"captions": ["a", "b"], "seeds": [1]},
            "seeds: must be 2, one per caption of the list, got 1",
        ),
        ({"captions": ["a"], "seeds": [2**63]}, r"seeds: must be from -2\^63"),
        ({"captions": ["a"], "form": "jpeg"}, "form: must be one of png, pil, array"),
    ):
        with pytest.raises(ValueError, match=rule):
            call(address, question)
    assert stub.requests == []


WITHOUT = """
import sys
for name in ("tensorflow", "tensorflow_serving", "tf_keras", "PIL", "absl", "tfgan2"):
    sys.modules[name] = None
from serving.client import Client
with Client(sys.argv[1], model="stub") as client:
    sys.stdout.buffer.write(client.generate(["a seven"], seeds=[1])[0])
"""


def test_client_needs_only_grpc_protobuf_and_numpy(address: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT, address], cwd=ROOT, capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == stubs.png(stubs.picture(1))
