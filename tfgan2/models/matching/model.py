"""Matching models: a text encoder and an image encoder with one contrastive loss.

DAMSM: Xu et al. 2018, "AttnGAN: Fine-Grained Text to Image Generation with Attentional Generative
Adversarial Networks", section 3.2. SJE: Reed et al. 2016, "Learning Deep Representations of
Fine-Grained Visual Descriptions", section 3.1. Losses and learning rates follow the published
codes. Differences: the image encoder is trained (or is Inception-v3, also for SJE); DAMSM's
gradients are clipped over both encoders, not over the text encoder only, and its Adam
keeps its state after every epoch; SJE's batches are random, not of 40 different classes, and its
learning rate falls after every epoch. Rows of one class, or with the same words, are never negative
pairs.
"""

import abc
import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.augment import Augmentation
from tfgan2.adversarial.ema import EMA
from tfgan2.adversarial.multi_update import MultiUpdateModel
from tfgan2.adversarial.updates import Logs, LossInputs, Update
from tfgan2.models.layers.blocks import DType
from tfgan2.models.matching.image_encoders import InceptionImageEncoder, SmallImageEncoder
from tfgan2.models.matching.options import MatchingOptions
from tfgan2.text.encoders import make_encoder

CLIPPED_NORM = 0.25
# DAMSM's gamma_1 (attention), gamma_2 (mean over words) and gamma_3 (cross-entropy).
GAMMA_ATTENTION, GAMMA_WORDS, GAMMA_MATCH = 4.0, 5.0, 10.0
MARGIN = 1.0
NEVER = -1e9


class Matching(MultiUpdateModel):
    """Base of matching models: two encoders, one loss, one update, no generator and no EMA."""

    compares_regions: ClassVar[bool]
    smallest_rate: ClassVar[float]

    def __init__(
        self,
        options: MatchingOptions,
        *,
        image_channels: int,
        vocabulary_size: int,
        ema: EMA,
        dtype: DType = "float32",
    ) -> None:
        """Builds the encoders; arguments as for `MatchingAwareGAN`; `ema` gives the batch size."""
        super().__init__(name=type(self).__name__.lower(), seed=options.seed, ema=ema)
        self.options = options
        self.augmentation = Augmentation(translation_px=options.augment_translation_px)
        self.text_encoder = make_encoder(options, vocabulary_size=vocabulary_size, dtype=dtype)
        if options.image_encoder == "inception_v3":
            self.image_encoder = InceptionImageEncoder(
                code_size=options.sentence_size, with_regions=self.compares_regions, dtype=dtype
            )
        else:
            self.image_encoder = SmallImageEncoder(
                options,
                image_channels=image_channels,
                with_regions=self.compares_regions,
                dtype=dtype,
            )

    @property
    def updates(self) -> tuple[Update, ...]:
        """One update of both encoders."""
        networks, optimizer = [self.text_encoder, self.image_encoder], self.optimizers["matching"]
        return (Update("matching", self.matching_loss, networks, optimizer, needs_generated=False),)

    @abc.abstractmethod
    def matching_loss(self, inputs: LossInputs) -> tuple[tf.Tensor, Logs]:
        """Contrastive loss of the rows' own pairs against the other pairs of the batch."""

    @abc.abstractmethod
    def similarity_codes(self, codes: tf.Tensor) -> tf.Tensor:
        """Codes [B, D] of images or sentences whose inner products are similarities."""

    def encode_images(self, images: tf.Tensor) -> tf.Tensor:
        """Similarity codes [B, D] of images, float32 [B, S, S, C] in [-1, 1]."""
        return self.similarity_codes(self.image_encoder(images)[1])

    def encode_captions(self, tokens: dict[str, tf.Tensor]) -> tf.Tensor:
        """Similarity codes [B, D] of captions, ids [B, T] and length [B]."""
        return self.similarity_codes(self.text_encoder(tokens))

    def learning_rate(self, images_per_epoch: int) -> "EpochDecay":
        """The learning rate schedule, which falls after every epoch."""
        return EpochDecay(
            start=self.options.matching_learning_rate,
            decay=self.options.matching_learning_rate_decay,
            smallest=self.smallest_rate,
            steps_per_epoch=max(1, images_per_epoch // self.ema.batch_size),
        )

    def encoded(self, inputs: LossInputs) -> tuple[tf.Tensor | None, tf.Tensor]:
        """Regions [B, R, D], or None, and codes [B, D] of images, shifted if augmentation is on."""
        image = self.augmentation(
            inputs.batch["image"], inputs.noise, name="image", probability=1.0
        )
        return self.image_encoder(image, training=True)


class DAMSM(Matching):
    """DAMSM: attention of words over image regions, and cosine of sentence and image."""

    compares_regions = True
    smallest_rate = 0.1

    def make_optimizers(self, images_per_epoch: int) -> dict[str, keras.optimizers.Optimizer]:
        """Adam with clipped gradients, as published."""
        rate = self.learning_rate(images_per_epoch)
        return {"matching": keras.optimizers.Adam(rate, 0.5, 0.999, global_clipnorm=CLIPPED_NORM)}

    def similarity_codes(self, codes: tf.Tensor) -> tf.Tensor:
        """Codes of length 1, whose inner products are cosines."""
        return tf.math.l2_normalize(codes, axis=1)

    def matching_loss(self, inputs: LossInputs) -> tuple[tf.Tensor, Logs]:
        """Cross-entropies of the word and the sentence similarities, each in both directions."""
        batch, tokens = inputs.batch, inputs.batch["tokens"]
        values = tokens["ids"].shape[1] * self.options.word_embedding_size
        draws = inputs.noise.uniform("dropout", values)
        words, sentences = self.text_encoder.words_and_sentence(tokens, dropout=draws)
        regions, codes, words, sentences = all_rows(*self.encoded(inputs), words, sentences)
        length, label, ids = all_rows(tokens["length"], batch["label"], tokens["ids"])
        same = same_class(label, ids)
        of_words = cross_entropies(GAMMA_MATCH * word_similarities(words, length, regions), same)
        cosines = tf.matmul(
            self.similarity_codes(codes), self.similarity_codes(sentences), transpose_b=True
        )
        of_sentences = cross_entropies(GAMMA_MATCH * cosines, same)
        loss = of_words + of_sentences
        return loss, {"loss": loss, "words": of_words, "sentences": of_sentences}


class SJE(Matching):
    """SJE: a margin between the scores of an image with its own and with other captions."""

    compares_regions = False
    smallest_rate = 0.0

    def make_optimizers(self, images_per_epoch: int) -> dict[str, keras.optimizers.Optimizer]:
        """RMSprop, as published, with Keras's default decay."""
        return {"matching": keras.optimizers.RMSprop(self.learning_rate(images_per_epoch))}

    def similarity_codes(self, codes: tf.Tensor) -> tf.Tensor:
        """The unchanged codes: scores are inner products."""
        return codes

    def matching_loss(self, inputs: LossInputs) -> tuple[tf.Tensor, Logs]:
        """Structured joint embedding loss, in both directions."""
        batch = inputs.batch
        _, codes = self.encoded(inputs)
        sentences = self.text_encoder(batch["tokens"])
        codes, sentences = all_rows(codes, sentences)
        same = same_class(*all_rows(batch["label"], batch["tokens"]["ids"]))
        loss = structured_joint_embedding(codes, sentences, same)
        return loss, {"loss": loss}


@dataclasses.dataclass(frozen=True, kw_only=True)
class EpochDecay(keras.optimizers.schedules.LearningRateSchedule):
    """start * max(decay ** epoch, smallest): a learning rate that falls after every epoch."""

    start: float
    decay: float
    smallest: float
    steps_per_epoch: int

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Learning rate at a step."""
        epoch = tf.floor(tf.cast(step, tf.float32) / self.steps_per_epoch)
        return self.start * tf.maximum(tf.pow(self.decay, epoch), self.smallest)

    def get_config(self) -> dict[str, float]:
        """Arguments of the constructor."""
        return dataclasses.asdict(self)


def all_rows(*tensors: tf.Tensor) -> Sequence[tf.Tensor]:
    """Gathers tensors [rows of this replica, ...] over all replicas, in the order of the rows.

    Every replica compares all rows with all rows, so the number of replicas does not change the
    loss.
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return tensors
    return [context.all_gather(tensor, axis=0) for tensor in tensors]


def same_class(label: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
    """Marks pairs of different rows with the same label or the same words.

    Args:
      label: int64 [B]; -1: no label.
      ids: word or character ids; int32 [B, T].

    Returns:
      bool [B, B].
    """
    labels = tf.logical_and(label[:, tf.newaxis] == label, label >= 0)
    words = tf.reduce_all(ids[:, tf.newaxis] == ids, axis=2)
    rows = tf.eye(tf.shape(label)[0], dtype=tf.bool)
    return tf.logical_and(tf.logical_or(labels, words), tf.logical_not(rows))


def word_similarities(words: tf.Tensor, length: tf.Tensor, regions: tf.Tensor) -> tf.Tensor:
    """Attention-driven matching score of every caption's words with every image's regions.

    Args:
      words: float32 [B, T, D], 0 at padded steps.
      length: number of words of each caption; int32 [B].
      regions: float32 [N, R, D].

    Returns:
      Scores, float32 [N, B], images by captions.

    Source: AttnGAN, equations 7 to 10.
    """
    real = tf.sequence_mask(length, words.shape[1])
    scores = tf.einsum("nrd,btd->nbrt", regions, words)
    of_words = tf.nn.softmax(tf.where(real[tf.newaxis, :, tf.newaxis, :], scores, NEVER), axis=3)
    attention = tf.nn.softmax(GAMMA_ATTENTION * of_words, axis=2)
    contexts = tf.einsum("nbrt,nrd->nbtd", attention, regions)
    cosines = tf.reduce_sum(
        tf.math.l2_normalize(contexts, axis=3) * tf.math.l2_normalize(words, axis=2), axis=3
    )
    # Count the padding of a caption without words, so its logarithm stays finite.
    counted = tf.logical_or(real, length[:, tf.newaxis] == 0)
    return tf.reduce_logsumexp(tf.where(counted, GAMMA_WORDS * cosines, NEVER), axis=2)


def cross_entropies(similarities: tf.Tensor, same: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of image-to-caption matching plus cross-entropy of caption-to-image matching.

    Args:
      similarities: float32 [B, B], images by captions; positive pairs are on the diagonal.
      same: pairs to leave out; bool [B, B].

    Returns:
      float32 scalar.
    """
    logits = tf.where(same, NEVER, similarities)
    rows = tf.range(tf.shape(logits)[0])
    return sum(
        tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(rows, direction))
        for direction in (logits, tf.transpose(logits))
    )


def structured_joint_embedding(
    images: tf.Tensor, sentences: tf.Tensor, same: tf.Tensor
) -> tf.Tensor:
    """Hinge loss of every negative pair's score against the positive pair, in both directions.

    Args:
      images: codes of images; float32 [B, D].
      sentences: sentence embeddings; float32 [B, D].
      same: pairs that are not negative; bool [B, B].

    Returns:
      float32 scalar: sum divided by B squared, as in the published code.

    Source: Reed et al. 2016, "Learning Deep Representations of Fine-Grained Visual Descriptions",
      equations 4 and 5.
    """
    scores = tf.matmul(images, sentences, transpose_b=True)
    positive = tf.linalg.diag_part(scores)
    negative = tf.logical_not(tf.logical_or(same, tf.eye(tf.shape(scores)[0], dtype=tf.bool)))
    by_image = tf.nn.relu(MARGIN + scores - positive[:, tf.newaxis])
    by_caption = tf.nn.relu(MARGIN + scores - positive[tf.newaxis, :])
    hinges = tf.where(negative, by_image + by_caption, 0.0)
    return tf.reduce_sum(hinges) / tf.cast(tf.size(scores), tf.float32)
