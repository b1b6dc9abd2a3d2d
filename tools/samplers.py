"""Samplers of an export or a served model, so that both are evaluated like a run."""

import json
import pathlib
from collections.abc import Sequence

import grpc
import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  Registers ops that exported graphs use.

from serving.client import Client
from tfgan2.adversarial.sampler import Samples
from tfgan2.export.saved_model import CARD_NAME, versions
from tfgan2.program import UsageError

PROBE = ""


class ExportSampler:
    """The newest version of an export.

    Attributes:
      reads: conditioning input: `captions`; `texts`, which a joint model also writes; or None.
      image_size: image side in pixels.
      truncation: default truncation of the model.
      crop_margin: crop margin of the training images, as in the recipe.
      text_source: text source of a joint model, as in the recipe.
      text_encoder: checksum of the pretrained text encoder that training started with, or None.
      name: folder, version and checkpoint.
    """

    def __init__(self, export_dir: str) -> None:
        """Loads the export.

        Args:
          export_dir: folder of the versions.

        Raises:
          UsageError: the folder has no version, or a damaged one.
        """
        folder = pathlib.Path(export_dir)
        numbers = versions(folder) if folder.is_dir() else []
        if not numbers:
            raise UsageError("--export_dir", "must hold a version, as tools.export writes", folder)
        version = folder / str(max(numbers))
        try:
            self._model = tf.saved_model.load(str(version))
            self._pixels = self._model.signatures["pixels"]
            card = json.loads((version / CARD_NAME).read_text(encoding="utf-8"))
            self.image_size, self.truncation = card["image_size"], card["truncation"]
            self.crop_margin, self.text_source = card["crop_margin"], card["text_source"]
            self.text_encoder = card["text_encoder"]
            self.name = f"{folder.resolve().name}/{version.name} ({card['checkpoint']})"
        except Exception as error:  # A damaged SavedModel raises errors of nearly any type.
            rule = "must be a version as tools.export writes"
            raise UsageError(str(version), rule, f"{error!r:.200}") from error
        self._inputs = set(self._pixels.structured_input_signature[1])
        writes = "text" in self._pixels.structured_outputs
        self.reads = "texts" if writes else "captions" if "caption" in self._inputs else None

    def sample(self, captions: Sequence[str], seeds: np.ndarray, truncation: float) -> Samples:
        """Draws one image per caption and seed, with one truncation for all."""
        rows = {
            "caption": tf.constant(list(captions)),
            "seed": tf.constant(seeds, tf.int64),
            "truncation": tf.fill([len(seeds)], tf.constant(truncation, tf.float32)),
        }
        outputs = self._pixels(**{name: rows[name] for name in self._inputs})
        texts = None
        if "text" in outputs:
            texts = [text.decode() for text in outputs["text"].numpy()]
        return Samples(outputs["image"].numpy(), texts)


class ServedSampler:
    """A model behind a server.

    Attributes:
      reads: conditioning input: `captions`; `texts`, which a joint model also writes; or None.
      image_size: image side in pixels.
      truncation: None, because a server does not report its default.
      name: names of the model and its server.
    """

    truncation = None

    def __init__(self, target: str, *, model: str) -> None:
        """Draws a probe image, to find the conditioning input and the image size.

        Args:
          target: host:port.
          model: name of the model on the server.

        Raises:
          UsageError: the server does not answer, or does not serve this model.
        """
        self._client = Client(target, model=model)
        self._target, self._model_name = target, model
        self.name = f"{model} at {target}"
        self.reads: str | None = "captions"
        try:
            (probe,) = self._client.draw([PROBE], seeds=[0])
            self.reads = "captions" if probe.text is None else "texts"
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.INVALID_ARGUMENT:
                raise self._mistake(error) from error
            self.reads = None
        samples = self.sample([PROBE], np.zeros(1, np.int64), 0.0)
        self.image_size = samples.images.shape[1]

    def sample(self, captions: Sequence[str], seeds: np.ndarray, truncation: float) -> Samples:
        """Draws one image per caption and seed, with one truncation for all."""
        inputs = None if self.reads is None else captions
        try:
            pictures = self._client.draw(inputs, seeds=seeds.tolist(), truncation=truncation)
        except grpc.RpcError as error:
            raise self._mistake(error) from error
        images = np.stack([tf.io.decode_png(picture.png).numpy() for picture in pictures])
        texts = [picture.text for picture in pictures if picture.text is not None]
        return Samples(images, texts or None)

    def _mistake(self, error: grpc.RpcError) -> UsageError:
        status = f"{error.code().name}: {error.details()} from {self._target}"
        return UsageError("--target", f"must serve the model {self._model_name}", status)
