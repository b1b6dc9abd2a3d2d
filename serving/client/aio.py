"""The client for asyncio."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import grpc.aio
import numpy as np

from serving.client import describe, picture_request, pictures, predict
from serving.client.connection import Connection
from serving.client.describe import ModelDescription
from serving.client.picture_request import MODEL_DEFAULT
from serving.client.pictures import Form, Pictures
from serving.client.predict import PredictResult


class AsyncClient(Connection):
    """`Client` for asyncio; use it only in the event loop that creates it."""

    _library = grpc.aio

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the channels."""
        for channel in self._channels:
            await channel.close()

    async def predict(
        self, signature: str, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Runs a signature, like `Client.predict`; a cancelled call is not retried."""
        request = predict.make_request(self._model, signature, inputs)
        return predict.outputs(await self._call(self._predict_stubs, request))

    async def ask(
        self, signature: str, inputs: Mapping[str, np.ndarray], *, version: int | None = None
    ) -> PredictResult:
        """Runs a signature, like `predict`, and also returns the version that answered.

        Args:
          signature: name of the signature.
          inputs: arrays by name.
          version: version of the model; None for the newest.
        """
        request = predict.make_request(self._model, signature, inputs, version=version)
        return predict.answer(await self._call(self._predict_stubs, request))

    async def describe(self) -> ModelDescription:
        """Returns the newest version of the model, and its signatures.

        Raises:
          grpc.RpcError: no server answers, or no server has the model.
        """
        request = describe.make_request(self._model)
        return describe.description(await self._call(self._describe_stubs, request))

    async def draw(
        self,
        captions: str | Sequence[str] | None = None,
        *,
        seeds: Sequence[int] | None = None,
        truncation: float = MODEL_DEFAULT,
    ) -> Pictures:
        """Draws pictures, like `Client.draw`."""
        request = picture_request.make_request(captions, seeds=seeds, truncation=truncation)
        return request.read(await self.predict(request.signature, request.inputs))

    async def generate(
        self,
        captions: str | Sequence[str] | None = None,
        *,
        seeds: Sequence[int] | None = None,
        truncation: float = MODEL_DEFAULT,
        form: Form = "png",
    ) -> list[Any]:
        """Draws pictures, like `Client.generate`."""
        pictures.check_form(form)
        drawn = await self.draw(captions, seeds=seeds, truncation=truncation)
        return [picture.to(form) for picture in drawn]

    async def _call(self, stubs: Sequence[Any], request: Any) -> Any:
        attempts = self._attempts()
        while True:
            try:
                return await self._send(stubs, request, attempts)
            except grpc.RpcError as error:
                wait_seconds = attempts.fail(error.code())
                if wait_seconds is None:
                    raise
            await asyncio.sleep(wait_seconds)
