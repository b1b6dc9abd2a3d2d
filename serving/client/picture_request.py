"""Requests for pictures: chooses the signature, builds its inputs and reads its outputs."""

import dataclasses
import secrets
from collections.abc import Mapping, Sequence

import numpy as np

from serving.client.pictures import Picture, Pictures

MODEL_DEFAULT = 0.0
FRESH_SEEDS = 2**31
_INT64 = np.iinfo(np.int64)


@dataclasses.dataclass(frozen=True)
class PictureRequest:
    """A request for pictures, for one signature.

    Attributes:
      signature: name of the signature that accepts these inputs.
      inputs: arrays by name.
    """

    signature: str
    inputs: Mapping[str, np.ndarray]

    def read(self, outputs: Mapping[str, np.ndarray]) -> Pictures:
        """Reads the pictures from the outputs, in the order of the inputs."""
        count = len(outputs["image_bytes"])
        nothing = [None] * count
        return Pictures(
            Picture(
                png=png,
                seed=int(seed),
                unknown_words=int(unknown),
                text=None if text is None else text.decode(),
                caption=None if caption is None else caption.decode("utf-8", "surrogateescape"),
            )
            for png, seed, unknown, text, caption in zip(
                outputs["image_bytes"],
                self.inputs["seed"] if "seed" in self.inputs else outputs["seed"],
                outputs.get("unknown_words", np.zeros(count, np.int32)),
                outputs.get("text", nothing),
                self.inputs.get("caption", nothing),
                strict=True,
            )
        )


def make_request(
    captions: str | Sequence[str] | None, *, seeds: Sequence[int] | None, truncation: float
) -> PictureRequest:
    """Creates a request for pictures from the arguments of `Client.draw`.

    Raises:
      ValueError: captions or seeds are invalid, or a truncation is given without seeds.
    """
    if isinstance(captions, str):
        captions = [captions] * (1 if seeds is None else len(seeds))
    if seeds is None and truncation != MODEL_DEFAULT:
        raise ValueError(f"seeds: must be given with a truncation, got {truncation}")
    inputs: dict[str, np.ndarray] = {}
    if captions is not None:
        inputs["caption"] = np.empty(len(captions), object)
        inputs["caption"][:] = [text.encode("utf-8", "surrogateescape") for text in captions]
    elif seeds is None:
        seeds = [secrets.randbelow(FRESH_SEEDS)]
    if seeds is None:
        return PictureRequest("serving_default", inputs)
    if captions is not None and len(seeds) != len(captions):
        rule = f"must be {len(captions)}, one per caption of the list"
        raise ValueError(f"seeds: {rule}, got {len(seeds)}")
    for seed in seeds:
        if not _INT64.min <= seed <= _INT64.max:
            raise ValueError(f"seeds: must be from -2^63 to 2^63-1, got {seed}")
    inputs["seed"] = np.asarray(seeds, np.int64)
    inputs["truncation"] = np.full(len(seeds), truncation, np.float32)
    return PictureRequest("generate", inputs)
