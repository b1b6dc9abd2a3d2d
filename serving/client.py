r"""Asks a model server for the picture of a caption; needs grpcio, protobuf and NumPy only.

Example:
  python -m serving.client --target=localhost:8500 --model=digits \
    --caption="a handwritten seven" --seed=1 --output=seven.png
"""

import dataclasses
import os
import pathlib
import secrets
import tempfile
from collections.abc import Mapping, Sequence

import grpc
import numpy as np
from absl import flags

from serving import program
from serving.wire import messages, tensors

PREDICT = "/tensorflow.serving.PredictionService/Predict"
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
MODEL_DEFAULT = 0.0
FRESH_SEEDS = 2**31


@dataclasses.dataclass(frozen=True)
class Picture:
    """A drawn caption.

    Attributes:
      png: bytes of the PNG file.
      seed: draws the same picture again.
      unknown_words: how many words of the caption the model does not know; 0 without captions.
      text: what a joint model wrote to it; None of others.
    """

    png: bytes
    seed: int
    unknown_words: int
    text: str | None = None


class Client:
    """A connection to a model; use it as a context manager, or close it."""

    def __init__(self, target: str, *, model: str, timeout_seconds: float = 60.0) -> None:
        """Opens a channel; nothing is sent yet.

        Args:
          target: host:port.
          model: its name on the server.
          timeout_seconds: of each call.
        """
        self._channel = grpc.insecure_channel(target, options=UNLIMITED)
        self._predict = self._channel.unary_unary(
            PREDICT,
            request_serializer=messages.PredictRequest.SerializeToString,
            response_deserializer=messages.PredictResponse.FromString,
        )
        self._model, self._timeout_seconds = model, timeout_seconds

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
          signature: its name.
          inputs: arrays by name; strings are arrays of objects that are bytes.

        Returns:
          Arrays by name.

        Raises:
          grpc.RpcError: the server does not answer, or refuses.
        """
        request = messages.PredictRequest()
        request.model_spec.name = self._model
        request.model_spec.signature_name = signature
        for name, array in inputs.items():
            tensors.fill(request.inputs[name], array)
        response = self._predict(request, timeout=self._timeout_seconds)
        return {name: tensors.parse(proto) for name, proto in response.outputs.items()}

    def draw(
        self,
        captions: Sequence[str] | None = None,
        *,
        seeds: Sequence[int] | None = None,
        truncation: float = MODEL_DEFAULT,
    ) -> list[Picture]:
        """Draws captions, or without any what an unconditional model draws of seeds.

        Args:
          captions: one or more, for a joint model also empty ones; None for an unconditional model.
          seeds: as many; None lets the server draw fresh ones, or draws one where there are no
            captions.
          truncation: of the latents, above 0 and at most 1; 0 is the model's default.

        Raises:
          grpc.RpcError: the server does not answer, or refuses.
          ValueError: a truncation without seeds, which no signature takes.
        """
        if seeds is None and truncation != MODEL_DEFAULT:
            raise ValueError(f"seeds: must be given with a truncation, got {truncation}")
        inputs: dict[str, np.ndarray] = {}
        if captions is None:
            seeds = [secrets.randbelow(FRESH_SEEDS)] if seeds is None else seeds
        else:
            inputs["caption"] = np.empty(len(captions), object)
            inputs["caption"][:] = [text.encode("utf-8", "surrogateescape") for text in captions]
        if seeds is None:
            outputs = self.predict("serving_default", inputs)
        else:
            inputs["seed"] = np.asarray(seeds, np.int64)
            inputs["truncation"] = np.full(len(seeds), truncation, np.float32)
            outputs = {**self.predict("generate", inputs), "seed": inputs["seed"]}
        count = len(outputs["image_bytes"])
        return [
            Picture(
                png=png,
                seed=int(seed),
                unknown_words=int(unknown),
                text=None if text is None else text.decode(),
            )
            for png, seed, unknown, text in zip(
                outputs["image_bytes"],
                outputs["seed"],
                outputs.get("unknown_words", np.zeros(count, np.int32)),
                outputs.get("text", [None] * count),
                strict=True,
            )
        ]


FLAGS = flags.FLAGS


def _define_flags() -> None:
    flags.DEFINE_string("target", "localhost:8500", "host:port of the server")
    flags.DEFINE_string("model", None, "name of the model on the server", required=True)
    flags.DEFINE_string(
        "caption",
        None,
        "what to draw; empty for a joint model that is to write its own, none for one that draws "
        "without captions",
    )
    flags.DEFINE_integer("seed", None, "of the picture; without it the server draws a fresh one")
    flags.DEFINE_float(
        "truncation", 0.0, "of the latent, up to 1, with --seed; 0: the model's", 0.0, 1.0
    )
    flags.DEFINE_string("output", None, "PNG file to write", required=True)
    flags.DEFINE_float("timeout_seconds", 60.0, "of the call", 0.001)


def main() -> None:
    """Draws one picture into a file."""
    if FLAGS.seed is None and FLAGS.truncation:
        raise program.UsageError("--seed: must be given with --truncation, got none")
    output = pathlib.Path(FLAGS.output)
    if output.is_dir() or not output.absolute().parent.is_dir():
        raise program.UsageError(f"--output: must be a file in a folder that exists, got {output}")
    seeds = None if FLAGS.seed is None else [FLAGS.seed]
    try:
        with Client(
            FLAGS.target, model=FLAGS.model, timeout_seconds=FLAGS.timeout_seconds
        ) as client:
            captions = None if FLAGS.caption is None else [FLAGS.caption]
            (picture,) = client.draw(captions, seeds=seeds, truncation=FLAGS.truncation)
    except grpc.RpcError as error:
        told = f"{error.code().name}: {error.details()}"
        rule = f"must serve the model {FLAGS.model}"
        raise program.UsageError(f"--target: {rule}, got {told} from {FLAGS.target}") from error
    _write(output, picture.png)
    written = "" if picture.text is None else f", text {picture.text!r}"
    print(f"{output}: seed {picture.seed}, {picture.unknown_words} unknown words{written}")


def _write(path: pathlib.Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.absolute().parent, delete=False) as file:
        file.write(content)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


if __name__ == "__main__":
    _define_flags()
    program.run(main)
