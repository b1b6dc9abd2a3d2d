"""From the pipeline's batches to what each replica's step takes."""

import tensorflow as tf

from tfgan2.text.tokenizers import Tokenizer


def tokenized(dataset: tf.data.Dataset, tokenizer: Tokenizer) -> tf.data.Dataset:
    """Puts ids and lengths in the place of caption strings."""

    def tokenize(batch: dict[str, tf.Tensor]) -> dict[str, object]:
        def ids(captions: tf.Tensor) -> dict[str, tf.Tensor]:
            tokens = tokenizer(captions)
            return {"ids": tokens["ids"], "length": tokens["length"]}

        return {
            "image": batch["image"],
            "label": batch["label"],
            "tokens": ids(batch["caption"]),
            "mismatched_tokens": ids(batch["mismatched_caption"]),
        }

    return dataset.map(tokenize)


def distributed(
    dataset: tf.data.Dataset, strategy: tf.distribute.Strategy
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """Gives every replica its rows of the global batch: the first replica the first rows.

    Args:
      dataset: global batches, the same in every process.
      strategy: its replicas divide the rows evenly.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return dataset.prefetch(tf.data.AUTOTUNE)

    def of_this_process(context: tf.distribute.InputContext) -> tf.data.Dataset:
        local = replicas // context.num_input_pipelines
        first = context.input_pipeline_id * local

        def own(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            rows = batch["image"].shape[0] // replicas

            def parts(tensor: tf.Tensor) -> tf.Tensor:
                shape = tf.concat([[replicas, rows], tf.shape(tensor)[1:]], axis=0)
                split = tf.reshape(tensor, shape)[first : first + local]
                return tf.ensure_shape(split, [local, rows, *tensor.shape[1:]])

            return tf.nest.map_structure(parts, batch)

        split = dataset.map(own)
        return split.unbatch().prefetch(tf.data.AUTOTUNE)

    return strategy.distribute_datasets_from_function(of_this_process)
