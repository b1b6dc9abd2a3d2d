"""The blocking client; threads may share it."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import numpy as np

from serving.client import picture_request, pictures, predict
from serving.client.connection import Connection
from serving.client.picture_request import MODEL_DEFAULT
from serving.client.pictures import Form, Pictures


class Client(Connection):
    """A connection to a model; call `close`, or use it as a context manager."""

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
          signature: name of the signature.
          inputs: arrays by name; strings are object arrays of bytes.

        Returns:
          The outputs: arrays by name.

        Raises:
          grpc.RpcError: no server answers, or a server refuses the request.
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
        captions: str | Sequence[str] | None = None,
        *,
        seeds: Sequence[int] | None = None,
        truncation: float = MODEL_DEFAULT,
    ) -> Pictures:
        """Draws pictures; a notebook shows the returned list as one sheet.

        Args:
          captions: one caption, which is drawn with each seed; or a list of captions, one per
            picture. A joint model writes the text of an empty caption. None for an unconditional
            model.
          seeds: int64. None: the server chooses a new seed per caption; without captions, the
            client chooses one seed.
          truncation: truncation of the latents, above 0 and at most 1; 0 is the model's default.

        Raises:
          grpc.RpcError: no server answers, or a server refuses the request.
          ValueError: captions or seeds are invalid, or a truncation is given without seeds.
        """
        request = picture_request.make_request(captions, seeds=seeds, truncation=truncation)
        return request.read(self.predict(request.signature, request.inputs))

    def generate(
        self,
        captions: str | Sequence[str] | None = None,
        *,
        seeds: Sequence[int] | None = None,
        truncation: float = MODEL_DEFAULT,
        form: Form = "png",
    ) -> list[Any]:
        """Draws pictures like `draw`, and returns only the images.

        Args:
          captions: see `draw`.
          seeds: see `draw`.
          truncation: see `draw`.
          form: `png`: bytes of a PNG file; `pil`: a PIL image; `array`: uint8 [height, width,
            channels].

        Raises:
          grpc.RpcError: no server answers, or a server refuses the request.
          ValueError: an argument breaks one of these rules.
        """
        pictures.check_form(form)
        drawn = self.draw(captions, seeds=seeds, truncation=truncation)
        return [picture.to(form) for picture in drawn]
