"""Writes a sampler as the next version of a SavedModel, checked before it takes its place."""

import json
import os
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.adversarial.sampler import Sampler
from tfgan2.export import warmup
from tfgan2.export.signatures import Signatures
from tfgan2.program import UsageError

CARD_NAME = "model_card.json"
CHECK_SEEDS = (0, 1, 2**31 - 1)


def export(
    sampler: Sampler,
    export_dir: str | os.PathLike,
    *,
    captions: Sequence[str],
    card: Mapping[str, Any],
) -> pathlib.Path:
    """Writes version 1, or the highest there is plus one, whole or not at all.

    Args:
      sampler: what is exported.
      export_dir: folder of the versions; made if it is not there.
      captions: examples, for the check, the warm-up and the card.
      card: what model_card.json says beside them.

    Returns:
      The folder of the version.

    Raises:
      UsageError: `export_dir` is a file.
      RuntimeError: what was written does not draw what the live model draws.
    """
    folder = pathlib.Path(export_dir)
    if folder.exists() and not folder.is_dir():
        raise UsageError("--export_dir", "must be a directory or absent", export_dir)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".partial-{os.getpid()}"
    try:
        signatures = Signatures(sampler)
        tf.saved_model.save(signatures, str(partial), signatures=signatures.functions())
        warmup.write(partial, caption=captions[0], sentence_size=sampler.sentence_size)
        text = json.dumps({**card, "example_captions": list(captions)}, indent=1)
        (partial / CARD_NAME).write_text(text + "\n", encoding="utf-8")
        check(partial, sampler, captions)
        version = folder / str(max(versions(folder), default=0) + 1)
        partial.rename(version)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return version


def versions(export_dir: pathlib.Path) -> list[int]:
    """Numbers of the versions in a folder."""
    return [int(path.name) for path in export_dir.iterdir() if path.name.isdecimal()]


def check(version_dir: pathlib.Path, sampler: Sampler, captions: Sequence[str]) -> None:
    """Compares what a SavedModel draws with what the live model draws.

    Raises:
      RuntimeError: a pixel differs by more than 1 of 255.
    """
    rows = [(caption, seed) for caption in captions for seed in CHECK_SEEDS]
    caption = tf.constant([caption for caption, _ in rows])
    seed = tf.constant([seed for _, seed in rows], tf.int64)
    truncation = tf.constant([0.0, 1.0, 0.5] * len(captions), tf.float32)
    loaded = tf.saved_model.load(str(version_dir)).signatures["pixels"]
    saved = loaded(caption=caption, seed=seed, truncation=truncation)["image"].numpy()
    live = sampler.pixels(caption, seed, truncation).numpy()
    difference = np.abs(saved.astype(int) - live.astype(int)).max()
    if difference > 1:
        raise RuntimeError(
            f"pixels of the export must equal the live model's, differ by {difference}"
        )
