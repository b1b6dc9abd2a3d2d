"""Converts the pipeline's batches to the inputs of each replica's training step."""

import os
from collections.abc import Sequence

import tensorflow as tf

from tfgan2.text.tokenizers import Tokenizer

# Batches that are ready before a step needs them.
PREFETCHED_BATCHES = 2


def tokenized(
    dataset: tf.data.Dataset, tokenizer: Tokenizer | None, *, texts: Sequence[str] | None = None
) -> tf.data.Dataset:
    """Replaces caption strings by token ids and lengths.

    Args:
      dataset: batches of the pipeline.
      tokenizer: None for an unconditional system.
      texts: texts by label, which replace the captions; None: captions.
    """
    if tokenizer is None:
        return dataset.map(lambda batch: {"image": batch["image"], "label": batch["label"]})
    # One trace for both kinds of captions.
    tokens_of = tf.function(tokenizer, autograph=False)

    def ids(captions: tf.Tensor) -> dict[str, tf.Tensor]:
        tokens = tokens_of(tf.reshape(captions, [-1]))
        return {
            name: tf.reshape(tokens[name], [*captions.shape, *tokens[name].shape[1:]])
            for name in ("ids", "length")
        }

    # No branch here depends on a tensor: AutoGraph would only make the trace slower.
    @tf.autograph.experimental.do_not_convert
    def tokenize(batch: dict[str, tf.Tensor]) -> dict[str, object]:
        if texts is not None:
            own, mismatched = (tf.gather(texts, batch[f"{it}label"]) for it in ("", "mismatched_"))
        else:
            own, mismatched = batch["caption"], batch["mismatched_caption"]
        return {
            "image": batch["image"],
            "label": batch["label"],
            "tokens": ids(own),
            "mismatched_tokens": ids(mismatched),
        }

    return dataset.map(tokenize)


def distributed(
    dataset: tf.data.Dataset, strategy: tf.distribute.Strategy
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """Splits every global batch over the replicas; the first replica gets the first rows.

    Args:
      dataset: global batches, the same in every process.
      strategy: its replicas divide the rows of a batch evenly.
    """
    # A private thread pool: prefetching does not queue behind the ops of a training step.
    options = tf.data.Options()
    options.threading.private_threadpool_size = os.cpu_count() or 1
    # The thread of autotuning sleeps for up to a minute, and the end of training would wait for it.
    options.autotune.enabled = False
    dataset = dataset.with_options(options)
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return dataset.prefetch(PREFETCHED_BATCHES)

    def of_this_process(context: tf.distribute.InputContext) -> tf.data.Dataset:
        local = replicas // context.num_input_pipelines
        first = context.input_pipeline_id * local

        @tf.autograph.experimental.do_not_convert
        def own(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            rows = batch["image"].shape[0] // replicas

            def parts(tensor: tf.Tensor) -> tf.Tensor:
                shape = tf.concat([[replicas, rows], tf.shape(tensor)[1:]], axis=0)
                split = tf.reshape(tensor, shape)[first : first + local]
                return tf.ensure_shape(split, [local, rows, *tensor.shape[1:]])

            return tf.nest.map_structure(parts, batch)

        split = dataset.map(own)
        return split.unbatch().prefetch(PREFETCHED_BATCHES * local)

    return strategy.distribute_datasets_from_function(of_this_process)
