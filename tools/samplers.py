"""Generators of an export and of a served model, so that both are evaluated like a run."""

import functools
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  Registers ops that exported graphs use.

from serving.client import Client
from tfgan2.adversarial.sampler import Samples
from tfgan2.data.pipeline import View
from tfgan2.evaluation.measure import MeasuredGenerator
from tfgan2.export.saved_model import CARD_NAME, newest_version
from tfgan2.program import UsageError

PROBE = ""


def exported(export_dir: str) -> tuple[MeasuredGenerator, Mapping[str, str]]:
    """Loads the newest version of an export.

    Args:
      export_dir: folder of the versions, or of one version.

    Returns:
      The generator, and the checksum of the pretrained text encoder that training started with;
      empty without one.

    Raises:
      UsageError: the folder has no version, or a damaged one.
    """
    version = newest_version(pathlib.Path(export_dir))
    if version is None:
        raise UsageError("--export_dir", "must hold a version, as tools.export writes", export_dir)
    try:
        model = tf.saved_model.load(str(version))
        pixels = model.signatures["pixels"]
        card = json.loads((version / CARD_NAME).read_text(encoding="utf-8"))
        reads = "captions" if "caption" in pixels.structured_input_signature[1] else None
        generator = MeasuredGenerator(
            sample=functools.partial(_draw, model),
            reads="texts" if "text" in pixels.structured_outputs else reads,
            view=View(int(card["image_size"]), crop_margin=float(card["crop_margin"])),
            truncation=float(card["truncation"]),
            name=f"{version.resolve().parent.name}/{version.name} ({card['checkpoint']})",
            text_source=card["text_source"],
            channels=pixels.structured_outputs["image"].shape[-1],
        )
        return generator, card["text_encoder"] or {}
    except Exception as error:  # A damaged SavedModel raises errors of nearly any type.
        rule = "must be a version as tools.export writes"
        raise UsageError(str(version), rule, f"{error!r:.200}") from error


def _draw(model: Any, captions: Sequence[str], seeds: np.ndarray, truncation: float) -> Samples:
    pixels = model.signatures["pixels"]
    rows = {
        "caption": tf.constant(list(captions)),
        "seed": tf.constant(seeds, tf.int64),
        "truncation": tf.fill([len(seeds)], tf.constant(truncation, tf.float32)),
    }
    outputs = pixels(**{name: rows[name] for name in pixels.structured_input_signature[1]})
    texts = None
    if "text" in outputs:
        texts = [text.decode() for text in outputs["text"].numpy()]
    return Samples(outputs["image"].numpy(), texts)


def served(
    target: str, *, model: str, crop_margin: float = 1.0, text_source: str = "caption"
) -> MeasuredGenerator:
    """Draws probe images with a served model, to find its conditioning input and image size.

    Args:
      target: host:port.
      model: name of the model on the server.
      crop_margin: crop margin in the recipe of the model.
      text_source: text source in the recipe of a joint model.

    Returns:
      The generator; its truncation is None, because a server does not report its default.

    Raises:
      UsageError: the server does not answer, or does not serve this model.
    """
    client = Client(target, model=model)

    def mistake(error: grpc.RpcError) -> UsageError:
        status = f"{error.code().name}: {error.details()} from {target}"
        return UsageError("--target", f"must serve the model {model}", status)

    def sample(captions: Sequence[str], seeds: np.ndarray, truncation: float) -> Samples:
        inputs = None if reads is None else captions
        try:
            pictures = client.draw(inputs, seeds=seeds.tolist(), truncation=truncation)
        except grpc.RpcError as error:
            raise mistake(error) from error
        images = np.stack([tf.io.decode_png(picture.png).numpy() for picture in pictures])
        texts = [picture.text for picture in pictures if picture.text is not None]
        return Samples(images, texts or None)

    reads: str | None = None
    try:
        (probe,) = client.draw([PROBE], seeds=[0])
        reads = "captions" if probe.text is None else "texts"
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.INVALID_ARGUMENT:
            raise mistake(error) from error
    _, image_size, _, channels = sample([PROBE], np.zeros(1, np.int64), 0.0).images.shape
    return MeasuredGenerator(
        sample=sample,
        reads=reads,
        view=View(image_size, crop_margin=crop_margin),
        truncation=None,
        name=f"{model} at {target}",
        text_source=text_source,
        channels=channels,
    )
