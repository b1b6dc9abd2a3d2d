"""The served model: its abilities, pictures, and pictures between two captions."""

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Literal

import grpc
import numpy as np
from absl import logging

from serving.client import AsyncClient, Picture
from serving.client import picture_request as requests
from serving.client.describe import ModelDescription
from serving.demo.parameters import PictureParameters

Kind = Literal["caption", "joint", "unconditional"]
REFRESH_SECONDS = 5.0
_UNAVAILABLE = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.CANCELLED,
    }
)


class ModelError(Exception):
    """The model returned no picture.

    Attributes:
      status: HTTP status code of the response.
      text: message for the user of the page.
    """

    def __init__(self, status: int, text: str) -> None:
        """Stores status and text."""
        super().__init__(text)
        self.status, self.text = status, text


@dataclasses.dataclass(frozen=True)
class Abilities:
    """The abilities of a model's newest version.

    Attributes:
      version: version number.
      kind: `caption`: draws given captions; `joint`: also writes captions, and draws its own if
        none is given; `unconditional`: has no caption input.
      mixes: the model can interpolate between two captions.
    """

    version: int
    kind: Kind
    mixes: bool


@dataclasses.dataclass(frozen=True)
class VersionedPicture:
    """A picture, and the model version that drew it."""

    picture: Picture
    version: int


class ServedModel:
    """A model on a server; every call ends within the client's timeout."""

    def __init__(self, client: AsyncClient) -> None:
        """Stores the client; sends nothing yet."""
        self._client = client
        self._abilities: Abilities | None = None

    async def abilities(self) -> Abilities:
        """Returns the last known abilities, even while the server does not answer.

        Raises:
          ModelError: no abilities are known, and the server does not return them now.
        """
        return self._abilities or await self.refresh()

    async def refresh(self) -> Abilities:
        """Requests the abilities from the server.

        Raises:
          ModelError: the server does not answer, or the model has no signature that draws pictures.
        """
        try:
            self._abilities = _abilities(await self._client.describe())
        except grpc.RpcError as error:
            raise _error(error) from error
        return self._abilities

    async def follow(self) -> None:
        """Calls `refresh` every 5 s, to find new versions, until it is cancelled."""
        last_text = ""
        while True:
            try:
                text = f"version {(await self.refresh()).version} is served"
            except ModelError as error:
                text = error.text
            if text != last_text:
                logging.info("%s", text)
            last_text = text
            await asyncio.sleep(REFRESH_SECONDS)

    async def draw(self, wanted: Sequence[PictureParameters]) -> list[VersionedPicture]:
        """Draws pictures, in the order of `wanted`.

        Args:
          wanted: one picture of any kind, or several without a second caption: all with a caption
            or all without, all with the same truncation.

        Raises:
          ModelError: the model does not answer, is too slow or refuses.
        """
        if wanted[0].towards is not None:
            return await self._mix(wanted[0])
        captions = [one.caption for one in wanted if one.caption is not None]
        request = requests.make_request(
            captions or None, seeds=[one.seed for one in wanted], truncation=wanted[0].truncation
        )
        try:
            result = await self._client.ask(request.signature, request.inputs)
        except grpc.RpcError as error:
            raise _error(error) from error
        return self._drawn(result.version, request.read(result.outputs))

    async def _mix(self, wanted: PictureParameters) -> list[VersionedPicture]:
        """Draws between two captions, by linear interpolation of their sentence embeddings."""
        captions = [str(wanted.caption), str(wanted.towards)]
        inputs = {"caption": np.array([text.encode() for text in captions], object)}
        try:
            embedded = await self._client.ask("embed", inputs)
            first, second = embedded.outputs["sentence"]
            sentence = (1 - wanted.share) * first + wanted.share * second
            drawn = await self._client.ask(
                "draw",
                {
                    "sentence": sentence[None].astype(np.float32),
                    "seed": np.array([wanted.seed], np.int64),
                    "truncation": np.array([wanted.truncation], np.float32),
                },
                version=embedded.version,  # Sentence embeddings differ between versions.
            )
        except grpc.RpcError as error:
            raise _error(error) from error
        png = drawn.outputs["image_bytes"][0]
        return self._drawn(drawn.version, [Picture(png=png, seed=wanted.seed, unknown_words=0)])

    def _drawn(self, version: int, pictures: list[Picture]) -> list[VersionedPicture]:
        if self._abilities is not None and self._abilities.version != version:
            self._abilities = dataclasses.replace(self._abilities, version=version)
        return [VersionedPicture(picture, version) for picture in pictures]


def _abilities(description: ModelDescription) -> Abilities:
    signatures = description.signatures
    generate = signatures.get("generate")
    if generate is None or "image_bytes" not in generate.outputs:
        text = "the model server answers, but its model has no signature that draws pictures"
        raise ModelError(502, text)
    kind: Kind = "caption"
    if "caption" not in generate.inputs:
        kind = "unconditional"
    elif "text" in generate.outputs:
        kind = "joint"
    mixes = "embed" in signatures and "draw" in signatures
    return Abilities(version=description.version, kind=kind, mixes=mixes)


def _error(error: grpc.RpcError) -> ModelError:
    code = error.code()
    if code in _UNAVAILABLE:
        return ModelError(503, "the model does not answer at the moment; try again later")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return ModelError(504, "the model took too long to draw this; try again later")
    logging.error("the model server refused: %s: %s", code.name, error.details())
    return ModelError(502, f"the model cannot draw this ({code.name})")
