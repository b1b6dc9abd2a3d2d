"""The client that waits for its answers; it may be shared by threads."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import numpy as np

from serving.client import drawing, pictures, predict
from serving.client.connection import Connection
from serving.client.drawing import MODEL_DEFAULT
from serving.client.pictures import Form, Picture


class Client(Connection):
    """A connection to a model; use it as a context manager, or close it."""

    _library = grpc

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the channels."""
        for channel in self._channels:
            channel.close()

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
          signature: its name.
          inputs: arrays by name; strings are arrays of objects that are bytes.

        Returns:
          Arrays by name.

        Raises:
          grpc.RpcError: no server answers, or one refuses.
        """
        request = predict.make_request(self._model, signature, inputs)
        attempts = self._attempts()
        while True:
            try:
                return predict.outputs(self._send(self._predict_stubs, request, attempts))
            except grpc.RpcError as error:
                wait_seconds = attempts.fail(error.code())
                if wait_seconds is None:
                    raise
            time.sleep(wait_seconds)

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
          grpc.RpcError: no server answers, or one refuses.
          ValueError: captions or seeds do not fit, or there is a truncation without seeds.
        """
        request = drawing.make_request(captions, seeds=seeds, truncation=truncation)
        return request.read(self.predict(request.signature, request.inputs))

    def generate(
        self,
        captions: Sequence[str] | None = None,
        *,
        seeds: Sequence[int] | None = None,
        truncation: float = MODEL_DEFAULT,
        form: Form = "png",
    ) -> list[Any]:
        """Draws captions as `draw` does, and returns the pictures alone.

        Args:
          captions: as of `draw`.
          seeds: as of `draw`.
          truncation: as of `draw`.
          form: `png`: bytes of a PNG file; `pil`: a PIL image; `array`: uint8 [height, width,
            channels].

        Raises:
          grpc.RpcError: no server answers, or one refuses.
          ValueError: an argument is not as told here.
        """
        pictures.check_form(form)
        drawn = self.draw(captions, seeds=seeds, truncation=truncation)
        return [picture.to(form) for picture in drawn]
