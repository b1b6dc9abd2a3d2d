"""Loads a run or an export as a model that draws pictures, for notebooks and scripts."""

import dataclasses
import os
import pathlib
import secrets
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  Registers ops that exported graphs use.

from tfgan2 import program
from tfgan2.export import saved_model, signatures
from tfgan2.pictures import Picture, Pictures
from tfgan2.program import UsageError
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import load_sampler

SIGNATURE = "generate"
MODEL_DEFAULT = 0.0
# Bounds the memory of a call; the size of a batch does not change its pictures.
BATCH_ROWS = 64
_INT64 = np.iinfo(np.int64)


@dataclasses.dataclass(frozen=True)
class Model:
    """A model that draws pictures.

    Attributes:
      path: the run directory, or the folder of the export's version.
      reads: conditioning input: `captions`; `texts`, which a joint model also writes; or None.
      generate: the signature `generate` of an export; returns tensors by name.
    """

    path: pathlib.Path
    reads: str | None
    generate: Callable[..., Mapping[str, tf.Tensor]] = dataclasses.field(repr=False)

    def draw(
        self,
        captions: str | Sequence[str] | None = None,
        *,
        seeds: Sequence[int] | None = None,
        truncation: float = MODEL_DEFAULT,
    ) -> Pictures:
        """Draws pictures; an export and a server draw the same ones.

        Args:
          captions: one caption, which is drawn with each seed; or a list of captions, one per
            picture. A joint model writes the text of an empty caption. None for an unconditional
            model.
          seeds: int64. None: a new seed per caption; without captions, one new seed.
          truncation: truncation of the latents, above 0 and at most 1; 0 is the model's default.

        Raises:
          ValueError: an argument breaks one of these rules.
        """
        if (captions is None) != (self.reads is None):
            rule = "must be given" if captions is None else "must be left out"
            kind = "an unconditional model" if self.reads is None else "a model that reads captions"
            raise ValueError(f"captions: {rule} for {kind}, got {captions!r:.80}")
        if not 0.0 <= truncation <= 1.0:
            raise ValueError(f"truncation: must be from 0 to 1, got {truncation}")
        texts, seeds = _rows(captions, seeds)
        drawn = Pictures()
        for begin in range(0, len(seeds), BATCH_ROWS):
            rows = slice(begin, begin + BATCH_ROWS)
            part = None if texts is None else texts[rows]
            drawn.extend(self._draw(part, seeds[rows], truncation))
        return drawn

    def _draw(
        self, captions: Sequence[str] | None, seeds: Sequence[int], truncation: float
    ) -> list[Picture]:
        """Draws one batch."""
        inputs = {
            "seed": tf.constant(np.asarray(seeds, np.int64)),
            "truncation": tf.fill([len(seeds)], tf.constant(truncation, tf.float32)),
        }
        if captions is not None:
            encoded = [caption.encode("utf-8", "surrogateescape") for caption in captions]
            inputs["caption"] = tf.constant(encoded, tf.string)
        outputs = {name: value.numpy() for name, value in self.generate(**inputs).items()}
        nothing = [None] * len(seeds)
        return [
            Picture(
                png=png,
                seed=int(seed),
                unknown_words=int(unknown),
                text=None if text is None else text.decode(),
                caption=caption,
            )
            for png, seed, unknown, text, caption in zip(
                outputs["image_bytes"],
                seeds,
                outputs.get("unknown_words", np.zeros(len(seeds), np.int32)),
                outputs.get("text", nothing),
                captions or nothing,
                strict=True,
            )
        ]


def load(path: str | os.PathLike) -> Model:
    """Loads a run, from its newest checkpoint, or an export, its newest version.

    Args:
      path: a run directory, an export, or one version of an export.

    Raises:
      UsageError: there is no model at the path, or its files are damaged.
    """
    program.quieten_tensorflow()
    folder = pathlib.Path(path).expanduser()
    run = RunDirectory(folder)
    if run.config_file.is_file():
        return _load_run(run)
    version = saved_model.newest_version(folder)
    if version is None:
        rule = "must be a run directory, an export or a version of an export"
        raise UsageError("path", rule, path)
    return _load_export(version)


def _load_run(run: RunDirectory) -> Model:
    sampler, _, _ = load_sampler(run, flag="path")
    functions = signatures.make_signatures(sampler).functions()
    return Model(run.path, sampler.reads, functions[SIGNATURE])


def _load_export(version: pathlib.Path) -> Model:
    try:
        generate = tf.saved_model.load(str(version)).signatures[SIGNATURE]
        reads = "captions" if "caption" in generate.structured_input_signature[1] else None
        if "text" in generate.structured_outputs:
            reads = "texts"
    except Exception as error:  # A damaged SavedModel raises errors of nearly any type.
        rule = "must be a version as tools.export writes"
        raise UsageError(str(version), rule, f"{error!r:.200}") from error
    return Model(version, reads, generate)


def _rows(
    captions: str | Sequence[str] | None, seeds: Sequence[int] | None
) -> tuple[Sequence[str] | None, Sequence[int]]:
    """Returns one caption and one seed per picture."""
    if seeds is None:
        count = 1 if captions is None or isinstance(captions, str) else len(captions)
        seeds = [secrets.randbelow(signatures.SEEDS) for _ in range(count)]
    for seed in seeds:
        if not _INT64.min <= seed <= _INT64.max:
            raise ValueError(f"seeds: must be from -2^63 to 2^63-1, got {seed}")
    if isinstance(captions, str):
        captions = [captions] * len(seeds)
    if captions is not None and len(captions) != len(seeds):
        rule = f"must be {len(captions)}, one per caption of the list"
        raise ValueError(f"seeds: {rule}, got {len(seeds)}")
    return captions, seeds
