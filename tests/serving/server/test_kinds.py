"""Server and client with unconditional and joint models."""

import pathlib
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
import tensorflow as tf

from serving.client import Client
from tests.serving import servers


@pytest.fixture(scope="module")
def address(kinds_dir: pathlib.Path) -> Iterator[str]:
    models = {name: kinds_dir / name for name in ("unconditional", "joint")}
    with servers.serve(models) as served:
        yield served.address


def side(png: bytes) -> int:
    return tf.io.decode_png(png).shape[0]


def test_unconditional_model_is_called_without_captions(address: str) -> None:
    with Client(address, model="unconditional") as client:
        pictures = client.draw(seeds=[1, 2])
        assert [picture.seed for picture in pictures] == [1, 2]
        assert pictures[0].png != pictures[1].png
        assert side(pictures[0].png) == 28
        assert (pictures[0].text, pictures[0].unknown_words) == (None, 0)
        (fresh,) = client.draw()
        assert client.draw(seeds=[fresh.seed])[0].png == fresh.png
        assert client.draw(seeds=[1], truncation=0.5)[0].png != pictures[0].png
        with pytest.raises(grpc.RpcError) as caught:
            client.draw(["a seven"], seeds=[1])
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_joint_model_sends_its_text(address: str) -> None:
    with Client(address, model="joint") as client:
        drawn = client.draw(["", "7", "7"], seeds=[1, 1, 2])
        assert drawn[0].text in {str(digit) for digit in range(10)}
        assert [picture.text for picture in drawn[1:]] == ["7", "7"]
        assert len({picture.png for picture in drawn}) == 3
        (fresh,) = client.draw([""])
        (again,) = client.draw([""], seeds=[fresh.seed])
        assert (again.png, again.text) == (fresh.png, fresh.text)
        assert np.mean([picture.unknown_words for picture in client.draw(["a b 7"])]) == 2
