"""Exports a sampler as the next version of a SavedModel, after a check."""

import json
import os
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.adversarial.sampler import AnySampler, UnconditionalSampler
from tfgan2.export import served_ops, warmup
from tfgan2.export.constants import ConstantGenerator
from tfgan2.export.signatures import Signatures, make_signatures
from tfgan2.program import UsageError, warn

CARD_NAME = "model_card.json"
# Seeds and truncations of the check.
CHECKS = ((0, 0.0), (1, 1.0), (2**31 - 1, 0.5))


def export(
    sampler: AnySampler,
    export_dir: str | os.PathLike,
    *,
    captions: Sequence[str],
    card: Mapping[str, Any],
) -> pathlib.Path:
    """Writes version 1, or the highest version plus one, completely or not at all.

    Args:
      sampler: the sampler to export.
      export_dir: folder of the versions; created if absent.
      captions: example captions, for the check and the warm-up; the card has those of them whose
        words the model knows, or all if there are none.
      card: other content of model_card.json.

    Returns:
      The folder of the version.

    Raises:
      UsageError: `export_dir` is a file or cannot be written, or TensorFlow Serving cannot run the
        graph.
      RuntimeError: the SavedModel generates other images or texts than the live model.
    """
    folder = pathlib.Path(export_dir)
    if folder.exists() and not folder.is_dir():
        raise UsageError("--export_dir", "must be a directory or absent", export_dir)
    # Build the signatures, and check that TensorFlow Serving can run them.
    exported = sampler.with_generator(ConstantGenerator)
    signatures = make_signatures(exported)
    functions = {
        name: function.get_concrete_function() for name, function in signatures.functions().items()
    }
    served_ops.check({name: function.graph.as_graph_def() for name, function in functions.items()})
    # Write into a partial folder, check it, and rename it to the version.
    partial = folder / f".partial-{os.getpid()}"
    try:
        _write(partial, exported, functions, signatures, captions=captions, card=card)
        check_ops(partial)
        check(partial, sampler, captions)
        version = folder / str(max(versions(folder), default=0) + 1)
        partial.rename(version)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return version


def _write(
    partial: pathlib.Path,
    exported: AnySampler,
    functions: Mapping[str, Any],
    signatures: Signatures,
    *,
    captions: Sequence[str],
    card: Mapping[str, Any],
) -> None:
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        tf.saved_model.save(_holder(exported), str(partial), signatures=functions)
        warmup.write(partial, signatures.examples(caption=captions[0]))
        text = json.dumps({**card, "example_captions": _known(exported, captions)}, indent=1)
        (partial / CARD_NAME).write_text(text + "\n", encoding="utf-8")
    except (OSError, tf.errors.OpError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError("--export_dir", "must have room and be writable", reason) from error


def versions(export_dir: pathlib.Path) -> list[int]:
    """Lists the version numbers in a folder."""
    return [int(path.name) for path in export_dir.iterdir() if path.name.isdecimal()]


def _known(sampler: AnySampler, captions: Sequence[str]) -> list[str]:
    """Returns the captions whose words the model knows, or all captions if there are none."""
    if isinstance(sampler, UnconditionalSampler):
        return list(captions)
    unknown_words = sampler.unknown_words(tf.constant(captions)).numpy()
    known = [text for text, count in zip(captions, unknown_words, strict=True) if not count]
    return known or list(captions)


def newest_version(export_dir: pathlib.Path) -> pathlib.Path | None:
    """Finds the folder of the newest version of an export; a folder of one version is that one.

    Returns:
      The folder of the version; None if there is no version.
    """
    if (export_dir / tf.saved_model.SAVED_MODEL_FILENAME_PB).is_file():
        return export_dir
    numbers = versions(export_dir) if export_dir.is_dir() else []
    return export_dir / str(max(numbers)) if numbers else None


def _holder(sampler: AnySampler) -> tf.Module:
    """Keeps only what inference needs; otherwise Keras exports training graphs too."""
    holder = tf.Module(name="sampler")
    holder.weights = list(sampler.variables)
    holder.tokenizer = getattr(sampler, "tokenizer", None)
    return holder


def check_ops(version_dir: pathlib.Path) -> None:
    """Raises if the newest TensorFlow Serving image lacks an op; warns if only older ones do.

    The check covers the whole SavedModel, including its initializers.

    Raises:
      UsageError: the newest image lacks an op, or an attribute of an op.
    """
    graph = served_ops.of_saved_model(version_dir)
    served_ops.check({"the SavedModel": graph})
    if attributes := served_ops.newer_attributes(graph):
        rule = f"must have only attributes that {served_ops.IMAGE} knows"
        raise UsageError("the SavedModel", rule, ", ".join(sorted(attributes)))
    newer = sorted(served_ops.ops(graph) & served_ops.NEWER_TEXT_OPS)
    if newer:
        absent = "not in tensorflow/serving 2.12 to 2.19"
        warn(f"{', '.join(newer)}: {absent}, only from {served_ops.IMAGE} on")


def check(version_dir: pathlib.Path, sampler: AnySampler, captions: Sequence[str]) -> None:
    """Compares images and texts of a SavedModel with those of the live model.

    Raises:
      RuntimeError: a pixel differs by more than 1 of 255, or a text differs.
    """
    loaded = tf.saved_model.load(str(version_dir)).signatures["pixels"]
    input_names = loaded.structured_input_signature[1]
    for seed, truncation in CHECKS:
        seeds = [seed] * len(captions)
        inputs = {
            "caption": tf.constant(list(captions)),
            "seed": tf.constant(seeds, tf.int64),
            "truncation": tf.fill([len(captions)], truncation),
        }
        saved = loaded(**{name: inputs[name] for name in input_names})
        live = sampler.sample(captions, seeds, truncation)
        difference = np.abs(saved["image"].numpy().astype(int) - live.images).max()
        if difference > 1:
            raise RuntimeError(
                f"pixels of the export must equal the live model's, differ by {difference}"
            )
        if live.texts and [text.decode() for text in saved["text"].numpy()] != live.texts:
            raise RuntimeError("texts of the export must equal the live model's, differ")
